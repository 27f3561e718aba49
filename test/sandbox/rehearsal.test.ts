import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { rehearse, stage } from '../../sandbox/rehearsal.ts';
import { DRAINERS, type Drainer, type DrillResult } from '../../sandbox/result.ts';
import { fleetOf, SCENARIOS, type Scenario, type ScenarioName } from '../../sandbox/scenarios.ts';
import { rowsUnder } from '../docs/tables.ts';
import { fatesOf, type TaskEvent, tasksOf } from './tasks.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const DRILL = resolve(ROOT, 'sandbox/drill.ts');
const SEED = 1;
/** A message waits a second for others to come in its batch, and its invocation may begin in a new container. */
const QUEUE_SECONDS = 3;
/**
 * The whole fleet takes a while: `npm run drill -- --scenario fleet`; a small one is below. Where an instance stays, or goes
 * without asking, nothing below holds: `auto-scaling-scenarios.test.ts` has those.
 */
const APART = ['fleet', 'managed-draining', 'spot-interruption', 'rebalance', 'root-volume', 'retained', 'warm-pool'];
const NAMES = (Object.keys(SCENARIOS) as ScenarioName[]).filter((name) => !APART.includes(name));
const EVERY_RUN = NAMES.flatMap((scenario) => DRAINERS.map((drainer) => [scenario, drainer] as const));

const results = new Map<string, DrillResult>();
/** What another process prints for the rolling update. Of ecs-drain digests.test.ts shows more, and without a drainer it is less. */
let elsewhere: string;

/** Each is rehearsed once, one after the other: a rehearsal takes over the process's globals while it goes on. */
beforeAll(async () => {
  const printed = printedElsewhere('book');
  for (const [scenario, drainer] of EVERY_RUN) {
    results.set(`${scenario} ${drainer}`, await rehearse({ scenario, drainer, seed: SEED }));
  }
  elsewhere = await printed;
});

async function printedElsewhere(drainer: Drainer): Promise<string> {
  const args = [DRILL, '--scenario', 'rolling-update', '--drainer', drainer, '--seed', String(SEED), '--json'];
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 1e9 });
  return stdout;
}

function run(scenario: ScenarioName, drainer: Drainer = 'ecs-drain'): DrillResult {
  return results.get(`${scenario} ${drainer}`) as DrillResult;
}

function rowOf({ memoryReservation, requestsLost }: DrillResult, killed: string): string[] {
  return [`${memoryReservation.min} %`, killed, requestsLost.toLocaleString('en')];
}

describe('the book’s result', () => {
  it('without a drain MemoryReservation falls to 0 %; with ecs-drain it never does', () => {
    expect(run('book', 'none').memoryReservation.min).toBe(0);
    expect(run('book', 'ecs-drain').memoryReservation.min).toBeGreaterThan(0);
  });

  it('the book’s function lets the instance go while its tasks are DEACTIVATING; ecs-drain kills none', () => {
    expect(fatesOf(run('book', 'book'))).toEqual(['DEACTIVATING', 'DEACTIVATING']);
    expect(fatesOf(run('book', 'none'))).toEqual(['RUNNING', 'RUNNING']);
    expect(fatesOf(run('book', 'ecs-drain'))).toEqual([]);
  });

  it('requests are lost where tasks are killed: all while no one serves', () => {
    const outage = run('book', 'none');
    const killedAt = found(tasksOf(outage, ({ killed }) => killed === true)[0]).second;
    const servedAgainAt = found(tasksOf(outage, ({ status, second }) => status === 'RUNNING' && second > 0)[0]).second;
    const requestsPerSecond = SCENARIOS.book.services[0]?.loadBalancer?.requestsPerSecond ?? 0;
    const shutdownSeconds = 10; // They serve until the shutdown has ended them (facts 64 termination-time).
    expect(outage.requestsLost).toBe(Math.round((servedAgainAt - killedAt - shutdownSeconds) * requestsPerSecond));
    expect(run('book', 'book').requestsLost).toBeGreaterThan(0);
    expect(run('book', 'book').requestsLost).toBeLessThan(outage.requestsLost);
    expect(run('book', 'ecs-drain').requestsLost).toBe(0);
  });

  it('is in README.md as it is', () => {
    const rows = rowsUnder(
      '| a rolling update replaces the only instance of a cluster | MemoryReservation falls to | tasks killed | requests lost |',
      readFileSync(resolve(ROOT, 'README.md'), 'utf8'),
    );
    expect(rows.map(([, ...figures]) => figures)).toEqual([
      rowOf(run('book', 'none'), '2 of 2, running'),
      rowOf(run('book', 'book'), '2 of 2, while the load balancer was deregistering them'),
      rowOf(run('book', 'ecs-drain'), '0'),
    ]);
    expect([run('book', 'none'), run('book', 'book')].map(({ tasksKilled }) => tasksKilled)).toEqual([2, 2]);
  });

  it('the book’s function never heartbeats: its hook times out under a long job, which is killed', () => {
    for (const scenario of ['long-drain', 'standalone'] as const) {
      const { drains, tasksKilled } = run(scenario, 'book');
      expect(drains).toMatchObject([{ outcome: 'left to the hook’s timeout', heartbeats: 0 }]);
      expect(tasksKilled).toBe(1);
    }
  });
});

describe('the table of scenarios in docs/rehearsal.md', () => {
  const rows = rowsUnder(
    '| scenario | what happens | with ecs-drain |',
    readFileSync(resolve(ROOT, 'docs/rehearsal.md'), 'utf8'),
  );

  it('has every scenario', () => {
    expect(rows.map(([name]) => name).toSorted()).toEqual(
      Object.keys(SCENARIOS)
        .map((name) => `\`${name}\``)
        .toSorted(),
    );
  });

  it.each(NAMES)('says how many tasks are killed in %s', (name) => {
    const cell = rows.find(([first]) => first === `\`${name}\``)?.[2] ?? '';
    expect(Number(/(\d+) tasks? killed/.exec(cell)?.[1] ?? 0)).toBe(run(name).tasksKilled);
  });
});

describe('with ecs-drain', () => {
  it.each([
    ['book', 1],
    ['rolling-update', 6],
    ['scale-in', 2],
    ['instance-refresh', 6],
    ['long-drain', 1],
    ['standalone', 1],
  ] as const)(
    '%s ends with each of its %i instances drained, no task killed and no request lost',
    (scenario, count) => {
      const { drains, instancesTerminated, tasksKilled, requestsLost } = run(scenario);
      expect(drains.map(({ outcome }) => outcome)).toEqual(Array(count).fill('drained'));
      expect({ instancesTerminated, tasksKilled, requestsLost }).toEqual({
        instancesTerminated: count,
        tasksKilled: 0,
        requestsLost: 0,
      });
    },
  );

  it('long-drain is kept by heartbeats, in time each, and handed from invocation to invocation', () => {
    const result = run('long-drain');
    const { heartbeatTimeoutSeconds } = SCENARIOS['long-drain'].params;
    const beats = result.events.filter((event) => event.kind === 'lifecycle').map(({ second }) => second);
    const gaps = beats.slice(1).map((second, i) => second - (beats[i] ?? 0));
    expect(Math.max(...gaps)).toBeLessThan(heartbeatTimeoutSeconds);
    const [drain] = result.drains;
    expect(drain?.seconds).toBeGreaterThan(2_400);
    expect(drain?.heartbeats).toBe(beats.length - 2);
    // No invocation may last longer than 300 s.
    expect(drain?.continuations).toBeGreaterThanOrEqual(8);
  });

  it('standalone waits until the job has finished by itself', () => {
    const result = run('standalone');
    const [job] = SCENARIOS.standalone.jobs;
    const end = found(
      tasksOf(result, ({ group, status }) => group === `family:${job.name}` && status === 'STOPPED')[0],
    );
    expect(end.second).toBeGreaterThan(job.runsForSeconds);
    expect(end.reason).toBe('Essential container in task exited');
    expect(completionsOf(result)[0]?.second).toBeGreaterThan(end.second);
  });

  it('stuck ends at its deadline, and the log names the tasks that held the instance', () => {
    const result = run('stuck');
    const { deadlineSeconds } = SCENARIOS.stuck.params;
    expect(result.drains).toMatchObject([{ outcome: 'timed-out' }]);
    expect(result.drains[0]?.seconds).toBeGreaterThanOrEqual(deadlineSeconds);
    expect(result.drains[0]?.seconds).toBeLessThan(deadlineSeconds + QUEUE_SECONDS);

    const killed = tasksOf(result, (task) => task.killed === true).map(({ taskId }) => taskId);
    expect(killed).toHaveLength(5);
    const said = logOf(result).find(({ outcome, level }) => outcome === 'timed-out' && level !== undefined);
    expect(said).toMatchObject({
      level: 'ERROR',
      killedTasks: killed.map((task) => ({ task, lastStatus: 'RUNNING' })),
    });
  });

  it('stuck says why: half-way, and again of the tasks that die', () => {
    const result = run('stuck');
    const explained = logOf(result).filter(({ blockers }) => blockers !== undefined);
    expect(explained.map(({ level, outcome }) => [level, outcome])).toEqual([
      ['WARN', undefined],
      ['ERROR', 'timed-out'],
    ]);
    for (const { blockers, message } of explained) {
      expect(blockers).toMatchObject([
        { group: 'service:web', causes: [{ cause: 'cannot-replace', desiredCount: 4, maximumPercent: 110 }] },
        {
          group: 'service:search',
          causes: [
            { cause: 'no-room', message: expect.stringContaining('has insufficient memory available') },
            { cause: 'protected', until: expect.any(String) },
          ],
        },
        { group: 'family:report', causes: [{ cause: 'standalone', startedBy: 'nightly-reports' }] },
        { group: 'service:log-router', causes: [{ cause: 'daemon-last' }] },
      ]);
      expect(message).toContain('2 tasks of service:web, RUNNING for');
    }
    const counted = logOf(result).filter((line) => 'BlockingTasks' in line);
    expect(counted.map(({ cause, BlockingTasks }) => [cause, BlockingTasks])).toEqual([
      ['cannot-replace', 2],
      ['no-room', 1],
      ['protected', 1],
      ['standalone', 1],
      ['daemon-last', 1],
    ]);
  });

  it('agent-lost gives up when the agent has been silent for its grace since the look that noticed it', () => {
    const result = run('agent-lost');
    expect(result.drains).toMatchObject([{ outcome: 'agent-lost' }]);
    const lost = result.events.find((event) => event.kind === 'container-instance' && !event.agentConnected);
    const graceSeconds = 900;
    const silence = (completionsOf(result)[0]?.second ?? 0) - (lost?.second ?? 0);
    expect(silence).toBeGreaterThanOrEqual(graceSeconds);
    // Silence matches no rule: a parked drain notices it at its next look, after nine minutes and a late schedule at most.
    expect(silence).toBeLessThan(graceSeconds + 540 + 60 + QUEUE_SECONDS);
  });

  it.each(NAMES)(
    '%s lets no instance go over a task that has not stopped, unless it says that it gave up',
    (scenario) => {
      const result = run(scenario);
      const outcomes = new Map(result.drains.map(({ instanceId, outcome }) => [instanceId, outcome]));
      for (const { instanceId, second } of completionsOf(result)) {
        const gaveUp = ['timed-out', 'agent-lost'].includes(outcomes.get(instanceId) ?? '');
        const tasks = [...tasksAt(result, second).values()].filter((task) => task.instanceId === instanceId);
        expect(tasks.length).toBeGreaterThan(0);
        expect(tasks.some(({ status }) => status !== 'STOPPED')).toBe(gaveUp);
      }
    },
  );

  it.each(NAMES)(
    '%s ends every drain before its deadline or at it, and leaves none to the hook’s timeout',
    (scenario) => {
      const params: Scenario['params'] = SCENARIOS[scenario].params;
      const { drains, events } = run(scenario);
      const deadlineSeconds = Number(params['deadlineSeconds'] ?? 7_200);
      for (const { seconds } of drains) expect(seconds).toBeLessThan(deadlineSeconds + QUEUE_SECONDS);
      expect(events.filter((event) => event.kind === 'lifecycle' && event.what === 'timed out')).toEqual([]);
    },
  );

  it('a fleet at once shares its calls: few are throttled, no task is killed and no hook times out', async () => {
    const variant = fleetOf({ instances: 60, terminated: 50, tasks: 500 });
    const { region, begin, close } = await stage(
      { scenario: 'fleet', variant, drainer: 'ecs-drain', seed: SEED },
      () => {},
    );
    try {
      begin();
      await region.time.runUntil(() => region.terminated.size === 50);
    } finally {
      close();
    }
    const throttled = region.calls.filter(({ failedWith }) => failedWith === 'ThrottlingException');
    expect(throttled.length).toBeLessThan(region.calls.length / 20);
    expect(region.killedTasks).toEqual([]);
    expect(region.autoScaling.completions.map(({ by }) => by)).toEqual(Array(50).fill('completion'));
  });
});

describe.each(EVERY_RUN)('%s with %s', (scenario, drainer) => {
  it('counts what its events report', () => {
    const { events, ...result } = run(scenario, drainer);
    const terminated = events.filter((event) => event.kind === 'instance' && event.state === 'Terminated');
    expect(result.instancesTerminated).toBe(terminated.length);
    expect(result.tasksKilled).toBe(fatesOf({ ...result, events }).length);
    const ended = (fate: string) => tasksOf({ events }, (task) => task.fate === fate).length;
    expect([ended('cut off'), ended('delayed SIGTERM')]).toEqual([result.tasksCutOff, result.tasksDelayedSigterm]);
    expect(result.tasksKilled).toBe(result.tasksCutOff + result.tasksDelayedSigterm + ended('unharmed'));
    const released = events.filter((event) => event.kind === 'lifecycle').filter(({ result }) => result !== undefined);
    expect(result.drains.map(({ instanceId }) => instanceId)).toEqual(released.map(({ instanceId }) => instanceId));
    expect(released).toHaveLength(drainer === 'none' ? 0 : result.instancesTerminated);
  });

  it('reports its events in order, after how everything stood', () => {
    const { events } = run(scenario, drainer);
    const seconds = events.map(({ second }) => second);
    expect(seconds).toEqual(seconds.toSorted((a, b) => a - b));
    const known = new Set<string>();
    for (const event of events) {
      if (event.kind !== 'task') continue;
      if (event.status === 'STOPPED') expect(known).toContain(event.taskId);
      known.add(event.taskId);
    }
  });

  it('has a MemoryReservation for each minute from 0 on', () => {
    const { memoryReservation, virtualSeconds } = run(scenario, drainer);
    const { min, series } = memoryReservation;
    expect(series.map(({ minute }) => minute)).toEqual(
      Array.from({ length: Math.floor(virtualSeconds / 60) + 1 }, (_, i) => i),
    );
    for (const { percent } of series) expect(percent >= 0 && percent <= 100).toBe(true);
    expect(min).toBe(Math.min(...series.map(({ percent }) => percent)));
  });

  it('has the documented fields, and no others', () => {
    const result = run(scenario, drainer);
    expect(Object.keys(result)).toEqual(
      'scenario seed drainer instancesTerminated tasksKilled tasksCutOff tasksDelayedSigterm requestsLost memoryReservation drains events virtualSeconds wallSeconds'.split(
        ' ',
      ),
    );
    expect(Object.keys(result.memoryReservation)).toEqual(['min', 'series']);
    for (const drain of result.drains) {
      expect(Object.keys(drain)).toEqual(
        'instanceId hook outcome seconds slackSeconds billedSeconds apiCalls heartbeats continuations'.split(' '),
      );
    }
  });
});

describe('the same scenario, drainer and seed number', () => {
  it.each(DRAINERS)('give the same bytes with %s, and another seed number others', async (drainer) => {
    const again = await rehearse({ scenario: 'rolling-update', drainer, seed: SEED });
    const other = await rehearse({ scenario: 'rolling-update', drainer, seed: SEED + 1 });
    expect(bytesOf(again)).toBe(bytesOf(run('rolling-update', drainer)));
    expect(bytesOf({ ...other, seed: SEED })).not.toBe(bytesOf(again));
  });

  it('give the same bytes in a process of its own', () => {
    expect(bytesOf(JSON.parse(elsewhere))).toBe(bytesOf(run('rolling-update', 'book')));
  });

  it('give the same bytes even if someone watches and prints', async () => {
    const written: unknown[] = [];
    const spy = vi.spyOn(process.stdout, 'write').mockImplementation((text) => written.push(text) > 0);
    const watched = await rehearse({
      scenario: 'book',
      drainer: 'ecs-drain',
      seed: SEED,
      onEvent: ({ kind }) => process.stdout.write(`${kind}\n`),
    }).finally(() => spy.mockRestore());
    expect(bytesOf(watched)).toBe(bytesOf(run('book')));
    expect(written).toEqual(watched.events.map(({ kind }) => `${kind}\n`));
  });
});

/** The latest event of each task before an instance was let go at that second, which kills them. */
function tasksAt(result: DrillResult, second: number): Map<string, TaskEvent> {
  const told = tasksOf(result, (task) => task.second < second || (task.second === second && !task.killed));
  return new Map(told.map((task) => [task.taskId, task]));
}

function completionsOf({ events }: DrillResult) {
  return events.filter((event) => event.kind === 'lifecycle').filter(({ what }) => what === 'completed');
}

function logOf({ events }: DrillResult) {
  return events.filter((event) => event.kind === 'log').map(({ line }) => line);
}

function found<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('Nothing of the kind happened.');
  return value;
}

/** All but how long it took. */
function bytesOf({ wallSeconds: _, ...result }: DrillResult): string {
  return JSON.stringify(result);
}
