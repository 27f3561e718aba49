import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics } from '@aws-lambda-powertools/metrics';
import { describe, expect, it, vi } from 'vitest';
import { powertoolsTelemetry } from '../../src/adapters/powertools-telemetry.ts';
import type { Decision } from '../../src/domain/decision.ts';
import type { Blocker, Explanation } from '../../src/domain/diagnose.ts';
import type { Drain, Outcome } from '../../src/domain/drain.ts';
import type { Returned } from '../../src/domain/mark.ts';
import type { Observation } from '../../src/domain/observation.ts';
import type { Telemetry, TelemetryEntry } from '../../src/domain/ports.ts';
import {
  CLUSTER,
  containerInstance,
  containerInstanceArn,
  drain,
  holdingTask,
  INSTANCE_ID,
  noticeDrain,
  supervisedDrain,
  taskArn,
} from './samples.ts';

/** What the telemetry writes to the process's own streams, where Lambda reads it, line by line. */
function linesOf(write: (telemetry: Telemetry) => void): Record<string, unknown>[] {
  const written: string[] = [];
  const capture = (chunk: unknown) => written.push(String(chunk)) > 0;
  const spies = [process.stdout, process.stderr].map((stream) => vi.spyOn(stream, 'write').mockImplementation(capture));
  try {
    write(
      powertoolsTelemetry(
        new Logger({ serviceName: 'ecs-drain' }),
        new Metrics({ namespace: 'EcsDrain', serviceName: 'ecs-drain' }),
      ),
    );
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
  // EMF and our queries want one object of pure JSON on each line.
  return written.flatMap((text) => text.trimEnd().split('\n')).map((line) => JSON.parse(line));
}

/** The lines of one entry: the log line, and those of metrics if it has any. */
function linesFor(entry: TelemetryEntry, of: Drain = drain) {
  const lines = linesOf((telemetry) => telemetry.record(of, entry));
  return { log: lines.find((line) => 'message' in line) ?? {}, emf: lines.filter((line) => '_aws' in line), lines };
}

interface Definition {
  readonly Namespace: string;
  readonly Dimensions: readonly (readonly string[])[];
  readonly Metrics: readonly { readonly Name: string; readonly Unit: string }[];
}

/** What CloudWatch extracts from an EMF line: the definitions and the values they point to. */
function extracted(emf: Readonly<Record<string, unknown>>) {
  const [definition, ...others] = (emf['_aws'] as { CloudWatchMetrics: Definition[] }).CloudWatchMetrics;
  expect(others).toEqual([]);
  if (!definition) throw new Error('no metrics are defined');
  const { Namespace: namespace, Dimensions: dimensionSets, Metrics: metrics } = definition;
  return {
    namespace,
    dimensionSets: dimensionSets.map((set) => set.toSorted()),
    units: Object.fromEntries(metrics.map(({ Name, Unit }) => [Name, Unit])),
    values: Object.fromEntries(metrics.map(({ Name }) => [Name, emf[Name]])),
  };
}

const SECOND = 1000;
const finishedAtMs = drain.startedAtMs + 600 * SECOND;
const killedTasks = [holdingTask(), holdingTask({ arn: taskArn(2), class: 'standalone', group: 'family:migrate' })];

const outcomes = {
  drained: { kind: 'drained', lastTaskStoppedAtMs: finishedAtMs - 4 * SECOND },
  gone: { kind: 'gone', clusters: [CLUSTER, 'staging'], lastSeen: undefined },
  'timed-out': { kind: 'timed-out', deadlineAtMs: finishedAtMs - SECOND, result: 'ABANDON', killedTasks },
  'agent-lost': {
    kind: 'agent-lost',
    disconnectedSinceMs: drain.startedAtMs + 60 * SECOND,
    result: 'CONTINUE',
    killedTasks,
  },
  'already-completed': {
    kind: 'already-completed',
    lastSeen: { tasks: [], atMs: finishedAtMs - 9 * SECOND, haveStopped: false },
  },
} satisfies { readonly [K in Outcome['kind']]: Outcome };

const finished = (outcome: Outcome): TelemetryEntry => ({ kind: 'finished', outcome, finishedAtMs });
const everyOutcome = Object.values(outcomes).map((outcome): [string, Outcome] => [outcome.kind, outcome]);

const seen: Observation = {
  kind: 'seen',
  containerInstances: [containerInstance(1, { status: 'DRAINING' })],
  tasks: {
    holding: [holdingTask({ lastStatus: 'DEACTIVATING', stopRequested: true })],
    lastStoppedAtMs: undefined,
    listedAtMs: drain.startedAtMs,
  },
  searchedAtMs: undefined,
};
const absent: Observation = { kind: 'absent', clusters: [CLUSTER] };
const look: Decision = { kind: 'look', scope: { registrations: 'known', tasks: 'known' } };

describe('a log line', () => {
  const entries: [string, TelemetryEntry][] = [
    ['a decision', { kind: 'decided', decision: look, observation: seen }],
    ['a failure that passes', { kind: 'refused', doing: 'complete', reason: 'Rate exceeded' }],
    ...everyOutcome.map(([kind, outcome]): [string, TelemetryEntry] => [kind, finished(outcome)]),
  ];

  it.each(entries)('says whose drain it is: %s', (_, entry) => {
    expect(linesFor(entry).log).toMatchObject({
      service: 'ecs-drain',
      drainId: drain.action.token,
      instanceId: INSTANCE_ID,
      autoScalingGroup: 'web',
      lifecycleHook: 'ecs-drain',
      cluster: CLUSTER,
    });
  });

  it('names the notice of a drain that has neither group nor hook', () => {
    const { log } = linesFor({ kind: 'refused', doing: 'park', reason: 'Rate exceeded' }, noticeDrain);
    expect(log).toMatchObject({
      drainId: noticeDrain.notice.token,
      instanceId: INSTANCE_ID,
      notice: 'spot-interruption',
    });
    expect(log).not.toHaveProperty('autoScalingGroup');
    expect(log).not.toHaveProperty('lifecycleHook');
  });

  it('says that ECS drains, and that we only watch', () => {
    const { log } = linesFor({ kind: 'decided', decision: look, observation: absent }, supervisedDrain);
    expect(log).toMatchObject({ supervised: 'true', lifecycleHook: supervisedDrain.action.lifecycleHook });
  });

  it('says that the cluster is not known yet', () => {
    const entry: TelemetryEntry = { kind: 'decided', decision: look, observation: absent };
    expect(linesFor(entry, { ...drain, cluster: undefined }).log).toMatchObject({ cluster: 'unknown' });
  });

  it('is about its own drain when an invocation works on many', () => {
    const other = { ...drain, action: { ...drain.action, instanceId: 'i-0fedcba9876543210' }, cluster: 'staging' };
    const lines = linesOf((telemetry) => {
      telemetry.record(drain, { kind: 'refused', doing: 'complete', reason: 'Rate exceeded' });
      telemetry.record(other, { kind: 'refused', doing: 'complete', reason: 'Rate exceeded' });
    });
    expect(lines).toMatchObject([
      { instanceId: INSTANCE_ID, cluster: CLUSTER },
      { instanceId: 'i-0fedcba9876543210', cluster: 'staging' },
    ]);
  });
});

describe('a decision', () => {
  const decided = (decision: Decision, observation: Observation | undefined) =>
    linesFor({ kind: 'decided', decision, observation }).log;

  it('completes no lifecycle action where there is none', () => {
    const { log } = linesFor(
      { kind: 'decided', decision: { kind: 'complete', verdict: outcomes.drained }, observation: seen },
      noticeDrain,
    );
    expect(log).toMatchObject({ message: 'Ending the drain: drained; holding tasks: 1' });
  });

  it('names the tasks that hold the instance, for people and for queries', () => {
    expect(decided(look, seen)).toMatchObject({
      level: 'INFO',
      message: 'Looking at the container instance and its tasks; holding tasks: 1',
      decision: 'look',
      observation: 'seen',
      holdingTasks: [
        {
          task: taskArn().split('/').at(-1),
          class: 'service',
          group: 'service:web',
          lastStatus: 'DEACTIVATING',
          stopRequested: true,
        },
      ],
    });
  });

  it.each([
    [{ kind: 'complete', verdict: outcomes.gone }, 'Completing the lifecycle action: gone'],
    [{ kind: 'set-draining' }, 'Setting the container instance to DRAINING'],
    [look, 'Looking at the container instance and its tasks'],
    [{ kind: 'read-hook' }, 'Reading how long the lifecycle hook holds the instance'],
    [{ kind: 'verify-start' }, 'Comparing the start of the drain with the one that Auto Scaling knows'],
    [
      { kind: 'stop-tasks', tasks: killedTasks },
      'Stopping 2 tasks ahead of the deadline, early enough for the stop timeout',
    ],
    [{ kind: 'heartbeat' }, 'Recording a heartbeat'],
    [{ kind: 'hand-over' }, 'Handing over to the next invocation'],
    [{ kind: 'leave' }, 'Leaving the event on its queue, which brings it again: nothing can be sent there now'],
    [{ kind: 'park', untilMs: finishedAtMs, on: 'both' }, 'Parking until 2026-03-01T09:10:00Z at the latest'],
    [
      { kind: 'announce', event: 'started', deadlineAtMs: finishedAtMs },
      'Waiting, until 2026-03-01T09:10:00Z at the latest',
    ],
    [{ kind: 'announce', event: 'stuck', deadlineAtMs: finishedAtMs }, 'Publishing that the drain is stuck'],
  ] satisfies [Decision, string][])('is described in words: %o', (decision, message) => {
    expect(decided(decision, absent)).toMatchObject({
      level: 'INFO',
      message,
      decision: decision.kind,
      observation: 'absent',
    });
  });

  it.each<[string, Observation | undefined]>([
    ['before the first observation', undefined],
    ['before the tasks were listed', { ...seen, tasks: undefined }],
  ])('names no tasks %s', (_, observation) => {
    const line = decided(look, observation);
    expect(line).toMatchObject({ message: 'Looking at the container instance and its tasks', decision: 'look' });
    expect(line['observation']).toBe(observation?.kind);
    expect(line).not.toHaveProperty('holdingTasks');
  });

  it('is a warning, with the reason, when AWS did not answer', () => {
    expect(decided(look, { kind: 'unavailable', reason: 'Could not find it: Rate exceeded' })).toMatchObject({
      level: 'WARN',
      message: 'ECS or Auto Scaling did not answer: trying again later',
      reason: 'Could not find it: Rate exceeded',
    });
  });

  it('names the tasks that are known and those that it stops, though ECS refuses to list the others', () => {
    const observation: Observation = { kind: 'unavailable', reason: 'Rate exceeded', partial: seen };
    expect(decided({ kind: 'stop-tasks', tasks: killedTasks }, observation)).toMatchObject({
      level: 'WARN',
      message:
        'Stopping 2 tasks ahead of the deadline, early enough for the stop timeout. ECS or Auto Scaling did not answer: trying again later',
      reason: 'Rate exceeded',
      holdingTasks: [{ task: expect.any(String) }],
    });
  });

  it('is a warning, with the reason, when AWS did not do what was asked', () => {
    const { log, emf } = linesFor({
      kind: 'refused',
      doing: 'complete',
      reason: 'Could not set it to DRAINING: Rate exceeded',
    });
    expect(log).toMatchObject({ level: 'WARN', reason: 'Could not set it to DRAINING: Rate exceeded' });
    expect(emf).toEqual([]);
  });

  it('has no metric', () => {
    expect(linesFor({ kind: 'decided', decision: look, observation: seen }).emf).toEqual([]);
  });
});

describe('what else is recorded', () => {
  it.each<[TelemetryEntry, level: string, words: RegExp, fields: object]>([
    [{ kind: 'superseded' }, 'INFO', /^Another delivery of the same event has parked this drain/, {}],
    [
      { kind: 'corrected', claimedStartAtMs: finishedAtMs },
      'WARN',
      /^The start in the event cannot be true/,
      { claimedStart: '2026-03-01T09:10:00.000Z' },
    ],
    [
      { kind: 'found', lost: 'event' },
      'WARN',
      /^Nothing continued this drain because its event was lost/,
      { lost: 'event' },
    ],
    [
      { kind: 'found', lost: 'continuation' },
      'WARN',
      /because its continuation was lost: it continues now$/,
      { lost: 'continuation' },
    ],
    [{ kind: 'managed-draining' }, 'WARN', /^ECS managed draining holds .* turn it off on the capacity provider/, {}],
    [
      { kind: 'refused', doing: 'park', reason: 'Rate exceeded' },
      'WARN',
      /^AWS did not do this: park$/,
      { decision: 'park', reason: 'Rate exceeded' },
    ],
  ])('is a line of its own: %o', (entry, level, words, fields) => {
    const { log } = linesFor(entry);
    expect(log).toMatchObject({ level, message: expect.stringMatching(words), ...fields });
  });

  it('is counted where a drain was lost: an alarm watches for it', () => {
    expect(linesFor({ kind: 'found', lost: 'event' }).emf.map(extracted)).toMatchObject([
      { dimensionSets: [['service']], units: { LostDrainsFound: 'Count' }, values: { LostDrainsFound: 1 } },
    ]);
    expect(linesFor({ kind: 'superseded' }).emf).toEqual([]);
  });
});

describe('an instance that has returned to service', () => {
  const returned: Returned = {
    instanceId: INSTANCE_ID,
    containerInstance: { arn: containerInstanceArn(), cluster: CLUSTER },
    autoScalingGroup: 'web',
    trigger: 'lifecycle-action',
    drainingSinceMs: Date.parse('2026-03-01T09:00:00Z'),
    returnedAtMs: Date.parse('2026-03-01T09:06:00Z'),
  };
  const about = {
    instanceId: INSTANCE_ID,
    autoScalingGroup: 'web',
    trigger: 'lifecycle-action',
    cluster: CLUSTER,
    drainingSince: '2026-03-01T09:00:00.000Z',
    returnedAt: '2026-03-01T09:06:00.000Z',
  };

  it('is a line and a metric', () => {
    const [log = {}, emf = {}, ...others] = linesOf((telemetry) => telemetry.recordReturn(returned));
    expect(log).toMatchObject({ level: 'INFO', message: expect.stringMatching(/^Returned to service: /), ...about });
    expect(extracted(emf)).toMatchObject({ dimensionSets: [['service']], values: { ReturnedToService: 1 } });
    expect(others).toEqual([]);
  });

  it('is a warning and no second count where the bus did not take the event', () => {
    const [log, ...others] = linesOf((telemetry) => telemetry.recordReturn(returned, 'throttled'));
    expect(log).toMatchObject({ level: 'WARN', reason: 'throttled', ...about });
    expect(others).toEqual([]);
  });
});

describe('a look at a drain', () => {
  const looked: TelemetryEntry = { kind: 'looked', deadlineUsedPercent: 42.5 };

  it('is a metric over all drains, and no log line', () => {
    const { emf, lines } = linesFor(looked);
    expect(emf.map(extracted)).toEqual([
      {
        namespace: 'EcsDrain',
        dimensionSets: [['service']],
        units: { DeadlineUsed: 'Percent' },
        values: { DeadlineUsed: 42.5 },
      },
    ]);
    expect(lines).toEqual(emf);
  });

  it('carries the keys of its drain for queries of the log, and leaves none to the drains that end after it', () => {
    expect(linesFor(looked).emf).toMatchObject([
      {
        service: 'ecs-drain',
        drainId: drain.action.token,
        instanceId: INSTANCE_ID,
        autoScalingGroup: 'web',
        lifecycleHook: 'ecs-drain',
        cluster: CLUSTER,
      },
    ]);
    const both = linesOf((telemetry) => {
      telemetry.record(drain, looked);
      telemetry.record(drain, finished(outcomes.drained));
    });
    const ends = both.filter((line) => 'Drains' in line);
    expect(ends).toHaveLength(2);
    for (const end of ends) expect(end).not.toHaveProperty('drainId');
  });
});

describe('the end of a drain', () => {
  const ended = (outcome: Outcome) => linesFor(finished(outcome)).log;

  it.each([
    ['drained', 'INFO', 'Drained: every task has stopped'],
    ['gone', 'WARN', 'the instance has no live registration in prod, staging'],
    ['timed-out', 'ERROR', 'Timed out: 2 tasks had not stopped at the deadline, '],
    ['agent-lost', 'ERROR', 'Agent lost: the ECS agent of the instance has been disconnected since '],
    [
      'already-completed',
      'INFO',
      'Already completed: someone else completed the lifecycle action, its hook timed out, or the hook or its group was deleted; no task held the instance when it was seen last, 9 s ago',
    ],
  ] as const)('has a level that fits its outcome: %s', (kind, level, words) => {
    const line = ended(outcomes[kind]);
    expect(line).toMatchObject({ level, outcome: kind, durationSeconds: 600, continuations: 1, heartbeats: 2 });
    expect(line['message']).toContain(words);
  });

  it('ends its sentence where ECS was not asked about the tasks', () => {
    expect(ended(outcomes['timed-out'])['message']).toMatch(/ \(result ABANDON\)$/);
  });

  const twoTasks = { tasks: killedTasks, atMs: finishedAtMs - 180 * SECOND, haveStopped: false };
  const lastSeenTasks = [1, 2].map((n) => ({ task: taskArn(n).split('/').at(-1), cluster: CLUSTER }));

  it.each<[string, Outcome, string]>([
    [
      'the action was completed',
      { kind: 'already-completed', lastSeen: twoTasks },
      'Already completed: someone else completed the lifecycle action, its hook timed out, or the hook or its group was deleted; 2 tasks held the instance when it was seen last, 3 min ago; it is not known whether they had stopped',
    ],
    [
      'the registration went',
      { kind: 'gone', clusters: [CLUSTER], lastSeen: twoTasks },
      'Gone: the instance has no live registration in prod; 2 tasks held the instance when it was seen last, 3 min ago; it is not known whether they had stopped',
    ],
    [
      'the action was completed, and they were seen stopped afterwards',
      { kind: 'already-completed', lastSeen: { ...twoTasks, haveStopped: true } },
      'Already completed: someone else completed the lifecycle action, its hook timed out, or the hook or its group was deleted; 2 tasks held the instance 3 min ago and have stopped since; it is not known whether before the instance was let go',
    ],
  ])('is a warning, with the tasks seen last and their age, where %s while tasks held it', (_, outcome, message) => {
    expect(ended(outcome)).toMatchObject({ level: 'WARN', message, lastSeenTasks });
  });

  it.each<[string, Outcome, string, string]>([
    [
      'was completed',
      { kind: 'already-completed', lastSeen: undefined },
      'INFO',
      'Already completed: someone else completed the lifecycle action, its hook timed out, or the hook or its group was deleted; it is not known whether tasks were on the instance',
    ],
    [
      'is of an instance in no cluster',
      outcomes.gone,
      'WARN',
      'it is not known whether tasks were on the instance. If a cluster should have one, check the setting cluster for its name',
    ],
  ])('says that nothing is known of the tasks when the action %s before they were seen', (_, outcome, level, words) => {
    const line = ended(outcome);
    expect(line).toMatchObject({ level, message: expect.stringContaining(words) });
    expect(line).not.toHaveProperty('lastSeenTasks');
  });

  it.each(['timed-out', 'agent-lost'] as const)(
    'does not say that a drain on a notice completed anything: %s',
    (kind) => {
      expect(linesFor(finished(outcomes[kind])).log['message']).toContain('(result ');
      expect(linesFor(finished(outcomes[kind]), noticeDrain).log['message']).not.toMatch(/result|complete/);
    },
  );

  it('counts no heartbeats of a drain on a notice', () => {
    expect(linesFor(finished(outcomes.drained), noticeDrain).log).toMatchObject({ heartbeats: 0, continuations: 0 });
  });

  it.each(['timed-out', 'agent-lost'] as const)('names each task that was killed: %s', (kind) => {
    expect(ended(outcomes[kind])).toMatchObject({
      killedTasks: [
        { class: 'service', group: 'service:web', lastStatus: 'RUNNING', stopRequested: false },
        { class: 'standalone', group: 'family:migrate', lastStatus: 'RUNNING', stopRequested: false },
      ],
    });
  });

  it.each(['timed-out', 'agent-lost'] as const)(
    'warns that the tasks run on where EC2 has only recommended to rebalance the instance: %s',
    (kind) => {
      const spared: Outcome = { ...outcomes[kind], killedTasks: [], sparedTasks: killedTasks };
      expect(ended(spared)).toMatchObject({
        level: 'WARN',
        message: expect.stringMatching(/2 tasks (had|may) not .*Nothing was killed: EC2 has recommended/),
        killedTasks: [],
        holdingTasks: [{ group: 'service:web' }, { group: 'family:migrate' }],
      });
      expect(linesFor(finished(spared), noticeDrain).emf[0]).toMatchObject({ TasksKilledAtDeadline: 0 });
      const tasks = { cluster: CLUSTER, group: 'service:web', class: 'service', tasks: killedTasks } as const;
      const explanation: Explanation = {
        atMs: finishedAtMs,
        blockers: [{ ...tasks, causes: [{ kind: 'starting' }] }],
        unknown: [],
      };
      const explained = { kind: 'finished', outcome: spared, finishedAtMs, explanation } as const;
      expect(linesFor(explained, noticeDrain).emf.flatMap(({ cause }) => cause ?? [])).toEqual([]);
      expect(linesFor({ ...explained, outcome: outcomes[kind] }).emf.flatMap(({ cause }) => cause ?? [])).not.toEqual(
        [],
      );
    },
  );

  it('says when the deadline was, and since when the agent was silent', () => {
    expect(ended(outcomes['timed-out'])).toMatchObject({ deadlineAt: '2026-03-01T09:09:59.000Z' });
    expect(ended(outcomes['agent-lost'])).toMatchObject({ agentDisconnectedSince: '2026-03-01T09:01:00.000Z' });
  });
});

describe('why a drain is stuck', () => {
  const explanation: Explanation = {
    atMs: drain.startedAtMs + 40 * 60 * SECOND,
    blockers: [
      {
        cluster: CLUSTER,
        group: 'service:web',
        class: 'service',
        tasks: [holdingTask(), holdingTask({ arn: taskArn(2) })],
        causes: [{ kind: 'protected', untilMs: finishedAtMs }, { kind: 'starting' }],
      },
      {
        cluster: CLUSTER,
        group: 'family:migrate',
        class: 'standalone',
        tasks: [holdingTask({ arn: taskArn(3) })],
        causes: [{ kind: 'starting' }],
      },
      {
        cluster: CLUSTER,
        group: 'service:api',
        class: 'service',
        tasks: [holdingTask({ arn: taskArn(4) })],
        causes: [],
      },
    ],
    unknown: ['Could not ask: Rate exceeded'],
  };
  const stuck: TelemetryEntry = { kind: 'stuck', deadlineAtMs: finishedAtMs, explanation };
  const blockers = [
    { group: 'service:web', causes: [{ cause: 'protected' }, { cause: 'starting' }] },
    { group: 'family:migrate', causes: [{ cause: 'starting' }] },
    { group: 'service:api', causes: [] },
  ];

  it('is a warning: what holds the instance, why, and what is not known, for people and for queries', () => {
    const { log } = linesFor(stuck);
    expect(log).toMatchObject({
      level: 'WARN',
      instanceId: INSTANCE_ID,
      deadlineAt: '2026-03-01T09:10:00.000Z',
      blockers,
      unknown: explanation.unknown,
    });
    expect(log['message']).toBe(
      'Stuck: the tasks may hold the instance until the deadline, 2026-03-01T09:10:00Z. 2 tasks of service:web, RUNNING for 38 min: scale-in protection is on until 2026-03-01T09:10:00Z; startup has not finished. What to do: wait until the protection ends, or turn it off; wait, or find out why the task does not start. 1 task of family:migrate, RUNNING for 38 min: startup has not finished. What to do: wait, or find out why the task does not start. 1 task of service:api, RUNNING for 38 min: AWS reports no cause. What to do: check the events of the service and the health of its tasks. Not everything is known. Could not ask: Rate exceeded',
    );
  });

  it('is shortened in words where it is long', () => {
    const many = Array.from({ length: 7 }, () => explanation.blockers[2] as Blocker);
    const { log } = linesFor({ ...stuck, explanation: { ...explanation, blockers: many, unknown: [] } });
    expect(log['message']).toMatch(/health of its tasks\. And 2 more\.$/);
    expect(log['blockers']).toHaveLength(7);
  });

  it('carries the keys of its drain, for queries of the log', () => {
    expect(linesFor(stuck).emf[0]).toMatchObject({ drainId: drain.action.token, instanceId: INSTANCE_ID });
  });

  it('is counted: the drain, and its tasks by cause', () => {
    const metrics = linesFor(stuck).emf.map((line) => ({ ...extracted(line), cause: line['cause'] }));
    const byCause = { dimensionSets: [['cause', 'service']], units: { BlockingTasks: 'Count' } };
    expect(metrics).toMatchObject([
      { dimensionSets: [['service']], units: { StuckDrains: 'Count' }, values: { StuckDrains: 1 } },
      { ...byCause, cause: 'protected', values: { BlockingTasks: 2 } },
      { ...byCause, cause: 'starting', values: { BlockingTasks: 3 } },
      { ...byCause, cause: 'unknown', values: { BlockingTasks: 1 } },
    ]);
  });

  it.each(['timed-out', 'agent-lost'] as const)('is part of an end that kills tasks: %s', (kind) => {
    const { log, emf } = linesFor({ kind: 'finished', outcome: outcomes[kind], finishedAtMs, explanation });
    expect(log).toMatchObject({ level: 'ERROR', outcome: kind, blockers });
    expect(log['message']).toContain('). 2 tasks of service:web, RUNNING for 38 min: scale-in protection');
    expect(log['message']).not.toContain('What to do');
    const byCause = emf.filter((line) => 'cause' in line);
    expect(byCause.map((line) => [line['cause'], extracted(line).values])).toEqual([
      ['protected', { TasksKilledAtDeadline: 2 }],
      ['starting', { TasksKilledAtDeadline: 3 }],
      ['unknown', { TasksKilledAtDeadline: 1 }],
    ]);
  });
});

describe('the metrics of a drain', () => {
  /** The metrics by outcome alone; those by cluster and group too are the same. */
  function metricsOf(outcome: Outcome, of: Drain = drain) {
    const [byOutcome = {}, byGroup = {}, ...others] = linesFor(finished(outcome), of).emf;
    expect(others).toEqual([]);
    const { dimensionSets: _, ...metrics } = extracted(byOutcome);
    expect(extracted(byGroup)).toMatchObject(metrics);
    return metrics;
  }

  it('are those of the whole drain, not of its last invocation', () => {
    const { namespace, units, values } = metricsOf(outcomes.drained);
    expect(namespace).toBe('EcsDrain');
    expect(units).toEqual({
      Drains: 'Count',
      DrainDuration: 'Seconds',
      DrainSlack: 'Seconds',
      TasksKilledAtDeadline: 'Count',
      Continuations: 'Count',
      Heartbeats: 'Count',
    });
    expect(values).toEqual({
      Drains: 1,
      DrainDuration: 600,
      DrainSlack: 4,
      TasksKilledAtDeadline: 0,
      Continuations: 1,
      Heartbeats: 2,
    });
  });

  it.each(everyOutcome)('have few dimensions, none of an instance: %s', (kind, outcome) => {
    const { emf } = linesFor(finished(outcome));
    expect(emf.flatMap((line) => extracted(line).dimensionSets)).toEqual([
      ['outcome', 'service'],
      ['cluster', 'group', 'outcome', 'service'],
    ]);
    expect(emf).toMatchObject([
      { service: 'ecs-drain', outcome: kind },
      { service: 'ecs-drain', cluster: CLUSTER, group: 'web', outcome: kind },
    ]);
    expect(JSON.stringify(emf)).not.toContain(INSTANCE_ID);
    expect(JSON.stringify(emf)).not.toContain(drain.action.token);
  });

  it('put a drain on a notice under the notice’s name instead of a group’s', () => {
    expect(linesFor(finished(outcomes.drained), noticeDrain).emf[1]).toMatchObject({ group: 'spot-interruption' });
  });

  it('leave out the slack of a drain that ECS ends', () => {
    expect(metricsOf(outcomes.drained, supervisedDrain).values).not.toHaveProperty('DrainSlack');
  });

  it('put a drain whose cluster was never found under a cluster of that name', () => {
    const lost = { ...drain, cluster: undefined };
    expect(linesFor(finished(outcomes.gone), lost).emf[1]).toMatchObject({ cluster: 'unknown' });
  });

  it.each([
    ['drained', 0],
    ['gone', undefined],
    ['timed-out', 2],
    ['agent-lost', 2],
    ['already-completed', undefined],
  ] as const)(
    'count the tasks killed at the deadline where the drain saw its end, and say no 0 elsewhere: %s',
    (kind, killed) => {
      const { values } = metricsOf(outcomes[kind]);
      expect([values['Drains'], values['TasksKilledAtDeadline']]).toEqual([1, killed]);
    },
  );

  it.each<[string, Outcome['kind'], boolean, number | undefined]>([
    ['gone, with tasks when it was seen last', 'gone', false, 2],
    ['already completed, with tasks when it was seen last', 'already-completed', false, 2],
    ['already completed, and they were seen stopped afterwards', 'already-completed', true, 2],
  ])('count the tasks of which no one knows the end, for an alarm: %s', (_, kind, haveStopped, count) => {
    const lastSeen = { tasks: killedTasks, atMs: finishedAtMs, haveStopped };
    const { emf } = linesFor(finished({ ...outcomes[kind], lastSeen } as Outcome));
    const alone = emf.filter((line) => 'TasksUnaccounted' in line);
    expect(alone.map(extracted)).toMatchObject([{ dimensionSets: [['service']], values: { TasksUnaccounted: count } }]);
  });

  it.each(everyOutcome)('count none of these where no task was seen last: %s', (_, outcome) => {
    expect(linesFor(finished(outcome)).emf.flatMap(Object.keys)).not.toContain('TasksUnaccounted');
  });

  it.each(everyOutcome.filter(([kind]) => kind !== 'drained'))(
    'know slack only of a drain that drained: %s',
    (_, outcome) => {
      expect(metricsOf(outcome).units).not.toHaveProperty('DrainSlack');
    },
  );

  it.each(['spot-interruption', 'rebalance-recommendation'] as const)(
    'keep the slack of a drain on a notice out of the series of all groups, which is of held instances: %s',
    (kind) => {
      const about: Drain = { ...noticeDrain, notice: { ...noticeDrain.notice, kind } };
      const [byOutcome, byGroup] = linesFor(finished(outcomes.drained), about).emf;
      expect(byGroup).toMatchObject({ group: kind, DrainSlack: 4 });
      expect(byOutcome).toMatchObject({ Drains: 1, DrainDuration: 600 });
      expect(byOutcome).not.toHaveProperty('DrainSlack');
    },
  );

  it.each([
    ['the last task stopped before it', drain.startedAtMs - 60 * SECOND],
    ['there was no task', undefined],
  ])('count slack from the beginning of the drain where %s', (_, lastTaskStoppedAtMs) => {
    const atOnce = { ...drain, announced: undefined };
    expect(metricsOf({ kind: 'drained', lastTaskStoppedAtMs }, atOnce).values).toMatchObject({ DrainSlack: 600 });
  });

  it('have no slack where the drain has waited for tasks and it is not known when the last one stopped', () => {
    expect(metricsOf({ kind: 'drained', lastTaskStoppedAtMs: undefined }).values).not.toHaveProperty('DrainSlack');
  });

  it('are never negative, whatever the clocks of two machines say', () => {
    const ahead = { ...drain, startedAtMs: finishedAtMs + SECOND };
    const outcome: Outcome = { kind: 'drained', lastTaskStoppedAtMs: finishedAtMs + 2 * SECOND };
    expect(metricsOf(outcome, ahead).values).toMatchObject({ DrainDuration: 0, DrainSlack: 0 });
  });

  it('contain nothing of the drain before', () => {
    const lines = linesOf((telemetry) => {
      telemetry.record(drain, finished(outcomes.drained));
      telemetry.record({ ...drain, cluster: 'staging', heartbeats: 9 }, finished(outcomes.gone));
    }).filter((line) => '_aws' in line);
    expect(lines).toMatchObject([
      { outcome: 'drained', Drains: 1, Heartbeats: 2 },
      { cluster: CLUSTER, outcome: 'drained', Drains: 1, Heartbeats: 2 },
      { outcome: 'gone', Drains: 1, Heartbeats: 9 },
      { cluster: 'staging', outcome: 'gone', Drains: 1, Heartbeats: 9 },
    ]);
    for (const line of lines.slice(2)) expect(line).not.toHaveProperty('DrainSlack');
    expect(lines[2]).not.toHaveProperty('cluster');
  });
});
