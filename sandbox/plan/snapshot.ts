import * as v from 'valibot';
import { count, instanceId, instantMs, name, numberBetween, record, sentenceOf } from '../../src/adapters/schemas.ts';

/**
 * The file that `ecs-drain snapshot` writes: one Auto Scaling group, its cluster, and what runs there, as far as a drain
 * depends on it. It has no ARN, no environment variable and no secret. Instants are epoch milliseconds.
 */

/** Raise it when an older reader would misunderstand a newer file. */
export const SNAPSHOT_VERSION = 1;

/** What the local Region can play. */
const MOST_INSTANCES = 2_000;
const MOST_TASKS = 20_000;

const text = name('a name');
const flag = v.boolean('expected true or false');
const seconds = numberBetween(0, 172_800, 'seconds');
const percent = numberBetween(0, 10_000, 'percent');
const amount = numberBetween(0, 1e9, 'an amount');
const port = numberBetween(0, 65_535, 'a port');
/** A size says what a group may grow to, which can be far more than it has. */
const size = v.pipe(count, v.maxValue(1e6, 'expected a count up to 1000000'));
const list = <const S extends v.GenericSchema>(item: S, most = MOST_TASKS) =>
  v.pipe(v.array(item, 'expected a list'), v.maxLength(most, `expected ${most} entries at most`));
const oneOf = <const T extends readonly string[]>(...choices: T) =>
  v.picklist(choices, `expected one of ${choices.join(', ')}`);
const optional = <const S extends v.GenericSchema>(schema: S) => v.optional(schema);

/** What only ECS knows of a service, by the names of the causes of a stuck drain; the rest a rehearsal finds out. */
export const OBSTACLES = ['no-room', 'replacements-fail', 'deployment'] as const;

const hook = record({
  name: text,
  transition: oneOf('launching', 'terminating'),
  heartbeatTimeoutSeconds: numberBetween(30, 7_200, 'seconds'),
  defaultResult: oneOf('CONTINUE', 'ABANDON'),
  /** What its notification metadata chooses for the drains of its group. */
  settings: optional(v.record(text, v.string('expected text'), 'expected an object')),
  /** Whether its notification metadata is JSON that the function rejects. */
  rejected: optional(flag),
});

const groupInstance = record({
  id: instanceId,
  state: text,
  zone: optional(text),
  type: optional(text),
  protectedFromScaleIn: flag,
});

const group = record({
  name: text,
  minSize: size,
  maxSize: size,
  desiredCapacity: size,
  /** Where the group counts capacity in units: how many of them an instance is, on average. The sizes are in instances. */
  unitsPerInstance: optional(amount),
  capacityRebalance: flag,
  newInstancesProtected: flag,
  defaultInstanceWarmupSeconds: optional(seconds),
  /** An instance refresh takes it for the warmup where there is no default. */
  healthCheckGraceSeconds: optional(seconds),
  retainOnAbandon: flag,
  /** Its instance maintenance policy: what an instance refresh keeps to that says nothing else. */
  maintenance: optional(record({ minHealthyPercent: percent, maxHealthyPercent: percent })),
  suspendedProcesses: list(text, 20),
  /** How a scale-in chooses, in this order. */
  terminationPolicies: optional(list(text, 20)),
  /** Availability Zones that it launches instances into. */
  zones: optional(list(text, 100)),
  instanceTypes: optional(list(text, 100)),
  /** Whether Auto Scaling chooses the types by what they have to have. */
  typesByRequirements: optional(flag),
  /** Names of target groups and load balancers that Auto Scaling itself registers instances with. */
  loadBalancers: list(text, 100),
  warmPool: optional(
    record({
      minSize: size,
      maxGroupPreparedCapacity: optional(size),
      poolState: oneOf('Stopped', 'Running', 'Hibernated'),
      reuseOnScaleIn: flag,
      /** How many instances it has. */
      size: optional(size),
    }),
  ),
  instances: list(groupInstance, MOST_INSTANCES),
  /** Undefined if they could not be read. */
  hooks: optional(list(hook, 50)),
  /** How long recent launches took until the instance registered with ECS. */
  launchSeconds: list(seconds, 1_000),
});

const containerInstance = record({
  /** An EC2 instance has more than one if its agent has registered again. */
  id: optional(text),
  ec2InstanceId: instanceId,
  status: text,
  agentConnected: flag,
  registeredAtMs: instantMs,
  cpuUnits: amount,
  memoryMiB: amount,
  gpus: optional(amount),
  /** TCP ports that the agent keeps from tasks, and UDP ports. */
  ports: list(port),
  udpPorts: optional(list(port)),
  attributes: v.record(
    text,
    v.pipe(v.string('expected text'), v.maxLength(1_024, 'expected 1024 characters at most')),
    'expected an object',
  ),
  capacityProvider: optional(text),
  /** Whether ECS has given it a trunk network interface, for more tasks in the network mode awsvpc. */
  trunk: optional(flag),
});

/** When ECS takes a deployment of a service to have failed. */
const circuitBreaker = record({
  rollback: flag,
  resetOnHealthyTask: flag,
  threshold: record({
    type: oneOf('BOUNDED_PERCENT', 'UNBOUNDED_PERCENT', 'COUNT'),
    value: numberBetween(1, MOST_TASKS, 'percent or tasks'),
  }),
});

const deployment = record({
  /** `startedBy` of its tasks. */
  id: text,
  taskDefinition: optional(text),
  state: oneOf('IN_PROGRESS', 'COMPLETED', 'FAILED'),
  failedTasks: count,
});

const service = record({
  name: text,
  strategy: oneOf('REPLICA', 'DAEMON'),
  desiredCount: v.pipe(count, v.maxValue(MOST_TASKS, `expected a count up to ${MOST_TASKS}`)),
  minimumHealthyPercent: percent,
  maximumPercent: percent,
  taskDefinition: optional(text),
  circuitBreaker: optional(circuitBreaker),
  deploymentController: text,
  /** How the controller ECS deploys it, unless it is ROLLING. */
  deploymentStrategy: optional(text),
  /** The newest first; more than one while the service is being deployed. */
  deployments: list(deployment, 100),
  placementConstraints: list(record({ type: text, expression: optional(v.string('expected text')) }), 20),
  placementStrategies: list(record({ type: text, field: optional(text) }), 10),
  targetGroups: list(text, 100),
  /** Those of which no delay is read, such as Classic Load Balancers. */
  otherLoadBalancers: list(text, 100),
  healthCheckGraceSeconds: optional(numberBetween(0, 2 ** 31, 'seconds')),
  /** Its capacity provider strategy. */
  capacityProviders: list(record({ name: text, base: amount, weight: amount }), 20),
  zoneRebalancing: flag,
  protectedTasks: optional(count),
  /** What ECS reports that keeps tasks of the service from being replaced. */
  obstacles: optional(list(oneOf(...OBSTACLES), 10)),
});

const task = record({
  id: text,
  /** `service:web`, or what RunTask was given. */
  group: text,
  startedBy: optional(text),
  taskDefinition: text,
  ec2InstanceId: instanceId,
  /** The id of its container instance. */
  containerInstance: optional(text),
  lastStatus: text,
  desiredStatus: text,
  cpuUnits: amount,
  memoryMiB: amount,
  hostPorts: list(port, 200),
  createdAtMs: instantMs,
  startedAtMs: optional(instantMs),
  stoppingAtMs: optional(instantMs),
});

/** A task that has stopped recently: how long it ran, and how long it took to stop. */
const stoppedTask = record({
  group: text,
  taskDefinition: text,
  stopCode: optional(text),
  createdAtMs: instantMs,
  startedAtMs: optional(instantMs),
  stoppingAtMs: optional(instantMs),
  executionStoppedAtMs: optional(instantMs),
});

const taskDefinition = record({
  name: text,
  cpuUnits: amount,
  memoryMiB: amount,
  networkMode: optional(text),
  /** The longest of its containers. */
  stopTimeoutSeconds: seconds,
  /** Of TCP. */
  hostPorts: list(port, 200),
  udpHostPorts: optional(list(port, 200)),
  gpus: optional(amount),
  placementConstraints: list(record({ type: text, expression: optional(v.string('expected text')) }), 20),
  /** Whether a container waits for another, which makes them stop one after the other. */
  dependsOn: flag,
  images: optional(list(v.string('expected an image'), 100)),
});

const targetGroup = record({
  name: text,
  deregistrationDelaySeconds: optional(numberBetween(0, 3_600, 'seconds')),
  healthCheckIntervalSeconds: optional(seconds),
  slowStartSeconds: optional(seconds),
  /** The mean of the last hour; undefined if CloudWatch had no answer. */
  requestsPerTargetPerSecond: optional(amount),
});

const capacityProvider = record({
  name: text,
  autoScalingGroup: optional(text),
  managedScaling: flag,
  targetCapacityPercent: optional(percent),
  /** How many instances managed scaling adds at once. */
  minimumStep: optional(numberBetween(0, 10_000, 'instances')),
  maximumStep: optional(numberBetween(1, 10_000, 'instances')),
  managedTerminationProtection: flag,
  managedDraining: flag,
});

const cluster = record({
  name: text,
  instances: list(containerInstance, MOST_INSTANCES),
  capacityProviders: list(capacityProvider, 200),
  services: list(service, 5_000),
  tasks: list(task),
  stoppedTasks: list(stoppedTask),
  taskDefinitions: list(taskDefinition, 5_000),
  targetGroups: list(targetGroup, 5_000),
});

const schema = record({
  version: v.literal(SNAPSHOT_VERSION, `expected ${SNAPSHOT_VERSION}`),
  takenAtMs: instantMs,
  group,
  cluster,
  /** The settings of the deployed ecs-drain, under their names in serverless.yml; undefined if none was found. */
  drain: optional(
    record({
      function: text,
      params: v.record(text, v.string('expected text'), 'expected an object'),
      /** Whether it drains this group in this cluster. */
      drainsGroup: optional(flag),
    }),
  ),
  /** What could not be read: the call, why, and what is missing because of it. */
  unknown: list(record({ call: text, why: v.string('expected text'), missing: v.string('expected text') }), 10_000),
});

export type Snapshot = v.InferOutput<typeof schema>;
export type SnapshotService = Snapshot['cluster']['services'][number];
export type SnapshotTask = Snapshot['cluster']['tasks'][number];
export type StoppedTask = Snapshot['cluster']['stoppedTasks'][number];
export type SnapshotInstance = Snapshot['cluster']['instances'][number];
export type SnapshotTaskDefinition = Snapshot['cluster']['taskDefinitions'][number];

/** A snapshot that cannot be used; the message says what to do. */
export class BadSnapshot extends Error {
  override readonly name = 'BadSnapshot';
}

const TAKE_AGAIN = 'Take it again with npx ecs-drain snapshot.';

/**
 * Reads the text of a snapshot; `where` is what the sentences call it, such as its file name.
 * @throws BadSnapshot
 */
export function snapshotFrom(text: string, where: string): Snapshot {
  return checkedSnapshot(parsed(text, where), where);
}

function parsed(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new BadSnapshot(`${where} is not whole JSON: it may have been cut off. ${TAKE_AGAIN}`);
  }
}

/** @throws BadSnapshot */
export function checkedSnapshot(json: unknown, where: string): Snapshot {
  const { version } = (json ?? {}) as { readonly version?: unknown };
  if (Number.isInteger(version) && version !== SNAPSHOT_VERSION) {
    throw new BadSnapshot(
      `${where} is a snapshot of version ${version}, and this ecs-drain reads version ${SNAPSHOT_VERSION}. ${TAKE_AGAIN}`,
    );
  }
  const result = v.safeParse(schema, json, { abortPipeEarly: true });
  if (!result.success) {
    throw new BadSnapshot(`${where} is not a snapshot: ${sentenceOf(result.issues)} ${TAKE_AGAIN}`);
  }
  const contradiction = contradictionIn(result.output);
  if (contradiction) throw new BadSnapshot(`${where} contradicts itself: ${contradiction} ${TAKE_AGAIN}`);
  return result.output;
}

/** What a file says that no cluster can have. What AWS may answer while a cluster changes is among the limits of a plan. */
function contradictionIn({ group, cluster, takenAtMs }: Snapshot): string | undefined {
  const { minSize, maxSize, desiredCapacity } = group;
  if (minSize > desiredCapacity || desiredCapacity > maxSize) {
    return `the group ${group.name} has a desired capacity of ${desiredCapacity}, which is not between its minimum of ${minSize} and its maximum of ${maxSize}.`;
  }
  const twice =
    repeated(group.instances.map(({ id }) => id)) ??
    // An agent may register again, with the same EC2 instance.
    repeated(cluster.instances.map((each) => `${each.ec2InstanceId}, registered at ${timeOf(each.registeredAtMs)},`)) ??
    [group.hooks ?? [], cluster.capacityProviders, cluster.services, cluster.taskDefinitions, cluster.targetGroups]
      .map((named) => repeated(named.map(({ name }) => name)))
      .find((name) => name !== undefined) ??
    repeated(cluster.tasks.map(({ id }) => id));
  if (twice !== undefined) return `${twice} is in it twice.`;
  const hosts = new Set(cluster.instances.map(({ ec2InstanceId }) => ec2InstanceId));
  const lost = cluster.tasks.find(({ ec2InstanceId }) => !hosts.has(ec2InstanceId));
  if (lost) return `the task ${lost.id} is on ${lost.ec2InstanceId}, which is not an instance of the cluster.`;
  return wrongTimeIn(cluster, takenAtMs);
}

/** AWS's clocks may differ by seconds, and a large cluster is read in minutes. */
const CLOCK_TOLERANCE_MS = 300_000;

function wrongTimeIn({ instances, tasks, stoppedTasks }: Snapshot['cluster'], takenAtMs: number): string | undefined {
  const future = (atMs: number | undefined) => atMs !== undefined && atMs > takenAtMs + CLOCK_TOLERANCE_MS;
  const after = (atMs: number) => `${timeOf(atMs)}, after the snapshot was taken (${timeOf(takenAtMs)}).`;
  const host = instances.find(({ registeredAtMs }) => future(registeredAtMs));
  if (host) return `${host.ec2InstanceId} was registered at ${after(host.registeredAtMs)}`;
  const all = [
    ...tasks.map((each) => ({ ...each, what: `the task ${each.id}` })),
    ...stoppedTasks.map((each) => ({ ...each, what: `a stopped task of ${each.group}` })),
  ];
  for (const { what, createdAtMs, ...task } of all) {
    const stoppedAtMs = 'executionStoppedAtMs' in task ? task.executionStoppedAtMs : undefined;
    const steps = [
      ['was created', createdAtMs],
      ['started', task.startedAtMs],
      ['began to stop', task.stoppingAtMs],
      ['stopped', stoppedAtMs],
    ] as const;
    for (const [step, atMs] of steps) {
      if (atMs === undefined) continue;
      if (future(atMs)) return `${what} ${step} at ${after(atMs)}`;
      if (atMs < createdAtMs)
        return `${what} ${step} at ${timeOf(atMs)}, before it was created (${timeOf(createdAtMs)}).`;
    }
  }
  return undefined;
}

function timeOf(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, -5)}Z`;
}

function repeated(names: readonly string[]): string | undefined {
  const seen = new Set<string>();
  return names.find((each) => seen.size === seen.add(each).size);
}

/** The name of the service that a task belongs to; undefined for a standalone task. */
export function serviceOf({ group }: { readonly group: string }): string | undefined {
  return group.startsWith('service:') ? group.slice('service:'.length) : undefined;
}

/** Every text in it that has the number of the account says 123456789012 instead. */
export function withoutAccount(snapshot: Snapshot, account: string): Snapshot {
  return account === '' ? snapshot : withTexts(snapshot, (text) => text.replaceAll(account, '123456789012'));
}

const ARN = /\barn:[\w-]+:[\w-]*:[\w-]*:\d*:[^\s,'"()[\]]+/g;

/** Every ARN in its texts is what it ends with: an attribute still equals what a constraint compares it with. */
export function withoutArns(snapshot: Snapshot): Snapshot {
  return withTexts(snapshot, (text) => text.replace(ARN, (arn) => arn.split(/[:/]/).at(-1) ?? ''));
}

function withTexts(snapshot: Snapshot, changed: (text: string) => string): Snapshot {
  return JSON.parse(JSON.stringify(snapshot), (_, value) => (typeof value === 'string' ? changed(value) : value));
}
