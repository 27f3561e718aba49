import { parse } from '@babel/parser';
import MarkdownIt from 'markdown-it';

/** A run of English: a paragraph or a cell of a page, a comment, or a string that a person reads. */
export interface Passage {
  readonly line: number;
  readonly kind: 'prose' | 'comment' | 'message';
  readonly text: string;
}

/** Stands in a passage for code, which is not English. */
export const CODE = '\uFFFC';

const markdown = new MarkdownIt({ html: true });

/** The tokens of a page, and of each paragraph in it, with the line where each starts. */
export function markdownTokens(page: string) {
  let line = 1;
  return markdown.parse(page, {}).flatMap((token) => {
    line = token.map ? token.map[0] + 1 : line;
    return [token, ...(token.children ?? [])].map((found) => ({ line, token: found }));
  });
}

function prosePassages(page: string): Passage[] {
  return markdownTokens(page).flatMap(({ line, token }) => {
    if (token.type !== 'inline') return [];
    const parts = (token.children ?? []).map(({ type, content }) => {
      if (type === 'text') return content;
      if (type === 'code_inline') return CODE;
      return type === 'softbreak' || type === 'html_inline' ? ' ' : '';
    });
    return [{ line, kind: 'prose' as const, text: parts.join('') }];
  });
}

/** Code in comments and messages has no mark everywhere, so its form is the mark: camelCase, paths, calls, options. */
const LOOKS_LIKE_CODE =
  /`[^`]*`|\{@link [^}]*\}|https?:\/\/\S+|--[\w-]+|%[a-z$]|\S*[a-z][A-Z_/]\w\S*?(?=[.,;:]*(\s|$))|\S*\w\.[a-z]\S*?(?=[.,;:]*(\s|$))|\S*[/_=(){}<>[\]]\S*?(?=[.,;:]*(\s|$))/g;
const withoutCode = (text: string) => text.replace(LOOKS_LIKE_CODE, CODE);

/** Comments on consecutive lines are one passage. */
function commentPassages(comments: readonly { text: string; line: number }[]): Passage[] {
  const joined: { line: number; next: number; text: string }[] = [];
  for (const { text, line } of comments) {
    const previous = joined.at(-1);
    const next = line + text.split('\n').length;
    const bare = text
      .replace(/^\s*\*+ ?/gm, '')
      .replace(/-{3,}/g, '')
      .trim();
    if (previous?.next === line) Object.assign(previous, { next, text: `${previous.text}\n${bare}` });
    else joined.push({ line, next, text: bare });
  }
  return joined
    .filter(({ text }) => !/^(!|biome-ignore|@ts-)/.test(text))
    .map(({ line, text }) => ({ line, kind: 'comment', text: withoutCode(text) }));
}

/** Whether a string is for a reader: it has three words, and is no program, no address and no command. */
function isEnglish(text: string): boolean {
  if (/[{};<>$]|^\s*(arn|aws|npx|npm)\b/.test(text)) return false;
  return (text.match(/(?<![\w./=-])[a-z]{2,}(?![\w./=-])/gi)?.length ?? 0) >= 3;
}

function messagePassages(node: unknown): Passage[] {
  if (Array.isArray(node)) return node.flatMap(messagePassages);
  if (!node || typeof node !== 'object') return [];
  const { type, loc, value, quasis } = node as {
    type?: string;
    loc: { start: { line: number } };
    value?: string;
    quasis?: { value: { cooked: string } }[];
  };
  if (type === 'ImportDeclaration') return [];
  const text = type === 'StringLiteral' ? value : quasis?.map((quasi) => quasi.value.cooked).join(CODE);
  const own: Passage[] =
    text && isEnglish(text) ? [{ line: loc.start.line, kind: 'message', text: withoutCode(text) }] : [];
  const children = Object.entries(node).filter(([key]) => !/Comments$|^loc$/.test(key));
  return [...own, ...children.flatMap(([, child]) => messagePassages(child))];
}

function programPassages(source: string): Passage[] {
  const { program, comments } = parse(source, { sourceType: 'unambiguous', plugins: ['typescript'] });
  const lines = (comments ?? []).map(({ value, loc }) => ({ text: value, line: loc?.start.line ?? 1 }));
  return [...commentPassages(lines), ...messagePassages(program)];
}

/** Comments, and in templates the descriptions, of which one may go on in deeper lines. */
function scriptPassages(source: string): Passage[] {
  const lines = source.split('\n');
  const comments = lines.flatMap((line, index) => {
    const text = /^\s*#(.*)/.exec(line)?.[1];
    return text === undefined ? [] : [{ text, line: index + 1 }];
  });
  const descriptions = [...source.matchAll(/^( *)\w*Description: (?:[>|]-?)?(.*(?:\n\1 +.*)*)/gm)].map(
    ({ index, 2: text = '' }): Passage => {
      return { line: source.slice(0, index).split('\n').length, kind: 'message', text: withoutCode(text) };
    },
  );
  return [...commentPassages(comments), ...descriptions];
}

export function passagesOf(path: string, text: string): Passage[] {
  if (path.endsWith('.md')) return prosePassages(text);
  return /\.[cm]?[jt]s$/.test(path) ? programPassages(text) : scriptPassages(text);
}
