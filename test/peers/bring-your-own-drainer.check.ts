import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { rehearse } from '../../sandbox/rehearsal.ts';
import { judged } from './judged.ts';
import { install } from './python.ts';

const missing = await install();
if (missing !== undefined) console.warn(`Skipped: boto3 cannot be installed: ${missing}`);

const RUNNER = resolve(import.meta.dirname, '../../examples/bring-your-own-drainer/run.py');
const COUNTING = resolve(import.meta.dirname, 'count_drainer.py');

const drainedByCount = (scenario: string, ...options: string[]) =>
  judged(['--scenario', scenario, '--notify', 'sns'], [RUNNER, COUNTING, ...options]);

describe.skipIf(missing !== undefined)('a drain function in Python, run by the example', () => {
  it('is seen to kill the tasks that no count has any more, in minutes of virtual time', async () => {
    const { result } = await drainedByCount('book');
    expect(result).toMatchObject({ drainer: 'external', instancesTerminated: 1, tasksKilled: 2 });
    const [drain] = result.drains;
    expect(drain).toMatchObject({ outcome: 'CONTINUE', continuations: 0 });
    expect(drain?.seconds).toBeGreaterThan(60);
    expect(result.wallSeconds).toBeLessThan(result.virtualSeconds / 5);
  });

  it('makes the calls of the book’s function as it is modeled here, in the same seconds except for a few', async () => {
    // Its own finds the instance with one call less.
    const [{ result }, modeled] = await Promise.all([
      drainedByCount('rolling-update'),
      rehearse({ scenario: 'rolling-update', drainer: 'book', seed: 1 }),
    ]);
    const of = ({ drains }: Pick<typeof result, 'drains'>) =>
      drains.map(({ instanceId, outcome, continuations }) => ({ instanceId, outcome, continuations }));
    expect(of(result)).toEqual(of(modeled));
    for (const [i, { seconds, apiCalls }] of result.drains.entries()) {
      expect(Math.abs(seconds / (modeled.drains[i]?.seconds ?? 0) - 1)).toBeLessThan(0.03);
      expect(Math.abs(apiCalls - (modeled.drains[i]?.apiCalls ?? 0))).toBeLessThanOrEqual(4);
    }
    expect(result.tasksKilled).toBe(modeled.tasksKilled);
  });

  it('has the time limit of a function: it publishes its message again when that is near, and goes on', async () => {
    const { result } = await drainedByCount('rolling-update', '--timeout', '120');
    expect(result.drains[0]?.continuations).toBeGreaterThanOrEqual(3);
    expect(result.drains[0]?.outcome).toBe('CONTINUE');
  });

  it('is tried again twice when it fails, as Lambda does', async () => {
    // Its events come without SNS around them.
    const { result, complaints } = await judged(['--scenario', 'book', '--notify', 'sqs'], [RUNNER, COUNTING]);
    expect(result.drains).toMatchObject([{ outcome: 'left to the hook’s timeout', continuations: 2 }]);
    expect(complaints).toContain("KeyError: 'Sns'");
  });
});
