import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import nspell from 'nspell';
import passive from 'passive-voice';
import { CODE, type Passage, passagesOf } from './passages.ts';

export interface Finding {
  readonly rule: string;
  readonly line: number;
  readonly text: string;
}

export const MAXIMUM_WORDS = 35;
/** Of the sentences of a page, in percent. Pages of fewer than 20 sentences are too short for a share. */
export const MAXIMUM_PASSIVE = 25;

const VERB = "is|are|was|were|has|have|had|does|do|did|can|cannot|could|will|would|may|might|must|\\w+n't";

/** What must not be said, and what to say. */
export const BANNED: readonly (readonly [RegExp, string])[] = [
  [
    new RegExp(
      `[,;:] for (it|they|he|she|we|you|this|there|nobody|(?:(?!that|which|who|whose|where|when|if)[\\w'’${CODE}-]+ ){1,6}?(${VERB}))\\b`,
      'i',
    ),
    'because',
  ],
  [/\b(tells?|telling|told)\b/i, 'report, say, show, notify'],
  [/\bnobody\b/i, 'no one'],
  [/\bsomebody\b/i, 'someone, or who'],
  [/\bmend(s|ed|ing)?\b/i, 'fix'],
  [/\banew\b/i, 'again'],
  [/\blately\b/i, 'recently'],
  [/\bis well\b/i, 'is normal'],
  [/\bfor (good|ever)\b/i, 'permanently, forever'],
  [/\bbut for\b/i, 'except for'],
  [/\bof whom\b|\bwhence\b|\bthither\b/i, 'a sentence of its own'],
  [/\b(is|are|was|were) to (?!be sure\b|(a|an|the|its|their|our)\b)[a-z]+/i, 'must, will'],
  [/\bnot[.;:]?$/i, 'a clause that does not end in "not"'],
];

/** What pages must not say, though code may. */
const BANNED_IN_PAGES: typeof BANNED = [[/\bparams?\b/i, 'setting']];

/** What `Intl.Segmenter` takes for one sentence: the items of a list, and a sentence that begins with code. */
const PARTS = new RegExp(`\\n\\s*- |(?=@throws)|(?<=[.?!])\\s+(?=${CODE})`);

const sentences = new Intl.Segmenter('en', { granularity: 'sentence' });
const words = new Intl.Segmenter('en', { granularity: 'word' });

const sentencesOf = (text: string) =>
  text
    .split(PARTS)
    .flatMap((part) => [...sentences.segment(part.replace(/\s+/g, ' '))].map(({ segment }) => segment.trim()));
const wordsOf = (sentence: string) =>
  [...words.segment(sentence)].flatMap(({ segment, isWordLike }) => (isWordLike || segment === CODE ? [segment] : []));

const dictionary = createRequire(import.meta.url).resolve('dictionary-en');
const speller = nspell(
  readFileSync(resolve(dictionary, '../index.aff')),
  readFileSync(resolve(dictionary, '../index.dic')),
);
speller.personal(readFileSync(resolve(import.meta.dirname, 'dictionary.txt'), 'utf8'));

/** A name of AWS or of the code, such as RunTask or SIGTERM, is no word of English. */
const isName = (word: string) => /[^a-z]/i.test(word) || /.[A-Z]/.test(word);

function misspelt(word: string): boolean {
  const stem = word.replace(/['’]s$/, '');
  return !isName(stem) && !speller.correct(stem);
}

function findingsIn(sentence: string, banned: typeof BANNED): Omit<Finding, 'line'>[] {
  const said = wordsOf(sentence);
  const repeated = [...sentence.matchAll(/(?<![\w-])([a-z]{2,}) \1(?![\w-])/g)];
  return [
    ...(said.length > MAXIMUM_WORDS ? [{ rule: 'length', text: `${said.length} words: ${sentence}` }] : []),
    ...banned.flatMap(([pattern, better]) => {
      const [match] = pattern.exec(sentence) ?? [];
      return match ? [{ rule: 'banned', text: `“${match}” (better: ${better}): ${sentence}` }] : [];
    }),
    ...said.filter(misspelt).map((word) => ({ rule: 'spelling', text: `“${word}”: ${sentence}` })),
    ...repeated.map(([twice]) => ({ rule: 'repeated', text: `“${twice}”: ${sentence}` })),
  ];
}

function tooPassive(path: string, passages: readonly Passage[]): Finding[] {
  if (!path.endsWith('.md')) return [];
  const all = passages.flatMap(({ text }) => sentencesOf(text));
  const share = Math.round((100 * all.filter((sentence) => passive(sentence).length > 0).length) / all.length);
  if (all.length < 20 || share <= MAXIMUM_PASSIVE) return [];
  return [
    { rule: 'passive', line: 1, text: `${share} % of the sentences are passive, more than ${MAXIMUM_PASSIVE} %` },
  ];
}

/** What breaks a rule in a file, by its path and its text. */
export function findings(path: string, text: string): Finding[] {
  const passages = passagesOf(path, text);
  const banned = path.endsWith('.md') ? [...BANNED, ...BANNED_IN_PAGES] : BANNED;
  const each = passages.flatMap(({ line, text: passage }) =>
    sentencesOf(passage).flatMap((sentence) => findingsIn(sentence, banned).map((finding) => ({ ...finding, line }))),
  );
  return [...each, ...tooPassive(path, passages)];
}
