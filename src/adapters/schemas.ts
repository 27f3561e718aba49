/** Schemas of what AWS and we put into events and settings, and sentences about what does not match them. */

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
 * Text with what cannot be seen written out: line breaks, escape sequences, changes of direction, halves of a character. So
 * the text cannot act on the terminal that shows it.
 */
export function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (it) => `\\u{${it.codePointAt(0)?.toString(16)}}`);
}

function cut(text: string): string {
  return text.length > MAX_SHOWN_CHARACTERS ? `${text.slice(0, MAX_SHOWN_CHARACTERS)}…` : text;
}

/** The value that the text is the JSON of; undefined where it is none. */
export function jsonIn(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A name of 1 to 255 characters; `what` is what the sentence calls it. */
export function name(what: string) {
  return v.pipe(
    v.string(`expected ${what}`),
    v.minLength(1, `expected ${what}`),
    v.maxLength(255, `expected ${what}, 255 characters at most`),
  );
}

/** ECS: up to 255 letters, digits, hyphens and underscores. */
export const clusterName = matching(/^[\w-]{1,255}$/, 'the name (not the ARN) of an ECS cluster');
export const instanceId = matching(/^i-([0-9a-f]{8}|[0-9a-f]{17})$/, 'an EC2 instance id such as i-0123456789abcdef0');
/** A host of ECS Anywhere, which Systems Manager has given its id: it may be in the same cluster. */
export const externalInstanceId = matching(/^mi-[0-9a-f]{17}$/, 'the id of an external instance');
export const token = matching(
  /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i,
  'a lifecycle action token of 36 characters',
);
export const count = v.pipe(
  v.number('expected a count'),
  v.integer('expected a count'),
  v.minValue(0, 'expected a count'),
);
export const instantMs = numberBetween(0, 8.64e15, 'epoch milliseconds');

/** The ARN of an ECS resource. */
function arnOf(type: string, resource: RegExp, what: string) {
  const pattern = new RegExp(`^arn:[\\w-]{1,20}:ecs:[\\w-]{1,30}:\\d{12}:${type}/${resource.source}$`);
  return matching(pattern, `the ARN of ${what}`);
}

/** The resource of a task or container instance: an id, in a cluster except for the old short ARNs. */
const inCluster = /([\w-]{1,255}\/)?[\w-]{1,64}/;

export const clusterArn = arnOf('cluster', /[\w-]{1,255}/, 'a cluster');
export const containerInstanceArn = arnOf('container-instance', inCluster, 'a container instance');
export const taskArn = arnOf('task', inCluster, 'a task');

/** The last part of an ARN. */
export function nameInArn(arn: string): string {
  return arn.slice(arn.lastIndexOf('/') + 1);
}

/** An object with these fields and no others. */
export function record<const E extends v.ObjectEntries>(entries: E) {
  return v.strictObject(entries, 'expected an object');
}

export function numberBetween(min: number, max: number, unit: string) {
  const message = `expected ${unit} from ${min} to ${max}`;
  return v.pipe(v.number(message), v.minValue(min, message), v.maxValue(max, message));
}

export function matching(pattern: RegExp, expected: string) {
  const message = `expected ${expected}`;
  return v.pipe(v.string(message), v.regex(pattern, message));
}
