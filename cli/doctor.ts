import type { LifecycleHook } from '@aws-sdk/client-auto-scaling';
import {
  type ContainerInstance,
  DescribeContainerInstancesCommand,
  DescribeServicesCommand,
  DescribeTaskDefinitionCommand,
  DescribeTasksCommand,
  ECSClient,
  paginateListContainerInstances,
  paginateListServices,
  paginateListTasks,
  type Service,
} from '@aws-sdk/client-ecs';
import {
  DescribeTargetGroupAttributesCommand,
  ElasticLoadBalancingV2Client,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import { DescribeRuleCommand, EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { type ContextEntry, IAMClient, SimulatePrincipalPolicyCommand } from '@aws-sdk/client-iam';
import { GetQueueAttributesCommand } from '@aws-sdk/client-sqs';
import { MANAGED_DRAINING_HOOK } from '../src/adapters/auto-scaling.ts';
import { awsCall } from '../src/adapters/aws-call.ts';
import { CONTINUATION_DETAIL_TYPE } from '../src/adapters/event-bridge.ts';
import { canReplace } from '../src/domain/blockers.ts';
import { hookLimits, newDrain } from '../src/domain/drain.ts';
import { conflictsIn, DEFAULT_STOP_TIMEOUT_SECONDS, deadlineAtMs } from '../src/domain/policy.ts';
import {
  counted,
  type Deployment,
  deadLetterQueueOf,
  deploymentOf,
  type Output,
  sentenceOf,
  type Target,
  untilSilent,
} from './common.ts';
import { awsOf, type Group, groupsOf, hooksOf } from './status.ts';

/** What a check came to: `unchecked` where AWS did not tell. */
export interface Finding {
  readonly level: 'error' | 'warning' | 'ok' | 'unchecked';
  /** What was looked at, such as `group web`. */
  readonly where: string;
  readonly what: string;
  readonly mend?: string;
}

/** One check: what it cannot find out is told, and keeps no other from being made. */
type Check = (where: string, look: () => Promise<readonly Finding[]>) => Promise<readonly Finding[]>;

/** What most operators may not simulate, so that it alone may stay unchecked. */
const ROLE = "the function's role";

/** `ecs-drain doctor`: what will be in the way of the next drain. */
export async function doctor(target: Target, { print, printJson }: Output): Promise<number> {
  const deployment = await deploymentOf(target);
  const check: Check = async (where, look) => {
    try {
      return await look();
    } catch (error) {
      return [{ level: 'unchecked', where, what: sentenceOf(error, target) }];
    }
  };
  const { config, settings } = deployment;
  const eventBridge = new EventBridgeClient(config);
  const clients = { ecs: new ECSClient(config), loadBalancing: new ElasticLoadBalancingV2Client(config) };

  // All at the same time: what does not answer is waited for once, and not by each in turn.
  const groups = groupsChecked(deployment, check);
  const time = groups.then((checked) => checked.time);
  const parts = await Promise.all([
    settingsFindings(deployment),
    check(ROLE, () => permissionFindings(deployment)),
    ...rulesOf(deployment).map((rule) => check(`rule ${rule}`, async () => [await ruleFinding(rule, eventBridge)])),
    check('the dead-letter queue', async () => [await deadLetterFinding(deployment)]),
    groups.then(({ findings }) => findings),
    ...settings.policy.clusters.map((cluster) =>
      check(`cluster ${cluster}`, () => clusterFindings(cluster, time, deployment, clients, check)),
    ),
  ]);
  const findings = parts.flat();

  const missed = findings.filter(({ level, where }) => level === 'unchecked' && where !== ROLE).length;
  const healthy = missed === 0 && findings.every(({ level }) => level !== 'error');
  printJson({ function: deployment.functionName, healthy, findings });
  for (const finding of findings) print(linesOn(finding));
  print(`\n${summaryOf(findings)}`);
  if (missed > 0) print('What was not checked may be in the way as well: the exit status is 1.');
  return healthy ? 0 : 1;
}

/** Whether this is what AWS answered. */
function isNamed(name: string, error: unknown): boolean {
  return error instanceof Error && error.cause instanceof Error && error.cause.name === name;
}

// --- The deployment ---------------------------------------------------------------------------------------------------

function settingsFindings({ functionName, settings, timeoutSeconds }: Deployment): Finding[] {
  const where = `function ${functionName}`;
  if (settings.dryRun) {
    return [
      { level: 'warning', where, what: 'it is in a dry run, and drains nothing.', mend: 'Deploy with dryRun=false.' },
    ];
  }
  const conflicts = conflictsIn(settings.policy, { functionTimeoutSeconds: timeoutSeconds, hook: undefined });
  if (conflicts.length === 0) return [{ level: 'ok', where, what: 'it is deployed, and its settings go together.' }];
  return conflicts.map((what) => ({ level: 'error', where, what, mend: 'Deploy again.' }));
}

/** What the role must be allowed: actions on resources, with what IAM knows of the request. */
interface Need {
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  readonly context?: Readonly<Record<string, string>>;
}

/** What the function asks of AWS, as serverless.yml and deploy/parking.yml allow it. */
export function needsOf({ functionArn, settings }: Pick<Deployment, 'functionArn' | 'settings'>): Need[] {
  const [, partition, , region, account] = functionArn.split(':');
  const arn = (service: string, resource: string) => `arn:${partition}:${service}:${region}:${account}:${resource}`;
  const { policy, parking, eventSource, dryRun, autoScalingGroups } = settings;
  const stops = policy.stopStragglers !== 'none';
  const changes = <T>(...actions: T[]) => (dryRun ? [] : actions);
  const inClusters = policy.clusters.flatMap((cluster): Need[] => {
    const context = { 'ecs:cluster': arn('ecs', `cluster/${cluster}`) };
    return [
      { actions: ['ecs:ListContainerInstances'], resources: [arn('ecs', `cluster/${cluster}`)] },
      {
        actions: ['ecs:DescribeContainerInstances', 'ecs:ListTasks', ...changes('ecs:UpdateContainerInstancesState')],
        resources: [arn('ecs', `container-instance/${cluster}/any`)],
        context,
      },
      {
        actions: ['ecs:DescribeTasks', 'ecs:GetTaskProtection', ...(stops ? changes('ecs:StopTask') : [])],
        resources: [arn('ecs', `task/${cluster}/any`)],
        context,
      },
      { actions: ['ecs:DescribeServices'], resources: [arn('ecs', `service/${cluster}/any`)], context },
    ];
  });
  const completing = changes('autoscaling:CompleteLifecycleAction', 'autoscaling:RecordLifecycleActionHeartbeat');
  return [
    ...inClusters,
    ...(completing.length === 0
      ? []
      : [
          {
            actions: completing,
            resources: autoScalingGroups.map((group) =>
              arn('autoscaling', `autoScalingGroup:any:autoScalingGroupName/${group}`),
            ),
          },
        ]),
    {
      actions: ['events:PutEvents'],
      resources: [arn('events', 'event-bus/default')],
      context: { 'events:source': eventSource, 'events:detail-type': CONTINUATION_DETAIL_TYPE },
    },
    {
      actions: [
        'autoscaling:DescribeAutoScalingGroups',
        'autoscaling:DescribeLifecycleHooks',
        'autoscaling:DescribeScalingActivities',
        ...(parking ? ['scheduler:ListSchedules'] : []),
        ...(stops ? ['ecs:DescribeTaskDefinition'] : []),
      ],
      resources: ['*'],
    },
    ...(parking
      ? [
          {
            actions: ['CreateSchedule', 'UpdateSchedule', 'GetSchedule', 'DeleteSchedule'].map(
              (name) => `scheduler:${name}`,
            ),
            resources: [arn('scheduler', `schedule/${parking.scheduleGroup}/any`)],
          },
          {
            actions: ['iam:PassRole'],
            resources: [parking.scheduleRoleArn],
            context: { 'iam:PassedToService': 'scheduler.amazonaws.com' },
          },
        ]
      : []),
  ];
}

async function permissionFindings(deployment: Deployment): Promise<Finding[]> {
  const { config, roleArn } = deployment;
  const iam = new IAMClient(config);
  const where = `role ${roleArn.split('/').at(-1)}`;
  const denied: Finding[] = [];
  let simulated = 0;
  for (const { actions, resources, context } of needsOf(deployment)) {
    const { EvaluationResults: results = [] } = await awsCall(`simulate what ${where} may do`, () =>
      iam.send(
        new SimulatePrincipalPolicyCommand({
          PolicySourceArn: roleArn,
          ActionNames: [...actions],
          ResourceArns: [...resources],
          ...(context && { ContextEntries: Object.entries(context).map(contextEntry) }),
        }),
      ),
    );
    for (const { EvalActionName: action = '', EvalDecision, ResourceSpecificResults: each = [] } of results) {
      simulated += 1;
      const refused = each.flatMap(({ EvalResourceDecision: decision, EvalResourceName: name = '' }) =>
        decision === 'allowed' ? [] : name,
      );
      if (each.length > 0 ? refused.length === 0 : EvalDecision === 'allowed') continue;
      denied.push({
        level: 'error',
        where,
        what: `${action} is not allowed on ${(refused.length > 0 ? refused : resources).join(', ')}.`,
        mend: 'Deploy again; if it stays, a permissions boundary or another policy denies it.',
      });
    }
  }
  return denied.length > 0
    ? denied
    : [{ level: 'ok', where, what: `it is allowed all ${simulated} actions that were simulated.` }];
}

function contextEntry([ContextKeyName, value]: [string, string]): ContextEntry {
  return { ContextKeyName, ContextKeyType: 'string', ContextKeyValues: [value] };
}

/** The rules of the deployment, by the names that serverless.yml, deploy/parking.yml and deploy/template.ts give them. */
function rulesOf({ functionName, settings }: Deployment): string[] {
  const prefix = functionName.replace(/-drain$/, '');
  const rules = ['termination', 'continuation', 'sweep', ...(settings.parking ? ['wake-up'] : []), ...settings.notices];
  return rules.map((rule) => `${prefix}-${rule}`);
}

async function ruleFinding(name: string, eventBridge: EventBridgeClient): Promise<Finding> {
  const where = `rule ${name}`;
  try {
    const { State: state } = await awsCall(`describe ${where}`, () =>
      eventBridge.send(new DescribeRuleCommand({ Name: name })),
    );
    if (state !== 'DISABLED') return { level: 'ok', where, what: 'it is enabled.' };
    const what = 'it is disabled: its events do not reach the function.';
    return { level: 'error', where, what, mend: `Enable it: aws events enable-rule --name ${name}` };
  } catch (error) {
    if (!isNamed('ResourceNotFoundException', error)) throw error;
    return { level: 'error', where, what: 'EventBridge has no such rule on the default bus.', mend: 'Deploy again.' };
  }
}

async function deadLetterFinding(deployment: Deployment): Promise<Finding> {
  const queue = await deadLetterQueueOf(deployment);
  const where = `dead-letter queue ${queue.name}`;
  const { Attributes: attributes = {} } = await awsCall(`ask how full ${where} is`, () =>
    queue.sqs.send(
      new GetQueueAttributesCommand({
        QueueUrl: queue.url,
        AttributeNames: ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'],
      }),
    ),
  );
  const messages = Object.values(attributes).reduce((sum, count) => sum + Number(count), 0);
  if (messages === 0) return { level: 'ok', where, what: 'it is empty.' };
  return {
    level: 'error',
    where,
    what: `it has ${counted(messages, 'message')}: events that nobody could handle, and maybe an instance that nobody drains.`,
    mend: 'See what they are with: npx ecs-drain replay --dead-letter',
  };
}

// --- The groups -------------------------------------------------------------------------------------------------------

/** How long a drain may take, of the group that allows least. */
interface Time {
  readonly deadlineSeconds: number;
  readonly heartbeatSeconds: number;
}

async function groupsChecked(
  deployment: Deployment,
  check: Check,
): Promise<{ readonly findings: readonly Finding[]; readonly time: Time }> {
  const { autoScalingGroups, policy } = deployment.settings;
  const aws = awsOf(deployment);
  const times: Time[] = [];
  const findings = await check('the groups', async () => {
    const groups = await groupsOf(aws, autoScalingGroups);
    const each = autoScalingGroups.map(async (name) => {
      const where = `group ${name}`;
      const group = groups.find((one) => one.name === name);
      const onHooks = async () => {
        const { found, ...time } = hookFindings(name, await hooksOf(aws, name), deployment);
        times.push(time);
        return found;
      };
      return [...groupFindings(where, group), ...(group ? await check(where, onHooks) : [])];
    });
    return (await Promise.all(each)).flat();
  });
  const time = {
    deadlineSeconds: Math.min(policy.deadlineSeconds, ...times.map(({ deadlineSeconds }) => deadlineSeconds)),
    heartbeatSeconds: Math.min(...times.map(({ heartbeatSeconds }) => heartbeatSeconds)),
  };
  return { findings, time };
}

function groupFindings(where: string, group: Group | undefined): Finding[] {
  if (!group) {
    const mend = 'Mend its name in autoScalingGroups, or take it out, and deploy again.';
    return [{ level: 'error', where, what: 'Auto Scaling has no such group.', mend }];
  }
  if (!group.warmPool) return [];
  const what = 'it has a warm pool; an instance that returns there waits until the hook times out.';
  const mend = 'Take the group out of autoScalingGroups, or its instances out of the pool.';
  return [{ level: 'warning', where, what, mend }];
}

function hookFindings(group: string, hooks: readonly LifecycleHook[], { settings, timeoutSeconds }: Deployment) {
  const { lifecycleHooks, policy } = settings;
  const found: Finding[] = [];
  let deadlineSeconds = policy.deadlineSeconds;
  let heartbeatSeconds = Number.POSITIVE_INFINITY;
  const ours = hooks.filter(({ LifecycleHookName: name = '' }) => lifecycleHooks.includes(name));
  if (ours.length === 0) {
    found.push({
      level: 'error',
      where: `group ${group}`,
      what: `it has no hook ${lifecycleHooks.join(' or ')}: its instances are terminated undrained.`,
      mend: 'Deploy with createLifecycleHooks=true, or create the hook where the group is managed.',
    });
  }
  for (const hook of ours) {
    const where = `hook ${hook.LifecycleHookName} of group ${group}`;
    if (hook.LifecycleTransition !== 'autoscaling:EC2_INSTANCE_TERMINATING') {
      found.push({
        level: 'error',
        where,
        what: `it is for ${hook.LifecycleTransition}, not for instances that terminate.`,
        mend: 'Create it anew for autoscaling:EC2_INSTANCE_TERMINATING.',
      });
      continue;
    }
    const own = hookLimits(hook.HeartbeatTimeout ?? policy.heartbeatTimeoutSeconds);
    const limits = { ...own, globalTimeoutSeconds: hook.GlobalTimeout ?? own.globalTimeoutSeconds };
    const conflicts = conflictsIn(policy, { functionTimeoutSeconds: timeoutSeconds, hook: limits });
    found.push(...conflicts.map((what) => ({ level: 'warning', where, what }) as const));
    const { heartbeatTimeoutSeconds, globalTimeoutSeconds } = limits;
    if (conflicts.length === 0) {
      const what = `it holds an instance for ${heartbeatTimeoutSeconds} s without a heartbeat, and for ${globalTimeoutSeconds} s at most.`;
      found.push({ level: 'ok', where, what });
    }
    const action = { autoScalingGroup: group, lifecycleHook: '', instanceId: '' };
    const deadlineMs = deadlineAtMs(newDrain(action, 0, undefined, 0), limits, policy);
    deadlineSeconds = Math.min(deadlineSeconds, deadlineMs / 1000);
    heartbeatSeconds = Math.min(heartbeatSeconds, heartbeatTimeoutSeconds);
  }
  if (hooks.some(({ LifecycleHookName: name }) => name === MANAGED_DRAINING_HOOK)) {
    found.push({
      level: 'warning',
      where: `group ${group}`,
      what: "ECS's managed draining holds its instances as well.",
      mend: 'Turn it off on the capacity provider, or take the group out of autoScalingGroups.',
    });
  }
  return { found, deadlineSeconds, heartbeatSeconds };
}

// --- The services -----------------------------------------------------------------------------------------------------

/** The services that run on container instances of ours. */
async function servicesOf(ecs: ECSClient, cluster: string): Promise<Service[]> {
  return awsCall(`describe the services of cluster ${cluster}`, async () => {
    const services: Service[] = [];
    // DescribeServices takes ten (ECS API reference).
    for await (const { serviceArns = [] } of paginateListServices({ client: ecs, pageSize: 10 }, { cluster })) {
      if (serviceArns.length === 0) continue;
      const answer = await ecs.send(new DescribeServicesCommand({ cluster, services: serviceArns }));
      services.push(...(answer.services ?? []));
    }
    return services.filter((service) => service.status === 'ACTIVE' && runsOnContainerInstances(service));
  });
}

/** A service with a strategy has no launch type: it is Fargate's if all its capacity providers are. */
export function runsOnContainerInstances({ launchType, capacityProviderStrategy: strategy = [] }: Service): boolean {
  if (strategy.length === 0) return launchType !== 'FARGATE' && launchType !== 'EXTERNAL';
  return strategy.some(({ capacityProvider }) => capacityProvider !== 'FARGATE' && capacityProvider !== 'FARGATE_SPOT');
}

interface Clients {
  readonly ecs: ECSClient;
  readonly loadBalancing: ElasticLoadBalancingV2Client;
}

async function clusterFindings(
  cluster: string,
  time: Promise<Time>,
  deployment: Deployment,
  { ecs, loadBalancing }: Clients,
  check: Check,
): Promise<Finding[]> {
  const where = `cluster ${cluster}`;
  let services: Service[];
  try {
    services = await servicesOf(ecs, cluster);
  } catch (error) {
    if (!isNamed('ClusterNotFoundException', error)) throw error;
    const mend = 'Mend its name in cluster or in autoScalingGroups, and deploy again.';
    return [{ level: 'error', where, what: 'ECS has no such cluster.', mend }];
  }
  const ask = {
    stopTimeoutSeconds: untilSilent((taskDefinition: string | undefined) => stopTimeoutOf(ecs, taskDefinition)),
    delaySeconds: untilSilent((targetGroups: readonly string[]) => deregistrationDelayOf(loadBalancing, targetGroups)),
  };
  const findings: Finding[] = [];
  for (const service of services) {
    findings.push(...(await serviceFindings(service, await time, deployment, ask)));
  }
  const room = await check(`${where}: room for replacements`, async () =>
    roomFindings(cluster, await hostsOf(ecs, cluster), services, ecs),
  );
  return [...findings, ...room];
}

async function serviceFindings(
  service: Service,
  { deadlineSeconds, heartbeatSeconds }: Time,
  { settings, target }: Deployment,
  ask: {
    stopTimeoutSeconds(taskDefinition: string | undefined): Promise<number>;
    delaySeconds(targetGroups: readonly string[]): Promise<number>;
  },
): Promise<Finding[]> {
  const { serviceName: name = '', clusterArn = '', schedulingStrategy, desiredCount = 0, taskDefinition } = service;
  const where = `service ${name} of cluster ${clusterArn.split('/').at(-1)}`;
  const findings: Finding[] = [];
  const { minimumHealthyPercent = 100, maximumPercent = 200 } = service.deploymentConfiguration ?? {};
  if (schedulingStrategy === 'REPLICA' && !canReplace({ desiredCount, minimumHealthyPercent, maximumPercent })) {
    findings.push({
      level: 'error',
      where,
      what: `it can never drain: of ${counted(desiredCount, 'task')}, minimumHealthyPercent ${minimumHealthyPercent} lets none stop first, and maximumPercent ${maximumPercent} lets none start first.`,
      mend: 'Lower minimumHealthyPercent or raise maximumPercent.',
    });
  }

  /** Goes on with what is assumed, and says so. */
  const assuming = (seconds: number, what: string) => (error: unknown) => {
    const reason = sentenceOf(error, target);
    findings.push({ level: 'unchecked', where, what: `${reason} A ${what} of ${seconds} s is assumed.` });
    return seconds;
  };
  const stopSeconds = await ask
    .stopTimeoutSeconds(taskDefinition)
    .catch(assuming(DEFAULT_STOP_TIMEOUT_SECONDS, 'stop timeout'));
  const targetGroups = (service.loadBalancers ?? []).flatMap(({ targetGroupArn }) => targetGroupArn ?? []);
  const assumedSeconds = settings.policy.deregistrationDelaySeconds;
  const delaySeconds = await ask.delaySeconds(targetGroups).catch(assuming(assumedSeconds, 'deregistration delay'));

  const neededSeconds = delaySeconds + stopSeconds;
  const arithmetic = `its tasks may need ${delaySeconds} s of deregistration + ${stopSeconds} s of stop timeout = ${neededSeconds} s`;
  if (neededSeconds >= deadlineSeconds) {
    findings.push({
      level: 'error',
      where,
      what: `${arithmetic}, and a drain has ${deadlineSeconds} s to its deadline: they are killed.`,
      mend: "Raise deadlineSeconds, and the hook's heartbeat timeout if its global timeout is the limit.",
    });
  } else if (neededSeconds >= heartbeatSeconds) {
    findings.push({
      level: 'warning',
      where,
      what: `${arithmetic}, and a hook times out after ${heartbeatSeconds} s without a heartbeat: an outage of that length would end the drain.`,
      mend: "Raise the hook's heartbeat timeout.",
    });
  }
  if (settings.policy.stopStragglers === 'all' && delaySeconds > assumedSeconds) {
    findings.push({
      level: 'warning',
      where,
      what: `its deregistration delay is ${delaySeconds} s, and the setting deregistrationDelaySeconds is ${assumedSeconds}: its stragglers would be stopped too late.`,
      mend: `Deploy with deregistrationDelaySeconds=${delaySeconds}.`,
    });
  }
  if (findings.length === 0) findings.push({ level: 'ok', where, what: `it can drain: ${arithmetic}.` });
  return findings;
}

/** SIGTERM to SIGKILL, the longest of its containers. */
async function stopTimeoutOf(ecs: ECSClient, taskDefinition: string | undefined): Promise<number> {
  if (taskDefinition === undefined) return DEFAULT_STOP_TIMEOUT_SECONDS; // of an external deployment
  const { taskDefinition: described } = await awsCall(`describe the task definition ${taskDefinition}`, () =>
    ecs.send(new DescribeTaskDefinitionCommand({ taskDefinition })),
  );
  const timeouts = (described?.containerDefinitions ?? []).map(
    ({ stopTimeout }) => stopTimeout ?? DEFAULT_STOP_TIMEOUT_SECONDS,
  );
  return Math.max(0, ...timeouts);
}

/** The longest of the target groups; 0 where there is none. */
async function deregistrationDelayOf(
  loadBalancing: ElasticLoadBalancingV2Client,
  targetGroups: readonly string[],
): Promise<number> {
  const delays = targetGroups.map(async (TargetGroupArn) => {
    const { Attributes: attributes = [] } = await awsCall(`describe the target group ${TargetGroupArn}`, () =>
      loadBalancing.send(new DescribeTargetGroupAttributesCommand({ TargetGroupArn })),
    );
    // 300 s unless it was changed (Elastic Load Balancing user guide, "Deregistration delay").
    return Number(attributes.find(({ Key }) => Key === 'deregistration_delay.timeout_seconds')?.Value ?? 300);
  });
  return Math.max(0, ...(await Promise.all(delays)));
}

// --- Room for replacements --------------------------------------------------------------------------------------------

interface Size {
  readonly cpuUnits: number;
  readonly memoryMiB: number;
}

interface Host {
  readonly arn: string;
  readonly ec2InstanceId: string;
  readonly free: Size;
  readonly used: Size;
}

async function hostsOf(ecs: ECSClient, cluster: string): Promise<Host[]> {
  return awsCall(`describe the container instances of cluster ${cluster}`, async () => {
    const hosts: Host[] = [];
    const pages = paginateListContainerInstances({ client: ecs, pageSize: 100 }, { cluster, status: 'ACTIVE' });
    for await (const { containerInstanceArns: arns = [] } of pages) {
      if (arns.length === 0) continue;
      const answer = await ecs.send(new DescribeContainerInstancesCommand({ cluster, containerInstances: arns }));
      hosts.push(...(answer.containerInstances ?? []).map(hostOf));
    }
    return hosts;
  });
}

function hostOf(instance: ContainerInstance): Host {
  const { containerInstanceArn: arn = '', ec2InstanceId = '', registeredResources, remainingResources } = instance;
  const amount = (resources: ContainerInstance['remainingResources'], wanted: string) =>
    resources?.find(({ name }) => name === wanted)?.integerValue ?? 0;
  const sizeOf = (resources: ContainerInstance['remainingResources']): Size => ({
    cpuUnits: amount(resources, 'CPU'),
    memoryMiB: amount(resources, 'MEMORY'),
  });
  const [all, free] = [sizeOf(registeredResources), sizeOf(remainingResources)];
  const used = { cpuUnits: all.cpuUnits - free.cpuUnits, memoryMiB: all.memoryMiB - free.memoryMiB };
  return { arn, ec2InstanceId, free, used };
}

/** Whether the services' tasks of the fullest instance find room on the others, each where it fits first, the largest first. */
async function roomFindings(
  cluster: string,
  hosts: readonly Host[],
  services: readonly Service[],
  ecs: ECSClient,
): Promise<Finding[]> {
  const where = `cluster ${cluster}`;
  const [fullest, ...others] = hosts.toSorted((a, b) => b.used.memoryMiB - a.used.memoryMiB);
  if (!fullest) return [{ level: 'warning', where, what: 'it has no ACTIVE container instance.' }];
  const tasks = await replicasOn(cluster, fullest, services, ecs);
  const free = others.map((host) => ({ ...host.free }));
  const homeless = tasks.filter(({ cpuUnits, memoryMiB }) => {
    const room = free.find((each) => each.cpuUnits >= cpuUnits && each.memoryMiB >= memoryMiB);
    if (!room) return true;
    room.cpuUnits -= cpuUnits;
    room.memoryMiB -= memoryMiB;
    return false;
  });
  const what = `of the ${counted(tasks.length, 'service task')} on its fullest instance (${fullest.ec2InstanceId}), ${tasks.length - homeless.length} find CPU and memory on the ${counted(others.length, 'other')}`;
  if (homeless.length === 0)
    return [{ level: 'ok', where, what: `${what}; ports and constraints were not looked at.` }];
  return [
    {
      level: 'warning',
      where,
      what: `${what}: the rest wait for a new instance, and their drain with them.`,
      mend: 'Keep room for the tasks of one instance, or let the group launch before it terminates.',
    },
  ];
}

/** The sizes of the tasks that ECS moves, the largest first. */
async function replicasOn(
  cluster: string,
  { arn: containerInstance }: Host,
  services: readonly Service[],
  ecs: ECSClient,
): Promise<Size[]> {
  const replicas = services.filter(({ schedulingStrategy }) => schedulingStrategy === 'REPLICA');
  const groups = new Set(replicas.map(({ serviceName }) => `service:${serviceName}`));
  return awsCall(`describe the tasks on ${containerInstance}`, async () => {
    const sizes: Size[] = [];
    const pages = paginateListTasks({ client: ecs, pageSize: 100 }, { cluster, containerInstance });
    for await (const { taskArns = [] } of pages) {
      if (taskArns.length === 0) continue;
      const { tasks = [] } = await ecs.send(new DescribeTasksCommand({ cluster, tasks: taskArns }));
      for (const { group = '', cpu, memory } of tasks) {
        if (groups.has(group)) sizes.push({ cpuUnits: Number(cpu ?? 0), memoryMiB: Number(memory ?? 0) });
      }
    }
    return sizes.toSorted((a, b) => b.memoryMiB - a.memoryMiB);
  });
}

// --- What is told -----------------------------------------------------------------------------------------------------

const WORDS = { error: 'ERROR', warning: 'warning', ok: 'ok', unchecked: 'not checked' } as const;

function linesOn({ level, where, what, mend }: Finding): string {
  const line = `${WORDS[level].padEnd(12)}${where}: ${what}`;
  return mend === undefined ? line : `${line}\n${' '.repeat(12)}-> ${mend}`;
}

function summaryOf(findings: readonly Finding[]): string {
  const count = (level: Finding['level']) => findings.filter((finding) => finding.level === level).length;
  return `${counted(count('error'), 'error')}, ${counted(count('warning'), 'warning')}, ${count('ok')} ok, ${count('unchecked')} not checked.`;
}
