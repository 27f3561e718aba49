import { describe, expect, it } from 'vitest';
import { scenarioOf, type Trial } from '../../bench/contest.ts';
import { drainerNamed, UsageError } from '../../sandbox/command-line.ts';
import { AwsError } from '../../sandbox/region/aws-error.ts';
import { NO_FAULTS } from '../../sandbox/region/faults.ts';
import { rehearse, stage } from '../../sandbox/rehearsal.ts';
import { BENCHMARKED, type Benchmarked, DRAINERS, type DrillResult } from '../../sandbox/result.ts';
import { CLUSTER, fleetOf, SCENARIOS, type Scenario } from '../../sandbox/scenarios.ts';
import { fatesOf } from './tasks.ts';

const FUNCTIONS = ['cdk', 'widdix', 'getsocial'] as const;
const RIVALS = [...FUNCTIONS, 'managed-draining'] as const;

/** Half the tasks are behind a load balancer that takes its leave for two minutes. */
const fewInstances = fleetOf({ instances: 6, terminated: 2, tasks: 24 });

const run = (drainer: Benchmarked, variant: Scenario) => rehearse({ scenario: 'fleet', variant, drainer, seed: 1 });

const outcomesOf = ({ drains }: DrillResult<Benchmarked>) => drains.map(({ outcome }) => outcome);

function invocationsOf({ events }: DrillResult<Benchmarked>, what: 'started' | 'failed') {
  return events.filter((event) => event.kind === 'invocation').filter((event) => event.what === what);
}

/** The same, but Auto Scaling's first event comes again. */
function comesAgain(scenario: Scenario, afterSeconds: number): Scenario {
  return {
    ...scenario,
    begin: (region, instanceIds) => {
      const { eventBridge, time } = region;
      let repeated = false;
      eventBridge.putRule({
        name: 'again',
        pattern: { source: ['aws.autoscaling'] },
        target: (event) => {
          if (!repeated) time.after(afterSeconds, () => eventBridge.publish(event as never));
          repeated = true;
        },
      });
      scenario.begin(region, instanceIds);
    },
  };
}

describe('the rivals', () => {
  it('can be named on the command line, beside the three that a report compares', () => {
    expect(BENCHMARKED).toEqual([...DRAINERS, ...RIVALS]);
    for (const drainer of BENCHMARKED) expect(drainerNamed(drainer)).toBe(drainer);
    expect(() => drainerNamed('hope')).toThrow(UsageError);
  });

  it.each([
    ['ecs-drain', 256],
    ['book', 128],
    ['cdk', 128],
    ['widdix', 128],
    ['getsocial', 128],
  ] as const)(
    '%s is billed for the %i MB of its source',
    async (drainer, memoryMb) => {
      const { installed, close } = await stage({ scenario: 'book', drainer, seed: 1 }, () => {});
      close();
      expect(installed.lambda?.memoryMb).toBe(memoryMb);
    },
    60_000,
  );

  it.each(RIVALS)('the same seed number gives %s the same result', async (drainer) => {
    const { wallSeconds: _, ...once } = await run(drainer, fewInstances);
    const { wallSeconds: __, ...again } = await run(drainer, fewInstances);
    expect(again).toEqual(once);
  });

  it.each(['cdk', 'getsocial'] as const)(
    '%s waits until each task that it listed has stopped, including those that were DEACTIVATING',
    async (drainer) => {
      const result = await run(drainer, fewInstances);
      expect(outcomesOf(result)).toEqual(['CONTINUE', 'CONTINUE']);
      expect(result.tasksKilled).toBe(0);
    },
  );

  it.each(FUNCTIONS)('%s kills the tasks that were DEACTIVATING before it came', async (drainer) => {
    const result = await run(drainer, {
      ...SCENARIOS['long-drain'],
      jobs: [],
      begin: ({ autoScaling, ecs, time }, [first = '']) => {
        ecs.updateService(CLUSTER, 'web', { desiredCount: 0 });
        time.after(5, () => autoScaling.terminateInstance(first));
      },
    });
    expect(outcomesOf(result)).toEqual(['CONTINUE']);
    expect(fatesOf(result)).toEqual(['DEACTIVATING', 'DEACTIVATING']);
  });
});

describe('a daemon service', () => {
  const killedBy = async (drainer: Benchmarked, kind: Trial['kind']) => {
    const { events } = await run(drainer, { ...scenarioOf({ kind, instances: 1, tasksAnInstance: 10 }), params: {} });
    return events.flatMap((event) => (event.kind === 'task' && event.killed ? [event.group] : []));
  };
  const TEN = Array(10).fill('service:web');

  it('saves the tasks beside it from the book’s function, whose count stays above 0 until ECS stops the daemon', async () => {
    expect(await killedBy('book', '6 minutes')).toEqual(TEN);
    expect(await killedBy('book', '6 minutes with a daemon')).toEqual([]);
  });

  it('saves them from widdix too, which kills the daemon itself as soon as ECS begins to stop it', async () => {
    expect(await killedBy('widdix', '6 minutes')).toEqual(TEN);
    expect(await killedBy('widdix', '6 minutes with a daemon')).toEqual(['service:log-router']);
  });

  it('saves no one by the other reading of facts 12 draining-rules, where it stops with the replicas', async () => {
    for (const drainer of ['book', 'widdix'] as const) {
      expect(await killedBy(drainer, '6 minutes with a daemon that leaves at once')).toEqual(TEN);
    }
  });
});

describe('facts 77 boto3-retries: boto3', () => {
  /** Where ECS throttles every call: how long the first invocation waited before each of its attempts, after the first. */
  async function waitsOf(drainer: 'book' | 'cdk', params: Scenario['params']): Promise<number[]> {
    const throttled = new AwsError('ThrottlingException', 'Rate exceeded', 400);
    const variant: Scenario = {
      ...fewInstances,
      params,
      faults: () => ({ ...NO_FAULTS, failing: ({ service }) => (service === 'ecs' ? throttled : undefined) }),
    };
    const { region, startMs, begin, close } = await stage({ scenario: 'fleet', variant, drainer, seed: 1 }, () => {});
    try {
      begin();
      await region.time.runUntil(() => region.time.nowMs() > startMs + 50_000); // before Lambda's own retry
    } finally {
      close();
    }
    const attempts = region.calls.filter(({ service }) => service === 'ecs');
    const first = attempts.filter(({ fiber }) => fiber === attempts[0]?.fiber);
    return first.slice(1).map(({ atMs }, i) => (atMs - (first[i]?.atMs ?? 0)) / 1000);
  }

  it.each([
    ['standard', {}, [1, 2]],
    ['legacy', { retries: 'legacy' }, [1, 2, 4, 8]],
  ] as const)('%s retries wait a random part of so many seconds when throttled', async (_, params, most) => {
    for (const drainer of ['book', 'cdk'] as const) {
      const waits = await waitsOf(drainer, params);
      expect(waits).toHaveLength(most.length);
      const latency = 0.06;
      for (const [i, wait] of waits.entries()) expect(wait).toBeLessThanOrEqual((most[i] ?? 0) + latency);
      // A part of a tenth of that, as after other errors, would be less.
      expect(Math.max(...waits)).toBeGreaterThan(0.2 + latency);
    }
  });
});

describe('cdk', () => {
  it('with a drainTime of 15 minutes, as documented, sees a drain of six minutes to its end', async () => {
    const result = await run('cdk', { ...SCENARIOS.book, params: { drainTime: 900 } });
    expect(outcomesOf(result)).toEqual(['CONTINUE']);
    expect(result.tasksKilled).toBe(0);
  });

  it('sends no heartbeat: a drain of more than five minutes is left to the hook’s timeout', async () => {
    const result = await run('cdk', SCENARIOS.book);
    expect(result.drains).toMatchObject([{ outcome: 'left to the hook’s timeout', seconds: 300, heartbeats: 0 }]);
    expect(fatesOf(result)).toEqual(['DEACTIVATING', 'DEACTIVATING']);
  });

  it('swallows what Auto Scaling says when the hook has timed out', async () => {
    expect(invocationsOf(await run('cdk', SCENARIOS.book), 'failed')).toEqual([]);
  });

  it('completes too early when a notification comes again: what is DEACTIVATING by then is not on the second list', async () => {
    const result = await run('cdk', comesAgain(fewInstances, 90));
    expect(result.tasksKilled).toBeGreaterThan(0);
    expect(new Set(fatesOf(result))).toEqual(new Set(['DEACTIVATING']));
  });
});

describe('widdix', () => {
  it('believes the list of tasks with desired status RUNNING: those behind a load balancer are killed', async () => {
    const result = await run('widdix', SCENARIOS.book);
    expect(outcomesOf(result)).toEqual(['CONTINUE']);
    expect(fatesOf(result)).toEqual(['DEACTIVATING', 'DEACTIVATING']);
  });

  it('requeues and heartbeats through a long drain, a minute at a time, up to its ten minutes', async () => {
    const result = await run('widdix', SCENARIOS['long-drain']);
    const [drain] = result.drains;
    expect(drain).toMatchObject({ outcome: 'CONTINUE', heartbeats: 9, continuations: 10 });
    expect(drain?.seconds).toBeGreaterThanOrEqual(600);
    expect(drain?.seconds).toBeLessThan(660);
    expect(fatesOf(result)).toEqual(['RUNNING']);
  });

  it('with a longer DrainingTimeoutInSeconds is stopped by Lambda’s recursion detection, and its hook times out', async () => {
    const variant = { ...SCENARIOS['long-drain'], params: { DrainingTimeoutInSeconds: 86_400 } };
    const result = await run('widdix', variant);
    const [drain] = result.drains;
    expect(drain).toMatchObject({ outcome: 'left to the hook’s timeout' });
    expect(drain?.continuations).toBe(15);
    expect(fatesOf(result)).toEqual(['RUNNING']);
  });

  it('takes the instances one at a time, each look a message that is received, deleted and sent again', async () => {
    const { region, installed, startMs, begin, close } = await stage(
      { scenario: 'fleet', variant: fleetOf({ instances: 24, terminated: 20, tasks: 96 }), drainer: 'widdix', seed: 1 },
      () => {},
    );
    try {
      begin();
      await region.time.runUntil(() => region.time.nowMs() > startMs + 600_000);
    } finally {
      close();
    }
    const { peakConcurrency = 0, invocations = [] } = installed.lambda ?? {};
    expect(region.terminated.size).toBe(20);
    expect(peakConcurrency).toBe(1);
    expect(invocations.length).toBeGreaterThanOrEqual(40);
    const made = (operation: string) => region.calls.filter((call) => call.operation === operation);
    expect(made('SendMessage')).toHaveLength(invocations.length - 20); // the last of each instance completes
    expect(made('DeleteMessage')).toHaveLength(invocations.length);
    expect(new Set(made('ReceiveMessage').map(({ service, fiber }) => `${service} ${fiber}`))).toEqual(
      new Set(['sqs undefined']),
    );
  });

  it('fails on a stale token until the message has been received five times', async () => {
    const result = await run('widdix', comesAgain(fewInstances, 30));
    expect(invocationsOf(result, 'failed').map(({ message }) => message)).toEqual(
      Array(5).fill(expect.stringContaining('No active Lifecycle Action found')),
    );
  });
});

describe('getsocial', () => {
  it('completes at once when an event comes again: an instance that is DRAINING already has no task, it says', async () => {
    const result = await run('getsocial', comesAgain(SCENARIOS.standalone, 60));
    expect(outcomesOf(result)).toEqual(['CONTINUE']);
    expect(result.drains[0]?.seconds).toBeLessThan(70);
    expect(fatesOf(result)).toContain('RUNNING');
  });

  it('ends at its fifteen minutes, and leaves the instance to the hook', async () => {
    const result = await run('getsocial', SCENARIOS['long-drain']);
    expect(result.drains).toMatchObject([{ outcome: 'left to the hook’s timeout', seconds: 900, heartbeats: 0 }]);
    expect(fatesOf(result)).toEqual(['RUNNING']);
    expect(invocationsOf(result, 'failed').map(({ message }) => message)).toContain('Task timed out after 900 seconds');
  });

  it('kills tasks where a fleet at once is throttled: what Lambda tries again finds the instance DRAINING', async () => {
    const result = await run('getsocial', fleetOf({ instances: 60, terminated: 50, tasks: 500 }));
    expect(invocationsOf(result, 'failed').length).toBeGreaterThan(0);
    expect(result.drains).toHaveLength(50);
    expect(fatesOf(result).length).toBeGreaterThan(0);
  });
});

/** As far as AWS documents it; what is assumed is in docs/rivals.md. */
describe('ECS managed draining', () => {
  it.each(['30 seconds', '6 minutes', '6 minutes with a daemon', '40 minutes'] as const)(
    'waits for every task to stop in a drain of %s, however long it takes',
    async (kind) => {
      const variant = scenarioOf({ kind, instances: 1, tasksAnInstance: 10 });
      const { drains, tasksKilled } = await run('managed-draining', variant);
      expect(tasksKilled).toBe(0);
      expect(drains).toMatchObject([{ outcome: 'CONTINUE', apiCalls: 0, billedSeconds: 0 }]);
      expect(drains[0]?.slackSeconds).toBeLessThanOrEqual(30);
    },
  );

  it('has no deadline but Auto Scaling’s: it holds a drain that is stuck for 48 hours, and its tasks die', async () => {
    const { drains, tasksKilled } = await run('managed-draining', SCENARIOS.stuck);
    expect(drains).toMatchObject([{ outcome: 'left to the hook’s timeout', seconds: 172_800 }]);
    expect(tasksKilled).toBeGreaterThan(0);
  });
});
