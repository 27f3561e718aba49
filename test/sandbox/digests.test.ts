import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { ScenarioName } from '../../sandbox/scenarios.ts';
import { type Digests, digestsOf } from './digests.ts';

const SEED = 7;
/** The second one parks, heartbeats and is woken. */
const SCENARIOS: readonly ScenarioName[] = ['book', 'long-drain'];

async function inAnotherProcess(): Promise<Readonly<Record<string, Digests>>> {
  const program = resolve(import.meta.dirname, 'digests.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [program, String(SEED), ...SCENARIOS]);
  return JSON.parse(stdout);
}

async function inThisProcess(seed = SEED): Promise<Readonly<Record<string, Digests>>> {
  const digests: Record<string, Digests> = {};
  // One after the other: a drill takes over the globals of its process.
  for (const scenario of SCENARIOS) digests[scenario] = await digestsOf(scenario, seed);
  return digests;
}

describe('the same seed number', () => {
  it('gives the same trace, requests and answers, twice in a process and in another one', async () => {
    const elsewhere = inAnotherProcess();
    const first = await inThisProcess();
    expect(await inThisProcess()).toEqual(first);
    expect(await elsewhere).toEqual(first);
    for (const { requests } of Object.values(first)) expect(requests).toBeGreaterThan(5);

    const other = await inThisProcess(SEED + 1);
    for (const scenario of SCENARIOS) {
      expect(other[scenario]?.trace).not.toBe(first[scenario]?.trace);
      expect(other[scenario]?.exchanges).not.toBe(first[scenario]?.exchanges);
    }
  });
});
