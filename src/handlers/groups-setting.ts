/**
 * The setting autoScalingGroups: names and patterns, separated by commas, each with `@cluster` if it has a cluster of its own.
 * A backslash takes the next character as it is, so that a name may have `*`, `@`, a comma or a backslash.
 */

import * as v from 'valibot';
import { clusterName } from '../adapters/schemas.ts';
import { type GroupChoice, groupNamed } from '../domain/groups.ts';

/** Without a colon (facts 93 group-names). */
const LONGEST_NAME = 255;

/** EventBridge may refuse a pattern with more as too complex (facts 92 pattern-wildcards). */
const MOST_WILDCARDS = 2;

const EXPECTED = 'the name (not the ARN) of an Auto Scaling group, a pattern such as web-*, or either with @cluster';

/** The items of a list, still with their backslashes. */
export function itemsIn(list: string): string[] {
  const items = [''];
  for (const symbol of symbolsIn(list)) {
    if (symbol === ',') items.push('');
    else items.push(`${items.pop()}${symbol}`);
  }
  return items.map((item) => item.trimStart().replace(/(?<!\\)\s+$/, ''));
}

/** An item of the list. */
export const group = v.pipe(
  v.string(`expected ${EXPECTED}`),
  v.rawTransform<string, GroupChoice>(({ dataset, addIssue, NEVER }) => {
    const choice = groupIn(dataset.value);
    if (typeof choice !== 'string') return choice;
    addIssue({ message: `expected ${choice}` });
    return NEVER;
  }),
);

/** The group or groups that the item chooses, or what was expected instead. */
function groupIn(item: string): GroupChoice | string {
  const symbols = symbolsIn(item);
  const at = symbols.indexOf('@');
  const [named, cluster] = at < 0 ? [symbols, undefined] : [symbols.slice(0, at), symbols.slice(at + 1).join('')];
  if (cluster !== undefined && !v.is(clusterName, cluster)) return EXPECTED;
  if (named.length === 0 || named.length > LONGEST_NAME || named.some(isForbidden)) return EXPECTED;
  const parts = partsOf(named);
  if (parts.slice(1, -1).includes('')) return 'a pattern without ** in it: EventBridge refuses two * beside each other';
  if (parts.length - 1 > MOST_WILDCARDS) {
    return `a pattern with ${MOST_WILDCARDS} * at most: EventBridge may refuse more as too complex`;
  }
  const [name = '', ...others] = parts;
  return others.length === 0 ? groupNamed(name, cluster) : { text: named.join(''), parts, cluster };
}

/** The characters of the text; one that a backslash escapes comes together with it. */
function symbolsIn(text: string): string[] {
  return text.match(/\\?[\s\S]/gu) ?? [];
}

function isForbidden(symbol: string): boolean {
  return symbol === '\\' || /[\p{Cc}:]/u.test(symbol);
}

/** What is between the wildcards, without the backslashes. */
function partsOf(symbols: readonly string[]): string[] {
  const parts = [''];
  for (const symbol of symbols) {
    if (symbol === '*') parts.push('');
    else parts.push(`${parts.pop()}${symbol.replace(/^\\/, '')}`);
  }
  return parts;
}
