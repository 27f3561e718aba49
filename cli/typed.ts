/** What is typed on the command line: checked before anything is asked of AWS. */

import { readFile } from 'node:fs/promises';
import * as v from 'valibot';
import { operatorMessage } from '../src/adapters/continuation.ts';
import { instanceId } from '../src/adapters/schemas.ts';
import { UsageError } from './common.ts';

/** @throws UsageError if one is not the id of an instance. */
export function instanceIdsIn(typed: readonly string[]): string[] {
  for (const text of typed) {
    if (v.is(instanceId, text)) continue;
    throw new UsageError(`${text} is not the id of an EC2 instance, such as i-0123456789abcdef0.`);
  }
  return [...new Set(typed)];
}

const SECONDS = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** `90s`, `45m`, `2h`, `1d`. */
export function secondsIn(option: string, typed: string): number {
  const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(typed) ?? [];
  if (count === undefined) throw new UsageError(`${option} ${typed} is not a time such as 90s, 45m, 2h or 1d.`);
  return Number(count) * SECONDS[unit as keyof typeof SECONDS];
}

/** @throws UsageError if it is too long, or has characters that cannot be seen. */
export function checkMessage(typed: string | undefined): void {
  if (typed === undefined || v.is(operatorMessage, typed)) return;
  throw new UsageError('--message takes 1 to 256 characters, without line breaks and control characters.');
}

/**
 * The text of a file that was named; `option` is what named it.
 * @throws UsageError if it cannot be read.
 */
export async function textIn(path: string, option?: string): Promise<string> {
  return readFile(path, 'utf8').catch(({ code, message }: NodeJS.ErrnoException) => {
    const why = code === 'ENOENT' ? 'there is no such file' : message;
    throw new UsageError(`${option === undefined ? '' : `${option} `}${path} cannot be read: ${why}.`);
  });
}
