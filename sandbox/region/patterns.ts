import { RE2JS } from 're2js';

/** Patterns that callers send: RE2 matches them in a time that grows with the text alone, and no pattern stops the Region. */
export type Matches = (text: string) => boolean;

const compiled = new Map<string, Matches>();
/** Callers may send ever new ones. */
const KEPT = 1_000;

/** A regular expression that has to match the whole text; undefined if it is not valid. */
export function regularExpression(pattern: string): Matches | undefined {
  const known = compiled.get(pattern);
  if (known) return known;
  try {
    const expression = RE2JS.compile(pattern, RE2JS.DOTALL);
    const matches: Matches = (text) => expression.matches(text);
    if (compiled.size >= KEPT) compiled.clear();
    compiled.set(pattern, matches);
    return matches;
  } catch {
    return undefined;
  }
}

/** A pattern with `*` for any characters and, where the service has it, `?` for one. */
export function wildcards(pattern: string, { single = true } = {}): Matches {
  const parts = pattern.split(single ? /([*?])/ : /(\*)/);
  const expression = parts
    .map((part) => (part === '*' ? '.*' : single && part === '?' ? '.' : RE2JS.quote(part)))
    .join('');
  return regularExpression(expression) ?? (() => false);
}
