/** How figures are said to people; a no-break space keeps a unit with its number. */

import { duration as inWords } from '../../src/adapters/duration.ts';

const SPACE = '\u00a0';

/** The same as in a terminal, with a no-break space before each unit. */
export function duration(seconds: number): string {
  return inWords(seconds).replace(/ (?=[a-z])/g, SPACE);
}

/** A number with at most one decimal, its thousands apart. */
export function figure(value: number): string {
  return value.toLocaleString('en-GB', { maximumFractionDigits: 1 });
}

export function percent(value: number): string {
  return `${figure(value)}${SPACE}%`;
}

/** `no task`, `1 task`, `24 tasks`. */
export function count(amount: number, noun: string): string {
  return `${amount === 0 ? 'no' : figure(amount)} ${noun}${amount === 0 || amount === 1 ? '' : 's'}`;
}

/** `minute 4.5` of a drill. */
export function minute(second: number): string {
  return `minute${SPACE}${figure(second / 60)}`;
}
