import { duration } from '../../src/adapters/duration.ts';
import { hostsIn, hostsInService, isLeaving, isUnderstood, newTasksFail, suspendedIn } from './build.ts';
import { type Change, launches } from './change.ts';
import { LONGEST_DEREGISTRATION_SECONDS } from './estimates.ts';
import { isChosenByAge, isInOneZone, leavingIn, otherChoices, othersThatMayLeave } from './leaving.ts';
import { attributesNamedIn } from './placement-attributes.ts';
import type { Given, Limit } from './plan.ts';
import { type Snapshot, type SnapshotService, type SnapshotTaskDefinition, serviceOf } from './snapshot.ts';
import { taskInterfacesOf } from './task-interfaces.ts';
import { deadlineIn, endlessTasks, overdueTasks, slowerThanPlanned } from './time-limits.ts';

/**
 * All of them: a plan that has one says so in its verdict, and names each that is a risk.
 * @throws BadSnapshot if the settings cannot work
 */
export function limitsOf(snapshot: Snapshot, change: Change, given: Given): Limit[] {
  return [
    ...groupLimits(snapshot),
    ...sizeLimits(snapshot, change),
    ...instanceLimits(snapshot, change),
    ...snapshot.cluster.services.flatMap((service) => [...serviceLimits(service, snapshot)]),
    ...protectedTasks(snapshot, change),
    ...taskLimits(snapshot),
    ...endlessTasks(snapshot, change, given),
    ...slowerThanPlanned(snapshot, change, given),
    ...overdueTasks(snapshot, given),
    ...changeLimits(snapshot, change),
    ...inconsistencies(snapshot),
    ...unknownLimits(snapshot, given),
  ];
}

function* groupLimits({ group, cluster }: Snapshot): Generator<Limit> {
  for (const { name, transition } of group.hooks ?? []) {
    if (transition !== 'launching') continue;
    yield {
      what: `The group has the launching hook ${name}.`,
      effect: 'Each new instance waits for it before it is in service: the change takes longer.',
    };
  }
  if (group.suspendedProcesses.includes('AddToLoadBalancer') && group.loadBalancers.length > 0) {
    yield {
      what: 'The process AddToLoadBalancer of the group is suspended.',
      effect: `A new instance is not registered with ${group.loadBalancers.join(', ')}, and gets no requests from there.`,
    };
  }
  if (group.warmPool && group.warmPool.size === undefined) {
    yield {
      what: 'How many instances the warm pool of the group has is not known.',
      effect: group.warmPool.reuseOnScaleIn
        ? 'The plan takes it to be empty. If it is full, instances that leave do not return to it, and are drained.'
        : 'The plan takes it to be full. If it is not, new instances may take longer.',
    };
  }
  if (group.loadBalancers.length > 0) {
    yield {
      what: `Auto Scaling itself registers instances with ${group.loadBalancers.join(', ')}.`,
      effect: 'An instance leaves these before its hooks hold it, and a new one may have to become healthy there.',
    };
  }
  for (const { name, autoScalingGroup, managedScaling } of cluster.capacityProviders) {
    if (managedScaling && autoScalingGroup !== group.name) {
      yield {
        what: `The capacity provider ${name} scales another group, which services of the cluster use too.`,
        effect: 'ECS may add instances to that group where the plan finds no room, or take some away.',
        mayMakeRoom: true,
      };
    }
  }
}

/** What new instances are like, and whether any come. */
function* sizeLimits(snapshot: Snapshot, change: Change): Generator<Limit> {
  const {
    name,
    instances,
    instanceTypes = [],
    typesByRequirements,
    desiredCapacity,
    unitsPerInstance,
  } = snapshot.group;
  const types = new Set(instances.flatMap(({ type }) => type ?? []));
  const unseen = instanceTypes.filter((type) => !types.has(type));
  if (types.size > 1 || instanceTypes.length > 1) {
    const unknown = `. One of type ${unseen.join(', ')} may be smaller still, so that tasks find no room and drains get stuck`;
    yield {
      what: `The group ${types.size > 1 ? 'has' : 'may launch'} instances of several types.`,
      effect: `New instances are like those of the group: like the smallest in the first rehearsal, like the next kind in the next, and so on${unseen.length > 0 ? unknown : ''}.`,
      ...(unseen.length > 0 && launches(change) && { isRisk: true }),
    };
  }
  if (typesByRequirements) {
    yield {
      what: `The group ${name} chooses its instance types by requirements.`,
      effect:
        'The plan takes a new instance to be like those of the group. One of another type may be smaller still, so that tasks find no room and drains get stuck.',
      ...(launches(change) && { isRisk: true }),
    };
  }
  if (attributesNamedIn(snapshot.cluster).has('ecs.ami-id') && launches(change)) {
    yield {
      what: 'Tasks are placed by the image of an instance (ecs.ami-id).',
      effect:
        'The plan takes new instances to have the same images. If they have another one, tasks may find no room, and drains get stuck.',
      isRisk: true,
    };
  }
  if (unitsPerInstance !== undefined) {
    yield {
      what: `The group ${name} counts its capacity in units, and an instance has ${Math.round(unitsPerInstance * 10) / 10} on average.`,
      effect:
        'The plan and its options count instances, and take each to have as many units: of instances with other weights, more or fewer may be replaced at a time.',
    };
  }
  const there = instances.filter(({ state }) => state === 'InService' || state.startsWith('Pending')).length;
  if (there < desiredCapacity && launches(change) && !suspendedIn(snapshot).includes('Launch')) {
    yield {
      what: `The group ${name} wants ${desiredCapacity} instances, and ${there} are in service or on their way.`,
      effect:
        'It may be unable to launch any, which its scaling activities show: then no instance comes for one that leaves, and drains get stuck.',
      isRisk: true,
    };
  }
}

function* instanceLimits(snapshot: Snapshot, change: Change): Generator<Limit> {
  const { group, cluster } = snapshot;
  const hosts = hostsIn(cluster);
  const serving = new Set(hostsInService(snapshot).map(({ ec2InstanceId }) => ec2InstanceId));
  for (const { id, state } of group.instances.filter((each) => !serving.has(each.id))) {
    const status = hosts.get(id)?.status ?? 'not registered with ECS';
    const isUnregistered = state === 'InService' && change.kind !== 'terminate';
    if (status === 'ACTIVE' && isLeaving(id, snapshot)) {
      yield endingUndrained(id, state, cluster);
      continue;
    }
    yield {
      what: `${id} is ${state} and ${status}.`,
      effect: isUnregistered
        ? `The change ${change.kind === 'scale-in' ? 'may terminate' : 'terminates'} it without a drain, whatever runs on it: the plan does not play that.`
        : 'It is no part of the change: its drain, or its launch, is not played.',
      ...(isUnregistered && { isRisk: true }),
    };
  }
  const best = new Set(hosts.values());
  const stranded = Map.groupBy(
    cluster.tasks.filter(({ containerInstance }) => containerInstance !== undefined),
    ({ containerInstance }) => containerInstance,
  );
  for (const { id, ec2InstanceId } of cluster.instances.filter((host) => !best.has(host))) {
    const tasks = stranded.get(id)?.length ?? 0;
    if (id !== undefined && tasks === 0) continue;
    yield {
      what: `${ec2InstanceId} has another registration in the cluster${id === undefined ? '' : `, ${id}, with ${tasks} ${tasks === 1 ? 'task' : 'tasks'}`}: its agent has registered again.`,
      effect:
        id === undefined
          ? 'The snapshot does not say which tasks are on it: the plan has all of them on the registration whose agent is connected, and those on the other would be killed.'
          : 'The plan has these tasks stay there until the instance ends, because no agent stops them. What ECS does with them is not documented.',
      ...(id === undefined && { isRisk: true }),
    };
  }
}

/** An instance that leaves the group, while ECS still starts tasks there. */
function endingUndrained(id: string, state: string, { tasks }: Snapshot['cluster']): Limit {
  const own = tasks.filter((task) => task.ec2InstanceId === id && serviceOf(task) !== undefined).length;
  const killed = `. Unless a drain of it begins in time, ${own === 1 ? '1 task of a service is' : `${own} tasks of services are`} killed`;
  return {
    what: `${id} is ${state} and ACTIVE.`,
    effect: `It leaves the group, so the plan takes it to be DRAINING: no task starts there${own > 0 ? killed : ''}.`,
    ...(own > 0 && { isRisk: true }),
  };
}

function* serviceLimits(service: SnapshotService, { cluster }: Snapshot): Generator<Limit> {
  const { name } = service;
  const definition = cluster.taskDefinitions.find((each) => each.name === service.taskDefinition);
  const constraints = [...service.placementConstraints, ...(definition?.placementConstraints ?? [])];
  for (const { type, expression } of constraints.filter((constraint) => !isUnderstood(constraint, cluster.instances))) {
    yield {
      what: `The service ${name} has the placement constraint ${expression ? `${type} ${expression}` : type}, which the plan cannot read.`,
      effect: 'Its tasks may find less room than in the plan, and drains get stuck.',
      isRisk: true,
    };
  }
  const other = service.placementStrategies.find(({ type }) => !['spread', 'binpack'].includes(type));
  if (other && service.strategy === 'REPLICA') {
    yield {
      what: `The service ${name} has the placement strategy ${other.type}.`,
      effect: 'The plan places its tasks where most memory is free.',
    };
  }
  yield* interfaceLimits(`the service ${name}`, definition, cluster);
  const tasks = cluster.tasks.filter((task) => serviceOf(task) === name).length;
  const slow = cluster.targetGroups.filter((each) => service.targetGroups.includes(each.name) && each.slowStartSeconds);
  for (const { name: targetGroup, slowStartSeconds } of slow) {
    yield {
      what: `The target group ${targetGroup} of the service ${name} has a slow start of ${slowStartSeconds} s.`,
      effect: 'New tasks get fewer requests than others at first, so the number of requests lost may differ.',
    };
  }
  if (service.deploymentController !== 'ECS') {
    yield {
      what: `The service ${name} is deployed by ${service.deploymentController}.`,
      effect: 'Whether draining replaces its tasks depends on that controller: drains may get stuck.',
      ...(tasks > 0 && { isRisk: true }),
    };
  }
  const { deploymentStrategy = 'ROLLING' } = service;
  if (deploymentStrategy !== 'ROLLING') {
    const inProgress = isBeingDeployed(service);
    yield {
      what: `The service ${name} has the deployment strategy ${deploymentStrategy}${inProgress ? ', and a deployment is in progress' : ''}.`,
      effect:
        'The plan has deployments replace the tasks one after the other (ROLLING). During a deployment with this strategy, the old and the new tasks run side by side until the bake time is over: others may find no room meanwhile, and drains get stuck.',
      ...(inProgress && { isRisk: true }),
    };
  }
  if (isDeployedUnseen(service, cluster)) {
    yield {
      what: `The service ${name} is being deployed, and none of its new tasks runs yet.`,
      effect:
        'The plan takes them to start. If they fail, the deployment goes on longer, or its circuit breaker ends it, and drains may get stuck.',
      isRisk: true,
    };
  }
  if (service.zoneRebalancing) {
    yield {
      what: `The service ${name} rebalances Availability Zones.`,
      effect: 'ECS may move its tasks during and after the change.',
    };
  }
}

function* interfaceLimits(
  whose: string,
  definition: SnapshotTaskDefinition | undefined,
  cluster: Snapshot['cluster'],
): Generator<Limit> {
  const unknownTypes = cluster.instances
    .filter((host) => taskInterfacesOf(host) === undefined)
    .map(({ attributes }) => attributes['ecs.instance-type'] ?? 'unknown');
  if (definition?.networkMode !== 'awsvpc' || unknownTypes.length === 0) return;
  yield {
    isRisk: true,
    what: `Tasks of ${whose} have a network interface of their own (awsvpc), and how many of them an instance of type ${[...new Set(unknownTypes)].join(', ')} takes is not known.`,
    effect: 'An instance may run out of network interfaces before it runs out of memory, and drains get stuck.',
  };
}

function isBeingDeployed({ deployments }: SnapshotService): boolean {
  return deployments.length > 1 || deployments[0]?.state === 'IN_PROGRESS';
}

/** Whether a deployment is in progress, and no task shows yet if its tasks start. */
function isDeployedUnseen(service: SnapshotService, { tasks }: Snapshot['cluster']): boolean {
  const [newest] = service.deployments;
  if (newest?.state !== 'IN_PROGRESS' || newTasksFail(service, tasks)) return false;
  return !tasks.some(({ startedBy, lastStatus }) => startedBy === newest.id && lastStatus === 'RUNNING');
}

/** What the plan does with tasks that are protected from scale-in (facts 39 task-protection). */
const PROTECTION_EFFECT =
  'AWS does not document whether draining stops tasks that are protected. The plan has them replaced and stopped as others are.';

/** Of the services on instances that may leave. */
function* protectedTasks(snapshot: Snapshot, change: Change): Generator<Limit> {
  const { services, tasks } = snapshot.cluster;
  const mayLeave = new Set([...leavingIn(snapshot, change), ...othersThatMayLeave(snapshot, change)]);
  for (const { name, protectedTasks = 0 } of services) {
    const own = tasks.filter((task) => serviceOf(task) === name);
    if (protectedTasks === 0 || !own.some(({ ec2InstanceId }) => mayLeave.has(ec2InstanceId))) continue;
    const count = Math.max(own.length, protectedTasks);
    yield {
      what: `${protectedTasks} of ${count} tasks of the service ${name} ${protectedTasks === 1 ? 'is' : 'are'} protected from scale-in.`,
      effect: PROTECTION_EFFECT,
    };
  }
}

function* taskLimits({ cluster }: Snapshot): Generator<Limit> {
  const standalone = Map.groupBy(
    cluster.tasks.filter((task) => serviceOf(task) === undefined),
    ({ group }) => group,
  );
  for (const [group, [first]] of standalone) {
    const definition = cluster.taskDefinitions.find(({ name }) => name === first?.taskDefinition);
    yield* interfaceLimits(group, definition, cluster);
  }
  const services = new Set(cluster.services.map(({ name }) => name));
  const groups = cluster.tasks.flatMap((task) => {
    const service = serviceOf(task);
    return service !== undefined && !services.has(service) ? service : [];
  });
  for (const service of new Set(groups)) {
    yield {
      what: `Tasks of the service ${service} run, and the snapshot does not have that service.`,
      effect: 'Nothing replaces them in the plan, and they hold their instances until the deadline.',
    };
  }
}

function* changeLimits(snapshot: Snapshot, change: Change): Generator<Limit> {
  const { group } = snapshot;
  const others = othersThatMayLeave(snapshot, change).length;
  if (others > 0) {
    const rehearsed = otherChoices(snapshot, change).length;
    const several = change.kind === 'scale-in' && change.count > 1;
    const count = several
      ? `${rehearsed} other choices are`
      : rehearsed < others
        ? `${rehearsed} of the ${others} others are`
        : others === 1
          ? 'That is'
          : 'Each of the others is';
    yield {
      what: choiceOf(snapshot),
      // obstacles.ts says what comes of them.
      effect: `Another instance than in the plan may leave. ${count} rehearsed once.`,
    };
  }
  // Facts 68 suspended-processes.
  const needed = ['Launch', 'Terminate', ...(group.loadBalancers.length > 0 ? ['AddToLoadBalancer'] : [])];
  const missing = suspendedIn(snapshot).filter((process) => needed.includes(process));
  if (change.kind === 'rolling-update' && missing.length > 0) {
    yield {
      what: `A rolling update of CloudFormation needs the processes ${needed.join(' and ')}; of these, ${missing.join(' and ')} ${missing.length === 1 ? 'is' : 'are'} suspended.`,
      effect: 'The update may wait or fail.',
      isRisk: true,
    };
  }
  // By default (API reference, RefreshPreferences, StandbyInstances).
  const standby = group.instances.filter(({ state }) => /Standby$/.test(state)).map(({ id }) => id);
  if (change.kind === 'instance-refresh' && standby.length > 0) {
    yield {
      what: `${standby.join(', ')} ${standby.length === 1 ? 'is' : 'are'} in standby.`,
      effect:
        'Unless its StandbyInstances is Terminate or Ignore, the instance refresh waits for an hour until they return to service, and then fails.',
      isRisk: true,
    };
  }
}

/** How Auto Scaling chooses the instances of a scale-in, where the plan does not know which. */
function choiceOf(snapshot: Snapshot): string {
  const { terminationPolicies: policies } = snapshot.group;
  const by = policies ? ` ${policies.join(', ')} of the group` : ' of the group, which are not in the snapshot';
  return [
    ...(isChosenByAge(snapshot) ? [] : [`Auto Scaling chooses by the termination policies${by}, and the plan by age.`]),
    ...(isInOneZone(snapshot)
      ? []
      : [
          'The group is in several Availability Zones: Auto Scaling takes an instance of the fullest one first, and the plan of any.',
        ]),
  ].join(' ');
}

/** What AWS may answer while a cluster changes, and a file may say that someone has edited: what the plan takes. */
function* inconsistencies({ group, cluster }: Snapshot): Generator<Limit> {
  const own = new Set(group.instances.map(({ id }) => id));
  const others = cluster.instances.filter(
    ({ ec2InstanceId, status }) => status === 'ACTIVE' && !own.has(ec2InstanceId),
  ).length;
  if (others > 0) {
    yield {
      what: `${others} container ${others === 1 ? 'instance is' : 'instances are'} not of the group ${group.name}.`,
      effect: 'The plan places tasks there, and nothing terminates or replaces them.',
    };
  }
  for (const service of cluster.services) {
    const { name, strategy, desiredCount, deploymentController, protectedTasks = 0 } = service;
    if (strategy === 'DAEMON' || deploymentController !== 'ECS' || isBeingDeployed(service)) continue;
    const found = cluster.tasks.filter((task) => serviceOf(task) === name && task.desiredStatus === 'RUNNING').length;
    // ECS keeps what is protected beyond what the service wants.
    if (found === desiredCount || (found > desiredCount && found <= desiredCount + protectedTasks)) continue;
    const rest =
      found < desiredCount ? `start ${desiredCount - found}, where there is room` : `stop ${found - desiredCount}`;
    yield {
      what: `The service ${name} wants ${desiredCount} ${desiredCount === 1 ? 'task' : 'tasks'}, and the snapshot has ${found}.`,
      effect: `The plan begins with ${found}, and has ECS ${rest}.`,
    };
  }
  yield* overfullInstances(cluster);
}

function* overfullInstances({ instances, tasks, taskDefinitions }: Snapshot['cluster']): Generator<Limit> {
  const definitions = new Map(taskDefinitions.map((each) => [each.name, each]));
  const tasksOn = Map.groupBy(tasks, ({ containerInstance, ec2InstanceId }) => containerInstance ?? ec2InstanceId);
  for (const { id, ec2InstanceId, memoryMiB, cpuUnits } of instances) {
    const own = [...(tasksOn.get(id ?? '') ?? []), ...(tasksOn.get(ec2InstanceId) ?? [])];
    const sizes = own.map((task) => definitions.get(task.taskDefinition) ?? task);
    const memory = sizes.reduce((sum, each) => sum + each.memoryMiB, 0);
    const cpu = sizes.reduce((sum, each) => sum + each.cpuUnits, 0);
    if (memory <= memoryMiB && cpu <= cpuUnits) continue;
    yield {
      what: `The tasks on ${ec2InstanceId} need ${memory} MiB and ${cpu} CPU units, and it has registered ${memoryMiB} MiB and ${cpuUnits}.`,
      effect: 'The plan leaves them there, and places no other task on it until enough of them have stopped.',
    };
  }
}

function* unknownLimits(snapshot: Snapshot, given: Given): Generator<Limit> {
  for (const [call, notes] of Map.groupBy(snapshot.unknown, (note) => note.call)) {
    const { missing = '', why = '' } = notes[0] ?? {};
    yield {
      what: `Not known (${call}: ${why}): ${missing}${notes.length > 1 ? `, and ${notes.length - 1} more` : ''}.`,
      ...unknownEffect(call, snapshot, given),
    };
  }
}

function unknownEffect(call: string, snapshot: Snapshot, given: Given): Pick<Limit, 'effect' | 'isRisk'> {
  switch (call) {
    case 'autoscaling:DescribeLifecycleHooks':
      return { effect: 'If no hook of ecs-drain holds the instances, their tasks are killed.', isRisk: true };
    case 'lambda:GetFunctionConfiguration':
      return {
        effect:
          'If ecs-drain is not deployed, is in a dry run, or drains other groups, nothing drains the instances, and their tasks are killed.',
        isRisk: true,
      };
    case 'ecs:DescribeTaskDefinition':
      return {
        effect: 'If tasks have a long stop timeout, static ports or placement constraints, drains may get stuck.',
        isRisk: true,
      };
    case 'elasticloadbalancing:DescribeTargetGroupAttributes':
      return {
        effect: `The plan assumes what a target group usually has. A deregistration may take up to ${duration(LONGEST_DEREGISTRATION_SECONDS)}.`,
        ...(mayDeregisterForTooLong(snapshot, given) && { isRisk: true }),
      };
    case 'ecs:GetTaskProtection':
      return { effect: PROTECTION_EFFECT };
    case 'cloudwatch:GetMetricData':
      return { effect: 'The plan does not know how many requests are lost.' };
    default:
      return { effect: 'The plan assumes what a cluster usually has.' };
  }
}

/** Whether a service of which the delay is not known may have one that a drain has no time for. */
function mayDeregisterForTooLong(snapshot: Snapshot, { estimates, params }: Given): boolean {
  const deadlineSeconds = deadlineIn(snapshot, params);
  return [...estimates.services.values()].some(
    ({ deregistration, stopTimeout }) =>
      deregistration?.assumed && LONGEST_DEREGISTRATION_SECONDS + stopTimeout.seconds >= deadlineSeconds,
  );
}
