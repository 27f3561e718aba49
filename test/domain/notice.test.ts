import { describe, expect, it } from 'vitest';
import { runDrain } from '../../src/domain/run-drain.ts';
import { drainOf, fakeAws, POLICY, START_MS } from '../fakes.ts';

/** EC2 may take the instance; Auto Scaling holds nothing, and knows of nothing. */
const noticed = drainOf({
  action: { notice: 'spot-interruption', instanceId: 'i-0123456789abcdef0', token: 'event' },
});
const endless = { id: 'web', stopsAtSeconds: Infinity };

/** The names of what was asked of Auto Scaling. */
const askedOfAutoScaling = ({ calls }: ReturnType<typeof fakeAws>) =>
  calls
    .map(({ name }) => name)
    .filter((name) =>
      ['hookLimits', 'heldInstances', 'terminatingSinceMs', 'recordHeartbeat', 'complete'].includes(name),
    );

describe('a drain on a notice', () => {
  it('of an instance that is in none of the clusters is none of ours, and nobody is told', async () => {
    const aws = fakeAws({ instances: [] });
    expect(await runDrain(noticed, POLICY, aws.ports(300))).toEqual({ kind: 'not-ours' });
    expect(aws.announced).toEqual([]);
    expect(askedOfAutoScaling(aws)).toEqual([]);
  });

  it('of an instance that went while it was drained is over', async () => {
    const aws = fakeAws({ instances: [] });
    const result = await runDrain({ ...noticed, continuations: 1 }, POLICY, aws.ports(300));
    expect(result).toEqual({ kind: 'finished', outcome: { kind: 'gone', clusters: ['prod'] } });
  });

  it.each([
    ['as its last task stops', { ...endless, stopsAtSeconds: 60 }, { kind: 'drained' }],
    ['as EC2 takes the instance', endless, { kind: 'timed-out', deadlineAtMs: START_MS + 120_000 }],
  ])('ends %s, and asks nothing of Auto Scaling', async (_, task, outcome) => {
    const aws = fakeAws({ tasks: [task], heldInstances: ['i-00000000000000001'] });
    expect(await runDrain(noticed, POLICY, aws.ports(300))).toMatchObject({ kind: 'finished', outcome });
    expect(aws.announced.at(-1)?.news).toMatchObject({ kind: 'finished', outcome });
    expect(askedOfAutoScaling(aws)).toEqual([]);
    expect(aws.callsNamed('setDraining')).toHaveLength(1);
  });
});
