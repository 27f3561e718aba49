import { inspect } from 'node:util';
import * as v from 'valibot';

const MAX_SHOWN_CHARACTERS = 80;
const MAX_SHOWN_ISSUES = 5;

/** What is wrong with an input: each field, its value and what was expected. `prefix` is where the input was found. */
export function sentenceOf(issues: readonly v.BaseIssue<unknown>[], prefix?: string): string {
  const clauses = issues.slice(0, MAX_SHOWN_ISSUES).map((issue) => clauseOf(issue, prefix));
  const more = issues.length - clauses.length;
  return `${clauses.join('; ')}${more > 0 ? `; and ${more} more` : ''}.`;
}

function clauseOf(issue: v.BaseIssue<unknown>, prefix: string | undefined): string {
  const field = cut([prefix, v.getDotPath(issue)].filter(Boolean).join('.')) || 'it';
  if (issue.expected === 'never') return `${field} is not a field that is known here`;
  // An object that lacks a key says which, in quotes; what would have been expected there it cannot say.
  if (issue.expected?.startsWith('"') && issue.input === undefined) return `${field} is missing`;
  return `${field} is ${issue.input === undefined ? 'missing' : shown(issue.input)}: ${issue.message}`;
}

/** A value as a sentence can hold it: short, whatever it is. */
export function shown(value: unknown): string {
  if (typeof value === 'number') return String(value); // JSON has no word for Infinity
  try {
    return cut(JSON.stringify(value) ?? String(value));
  } catch {
    return cut(inspect(value, { depth: 0 })); // too deep for JSON
  }
}

/**
 * Text with what cannot be seen written out: line breaks, escape sequences, changes of direction, halves of a character. Who
 * reads it in a terminal or a queue sees the words that were sent, and nothing that they do.
 */
export function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (it) => `\\u{${it.codePointAt(0)?.toString(16)}}`);
}

function cut(text: string): string {
  return text.length > MAX_SHOWN_CHARACTERS ? `${text.slice(0, MAX_SHOWN_CHARACTERS)}…` : text;
}
