import { describe, expect, it } from 'vitest';
import { fromSourceForGroup } from '../../../bench/plan/prove.ts';
import { installedFrom } from '../../../sandbox/drainers/ecs-drain.ts';
import { blueprintOf, hostsIn, membersOf } from '../../../sandbox/plan/build.ts';
import { type Change, refuseImpossible } from '../../../sandbox/plan/change.ts';
import { concluded } from '../../../sandbox/plan/conclude.ts';
import { estimatesOf } from '../../../sandbox/plan/estimates.ts';
import { prerequisitesOf, rehearsedParams, type SnapshotHook } from '../../../sandbox/plan/hooks.ts';
import { leavingIn, otherChoices, othersThatMayLeave } from '../../../sandbox/plan/leaving.ts';
import { limitsOf } from '../../../sandbox/plan/limits.ts';
import type { Snapshot, SnapshotInstance, SnapshotService, SnapshotTask } from '../../../sandbox/plan/snapshot.ts';
import { type PlannedDrain, play, type TrialResult } from '../../../sandbox/plan/trial.ts';
import { troublesOf } from '../../../sandbox/plan/troubles.ts';
import { presentFigures, presentRequestsLost } from '../../../sandbox/plan/verdict.ts';
import type { DrillEvent, DrillResult } from '../../../sandbox/result.ts';
import { START_MS } from '../start.ts';
import { aSnapshot, aTask, type Changes, HOOK, INSTANCES, WEB } from './samples.ts';

const STRANGER = { ...aSnapshot().cluster.instances[0], ec2InstanceId: 'i-0000000000000000c' } as SnapshotInstance;
const TERMINATE: Change = { kind: 'terminate', instanceIds: [INSTANCES[0]], shrinks: false };
const SCALE_IN: Change = { kind: 'scale-in', count: 1 };
const LEAVING = { state: 'Terminating:Wait' };
const ROLLING: Change = {
  kind: 'rolling-update',
  minInService: 2,
  maxBatchSize: 1,
  pauseSeconds: 300,
  waitsForSignals: true,
};
const install = installedFrom(fromSourceForGroup);

const SCALED = { name: 'p', managedScaling: true, managedTerminationProtection: false, managedDraining: false };

/** A deployment that has just begun, and the one before. */
const ROLLING_OUT: SnapshotService['deployments'] = [
  { id: 'ecs-svc/2', taskDefinition: 'web:2', state: 'IN_PROGRESS', failedTasks: 0 },
  { id: 'ecs-svc/1', taskDefinition: 'web:1', state: 'COMPLETED', failedTasks: 0 },
];

/** A standalone task that has ended by itself. */
function ranFor(seconds: number): Snapshot['cluster']['stoppedTasks'][number] {
  const of = { group: 'family:job', taskDefinition: 'web:1', stopCode: 'EssentialContainerExited' };
  return { ...of, createdAtMs: START_MS, startedAtMs: START_MS, executionStoppedAtMs: START_MS + seconds * 1000 };
}

/** What the plan of a change does not model, by what the snapshot itself says. */
const limitsIn = (snapshot: Snapshot, change: Change) =>
  limitsOf(snapshot, change, { estimates: estimatesOf(snapshot), params: snapshot.drain?.params ?? {} });

/** A plan with these settings of the deployed function, of one trial or of as many as there are seed numbers. */
async function planOf({ drain, ...read }: Snapshot, change: Change = TERMINATE, settings = {}, seeds = [1]) {
  const given = { ...drain?.params, ...settings };
  const snapshot = { ...read, ...(drain && { drain: { ...drain, params: given } }) };
  const params = rehearsedParams(snapshot, given);
  const estimates = estimatesOf(snapshot);
  const trial = { blueprint: blueprintOf(snapshot, estimates, params), change, params, seed: 1 };
  const others: TrialResult[] = [];
  for (const other of otherChoices(snapshot, change)) others.push(await play({ ...trial, change: other, install }));
  return concluded({
    snapshot,
    change,
    params,
    estimates,
    limits: limitsOf(snapshot, change, { estimates, params }),
    prerequisites: prerequisitesOf(snapshot, given),
    troubles: troublesOf(snapshot, params),
    withDrain: await Array.fromAsync(seeds, (seed) => play({ ...trial, seed, install })),
    withoutDrain: [await play({ ...trial, install: undefined })],
    others,
  });
}

describe('a plan', () => {
  it('says how long each drain takes, by what it is bound, and what would be killed without it', async () => {
    const plan = await planOf(aSnapshot());
    expect(plan).toMatchObject({
      drainsAll: true,
      drains: [{ instanceId: INSTANCES[0], outcomes: { drained: 1 }, bound: 'load balancer deregistration' }],
      killed: { withDrain: { tasks: 0 }, withoutDrain: { tasks: 2, cutOff: 2 } },
      services: [{ name: 'web', desired: 4, fewestRunning: 4 }],
      stuck: [],
      limits: [],
    });
    // 40 s for the replacement, 120 s of deregistration, 30 s to stop, and the function's own seconds.
    expect(plan.seconds.p50).toBeGreaterThan(190);
    expect(plan.seconds.p50).toBeLessThan(215);
    expect(plan.verdict).toMatch(
      /^Go: the termination of i-0000000000000000a drains its instance in the one rehearsal; it takes 3 min 18 s, and no task is killed; without a drain, 2 would be\. This rests on 2 assumed times\.$/,
    );
  });

  it('says what gets stuck, why, and what to do', async () => {
    const plan = await planOf(aSnapshot({ service: { maximumPercent: 100 }, cluster: withJob() }), TERMINATE, {
      deadlineSeconds: 900,
    });
    expect(plan.drainsAll).toBe(false);
    expect(plan.drains[0]).toMatchObject({ outcomes: { 'timed-out': 1 }, bound: 'its deadline' });
    expect(plan.killed.withDrain.tasks).toBe(3);
    expect(plan.stuck).toMatchObject([
      {
        group: 'service:web',
        causes: [
          'the service cannot be drained: with 4 tasks, minimumHealthyPercent 100 prevents stopping one first and maximumPercent 100 prevents starting one first',
        ],
        fix: 'Lower minimumHealthyPercent or raise maximumPercent (aws ecs update-service --cluster prod --service web --deployment-configuration maximumPercent=200,minimumHealthyPercent=100).',
      },
      {
        group: 'family:report',
        causes: ['draining does not stop standalone tasks (started by nightly)'],
        fix: 'Wait until the job finishes, or stop it (aws ecs stop-task --cluster prod --task ID).',
      },
    ]);
    expect(plan.verdict).toMatch(
      /^Do not go ahead yet: during the termination of \S+, its drain may end as timed-out, and 3 tasks may be killed; without a drain, 3 would be\./,
    );
  });

  it('says that the drain itself stops tasks before its deadline, which is no quiet Go', async () => {
    const snapshot = aSnapshot({ service: { maximumPercent: 100 }, cluster: withJob() });
    const plan = await planOf(snapshot, TERMINATE, { deadlineSeconds: 900, stopStragglers: 'all' });
    expect(plan).toMatchObject({
      go: true,
      drains: [{ outcomes: { drained: 1 }, bound: 'its deadline' }],
      killed: { withDrain: { tasks: 0 } },
      stopped: { 'service:web': 2, 'family:report': 1 },
      services: [{ name: 'web', fewestRunning: 2 }],
    });
    expect(plan.verdict).toMatch(
      /^Go, but the drain itself stops 3 tasks before its deadline \(2 of service:web, 1 of family:report\): the termination of /,
    );
  });

  it('says that a service has no running task for a while, and what that costs', async () => {
    const { tasks } = aSnapshot().cluster;
    const service = { desiredCount: 1, minimumHealthyPercent: 0, maximumPercent: 100 };
    const targetGroups = [{ name: 'web', deregistrationDelaySeconds: 120, requestsPerTargetPerSecond: 10 }];
    const plan = await planOf(aSnapshot({ service, cluster: { targetGroups, tasks: tasks.slice(0, 1) } }));
    expect(plan).toMatchObject({ go: true, services: [{ name: 'web', desired: 1, fewestRunning: 0 }] });
    const { withDrain } = plan.requestsLost;
    expect(withDrain).toBeGreaterThan(300);
    expect(plan.verdict).toContain(
      `Go, but web has no running task for a while, and ${withDrain} requests may be lost: the termination of `,
    );
  });

  it('asks for a check if ECS reports what no rehearsal meets', async () => {
    const service = { obstacles: ['no-room' as const] };
    expect(await planOf(aSnapshot({ service }))).toMatchObject({
      go: false,
      drainsAll: true,
      limits: [{ what: 'The snapshot says of the service web: ECS finds no room for a replacement.', isRisk: true }],
      verdict: expect.stringMatching(/^Check first: /),
    });
    // A deployment is played.
    const deployments: SnapshotService['deployments'] = [{ id: 'ecs-svc/1', state: 'IN_PROGRESS', failedTasks: 0 }];
    const tasks = aSnapshot().cluster.tasks.map((each) => ({ ...each, startedBy: 'ecs-svc/1' }));
    const deployed = aSnapshot({ service: { obstacles: ['deployment'], deployments }, cluster: { tasks } });
    expect(await planOf(deployed)).toMatchObject({ go: true, limits: [] });
    const elsewhere = aSnapshot().cluster.tasks.filter(({ ec2InstanceId }) => ec2InstanceId === INSTANCES[1]);
    const none = await planOf(aSnapshot({ service: { ...service, desiredCount: 2 }, cluster: { tasks: elsewhere } }));
    expect(none).toMatchObject({ go: true, limits: [] });
  });

  it('does not repeat what ECS reports and a rehearsal meets', async () => {
    const taskDefinitions = aSnapshot().cluster.taskDefinitions.map((each) => ({ ...each, memoryMiB: 3_500 }));
    const snapshot = aSnapshot({ cluster: { taskDefinitions }, service: { obstacles: ['no-room'] } });
    const change = { kind: 'terminate', instanceIds: [INSTANCES[0]], shrinks: true } as const;
    expect(await planOf(snapshot, change, { deadlineSeconds: 600 })).toMatchObject({
      stuck: [{ causes: ['ECS finds no room for a replacement'] }],
      limits: [],
    });
  });

  it('says that the deadline is too short for a deregistration and a stop', async () => {
    const { stuck } = await planOf(aSnapshot(), TERMINATE, { deadlineSeconds: 60 });
    expect(stuck).toMatchObject([
      {
        group: 'service:web',
        causes: [
          'its tasks may need 120 s of deregistration + 30 s of stop timeout = 150 s, and a drain has 60 s to its deadline',
        ],
        fix: "Raise deadlineSeconds, and the hook's heartbeat timeout if its global timeout is the limit.",
      },
    ]);
  });

  it('says so too if it is the start of a replacement for which there is no time', async () => {
    const { stuck } = await planOf(aSnapshot(), TERMINATE, { deadlineSeconds: 170 });
    expect(stuck).toMatchObject([
      {
        causes: [
          'its tasks may need 40 s to start a replacement + 120 s of deregistration + 30 s of stop timeout = 190 s, and a drain has 170 s to its deadline',
        ],
      },
    ]);
  });

  it('says of a service that the snapshot does not have that nothing replaces its tasks', async () => {
    const plan = await planOf(aSnapshot({ service: { name: 'other' } }), TERMINATE, { deadlineSeconds: 600 });
    expect(plan.stuck).toMatchObject([
      {
        group: 'service:web',
        causes: ['the snapshot does not have the service, so nothing replaces its tasks in the plan'],
      },
    ]);
  });

  it('names another group that ECS may scale where it finds no room', async () => {
    const cluster = { ...withJob(), capacityProviders: [{ ...SCALED, autoScalingGroup: 'others' }] };
    const settings = { deadlineSeconds: 600 };
    const relief = 'ECS may add instances to that group where the plan finds no room, or take some away.';
    const full = aSnapshot().cluster.taskDefinitions.map((each) => ({ ...each, memoryMiB: 3_500 }));
    const shrink = { ...TERMINATE, shrinks: true };
    const noRoom = await planOf(aSnapshot({ cluster: { ...cluster, taskDefinitions: full } }), shrink, settings);
    expect(noRoom.verdict).toContain(
      `The capacity provider p scales another group, which services of the cluster use too. ${relief}`,
    );
    const other = await planOf(aSnapshot({ cluster }), TERMINATE, settings);
    expect(other).toMatchObject({ drainsAll: false, verdict: expect.not.stringContaining(relief) });
  });

  it('names its settings, and the deadline with its source', async () => {
    const said = async (hook: Partial<SnapshotHook>, settings = {}) => {
      const plan = await planOf(aSnapshot({ group: { hooks: [{ ...HOOK, ...hook }] } }), TERMINATE, settings);
      const deadline = plan.times.find(({ what }) => what === 'deadline of a drain');
      return [presentFigures(plan)[0], deadline?.seconds, deadline?.source];
    };
    expect(await said({})).toEqual([['settings', 'the defaults'], 7_200, 'deadlineSeconds=7200']);
    expect(await said({}, { deadlineSeconds: 900, stopStragglers: 'all' })).toEqual([
      ['settings', 'deadlineSeconds=900, stopStragglers=all'],
      900,
      'deadlineSeconds=900',
    ]);
    expect((await said({ settings: { deadlineSeconds: '600' } })).slice(1)).toEqual([600, 'its hook chooses that']);
    const short = await said({ heartbeatTimeoutSeconds: 60 });
    expect(short[1]).toBeLessThan(7_200);
    expect(short[2]).toBe('deadlineSeconds=7200, and its hook holds no longer');
  });

  it('finds no room where the instances are full', async () => {
    const memoryMiB = 3_500;
    const full = aSnapshot().cluster.taskDefinitions.map((each) => ({ ...each, memoryMiB }));
    const plan = await planOf(
      aSnapshot({ cluster: { taskDefinitions: full } }),
      {
        kind: 'terminate',
        instanceIds: [INSTANCES[0]],
        shrinks: true,
      },
      { deadlineSeconds: 600 },
    );
    expect(plan.stuck).toMatchObject([{ group: 'service:web', causes: ['ECS finds no room for a replacement'] }]);
    expect(plan.stuck[0]?.fix).toBe(
      'Add an instance, or free resources on the others (aws ecs update-service --cluster prod --service web --desired-count N).',
    );
  });

  it('finds no room where the instances have no network interface left, by their type and their trunk', async () => {
    const taskDefinitions = aSnapshot().cluster.taskDefinitions.map((each) => ({ ...each, networkMode: 'awsvpc' }));
    const change = { kind: 'terminate', instanceIds: [INSTANCES[0]], shrinks: true } as const;
    const plan = await planOf(aSnapshot({ cluster: { taskDefinitions } }), change, { deadlineSeconds: 600 });
    const fix = 'Add an instance with a network interface for it, or free one.';
    expect(plan.stuck).toMatchObject([{ group: 'service:web', causes: ['ECS finds no room for a replacement'], fix }]);
    expect(plan.limits).toEqual([]);
    const instances = aSnapshot().cluster.instances.map((each) => ({ ...each, trunk: true }));
    expect(await planOf(aSnapshot({ cluster: { taskDefinitions, instances } }), change)).toMatchObject({ stuck: [] });
  });

  describe('of a service that needs what an instance has once', () => {
    const shrink = { kind: 'terminate', instanceIds: [INSTANCES[0]], shrinks: true } as const;
    const [web] = aSnapshot().cluster.taskDefinitions;
    if (!web) throw new Error('The sample has a task definition.');
    const exporter = { ...web, name: 'exporter:1', hostPorts: [8_080] };
    const exports = { group: 'family:exporter', taskDefinition: 'exporter:1' };
    const one = { tasks: [aTask('1', INSTANCES[0])] };
    const planWith = (cluster: Partial<Snapshot['cluster']>) =>
      planOf(aSnapshot({ service: { desiredCount: 1 }, cluster: { ...one, ...cluster } }), shrink, {
        deadlineSeconds: 600,
      });
    const noRoom = [{ group: 'service:web', causes: ['ECS finds no room for a replacement'] }];
    const withFix = (fix: string) => [{ ...noRoom[0], fix }];
    const freePort = 'Free its static port on another instance, or add an instance.';

    it('finds no room where a standalone task has its static port', async () => {
      const taskDefinitions = [{ ...web, hostPorts: [8_080] }, exporter];
      const standalone = aTask('job', INSTANCES[1], { ...exports, startedAtMs: START_MS + 3_500_000 });
      const tasks = [...one.tasks, standalone];
      expect(await planWith({ taskDefinitions, tasks })).toMatchObject({ drainsAll: false, stuck: noRoom, limits: [] });
      expect(await planWith({ taskDefinitions })).toMatchObject({ drainsAll: true });
      // The ports that its task has where its definition was not read: those that Docker chose are no matter.
      const unread = (hostPorts: number[]) => [...one.tasks, { ...standalone, hostPorts }];
      const [first] = taskDefinitions;
      if (!first) return;
      expect((await planWith({ taskDefinitions: [first], tasks: unread([8_080]) })).stuck).toMatchObject(noRoom);
      expect((await planWith({ taskDefinitions: [first], tasks: unread([32_768]) })).stuck).toEqual([]);
    });

    it('finds no room where the agent keeps its static port', async () => {
      const taskDefinitions = [{ ...web, hostPorts: [8_080] }];
      const keeping = (port: number) => aSnapshot().cluster.instances.map((each) => ({ ...each, ports: [22, port] }));
      expect(await planWith({ taskDefinitions, instances: keeping(8_080) })).toMatchObject({
        go: false,
        stuck: withFix(freePort),
      });
      expect(await planWith({ taskDefinitions, instances: keeping(8_081) })).toMatchObject({ drainsAll: true });
    });

    it('finds room where another task has the same port of UDP', async () => {
      const tasks = [...one.tasks, aTask('job', INSTANCES[1], { ...exports, startedAtMs: START_MS + 3_500_000 })];
      const udp = { ...exporter, hostPorts: [], udpHostPorts: [8_080] };
      const withPorts = (ports: object) => planWith({ taskDefinitions: [{ ...web, ...ports }, udp], tasks });
      expect(await withPorts({ hostPorts: [8_080] })).toMatchObject({ drainsAll: true, limits: [] });
      expect((await withPorts({ udpHostPorts: [8_080] })).stuck).toMatchObject(noRoom);
      const instances = aSnapshot().cluster.instances.map((each) => ({ ...each, udpPorts: [8_080] }));
      const taskDefinitions = [{ ...web, udpHostPorts: [8_080] }];
      expect((await planWith({ taskDefinitions, instances })).stuck).toMatchObject(noRoom);
    });

    it('finds no room where no GPU is left', async () => {
      const taskDefinitions = [{ ...web, gpus: 1 }];
      const instances = (gpus?: number) =>
        aSnapshot().cluster.instances.map((each) => ({ ...each, ...(gpus && { gpus }) }));
      expect((await planWith({ taskDefinitions, instances: instances() })).stuck).toMatchObject(
        withFix('Add an instance with a GPU, or free one.'),
      );
      const plan = await planWith({ taskDefinitions, instances: instances(1) });
      expect(plan).toMatchObject({ drainsAll: true, limits: [] });
    });
  });

  it('counts the requests that are lost of the services whose rate is known, and says of how many that is', async () => {
    const { services, targetGroups } = aSnapshot().cluster;
    const api = { ...WEB, name: 'api', desiredCount: 0, targetGroups: ['api'] };
    const internal = { ...WEB, name: 'internal', desiredCount: 0, targetGroups: [] };
    const known = targetGroups.map((each) => ({ ...each, requestsPerTargetPerSecond: 5 }));
    const cluster = { services: [...services, api, internal], targetGroups: [...known, { name: 'api' }] };
    const { requestsLost, rates } = await planOf(aSnapshot({ cluster }));
    expect(requestsLost).toMatchObject({ withDrain: 0, counted: 1, services: 2 });
    expect(requestsLost.withoutDrain).toBeGreaterThan(0);
    expect(rates).toMatchObject([{ service: 'web' }]);
    expect(presentRequestsLost(requestsLost)).toMatch(
      /^0 \(\d+ without a drain\) of 1 of 2 services; of the other one not known: CloudWatch has no request count; give one with --assume$/,
    );
  });

  it.each([
    [{ counted: 0, services: 3 }, /^not known: CloudWatch has no request count; give one with --assume$/],
    [{ counted: 0, services: 0 }, /^none, because no service is behind a load balancer$/],
    [{ counted: 3, services: 3 }, /^0 \(7 without a drain\)$/],
    [{ counted: 1, services: 3 }, /^0 \(7 without a drain\) of 1 of 3 services; of the other 2 not known: /],
  ])('says of requests lost what is known: %j', (known, words) => {
    expect(presentRequestsLost({ withDrain: 0, withoutDrain: 7, ...known })).toMatch(words);
  });

  it('has no number of requests lost where none is counted', async () => {
    expect((await planOf(aSnapshot())).requestsLost).toEqual({ counted: 0, services: 1 });
  });

  it('waits only for what is left of a stop that has begun before', async () => {
    const takenAtMs = START_MS + 3_600_000;
    const leaving = (seconds: number, lastStatus: string) => {
      const stops = { desiredStatus: 'STOPPED', lastStatus, stoppingAtMs: takenAtMs - seconds * 1000 };
      const tasks = [...aSnapshot().cluster.tasks.slice(2), aTask('x', INSTANCES[0], stops)];
      return aSnapshot({ service: { desiredCount: 2 }, cluster: { tasks } });
    };
    const secondsOf = async (snapshot: Snapshot) => (await planOf(snapshot)).drains[0]?.seconds.p50 ?? Number.NaN;
    // 120 s of deregistration, 30 s to stop, and the function's own seconds.
    expect(await secondsOf(leaving(0, 'RUNNING'))).toBeGreaterThan(150);
    const half = await secondsOf(leaving(100, 'DEACTIVATING'));
    expect(half).toBeGreaterThan(50);
    expect(half).toBeLessThan(70);
    expect(await secondsOf(leaving(140, 'STOPPING'))).toBeLessThan(35);
    // A task that has never run has nothing to stop.
    expect(await secondsOf(leaving(0, 'PENDING'))).toBeLessThan(35);
  });

  describe('of an instance with a task of which no one knows when it stops', () => {
    const held = {
      go: false,
      drains: [{ outcomes: { 'timed-out': 1 } }],
      killed: { withDrain: { tasks: 1 } },
    };

    it.each(['STOPPING', 'DEACTIVATING', 'DEPROVISIONING'])('is stuck if one hangs in %s', async (lastStatus) => {
      const stoppingAtMs = START_MS + 3_600_000 - 1_200_000;
      const tasks = [
        ...aSnapshot().cluster.tasks,
        aTask('x', INSTANCES[0], { desiredStatus: 'STOPPED', lastStatus, stoppingAtMs }),
      ];
      const plan = await planOf(aSnapshot({ cluster: { tasks } }), TERMINATE, { deadlineSeconds: 900 });
      expect(plan).toMatchObject({ ...held, stuck: [{ group: 'service:web' }] });
    });

    it('is stuck if one is of a service that the snapshot does not have', async () => {
      const tasks = [...aSnapshot().cluster.tasks, aTask('x', INSTANCES[0], { group: 'service:gone' })];
      const plan = await planOf(aSnapshot({ cluster: { tasks } }), TERMINATE, { deadlineSeconds: 900 });
      expect(plan).toMatchObject({ ...held, stuck: [{ group: 'service:gone' }] });
    });
  });

  describe('of an instance whose agent has registered again', () => {
    const [first, second] = aSnapshot().cluster.instances;
    if (!first || !second) throw new Error('The sample has two instances.');
    const lost = { ...first, id: 'old', agentConnected: false, status: 'DRAINING' };
    const now = { ...first, id: 'new', registeredAtMs: START_MS + 60_000 };
    const on = (containerInstance: string) =>
      aSnapshot().cluster.tasks.map((task) => ({
        ...task,
        ...(task.ec2InstanceId === first.ec2InstanceId && { containerInstance }),
      }));

    it.each([
      ['read first', [lost, now, second]],
      ['read last', [now, second, lost]],
    ])('believes the registration whose agent is connected, with the other one %s', async (_, instances) => {
      const snapshot = aSnapshot({ cluster: { instances, tasks: on('new') } });
      expect(membersOf(snapshot).map(({ instanceId }) => instanceId)).toEqual(INSTANCES);
      const plan = await planOf(snapshot);
      expect(plan).toMatchObject({ go: true, limits: [], services: [{ fewestRunning: 4 }] });
    });

    it('believes the newest where no agent is connected', () => {
      const silent = { ...now, agentConnected: false };
      const { cluster } = aSnapshot({ cluster: { instances: [silent, lost, second] } });
      expect(hostsIn(cluster).get(first.ec2InstanceId)?.id).toBe('new');
    });

    it('leaves the tasks of the other registration there, as no agent stops them', async () => {
      const instances = [now, second, { ...lost, status: 'ACTIVE' }];
      const snapshot = aSnapshot({ cluster: { instances, tasks: on('old') } });
      const plan = await planOf(snapshot, TERMINATE, { agentGraceSeconds: 60, deadlineSeconds: 900 });
      expect(plan).toMatchObject({ go: false, drains: [{ outcomes: { 'agent-lost': 1 } }] });
      expect(plan.limits).toEqual([
        {
          what: `${first.ec2InstanceId} has another registration in the cluster, old, with 2 tasks: its agent has registered again.`,
          effect: expect.stringContaining('because no agent stops them'),
        },
      ]);
    });

    it('says so where the snapshot does not say which tasks are on which', () => {
      const instances = [now, second, lost].map((each) => ({ ...each, id: undefined }));
      expect(limitsIn(aSnapshot({ cluster: { instances } }), TERMINATE)).toMatchObject([
        { effect: expect.stringContaining('The snapshot does not say which tasks are on it') },
      ]);
    });
  });

  describe('of a group in which an agent is disconnected', () => {
    const silence = (which: number): Changes => ({
      cluster: {
        instances: aSnapshot().cluster.instances.map((each, i) => ({ ...each, agentConnected: i !== which })),
      },
    });

    it('loses what is on the instance, if that is the one to leave', async () => {
      const plan = await planOf(aSnapshot(silence(0)));
      expect(plan).toMatchObject({
        go: false,
        drains: [{ outcomes: { 'agent-lost': 1 } }],
        killed: { withDrain: { tasks: 2 } },
        limits: [],
      });
      expect(plan.verdict).toContain(
        `The agent of ${INSTANCES[0]} is disconnected: ECS starts and stops no task there, so a drain of it ends as agent-lost. Check the ECS agent on the instance.`,
      );
    });

    it('finds no room there for the tasks of another', async () => {
      const shrink = { kind: 'terminate', instanceIds: [INSTANCES[0]], shrinks: true } as const;
      const plan = await planOf(aSnapshot(silence(1)), shrink, { deadlineSeconds: 600 });
      expect(plan).toMatchObject({ go: false, stuck: [{ kinds: ['no-room'] }], killed: { withDrain: { tasks: 2 } } });
    });
  });

  describe('of a group with an instance that someone has set to DRAINING', () => {
    const byHand = (cluster: Partial<Snapshot['cluster']> = {}) => {
      const instances = aSnapshot().cluster.instances.map((each, i) =>
        i === 0 ? { ...each, status: 'DRAINING' } : each,
      );
      return aSnapshot({ cluster: { instances, ...cluster } });
    };

    it('replaces it like the others, and says how it is', async () => {
      const plan = await planOf(byHand(), ROLLING);
      expect(plan).toMatchObject({ go: true, limits: [], trials: 1 });
      expect(plan.drains.map(({ instanceId }) => instanceId).toSorted()).toEqual(INSTANCES);
      expect(plan.verdict).toContain(
        `${INSTANCES[0]} is DRAINING, although it is in service: ECS starts no task there. Terminate it, or set it to ACTIVE again (aws ecs update-container-instances-state --cluster prod --container-instances ID --status ACTIVE).`,
      );
      expect(blueprintOf(byHand(), estimatesOf(byHand()), {}).group).toMatchObject({ desiredCapacity: 2, maxSize: 4 });
    });

    it('is stuck on a job there', async () => {
      const plan = await planOf(byHand(withJob()), ROLLING, { deadlineSeconds: 900 });
      expect(plan).toMatchObject({
        go: false,
        killed: { withDrain: { tasks: 1 } },
        stuck: [{ group: 'family:report' }],
      });
    });

    it('moves its services away before the change comes to it', async () => {
      const plan = await planOf(byHand(), { ...TERMINATE, instanceIds: [INSTANCES[1]] } as Change);
      expect(plan.drains).toMatchObject([{ instanceId: INSTANCES[1], outcomes: { drained: 1 } }]);
    });
  });

  describe('of a group with instances of several kinds', () => {
    const [large, second] = aSnapshot().cluster.instances;
    if (!large || !second) throw new Error('The sample has two instances.');
    const type = (name: string) => ({ attributes: { ...large.attributes, 'ecs.instance-type': name } });
    const xlarge = { ...second, memoryMiB: 15_360, ...type('m5.xlarge') };
    const outcomesOf = async (changes: Changes, seeds: number[], change: Change = TERMINATE) => {
      const { drains } = await planOf(aSnapshot(changes), change, { deadlineSeconds: 600 }, seeds);
      return drains.map(({ outcomes }) => outcomes);
    };

    it('launches instances of one kind after the other, the smallest first', async () => {
      const pinned = [{ type: 'memberOf', expression: 'attribute:ecs.instance-type == m5.large' }];
      const changes = { cluster: { instances: [large, xlarge] }, service: { placementConstraints: pinned } };
      expect(await outcomesOf(changes, [1])).toEqual([{ drained: 1 }]);
      expect(await outcomesOf(changes, [1, 2, 3, 4])).toEqual([{ drained: 2, 'timed-out': 2 }]);
    });

    it.each<[string, Partial<SnapshotInstance>]>([
      ['GPUs', { gpus: 1 }],
      ['CPU units', { cpuUnits: 1_024 }],
      ['attributes of AWS', type('m6g.large')],
    ])('knows them apart by their %s', (_, more) => {
      const snapshot = aSnapshot({ cluster: { instances: [large, { ...second, ...more }] } });
      expect(blueprintOf(snapshot, estimatesOf(snapshot), {}).kinds).toHaveLength(2);
    });

    it('does not take the zone for a kind', () => {
      const elsewhere = { attributes: { ...second.attributes, 'ecs.availability-zone': 'eu-west-1b' } };
      const snapshot = aSnapshot({ cluster: { instances: [large, { ...second, ...elsewhere }] } });
      expect(blueprintOf(snapshot, estimatesOf(snapshot), {}).kinds).toHaveLength(1);
    });
  });

  describe('of a group with an instance that is on its way out, and still ACTIVE', () => {
    const [first] = aSnapshot().group.instances;
    if (!first) throw new Error('The sample has instances.');
    const full = aSnapshot().cluster.taskDefinitions.map((each) => ({ ...each, memoryMiB: 3_500 }));
    const leaving = (state: string, cluster: Partial<Snapshot['cluster']> = {}) =>
      aSnapshot({
        group: { instances: [...aSnapshot().group.instances, { ...first, id: STRANGER.ec2InstanceId, state }] },
        cluster: {
          instances: [...aSnapshot().cluster.instances, STRANGER],
          taskDefinitions: full,
          ...cluster,
        },
      });
    const planWith = (snapshot: Snapshot) => planOf(snapshot, SCALE_IN, { deadlineSeconds: 600 });

    it.each(['Terminating', 'Terminating:Wait', 'Detaching'])('finds no room there if it is %s', async (state) => {
      const plan = await planWith(leaving(state));
      expect(plan).toMatchObject({ go: false, stuck: [{ kinds: ['no-room'] }] });
      expect(plan.limits).toContainEqual({
        what: `${STRANGER.ec2InstanceId} is ${state} and ACTIVE.`,
        effect: 'It leaves the group, so the plan takes it to be DRAINING: no task starts there.',
      });
    });

    it('finds room there if it does not leave', async () => {
      expect(await planWith(leaving('Standby'))).toMatchObject({ go: true });
    });

    it('asks for a check if tasks of services are on it, which may be killed', async () => {
      const tasks = [...aSnapshot().cluster.tasks, aTask('x', STRANGER.ec2InstanceId)];
      const plan = await planWith(
        leaving('Terminating:Wait', { tasks, taskDefinitions: aSnapshot().cluster.taskDefinitions }),
      );
      expect(plan).toMatchObject({ go: false, drainsAll: true });
      expect(plan.verdict).toContain('Unless a drain of it begins in time, 1 task of a service is killed.');
    });
  });

  describe('of a group in several zones, with a service that needs one more instance in one of them', () => {
    const zones = ['eu-west-1a', 'eu-west-1b'];
    const third = STRANGER.ec2InstanceId;
    const bound = (more: Changes['group'] = {}) => {
      const zoneOf = (id: string) => (id === third ? 'eu-west-1b' : 'eu-west-1a');
      const instances = [...aSnapshot().cluster.instances, STRANGER].map((each) => ({
        ...each,
        attributes: { ...each.attributes, 'ecs.availability-zone': zoneOf(each.ec2InstanceId) },
      }));
      const members = instances.map(({ ec2InstanceId: id }) => {
        return { id, state: 'InService', zone: zoneOf(id), protectedFromScaleIn: false };
      });
      const placementConstraints = [
        { type: 'memberOf', expression: 'attribute:ecs.availability-zone == eu-west-1a' },
        { type: 'distinctInstance' },
      ];
      const tasks = [aTask('a', INSTANCES[0]), aTask('b', INSTANCES[1])];
      return aSnapshot({
        service: { desiredCount: 2, placementConstraints },
        cluster: { instances, tasks },
        group: { desiredCapacity: 3, instances: members, ...more },
      });
    };
    const outcomesOf = async (snapshot: Snapshot, seeds: number[]) =>
      (await planOf(snapshot, TERMINATE, { deadlineSeconds: 600 }, seeds)).drains[0]?.outcomes;

    it('launches into one zone after the other where both have as many', async () => {
      expect(await outcomesOf(bound(), [1, 2, 3, 4])).toEqual({ drained: 2, 'timed-out': 2 });
    });

    it('launches into a zone of the group that has no instance yet', async () => {
      expect(await outcomesOf(bound({ zones: [...zones, 'eu-west-1c'] }), [1, 2])).toEqual({ 'timed-out': 2 });
    });
  });

  describe('of a group with suspended processes', () => {
    const suspended = (...suspendedProcesses: string[]): Changes => ({ group: { suspendedProcesses } });
    const full: Changes['cluster'] = {
      taskDefinitions: aSnapshot().cluster.taskDefinitions.map((each) => ({ ...each, memoryMiB: 3_500 })),
    };

    it('launches no instance, where room would need one', async () => {
      const without = aSnapshot({ ...suspended('Launch'), cluster: full });
      const plan = await planOf(without, TERMINATE, { deadlineSeconds: 600 });
      expect(plan).toMatchObject({ go: false, stuck: [{ kinds: ['no-room'] }], limits: [] });
      expect(plan.verdict).toContain(
        'The process Launch of the group web is suspended: no new instance is launched, and an instance refresh waits. Resume it (aws autoscaling resume-processes --auto-scaling-group-name web --scaling-processes Launch).',
      );
      expect(await planOf(aSnapshot({ cluster: full }))).toMatchObject({ go: true, troubles: [] });
    });

    it('terminates none, so that a scale-in does nothing and an instance refresh does not end', async () => {
      const none = await planOf(aSnapshot(suspended('Terminate')), { kind: 'scale-in', count: 1 });
      expect(none).toMatchObject({
        go: false,
        drains: [],
        troubles: [expect.stringContaining('The process Terminate')],
      });
      const refresh = {
        kind: 'instance-refresh',
        minHealthyPercent: 50,
        maxHealthyPercent: 100,
        warmupSeconds: 0,
      } as const;
      const endless = await planOf(aSnapshot(suspended('InstanceRefresh')), refresh);
      expect(endless).toMatchObject({ go: false, drains: [], failures: ['It has not ended after two weeks.'] });
    });

    it('is as ever without those that have no part in a change', async () => {
      const plan = await planOf(aSnapshot(suspended('AZRebalance', 'AlarmNotification', 'HealthCheck', 'Whatever')));
      expect(plan).toMatchObject({ go: true, troubles: [], limits: [] });
    });
  });

  it('gets stuck on a service whose new tasks fail now, in the words of a stuck drain', async () => {
    const service: Changes['service'] = { obstacles: ['replacements-fail'] };
    const plan = await planOf(aSnapshot({ service }), TERMINATE, { deadlineSeconds: 900 });
    expect(plan).toMatchObject({ drainsAll: false, drains: [{ outcomes: { 'timed-out': 1 } }] });
    expect(plan.stuck).toMatchObject([
      {
        group: 'service:web',
        causes: ['replacements fail to start or to become healthy'],
        fix: expect.stringMatching(
          /^Check the stopped tasks and the health checks of the service \(aws ecs describe-services /,
        ),
      },
    ]);
  });

  describe('of a service that is being deployed (facts 102 circuit-breaker)', () => {
    const breaker = (rollback: boolean) => ({
      rollback,
      resetOnHealthyTask: true,
      threshold: { type: 'BOUNDED_PERCENT' as const, value: 50 },
    });
    /** The newest deployment has got so far; its tasks are of another size. */
    const deployed = (newest: Partial<SnapshotService['deployments'][number]>, service: Changes['service'] = {}) => {
      const [definition] = aSnapshot().cluster.taskDefinitions;
      const [first, before] = ROLLING_OUT;
      if (!definition || !first || !before) throw new Error('The sample has both.');
      const tasks = aSnapshot().cluster.tasks.map((task) => ({ ...task, startedBy: before.id }));
      const taskDefinitions = [definition, { ...definition, name: 'web:2', memoryMiB: 2_048 }];
      const deployments = [{ ...first, ...newest }, before];
      return aSnapshot({
        cluster: { tasks, taskDefinitions },
        service: { taskDefinition: 'web:2', deployments, ...service },
      });
    };

    it('finishes the deployment while the instance drains, with tasks of the new size', async () => {
      const snapshot = deployed({});
      const plan = await planOf(snapshot);
      expect(plan).toMatchObject({ drainsAll: true, limits: [{ what: expect.stringContaining('is being deployed') }] });
      const { services } = blueprintOf(snapshot, estimatesOf(snapshot), {});
      expect(services[0]).toMatchObject({
        spec: { memoryMiB: 2_048 },
        standing: Array(4).fill({ phase: 'running', deployment: 1 }),
        deployments: [
          { memoryMiB: 2_048, rolloutState: 'IN_PROGRESS' },
          { memoryMiB: 1_024, rolloutState: 'COMPLETED' },
        ],
      });
    });

    it('goes back to the deployment before where its tasks fail, and then drains', async () => {
      const plan = await planOf(deployed({ failedTasks: 1 }, { circuitBreaker: breaker(true) }));
      expect(plan).toMatchObject({ drainsAll: true, stuck: [], limits: [] });
    });

    it('gets stuck where the circuit breaker fails it without a rollback, and says what to do', async () => {
      const params = { deadlineSeconds: 900 };
      const plan = await planOf(deployed({ failedTasks: 1 }, { circuitBreaker: breaker(false) }), TERMINATE, params);
      const stuck = [
        {
          group: 'service:web',
          causes: expect.arrayContaining(['the deployment of the service has failed']),
          fix: expect.stringContaining(
            'Wait, or find out why the deployment does not complete (aws ecs describe-services ',
          ),
        },
      ];
      expect(plan).toMatchObject({ drainsAll: false, stuck });
      // One that had failed before comes to the same.
      expect(await planOf(deployed({ state: 'FAILED' }), TERMINATE, params)).toMatchObject({ drainsAll: false, stuck });
    });

    it('gets stuck where its tasks fail and nothing ends it', async () => {
      const plan = await planOf(deployed({ failedTasks: 9 }), TERMINATE, { deadlineSeconds: 900 });
      expect(plan.stuck).toMatchObject([
        { causes: expect.arrayContaining(['replacements fail to start or to become healthy']) },
      ]);
    });
  });

  it('names what the services of an instance wait for, though a daemon leaves it last', async () => {
    const { services, tasks } = aSnapshot().cluster;
    const daemon: typeof WEB = { ...WEB, name: 'logs', strategy: 'DAEMON', targetGroups: [], minimumHealthyPercent: 0 };
    const logs = INSTANCES.map((id, i) => aTask(`${i}d`, id, { group: 'service:logs' }));
    const cluster = { services: [...services, daemon], tasks: [...tasks, ...logs] };
    expect((await planOf(aSnapshot({ cluster }))).drains).toMatchObject([{ bound: 'load balancer deregistration' }]);
  });

  it('has managed scaling add the instance that a service waits for, within the size of the group', async () => {
    const provider = {
      name: 'p',
      autoScalingGroup: 'web',
      managedTerminationProtection: false,
      managedDraining: false,
    };
    const planWith = (managedScaling: boolean, maxSize: number) => {
      const taskDefinitions = aSnapshot().cluster.taskDefinitions.map((each) => ({ ...each, memoryMiB: 3_500 }));
      const instances = aSnapshot().cluster.instances.map((each) => ({ ...each, capacityProvider: 'p' }));
      const cluster = { taskDefinitions, instances, capacityProviders: [{ ...provider, managedScaling }] };
      const snapshot = aSnapshot({
        cluster,
        group: { maxSize },
        service: { capacityProviders: [{ name: 'p', base: 0, weight: 1 }] },
      });
      return planOf(snapshot, { kind: 'scale-in', count: 1 }, { deadlineSeconds: 900 });
    };
    expect(await planWith(true, 4)).toMatchObject({ drainsAll: true, drains: [{ bound: 'room for replacements' }] });
    expect(await planWith(false, 4)).toMatchObject({ drainsAll: false, stuck: [{ kinds: ['no-room'] }] });
  });

  it('has managed scaling take an instance without tasks, while a drain goes on for longer than a quarter of an hour', async () => {
    const [first] = aSnapshot().group.instances;
    const [host] = aSnapshot().cluster.instances;
    if (!first || !host) throw new Error('The sample has instances.');
    const empty = 'i-0000000000000000c';
    const plan = await planOf(
      aSnapshot({
        group: { desiredCapacity: 3, instances: [...aSnapshot().group.instances, { ...first, id: empty }] },
        service: {
          minimumHealthyPercent: 0,
          maximumPercent: 100,
          capacityProviders: [{ name: 'p', base: 0, weight: 1 }],
        },
        cluster: {
          instances: [...aSnapshot().cluster.instances, { ...host, ec2InstanceId: empty }].map((each) => ({
            ...each,
            capacityProvider: 'p',
          })),
          capacityProviders: [{ ...SCALED, autoScalingGroup: 'web', managedTerminationProtection: true }],
          targetGroups: [{ name: 'web', deregistrationDelaySeconds: 2_400 }],
        },
      }),
      { kind: 'terminate', instanceIds: [INSTANCES[0]], shrinks: true },
    );
    expect(plan).toMatchObject({ drainsAll: true, limits: [] });
    expect(plan.drains.map(({ instanceId }) => instanceId).toSorted()).toEqual([INSTANCES[0], empty]);
  });

  it('places a service on the instances of its capacity providers alone', async () => {
    const instances = aSnapshot().cluster.instances.map((each, i) => ({
      ...each,
      capacityProvider: i === 0 ? 'a' : 'b',
    }));
    const change = { kind: 'terminate', instanceIds: [INSTANCES[0]], shrinks: true } as const;
    const planWith = (...capacityProviders: SnapshotService['capacityProviders']) =>
      planOf(aSnapshot({ service: { capacityProviders }, cluster: { instances } }), change, { deadlineSeconds: 600 });
    const a = { name: 'a', base: 0, weight: 1 };
    const b = { name: 'b', base: 0, weight: 1 };
    const noRoom = [{ causes: ['ECS finds no room for a replacement'] }];
    expect((await planWith(a)).stuck).toMatchObject(noRoom);
    // Half of the tasks belong to the capacity provider that has no instance any more.
    expect((await planWith(a, b)).stuck).toMatchObject(noRoom);
    expect((await planWith({ ...a, weight: 0 }, b)).stuck).toEqual([]);
    expect((await planWith({ ...a, weight: 0, base: 1 }, b)).stuck).toMatchObject(noRoom);
  });

  it('rehearses with other chance from the beginning, although its seed numbers are one after the other', async () => {
    const snapshot = aSnapshot();
    const blueprint = blueprintOf(snapshot, estimatesOf(snapshot), {});
    const firstLaunches: number[] = [];
    for (const seed of [1, 2, 3, 4]) {
      const onDrill = ({ events }: DrillResult) => {
        const isLaunched = (event: DrillEvent) =>
          event.kind === 'instance' && event.state === 'InService' && event.second > 0;
        firstLaunches.push(events.find(isLaunched)?.second ?? 0);
      };
      expect(await play({ blueprint, change: ROLLING, params: {}, seed, install: undefined, onDrill })).toMatchObject({
        seed,
      });
    }
    const [least = 0, ...others] = firstLaunches.toSorted((a, b) => a - b);
    // The launch takes two minutes, give or take a tenth.
    expect((others.at(-1) ?? 0) - least).toBeGreaterThan(10);
  });

  it('launches before it terminates where an instance refresh has to', async () => {
    const refresh = { kind: 'instance-refresh', minHealthyPercent: 100, warmupSeconds: 0 } as const;
    const [after, before] = [
      await planOf(aSnapshot(), { ...refresh, maxHealthyPercent: 100 }),
      await planOf(aSnapshot(), { ...refresh, maxHealthyPercent: 200 }),
    ];
    expect([after.drainsAll, before.drainsAll]).toEqual([true, true]);
    // All are replaced at once, and the new instances are there before the old ones leave.
    expect(before.seconds.p50).toBeLessThan(after.seconds.p50);
    expect(before.drains.map(({ bound }) => bound)).toEqual(Array(2).fill('load balancer deregistration'));
  });

  it('waits in an instance refresh for what the group has its new instances warm up, and says where that is from', async () => {
    const refresh = { kind: 'instance-refresh', minHealthyPercent: 100, maxHealthyPercent: 100 } as const;
    const planWith = async (group: Partial<Snapshot['group']>, warmupSeconds?: number) => {
      const { seconds, times } = await planOf(aSnapshot({ group }), { ...refresh, warmupSeconds });
      const warmup = times.find(({ what }) => what.startsWith('warmup of a new instance'));
      return { whole: seconds.p50, warmup: warmup && [warmup.seconds, warmup.assumed, warmup.source] };
    };
    const unknown = await planWith({});
    expect(unknown.warmup).toEqual([0, true, expect.stringContaining('no health check grace period')]);
    const grace = await planWith({ healthCheckGraceSeconds: 1_000 });
    expect(grace.warmup).toEqual([1_000, false, expect.stringMatching(/^the health check grace period of the group/)]);
    expect(grace.whole - unknown.whole).toBeGreaterThan(900);
    const both = { healthCheckGraceSeconds: 1_000, defaultInstanceWarmupSeconds: 600 };
    expect((await planWith(both)).warmup).toEqual([600, false, 'the default instance warmup of the group']);
    expect((await planWith(both, 30)).warmup).toEqual([30, false, '--warmup']);
  });

  it('places a service on new instances of a capacity provider that was made after the others had registered', async () => {
    const changes = {
      service: { capacityProviders: [{ name: 'p', base: 0, weight: 1 }] },
      cluster: { capacityProviders: [{ ...SCALED, managedScaling: false, autoScalingGroup: 'web' }] },
    };
    const params = { deadlineSeconds: 600 };
    expect(await planOf(aSnapshot(changes), ROLLING, params)).toMatchObject({ drainsAll: true, stuck: [] });
    expect(await planOf(aSnapshot(changes), SCALE_IN, params)).toMatchObject({
      drainsAll: false,
      stuck: [{ kinds: ['no-room'] }],
    });
  });

  describe('of a service that is placed by an attribute that AWS sets', () => {
    const { instances: hosts } = aSnapshot().cluster;
    const withEach = (...attributes: Record<string, string>[]) =>
      hosts.map((host, i) => ({ ...host, attributes: { ...host.attributes, ...attributes[i] } }));
    const placedWhere = (expression: string, instances: Snapshot['cluster']['instances']) =>
      aSnapshot({ service: { placementConstraints: [{ type: 'memberOf', expression }] }, cluster: { instances } });
    const [old, fresh] = [{ 'ecs.ami-id': 'ami-1' }, { 'ecs.ami-id': 'ami-2' }];

    it.each([
      ['finds room where the others have it', withEach(fresh, fresh), true],
      ['finds none where they have another one', withEach(fresh, old), false],
    ])('%s', async (_, instances, drainsAll) => {
      const plan = await planOf(placedWhere('attribute:ecs.ami-id == ami-2', instances), SCALE_IN, {
        deadlineSeconds: 600,
      });
      expect(plan).toMatchObject({ drainsAll, limits: [] });
    });

    it('asks for a check if the snapshot does not have it', async () => {
      const plan = await planOf(placedWhere('not(attribute:ecs.ami-id == ami-1)', hosts), SCALE_IN);
      expect(plan).toMatchObject({ go: false, drainsAll: true, limits: [{ isRisk: true }] });
    });

    it('asks for a check if new instances may have another image', async () => {
      const plan = await planOf(placedWhere('attribute:ecs.ami-id == ami-2', withEach(fresh, fresh)), TERMINATE);
      expect(plan).toMatchObject({ go: false, drainsAll: true });
      expect(plan.verdict).toContain('Tasks are placed by the image of an instance (ecs.ami-id).');
    });

    it('has new instances in the subnets of their zones', async () => {
      const inZone = (zone: string) => ({ 'ecs.availability-zone': zone, 'ecs.subnet-id': `subnet-of-${zone}` });
      const snapshot = placedWhere(
        'attribute:ecs.subnet-id == subnet-of-eu-west-1a',
        withEach(inZone('eu-west-1a'), inZone('eu-west-1b')),
      );
      const plan = await planOf(snapshot, ROLLING, { deadlineSeconds: 600 }, [1, 2]);
      expect(plan).toMatchObject({ go: true, limits: [] });
    });
  });

  it('has a scale-in take the oldest instance, wherever AWS lists it, or the newest if that is the policy', async () => {
    const [first, second] = aSnapshot().cluster.instances;
    if (!first || !second) throw new Error('The sample has two instances.');
    const dayBefore = START_MS - 86_400_000;
    const instances = [
      { ...first, id: 'first' },
      // Its agent has registered again since.
      { ...second, id: 'again', registeredAtMs: START_MS + 60_000 },
      { ...second, id: 'before', registeredAtMs: dayBefore, agentConnected: false, status: 'DRAINING' },
    ];
    const drained = async (terminationPolicies: string[]) => {
      const snapshot = aSnapshot({ cluster: { instances }, group: { terminationPolicies } });
      return (await planOf(snapshot, { kind: 'scale-in', count: 1 })).drains.map(({ instanceId }) => instanceId);
    };
    expect(await drained(['OldestInstance'])).toEqual([INSTANCES[1]]);
    expect(await drained(['NewestInstance'])).toEqual([INSTANCES[0]]);
  });

  it('says why an instance refresh of protected instances fails, and how to end that', async () => {
    const instances = aSnapshot().group.instances.map((each) => ({ ...each, protectedFromScaleIn: true }));
    const change = {
      kind: 'instance-refresh',
      minHealthyPercent: 50,
      maxHealthyPercent: 100,
      warmupSeconds: 0,
    } as const;
    const { failures, limits } = await planOf(aSnapshot({ group: { instances } }), change);
    expect(failures).toEqual([
      `Instance refresh failed: Instances stayed protected from scale-in for an hour. End their protection first (aws autoscaling set-instance-protection --auto-scaling-group-name web --no-protected-from-scale-in --instance-ids ${INSTANCES.join(' ')}).`,
    ]);
    expect(limits).toEqual([]);
  });

  it('says that the change itself fails', async () => {
    const snapshot = aSnapshot({ group: { launchSeconds: [2_000] } });
    const plan = await planOf(snapshot, ROLLING);
    expect(plan.failures).toEqual([
      expect.stringMatching(/^Rolling update failed: Failed to receive 1 resource signal/),
    ]);
    expect(plan.drainsAll).toBe(false);
    expect(plan.verdict).toContain('The change itself fails: Rolling update failed');
  });

  it('has ECS drain where the capacity provider of the group does', async () => {
    const provider = {
      name: 'of-web',
      managedScaling: false,
      managedTerminationProtection: false,
      managedDraining: true,
    };
    const snapshot = aSnapshot({ cluster: { capacityProviders: [{ ...provider, autoScalingGroup: 'web' }] } });
    expect(blueprintOf(snapshot, estimatesOf(snapshot), {}).provider).toMatchObject({
      name: 'of-web',
      managedDraining: true,
    });
    expect(await planOf(snapshot, TERMINATE, { superviseManagedDraining: 'true' })).toMatchObject({
      drainsAll: true,
      killed: { withDrain: { tasks: 0 } },
    });
    const others = aSnapshot({ cluster: { capacityProviders: [{ ...provider, autoScalingGroup: 'others' }] } });
    expect(blueprintOf(others, estimatesOf(others), {}).provider).toBeUndefined();
  });

  it('has a group whose sizes are beyond what the Region can play, with its warm pool', async () => {
    const warmPool = { minSize: 50_000, poolState: 'Stopped', reuseOnScaleIn: false } as const;
    expect(await planOf(aSnapshot({ group: { maxSize: 100_000 } }), ROLLING)).toMatchObject({ drainsAll: true });
    const snapshot = aSnapshot({ group: { maxSize: 100_000, warmPool } });
    expect(await planOf(snapshot, { kind: 'scale-in', count: 1 })).toMatchObject({ drainsAll: true });
  });

  describe('of a scale-in of a group with a warm pool', () => {
    const change: Change = { kind: 'scale-in', count: 1 };
    const pool = { minSize: 3, maxGroupPreparedCapacity: 2, poolState: 'Stopped', reuseOnScaleIn: true } as const;
    const planWith = (more: object) => planOf(aSnapshot({ group: { warmPool: { ...pool, ...more } } }), change);
    const trouble =
      'Instances of the group return to its warm pool: one that does waits until the hook times out. Remove the group from autoScalingGroups, or turn the reuse of instances on scale-in off.';

    it('says why no drain ends and what to do, where the instance returns to the pool', async () => {
      const plan = await planWith({ size: 1 });
      expect(plan).toMatchObject({
        go: false,
        drains: [{ outcomes: { 'left to the hook’s timeout': 1 } }],
        limits: [],
      });
      expect(plan.verdict).toContain(trouble);
    });

    it('warns where the pool is full as well, as the doctor does', async () => {
      const plan = await planWith({ size: 3 });
      expect(plan).toMatchObject({ go: true, drains: [{ outcomes: { drained: 1 } }], limits: [] });
      expect(plan.verdict).toContain(trouble);
    });

    it('has nothing to say where the instances do not return, and takes the pool to be full if that is not known', async () => {
      const plan = await planWith({ reuseOnScaleIn: false });
      expect(plan).toMatchObject({ go: true, troubles: [] });
      expect(plan.limits.map(({ what }) => what)).toEqual([
        'How many instances the warm pool of the group has is not known.',
      ]);
      // Where they may return, that is expected.
      const returning = await planWith({});
      expect(returning).toMatchObject({ go: false, limits: [{ effect: expect.stringContaining('to be empty') }] });
    });
  });

  it('keeps the ids of the instances, and gives new ones to those that come', () => {
    const snapshot = aSnapshot();
    const { group, others } = blueprintOf(snapshot, estimatesOf(snapshot), {});
    expect(group.members?.map(({ instanceId }) => instanceId)).toEqual(INSTANCES);
    expect(others).toEqual([]);
  });

  it('leaves out of the group what is not in service, and keeps what runs there', () => {
    const [first, second] = aSnapshot().group.instances;
    if (!first || !second) throw new Error('The sample has two instances.');
    const snapshot = aSnapshot({ group: { instances: [{ ...first, state: 'Terminating:Wait' }, second] } });
    const { group, others, services } = blueprintOf(snapshot, estimatesOf(snapshot), {});
    expect(group).toMatchObject({ desiredCapacity: 1, minSize: 0, maxSize: 3 });
    expect(others.map(({ ec2InstanceId }) => ec2InstanceId)).toEqual([first.id]);
    expect(services[0]?.standing).toHaveLength(4);
    expect(limitsIn(snapshot, TERMINATE).map(({ what }) => what)).toContain(
      `${first.id} is Terminating:Wait and ACTIVE.`,
    );
  });
});

function withJob(): Partial<Snapshot['cluster']> {
  const { cluster } = aSnapshot();
  const startedAtMs = START_MS + 3_500_000;
  const job = { group: 'family:report', taskDefinition: 'report:3', startedBy: 'nightly', startedAtMs };
  const [definition] = cluster.taskDefinitions;
  return {
    tasks: [...cluster.tasks, aTask('job', INSTANCES[0], job)],
    taskDefinitions: [...cluster.taskDefinitions, { ...definition, name: 'report:3' } as typeof definition & object],
  };
}

describe('a change', () => {
  const refusal = (change: Change, changes: Changes = {}) => {
    try {
      refuseImpossible(change, aSnapshot(changes));
    } catch (error) {
      return (error as Error).message;
    }
    return undefined;
  };

  it.each<[string, Change, Changes, RegExp]>([
    [
      'more in service than the group may have',
      { ...ROLLING, minInService: 4 } as Change,
      {},
      /^--min-in-service 4 must be less than the maximum size of the group web, which is 4/,
    ],
    [
      'fewer than the minimum',
      { kind: 'scale-in', count: 2 },
      { group: { minSize: 1 } },
      /^--count 2 leaves 0 instances, fewer than the minimum size of the group web, which is 1\.$/,
    ],
    [
      'instances that are protected from scale-in',
      { kind: 'scale-in', count: 2 },
      {
        group: {
          instances: aSnapshot().group.instances.map((each, i) => ({ ...each, protectedFromScaleIn: i === 0 })),
        },
      },
      /^--count 2 is too many: all but 1 of the instances of the group web are protected from scale-in, and Auto Scaling terminates none of these\./,
    ],
    [
      'an instance of another group',
      { ...TERMINATE, instanceIds: ['i-00000000000000009'] } as Change,
      {},
      /^--instance i-00000000000000009 is not an instance of the group web\.$/,
    ],
    [
      'an instance that is not registered any more',
      TERMINATE,
      { cluster: { instances: aSnapshot().cluster.instances.slice(1) } },
      /^--instance \S+a is InService in the group web and not registered in the cluster prod: a plan terminates what is InService, and ACTIVE or DRAINING\.$/,
    ],
    [
      'an instance that is on its way out',
      TERMINATE,
      { group: { instances: aSnapshot().group.instances.map((each, i) => ({ ...each, ...(i === 0 && LEAVING) })) } },
      /^--instance \S+a is Terminating:Wait in the group web and ACTIVE in the cluster prod: /,
    ],
    [
      'a termination below the minimum',
      { ...TERMINATE, shrinks: true } as Change,
      { group: { minSize: 2 } },
      /^--decrement leaves 1 instance, fewer than/,
    ],
    [
      'too wide a range of healthy instances',
      { kind: 'instance-refresh', minHealthyPercent: 50, maxHealthyPercent: 160, warmupSeconds: 0 },
      {},
      /^--max-healthy-percent 160 is more than 100 above --min-healthy-percent 50/,
    ],
    [
      'more in service than there may be without what is launching',
      ROLLING,
      { group: { desiredCapacity: 4 } },
      /^--min-in-service 2 must be less than the maximum size of the group web, which is 2 without the 2 instances that are not in service: /,
    ],
    [
      'a termination below the minimum, where an instance is not in service',
      { ...TERMINATE, shrinks: true } as Change,
      { group: { desiredCapacity: 3, minSize: 3 } },
      /^--decrement leaves 1 instance, fewer than the minimum size of the group web, which is 2 without the 1 instance that is not in service\.$/,
    ],
    ['a group in which nothing is in service', TERMINATE, { group: { instances: [] } }, /there is nothing to drain\.$/],
  ])('that needs %s is refused in a sentence', (_, change, changes, sentence) => {
    expect(refusal(change, changes)).toMatch(sentence);
  });

  it('that is possible is not refused', () => {
    expect(refusal(ROLLING)).toBeUndefined();
    expect(refusal(TERMINATE)).toBeUndefined();
    // The third instance keeps the group above its minimum.
    const shrink = { ...TERMINATE, shrinks: true } as Change;
    expect(refusal(shrink, { group: { desiredCapacity: 3, minSize: 2 } })).toBeUndefined();
  });
});

describe('a scale-in of which the plan does not know the instance', () => {
  const BY_DEFAULT = { terminationPolicies: ['Default'] };
  const [, second] = INSTANCES;
  const { cluster: sample } = aSnapshot();
  /** With an instance of another group, so that there is room. */
  const roomy = [...sample.instances, STRANGER];
  const jobOn = (id: string) => ({
    instances: roomy,
    tasks: [...sample.tasks, aTask('j', id, { group: 'family:job' })],
    stoppedTasks: [ranFor(14_400)],
  });
  /** A service with one task, on the instance that the plan does not take. */
  const oneMore = (service: Partial<SnapshotService> = {}, definition = {}) => {
    const needs = { name: 'one:1', ...definition };
    const deployments = WEB.deployments.map((each) => ({ ...each, taskDefinition: 'one:1' }));
    const one = { ...WEB, name: 'one', desiredCount: 1, taskDefinition: 'one:1', targetGroups: [], deployments };
    return {
      instances: roomy,
      services: [WEB, { ...one, ...service }],
      tasks: [...sample.tasks, aTask('o', second, { group: 'service:one', taskDefinition: 'one:1', ...definition })],
      taskDefinitions: [...sample.taskDefinitions, ...sample.taskDefinitions.map((each) => ({ ...each, ...needs }))],
    };
  };

  it.each<[string, Changes['cluster'] & {}, RegExp]>([
    ['a job that runs on', jobOn(second), /family:job there: draining does not stop standalone tasks/],
    [
      'a disconnected agent',
      { instances: roomy.map((each) => ({ ...each, agentConnected: each.ec2InstanceId !== second })) },
      /service:web there: /,
    ],
    ['a service that cannot be replaced', oneMore({ maximumPercent: 100 }), /service:one there: the service cannot/],
    [
      'a static port that the others have taken',
      {
        ...oneMore({}, { hostPorts: [8_080] }),
        instances: roomy.map((each) => ({ ...each, ports: each.ec2InstanceId === second ? [22] : [22, 8_080] })),
      },
      /service:one there: ECS finds no room/,
    ],
    [
      'a task that needs an instance of its own',
      {
        ...oneMore({}, { memoryMiB: 5_000 }),
        instances: roomy.map((each) => ({ ...each, memoryMiB: each.ec2InstanceId === second ? 7_680 : 5_120 })),
      },
      /service:one there: ECS finds no room/,
    ],
  ])('asks for a check if another one has %s', async (_, cluster, why) => {
    const plan = await planOf(aSnapshot({ group: BY_DEFAULT, cluster }), SCALE_IN);
    expect(plan.verdict).toMatch(/^Check first: a scale-in by 1 drains its instance/);
    expect(plan.verdict).toMatch(
      new RegExp(`If the scale-in takes ${second} instead, a drain may end as .*, and [0-9]+ tasks? may be killed\\.`),
    );
    expect(plan.verdict).toMatch(why);
    expect(plan.verdict).toContain(`--change terminate --decrement --instance ${second} plans that.`);
    expect(plan.go).toBe(false);
  });

  it('asks for a check if two others together have what a service needs', async () => {
    const ids = ['c', 'd'].map((letter) => `i-0000000000000000${letter}`);
    const { group } = aSnapshot();
    const more = <Each>(each: readonly Each[], of: (id: string) => Partial<Each>) => [
      ...each,
      ...ids.flatMap((id) => each.slice(0, 1).map((one) => ({ ...one, ...of(id) }))),
    ];
    const needsGpu = oneMore({}, { gpus: 1 });
    const cluster = {
      ...needsGpu,
      instances: more(sample.instances, (ec2InstanceId) => ({ ec2InstanceId, gpus: 1, registeredAtMs: START_MS + 1 })),
      tasks: needsGpu.tasks.map((each) => (each.id === 'o' ? { ...each, ec2InstanceId: ids[0] ?? '' } : each)),
    };
    const instances = more(group.instances, (id) => ({ id }));
    const sizes = { desiredCapacity: 4, maxSize: 8 };
    const byTwo = { kind: 'scale-in', count: 2 } as const;
    const plan = await planOf(aSnapshot({ group: { ...BY_DEFAULT, ...sizes, instances }, cluster }), byTwo);
    expect(plan.verdict).toMatch(
      /^Check first: .* If the scale-in takes i-\S+[cd] and i-\S+[cd] instead, a drain may end as timed-out, and 1 task may be killed\. service:one there: ECS finds no room for a replacement\. --change terminate --decrement --instance i-\S+[cd] i-\S+[cd] plans that\./,
    );
  });

  it.each<[string, Changes]>([
    ['the others drain as well', { group: BY_DEFAULT, cluster: oneMore() }],
    ['Auto Scaling goes by age', { cluster: jobOn(second) }],
    [
      'the others are protected',
      {
        group: {
          ...BY_DEFAULT,
          instances: aSnapshot().group.instances.map((each, i) => ({ ...each, protectedFromScaleIn: i === 1 })),
        },
        cluster: jobOn(second),
      },
    ],
  ])('is a Go if %s', async (_, changes) => {
    expect(await planOf(aSnapshot(changes), SCALE_IN)).toMatchObject({ go: true });
  });

  it('rehearses each job, service and lost agent that it may meet, and then the fullest instances', () => {
    const ids = Array.from({ length: 30 }, (_, i) => `i-${String(i).padStart(17, '0')}`);
    const { group, cluster } = aSnapshot();
    const snapshot = aSnapshot({
      group: {
        ...BY_DEFAULT,
        instances: ids.flatMap((id) => group.instances.slice(0, 1).map((each) => ({ ...each, id }))),
      },
      cluster: {
        instances: ids.flatMap((ec2InstanceId, i) =>
          cluster.instances.slice(0, 1).map((each) => ({ ...each, ec2InstanceId, agentConnected: i !== 28 })),
        ),
        tasks: [
          ...ids.map((id, i) => aTask(`w${i}`, id, { memoryMiB: 100 + i })),
          aTask('j', ids[1] as string, { group: 'family:job', memoryMiB: 1 }),
        ],
      },
    });
    const choices = otherChoices(snapshot, SCALE_IN).map(({ instanceIds }) => instanceIds);
    expect(choices).toHaveLength(20);
    expect(choices.slice(0, 4)).toEqual([[ids[28]], [ids[1]], [ids[29]], [ids[27]]]);
    expect(limitsIn(snapshot, SCALE_IN)).toContainEqual({
      what: 'Auto Scaling chooses by the termination policies Default of the group, and the plan by age.',
      effect: 'Another instance than in the plan may leave. 20 of the 29 others are rehearsed once.',
    });
    // Of several, those with what few have leave together.
    const pairs = otherChoices(snapshot, { kind: 'scale-in', count: 2 }).map(({ instanceIds }) => instanceIds);
    expect(pairs[0]).toEqual([ids[28], ids[1]]);
    expect(pairs).toContainEqual([ids[1], ids[29]]);
  });

  it('has no other choice where all leave, of however many instances', () => {
    const ids = Array.from({ length: 9_000 }, (_, i) => `i-${String(i).padStart(17, '0')}`);
    const { group, cluster } = aSnapshot();
    const instances = ids.flatMap((id) => group.instances.slice(0, 1).map((each) => ({ ...each, id })));
    const hosts = ids.flatMap((ec2InstanceId) =>
      cluster.instances.slice(0, 1).map((each) => ({ ...each, ec2InstanceId })),
    );
    const snapshot = aSnapshot({ group: { ...BY_DEFAULT, instances }, cluster: { instances: hosts, tasks: [] } });
    expect(otherChoices(snapshot, ROLLING)).toEqual([]);
  });

  it('may take the other instance of the fullest zone, and none of another', () => {
    const zones = ['a', 'a', 'b'];
    const ids = zones.map((_, i) => `i-0000000000000000${i}`);
    const { group, cluster } = aSnapshot();
    const of = <Each>(each: readonly Each[], more: (i: number) => Partial<Each>) =>
      ids.flatMap((_, i) => each.slice(0, 1).map((one) => ({ ...one, ...more(i) })));
    const snapshot = aSnapshot({
      group: { ...BY_DEFAULT, instances: of(group.instances, (i) => ({ id: ids[i] ?? '', zone: zones[i] ?? '' })) },
      cluster: {
        instances: of(cluster.instances, (i) => ({ ec2InstanceId: ids[i] ?? '', registeredAtMs: START_MS + 9 - i })),
        tasks: [],
      },
    });
    expect(leavingIn(snapshot, SCALE_IN)).toEqual([ids[1]]);
    expect(othersThatMayLeave(snapshot, SCALE_IN)).toEqual([ids[0]]);
  });
});

describe('the verdict of a plan', () => {
  const trial: TrialResult = {
    seed: 1,
    ended: true,
    failure: undefined,
    seconds: 300,
    drains: [],
    fewestRunning: {},
    lowestReservationPercent: 50,
    killed: { 'cut off': 0, 'delayed SIGTERM': 0, unharmed: 0 },
    stoppedOf: {},
    killedOf: {},
    requestsLost: 0,
    blocking: [],
    calls: 20,
    dollars: 0,
  };
  const drain = (outcome: string, i = 0): PlannedDrain => {
    return { instanceId: `i-${i}`, outcome, seconds: 60, bound: 'nothing', calls: 10 };
  };
  const verdict = (more: Partial<TrialResult>, change: Change = ROLLING) => {
    const snapshot = aSnapshot();
    const withDrain = [{ ...trial, ...more }];
    const given = { snapshot, change, params: {}, limits: [], prerequisites: [], troubles: [] };
    return concluded({ ...given, estimates: estimatesOf(snapshot), withDrain, withoutDrain: [], others: [] }).verdict;
  };

  it('asks for a check of what is not modeled and a risk, unless the change gets stuck anyway', () => {
    const limit = { what: 'A thing is so.', effect: 'Drains may get stuck.' };
    const said = (outcome: string, isRisk: boolean) => {
      const snapshot = aSnapshot();
      const limits = [{ ...limit, ...(isRisk && { isRisk }) }];
      const given = { snapshot, change: TERMINATE, params: {}, limits, prerequisites: [], troubles: [] };
      const withDrain = [{ ...trial, drains: [drain(outcome)] }];
      return concluded({ ...given, estimates: estimatesOf(snapshot), withDrain, withoutDrain: [], others: [] });
    };
    expect(said('drained', true).go).toBe(false);
    expect(said('drained', true).verdict).toMatch(
      /^Check first: the termination of \S+ drains its instance in the one rehearsal; it takes 5 min, and no task is killed\. But check this: A thing is so\. Drains may get stuck\. This rests on 1 thing /,
    );
    expect(said('timed-out', true).verdict).toMatch(
      /^Do not go ahead yet: .*\. This rests on 1 thing that the plan does not model/,
    );
    expect(said('drained', false)).toMatchObject({ go: true, verdict: expect.not.stringContaining('A thing is so') });
  });

  it.each<[Partial<TrialResult>, string]>([
    [
      { drains: [drain('drained', 1), drain('drained', 2)] },
      'Go: a rolling update in batches of 1 with at least 2 in service drains both instances in the one rehearsal; it takes 5 min, and no task is killed.',
    ],
    [
      { drains: [drain('drained', 1), drain('drained', 2), drain('timed-out', 3), drain('agent-lost', 4)] },
      'during a rolling update in batches of 1 with at least 2 in service, 2 of 4 drains may end as timed-out or agent-lost, and no task is killed.',
    ],
    [
      { drains: [drain('drained')], killed: { ...trial.killed, 'cut off': 1 } },
      'its drain ends as drained, and 1 task may be killed.',
    ],
    [
      { drains: [drain('drained', 1), drain('drained', 2)], stoppedOf: { 'service:web': 1 } },
      'Go, but the drains themselves stop 1 task before their deadlines (1 of service:web): a rolling update',
    ],
    [
      { drains: [drain('timed-out')], stoppedOf: { 'service:web': 1 } },
      'may end as timed-out, and no task is killed; the drain itself stops 1 task before its deadline (1 of service:web).',
    ],
    [
      { ended: false },
      'no drain ends, and no task is killed. The change itself fails: It has not ended after two weeks.',
    ],
  ])('reads as a sentence: %#', (more, sentence) => {
    expect(verdict(more)).toContain(sentence);
  });
});

describe('what a plan does not model', () => {
  const limits = (changes: Changes, change: Change = TERMINATE) =>
    limitsIn(aSnapshot(changes), change).map(({ what }) => what);
  const hook = {
    name: 'logs',
    transition: 'terminating',
    heartbeatTimeoutSeconds: 60,
    defaultResult: 'CONTINUE',
  } as const;
  const definition = (more: Partial<Snapshot['cluster']['taskDefinitions'][number]>): Changes => ({
    cluster: { taskDefinitions: aSnapshot().cluster.taskDefinitions.map((each) => ({ ...each, ...more })) },
  });

  const overdue = (more: Partial<SnapshotTask>): Changes => {
    const [, ...others] = aSnapshot().cluster.tasks;
    return { cluster: { tasks: [aTask('0a', INSTANCES[0], more), ...others] } };
  };

  it.each<[Changes, string]>([
    [{ group: { hooks: [hook, { ...hook, transition: 'launching' }] } }, 'The group has the launching hook logs.'],
    [
      { group: { suspendedProcesses: ['AddToLoadBalancer'], loadBalancers: ['nlb'] } },
      'The process AddToLoadBalancer of the group is suspended.',
    ],
    [{ group: { loadBalancers: ['nlb'] } }, 'Auto Scaling itself registers instances with nlb.'],
    [
      { service: { placementConstraints: [{ type: 'memberOf', expression: 'ebs == fast' }] } },
      'The service web has the placement constraint memberOf ebs == fast, which the plan cannot read.',
    ],
    [
      {
        cluster: {
          ...definition({ networkMode: 'awsvpc' }).cluster,
          instances: aSnapshot().cluster.instances.map((each) => ({
            ...each,
            attributes: { 'ecs.instance-type': 'm99.large' },
          })),
        },
      },
      'Tasks of the service web have a network interface of their own (awsvpc), and how many of them an instance of type m99.large takes is not known.',
    ],
    [
      { cluster: { capacityProviders: [{ ...SCALED, autoScalingGroup: 'others' }] } },
      'The capacity provider p scales another group, which services of the cluster use too.',
    ],
    [
      {
        cluster: {
          ...definition({ networkMode: 'awsvpc' }).cluster,
          tasks: aSnapshot().cluster.tasks.map((each) => ({ ...each, group: 'family:job' })),
          instances: aSnapshot().cluster.instances.map((each) => ({ ...each, attributes: {} })),
        },
      },
      'Tasks of family:job have a network interface of their own (awsvpc), and how many of them an instance of type unknown takes is not known.',
    ],
    [{ service: { placementStrategies: [{ type: 'random' }] } }, 'The service web has the placement strategy random.'],
    [{ service: { protectedTasks: 1 } }, '1 of 4 tasks of the service web is protected from scale-in.'],
    [
      { cluster: { targetGroups: [{ name: 'web', deregistrationDelaySeconds: 120, slowStartSeconds: 30 }] } },
      'The target group web of the service web has a slow start of 30 s.',
    ],
    [{ service: { deploymentController: 'CODE_DEPLOY' } }, 'The service web is deployed by CODE_DEPLOY.'],
    [{ service: { deploymentStrategy: 'BLUE_GREEN' } }, 'The service web has the deployment strategy BLUE_GREEN.'],
    [
      { service: { deployments: ROLLING_OUT } },
      'The service web is being deployed, and none of its new tasks runs yet.',
    ],
    [
      overdue({ desiredStatus: 'STOPPED', lastStatus: 'STOPPING', stoppingAtMs: START_MS + 1_000_000 }),
      'The task 0a (service:web) has been stopping for 43 min, longer than its deregistration and its stop timeout allow.',
    ],
    [
      overdue({ lastStatus: 'PENDING', createdAtMs: START_MS + 3_000_000 }),
      'The task 0a (service:web) has been starting for 10 min, longer than other tasks of the service.',
    ],
    [{ service: { name: 'other' } }, 'Tasks of the service web run, and the snapshot does not have that service.'],
    [
      { unknown: [{ call: 'ecs:GetTaskProtection', why: 'AccessDenied', missing: 'whether 4 tasks are protected' }] },
      'Not known (ecs:GetTaskProtection: AccessDenied): whether 4 tasks are protected.',
    ],
    [
      { cluster: { instances: [...aSnapshot().cluster.instances, STRANGER] } },
      '1 container instance is not of the group web.',
    ],
    [{ service: { desiredCount: 6 } }, 'The service web wants 6 tasks, and the snapshot has 4.'],
    [{ service: { desiredCount: 1 } }, 'The service web wants 1 task, and the snapshot has 4.'],
    [
      definition({ memoryMiB: 4_000 }),
      `The tasks on ${INSTANCES[0]} need 8000 MiB and 512 CPU units, and it has registered 7680 MiB and 2048.`,
    ],
  ])('is listed: %#', (changes, what) => {
    expect(limits(changes)).toContain(what);
  });

  it('is how many requests are lost where CloudWatch was not permitted, and nothing is assumed of them', () => {
    const unknown = [{ call: 'cloudwatch:GetMetricData', why: 'AccessDenied', missing: 'how many requests come' }];
    expect(limitsIn(aSnapshot({ unknown }), TERMINATE)).toMatchObject([
      { effect: 'The plan does not know how many requests are lost.' },
    ]);
  });

  it('is which instance a scale-in takes, unless the termination policy goes by age', () => {
    const change: Change = { kind: 'scale-in', count: 1 };
    const by = (terminationPolicies?: string[]) =>
      limits({ group: { terminationPolicies } as Changes['group'] & {} }, change);
    expect(by(['OldestInstance', 'Default'])).toEqual([]);
    expect(by(['NewestInstance'])).toEqual([]);
    expect(by(['Default'])).toEqual([
      'Auto Scaling chooses by the termination policies Default of the group, and the plan by age.',
    ]);
    expect(by()).toEqual([
      'Auto Scaling chooses by the termination policies of the group, which are not in the snapshot, and the plan by age.',
    ]);
    expect(limits({ group: { terminationPolicies: ['Default'] } }, TERMINATE)).toEqual([]);
  });

  const [standby, other] = aSnapshot().group.instances;
  if (!standby || !other) throw new Error('The sample has two instances.');
  const refresh: Change = { kind: 'instance-refresh', minHealthyPercent: 90, maxHealthyPercent: 100, warmupSeconds: 0 };
  const typed = aSnapshot().group.instances.map((each) => ({ ...each, type: 'm5.large' }));

  describe('is when a standalone task ends', () => {
    const job = (ranSeconds: number, earlier: number[], on: string = INSTANCES[0]): Changes => {
      const startedAtMs = aSnapshot().takenAtMs - ranSeconds * 1000;
      const task = aTask('j', on, { group: 'family:job', createdAtMs: startedAtMs, startedAtMs });
      return {
        cluster: { tasks: [...aSnapshot().cluster.tasks, task], stoppedTasks: earlier.map((ran) => ranFor(ran)) },
      };
    };

    it.each([
      [
        'is not known',
        job(300, []),
        'The standalone tasks of family:job run for an unknown time. The plan assumes 45 min in all.',
      ],
      [
        'is not known, and is later than the plan assumes',
        job(259_200, []),
        'Standalone tasks run for an unknown time: family:job has run for 3 d, and 45 min is assumed.',
      ],
      [
        'is later than that of the tasks before',
        job(259_200, [600]),
        'Standalone tasks run for an unknown time: family:job has run for 3 d, and 10 min is the median of 1 task of family:job that ended recently.',
      ],
    ])('which is a risk if it %s', async (_, changes, sentence) => {
      const { go, verdict } = await planOf(aSnapshot(changes));
      expect(go).toBe(false);
      expect(verdict).toMatch(/^Check first: /);
      expect(verdict).toContain(sentence);
      expect(verdict).toContain(
        'If they run longer, drains get stuck, because draining does not stop standalone tasks.',
      );
    });

    it('which is a risk if a single one before ran for too long', async () => {
      const { go, verdict } = await planOf(aSnapshot(job(300, [600, 600, 10_900])));
      expect(go).toBe(false);
      expect(verdict).toContain(
        'Standalone tasks of family:job have run for up to 3 h 2 min. The plan has each run for 10 min, the median of 3 tasks of family:job that ended recently. If they run longer, drains get stuck',
      );
      expect(limits(job(300, [600, 600, 6_000]))).toEqual([]);
      expect(limits(job(300, [600, 600, 10_900], INSTANCES[1]))).toEqual([]);
    });

    it('unless it is known, or the task is on no instance that leaves', async () => {
      expect(await planOf(aSnapshot(job(300, [600])))).toMatchObject({ go: true, limits: [] });
      // Chance.
      expect(limits(job(650, [600]))).toEqual([]);
      expect(limits(job(300, [], INSTANCES[1]))).toEqual([]);
      const snapshot = aSnapshot(job(300, []));
      const estimates = estimatesOf(snapshot, { standaloneTasks: { 'family:job': { runsForSeconds: 900 } } });
      expect(limitsOf(snapshot, TERMINATE, { estimates, params: {} })).toEqual([]);
    });

    it('which is no risk where the drain stops it', () => {
      const snapshot = aSnapshot(job(300, []));
      const given = { estimates: estimatesOf(snapshot), params: { stopStragglers: 'standalone' } };
      const [limit, ...others] = limitsOf(snapshot, TERMINATE, given);
      expect(others).toEqual([]);
      expect(limit?.effect).toContain('If they run longer, the drain stops them before its deadline.');
      expect(limit).not.toHaveProperty('isRisk');
    });
  });

  it('is whether draining stops protected tasks, if there are any on an instance that leaves', () => {
    const service = { desiredCount: 2, protectedTasks: 2 };
    const on = (id: string) => ({ service, cluster: { tasks: [aTask('a', id), aTask('b', id)] } });
    expect(limitsIn(aSnapshot(on(INSTANCES[0])), TERMINATE)).toEqual([
      {
        what: '2 of 2 tasks of the service web are protected from scale-in.',
        effect:
          'AWS does not document whether draining stops tasks that are protected. The plan has them replaced and stopped as others are.',
      },
    ]);
    expect(limits(on(INSTANCES[1]))).toEqual([]);
    // ECS keeps what is protected beyond what the service wants.
    expect(limits({ service: { desiredCount: 1, protectedTasks: 4 } })).toHaveLength(1);
  });

  it('is a deregistration delay that could not be read, and a risk if a drain may be too short for it', () => {
    const call = 'elasticloadbalancing:DescribeTargetGroupAttributes';
    const changes = {
      unknown: [{ call, why: 'AccessDenied', missing: 'the deregistration delay of web' }],
      cluster: { targetGroups: [{ name: 'web' }] },
    };
    const isRisk = (deadlineSeconds: string, group: Changes['group'] = {}) => {
      const snapshot = aSnapshot({
        ...changes,
        group: { hooks: [{ ...HOOK, heartbeatTimeoutSeconds: 7_200 }], ...group },
      });
      const given = { estimates: estimatesOf(snapshot), params: { deadlineSeconds } };
      return limitsOf(snapshot, TERMINATE, given).some((limit) => limit.isRisk);
    };
    expect(isRisk('1800')).toBe(true);
    expect(isRisk('7200')).toBe(false);
    // The hook may choose less.
    expect(isRisk('7200', { hooks: [{ ...HOOK, settings: { deadlineSeconds: '900' } }] })).toBe(true);
  });

  it('names the several types that a group has or may launch', () => {
    const [first, second] = typed;
    const several = (instances: Snapshot['group']['instances'], instanceTypes: string[]) =>
      limits({ group: { instances, instanceTypes } }, SCALE_IN);
    expect(several(typed, ['m5.large', 'c5.large'])).toEqual(['The group may launch instances of several types.']);
    if (!first || !second) throw new Error('The sample has two instances.');
    expect(several([first, { ...second, type: 'c5.large' }], [])).toEqual([
      'The group has instances of several types.',
    ]);
  });

  it('begins with the tasks that there are, and has ECS start the others', async () => {
    const plan = await planOf(aSnapshot({ service: { desiredCount: 6 } }));
    expect(plan.services).toEqual([{ name: 'web', desired: 6, fewestRunning: 4 }]);
  });

  it.each<[string, Changes, Change, Change | undefined]>([
    ['a group that may be unable to launch', { group: { desiredCapacity: 3, maxSize: 5 } }, TERMINATE, SCALE_IN],
    [
      'a type of instance that the group does not have',
      { group: { instances: typed, instanceTypes: ['m5.large', 'c5.large'] } },
      ROLLING,
      SCALE_IN,
    ],
    ['types that Auto Scaling chooses by requirements', { group: { typesByRequirements: true } }, ROLLING, SCALE_IN],
    [
      'an instance in standby',
      { group: { desiredCapacity: 1, instances: [{ ...standby, state: 'Standby' }, other] } },
      refresh,
      ROLLING,
    ],
    [
      'an instance that is not registered',
      { group: { instances: [...aSnapshot().group.instances, { ...other, id: 'i-0000000000000000d' }] } },
      refresh,
      TERMINATE,
    ],
    [
      'an instance that is not registered, and that a scale-in may take',
      { group: { instances: [...aSnapshot().group.instances, { ...other, id: 'i-0000000000000000d' }] } },
      SCALE_IN,
      TERMINATE,
    ],
    [
      'hooks that could not be read',
      { unknown: [{ call: 'autoscaling:DescribeLifecycleHooks', why: 'AccessDenied', missing: 'the hooks' }] },
      TERMINATE,
      undefined,
    ],
    [
      'settings that could not be read',
      { unknown: [{ call: 'lambda:GetFunctionConfiguration', why: 'AccessDenied', missing: 'its settings' }] },
      TERMINATE,
      undefined,
    ],
    [
      'a task definition that could not be read',
      { unknown: [{ call: 'ecs:DescribeTaskDefinition', why: 'AccessDenied', missing: 'web:1' }] },
      TERMINATE,
      undefined,
    ],
    [
      'a constraint that cannot be read',
      { service: { placementConstraints: [{ type: 'memberOf', expression: 'ebs == fast' }] } },
      TERMINATE,
      undefined,
    ],
    ['a service of another controller', { service: { deploymentController: 'EXTERNAL' } }, TERMINATE, undefined],
    ['a deployment of which no task runs yet', { service: { deployments: ROLLING_OUT } }, TERMINATE, undefined],
    [
      'a deployment that keeps the old tasks beside the new ones for a while',
      {
        service: { deploymentStrategy: 'BLUE_GREEN', deployments: ROLLING_OUT },
        cluster: { tasks: aSnapshot().cluster.tasks.map((task) => ({ ...task, startedBy: 'ecs-svc/2' })) },
      },
      TERMINATE,
      undefined,
    ],
    ['a task that hangs in starting', overdue({ lastStatus: 'PENDING', createdAtMs: START_MS }), TERMINATE, undefined],
  ])('is a risk: %s', (_, changes, change, harmless) => {
    const risks = (of: Change) => limitsIn(aSnapshot(changes), of).filter(({ isRisk }) => isRisk);
    expect(risks(change)).toHaveLength(1);
    expect(risks(change)[0]?.effect).toMatch(/get stuck|killed|fails|without a drain/);
    if (harmless) expect(risks(harmless)).toEqual([]);
  });

  it('is a risk if a task may take its whole stop timeout, even if those before were quick', () => {
    const [web] = aSnapshot().cluster.taskDefinitions;
    if (!web) throw new Error('The sample has a task definition.');
    const stopped = [5, 5, 6].map((each) => ({
      group: 'service:web',
      taskDefinition: 'web:1',
      stopCode: 'ServiceSchedulerInitiated',
      createdAtMs: START_MS,
      startedAtMs: START_MS,
      stoppingAtMs: START_MS + 1_000,
      executionStoppedAtMs: START_MS + 1_000 + (120 + each) * 1000,
    }));
    const cluster = { taskDefinitions: [{ ...web, stopTimeoutSeconds: 3_600 }], stoppedTasks: stopped };
    const snapshot = aSnapshot({ cluster });
    const limitsWith = (deadlineSeconds: string) =>
      limitsOf(snapshot, TERMINATE, { estimates: estimatesOf(snapshot), params: { deadlineSeconds } });
    expect(limitsWith('1800')).toEqual([
      {
        what: 'Of service:web, its tasks may need 120 s of deregistration + 3600 s of stop timeout = 3720 s, and a drain has 1800 s to its deadline.',
        effect:
          'The plan has each stop within 5 s, the median of 3 tasks of the service that stopped recently. One that takes its whole stop timeout is killed.',
        isRisk: true,
      },
    ]);
    expect(limitsWith('7200')).toEqual([]);
  });

  it('is a risk if a single instance took longer to launch than a drain has', () => {
    const snapshot = aSnapshot({ group: { launchSeconds: [90, 92, 9_000] } });
    const risks = (change: Change) => limitsIn(snapshot, change).filter(({ isRisk }) => isRisk);
    expect(risks(TERMINATE)).toMatchObject([{ what: 'Instances of the group have taken up to 2 h 30 min to launch.' }]);
    expect(risks(SCALE_IN)).toEqual([]);
  });

  it('is a risk if there are more kinds of instances to launch than rehearsals', async () => {
    const instances = aSnapshot().cluster.instances.map((each, i) => ({ ...each, memoryMiB: 7_680 * (i + 1) }));
    const plan = await planOf(aSnapshot({ cluster: { instances } }));
    expect(plan).toMatchObject({ go: false, drainsAll: true });
    expect(plan.limits).toContainEqual(
      expect.objectContaining({
        what: 'The group has 2 kinds of instances, and the plan launches 1 of them.',
        effect: 'On one of the others tasks may find no room, and drains get stuck: --trials 2 rehearses each.',
      }),
    );
  });

  it('is a risk if a single task of a service took too long to start', () => {
    const started = (seconds: number[], deadlineSeconds: string) => {
      const tasks = seconds.map((each, i) =>
        aTask(`s${i}`, INSTANCES[i % 2] ?? '', { startedAtMs: START_MS + each * 1000 }),
      );
      const snapshot = aSnapshot({ cluster: { tasks }, service: { desiredCount: seconds.length } });
      const given = { estimates: estimatesOf(snapshot), params: { deadlineSeconds } };
      return limitsOf(snapshot, TERMINATE, given);
    };
    expect(started([60, 60, 3_000], '1800')).toEqual([
      {
        what: 'Tasks of service:web have taken up to 50 min to start.',
        effect:
          'The plan has each take 1 min, the median of 3 tasks of the service. If one takes as long again, drains get stuck.',
        isRisk: true,
      },
    ]);
    expect(started([60, 60, 3_000], '7200')).toEqual([]);
  });

  it.each([
    [
      ['Terminate'],
      [],
      'A rolling update of CloudFormation needs the processes Launch and Terminate; of these, Terminate is suspended.',
    ],
    [
      ['AddToLoadBalancer'],
      ['the target group web'],
      'A rolling update of CloudFormation needs the processes Launch and Terminate and AddToLoadBalancer; of these, AddToLoadBalancer is suspended.',
    ],
  ])('is a rolling update without the process %s', (suspendedProcesses, loadBalancers, sentence) => {
    const snapshot = aSnapshot({ group: { suspendedProcesses, loadBalancers } });
    expect(limitsIn(snapshot, ROLLING).filter(({ isRisk }) => isRisk)).toMatchObject([{ what: sentence }]);
    expect(limitsIn(snapshot, SCALE_IN).filter(({ isRisk }) => isRisk)).toEqual([]);
  });

  it('is no risk where the group launches nothing, as its plan shows', () => {
    const group = { desiredCapacity: 3, maxSize: 5, suspendedProcesses: ['Launch'] };
    expect(limits({ group })).toEqual([]);
    expect(limits({ group: { ...group, suspendedProcesses: [] } })).toEqual([
      'The group web wants 3 instances, and 2 are in service or on their way.',
    ]);
    const launching = [...aSnapshot().group.instances, { ...other, id: 'i-0000000000000000d', state: 'Pending:Wait' }];
    expect(limits({ group: { desiredCapacity: 3, instances: launching } })).toEqual([
      'i-0000000000000000d is Pending:Wait and not registered with ECS.',
    ]);
  });

  it('launches instances with what all instances have, not with what some were given by hand', () => {
    const [first, second] = aSnapshot().cluster.instances;
    if (!first || !second) throw new Error('The sample has two instances.');
    const attributesOf = (ofFirst: object, ofSecond: object) => {
      const instances = [ofFirst, ofSecond].map((more, i) => {
        const each = i === 0 ? first : second;
        return { ...each, attributes: { ...each.attributes, ...more } };
      });
      const snapshot = aSnapshot({ cluster: { instances } });
      return blueprintOf(snapshot, estimatesOf(snapshot), {}).group.attributes;
    };
    const [ssd, hdd] = [{ disk: 'ssd' }, { disk: 'hdd' }];
    expect(attributesOf(ssd, ssd)).toMatchObject(ssd);
    for (const [ofFirst, ofSecond] of [
      [ssd, {}],
      [{}, ssd],
      [ssd, hdd],
    ] as const) {
      expect(attributesOf(ofFirst, ofSecond)).not.toHaveProperty('disk');
    }
    expect(attributesOf({}, {})).toMatchObject({ 'ecs.instance-type': expect.any(String) });
  });

  it('says that a group counts in units', () => {
    expect(limits({ group: { unitsPerInstance: 10 / 3 } })).toEqual([
      'The group web counts its capacity in units, and an instance has 3.3 on average.',
    ]);
  });

  it('is nothing in a plain cluster', () => {
    expect(limits({})).toEqual([]);
    expect(WEB.placementConstraints).toEqual([]);
  });
});
