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

/** How a service writes a character that is no wildcard; without one of them. */
const NO_LITERALS = /(?!)()/;

/**
 * A pattern with `*` for any characters and, where the service has it, `?` for one. The group of `literal` is a character that
 * is taken as it is.
 */
export function wildcards(pattern: string, { single = true, literal = NO_LITERALS } = {}): Matches {
  const symbols = pattern.matchAll(new RegExp(`${literal.source}|(${single ? '[*?]' : '[*]'})|([^*?\\\\$]+|[^])`, 'g'));
  const expression = [...symbols]
    .map(([, taken, wildcard, text]) =>
      wildcard === undefined ? RE2JS.quote(taken ?? text ?? '') : wildcard === '*' ? '.*' : '.',
    )
    .join('');
  return regularExpression(expression) ?? (() => false);
}
