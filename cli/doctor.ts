import { DescribeRuleCommand, EventBridgeClient } from '@aws-sdk/client-eventbridge';
import {
  type EventSourceMappingConfiguration,
  GetFunctionRecursionConfigCommand,
  paginateListEventSourceMappings,
} from '@aws-sdk/client-lambda';
import type { Group } from '../src/adapters/auto-scaling.ts';
import { awsCall } from '../src/adapters/aws-call.ts';
import { CONTINUATION_DETAIL_TYPE } from '../src/adapters/continuation.ts';
import { MANAGED_DRAINING, WARM_POOL_REUSE } from '../src/adapters/present-explanation.ts';
import { type LifecycleHook, MANAGED_DRAINING_HOOK, newHeldDrain } from '../src/domain/drain.ts';
import { choicesWithout, type GroupChoice, isPattern } from '../src/domain/groups.ts';
import { deadlineAtMs, policyWith } from '../src/domain/policy.ts';
import { conflictsIn, interferenceOf } from '../src/domain/policy-conflicts.ts';
import { type Page, styled } from '../terminal/layout.ts';
import { type Aws, awsOf, type QueueState, queueNameIn, queueStateOf, sqsOf } from './aws.ts';
import {
  counted,
  type Deployment,
  deploymentOf,
  duration,
  failedCallIn,
  hasCode,
  type Output,
  sentenceOf,
  type Target,
} from './common.ts';
import { otherStageFindings } from './doctor-stages.ts';
import type { Check, Finding } from './finding.ts';
import { metadataTrouble } from './hooks.ts';
import { type Need, operatorFindings, simulate } from './permissions.ts';
import { clusterFindings, type Ours, type Time } from './services.ts';

const OPERATOR = 'your own permissions';

/** The exit status if no error was found, but AWS did not answer every check. */
const NOT_CHECKED = 3;

/** What is typed after `ecs-drain doctor`. */
export interface DoctorOptions {
  readonly verbose?: boolean;
}

/** `ecs-drain doctor`: what would prevent the next drain. */
export async function doctor({ verbose }: DoctorOptions, target: Target, output: Output): Promise<number> {
  const deployment = await deploymentOf(target);
  return reportFindings(await findingsIn(deployment), { function: deployment.functionName }, output, verbose);
}

/**
 * Prints the findings on what was `judged`, the worst first, and the checks that passed only if `verbose`. The exit status is 0 if
 * there is nothing wrong, 1 for an error, and 3 if something could not be checked.
 */
export function reportFindings(
  findings: readonly Finding[],
  judged: object,
  { print, printJson, page }: Output,
  verbose = false,
): number {
  const isUnanswered = findings.some(({ level, isOptional }) => level === 'unchecked' && !isOptional);
  const hasError = findings.some(({ level }) => level === 'error');
  printJson({ ...judged, healthy: !hasError && !isUnanswered, findings });
  const worstFirst = findings.toSorted((a, b) => SEVERITY.indexOf(a.level) - SEVERITY.indexOf(b.level));
  const shown = worstFirst.filter(({ level }) => verbose || level !== 'ok');
  for (const finding of shown) print(linesOn(finding, page));
  print(`${shown.length > 0 ? '\n' : ''}${summaryOf(findings, verbose)}`);
  if (isUnanswered) print('What was not checked may prevent drains as well.');
  if (hasError) return 1;
  return isUnanswered ? NOT_CHECKED : 0;
}

/** Makes all checks at the same time: an endpoint that does not answer is waited for once. */
async function findingsIn(deployment: Deployment): Promise<Finding[]> {
  const { config, settings, target } = deployment;
  const check: Check = async (where, look) => {
    try {
      return await look();
    } catch (error) {
      return [{ level: 'unchecked', where, what: sentenceOf(error, target) }];
    }
  };
  /** Most operators may not simulate policies. */
  const optional: Check = async (where, look) =>
    (await check(where, look)).map((each) => (each.level === 'unchecked' ? { ...each, isOptional: true } : each));
  const aws = awsOf(deployment);
  const sqs = sqsOf(deployment);
  const eventQueue = orMissing(queueStateOf(sqs, settings.eventQueueUrl));
  const eventBridge = new EventBridgeClient(config);
  const groups = groupsChecked(deployment, aws, check);
  const ours = groups.then((checked) => checked.ours);
  const mappings = mappingsOf(deployment);
  const parts = await Promise.all([
    settingsFindings(deployment),
    optional("the function's role", async () => {
      const taskStopQueue = await taskStopQueueIn(mappings, deployment);
      return permissionFindings(deployment, taskStopQueue, await keyOf(eventQueue));
    }),
    optional(OPERATOR, () => operatorFindings(OPERATOR, deployment)),
    ...rulesOf(deployment).map((rule) => check(`rule ${rule}`, async () => [await ruleFinding(rule, eventBridge)])),
    check('other deployments', () => otherStageFindings(deployment, eventBridge)),
    check('the event queue', async () => eventQueueFindings(deployment, await eventQueue)),
    keyOf(eventQueue).then(keyFindings),
    check('the event source mappings', async () => mappingFindings(await mappings, deployment)),
    check('the task stop queue', async () => taskStopQueueFindings(await mappings, deployment, sqs)),
    check('the recursion detection of Lambda', async () => [await recursionFinding(deployment)]),
    check('the dead-letter queue', async () => [await deadLetterFinding(deployment, sqs)]),
    groups.then(({ findings }) => findings),
    ...settings.policy.clusters.map((cluster) =>
      check(`cluster ${cluster}`, () => clusterFindings(cluster, ours, deployment, aws.ecs, check)),
    ),
  ]);
  return parts.flat();
}

// --- The function -----------------------------------------------------------------------------------------------------

function settingsFindings({ functionName, settings, timeoutSeconds }: Deployment): Finding[] {
  const where = `function ${functionName}`;
  if (settings.dryRun) {
    return [
      { level: 'warning', where, what: 'it is in a dry run: it drains nothing.', fix: 'Deploy with dryRun=false.' },
    ];
  }
  const conflicts = conflictsIn(settings.policy, { functionTimeoutSeconds: timeoutSeconds, hook: undefined });
  if (conflicts.length === 0)
    return [{ level: 'ok', where, what: 'it is deployed, and its settings have no conflict.' }];
  return conflicts.map((what) => ({ level: 'error', where, what, fix: 'Deploy again.' }));
}

/** What the function asks of AWS, as deploy/function.ts and deploy/parking.ts allow it. */
export function needsOf(
  { functionArn, settings }: Pick<Deployment, 'functionArn' | 'settings'>,
  taskStopQueueArn?: string,
  queueKeyArn?: string,
): Need[] {
  const [, partition, , region, account] = functionArn.split(':');
  const arn = (service: string, resource: string) => `arn:${partition}:${service}:${region}:${account}:${resource}`;
  const { policy, scheduler, eventSource, dryRun, autoScalingGroups } = settings;
  const eventQueue = arn('sqs', queueNameIn(settings.eventQueueUrl));
  const deadLetterQueue = arn('sqs', queueNameIn(settings.deadLetterQueueUrl));
  const stops = policy.stopStragglers !== 'none';
  const changes = (...actions: string[]) => (dryRun ? [] : actions);
  const inClusters = policy.clusters.flatMap((cluster) => needsInCluster(cluster, arn, stops, changes));
  const completing = changes('autoscaling:CompleteLifecycleAction', 'autoscaling:RecordLifecycleActionHeartbeat');
  return [
    ...inClusters,
    ...(completing.length === 0
      ? []
      : [
          {
            actions: completing,
            resources: autoScalingGroups.map(({ parts }) =>
              arn('autoscaling', `autoScalingGroup:any:autoScalingGroupName/${parts.join('any')}`),
            ),
          },
        ]),
    {
      actions: ['events:PutEvents'],
      resources: [arn('events', 'event-bus/default')],
      context: { 'events:source': eventSource, 'events:detail-type': CONTINUATION_DETAIL_TYPE },
    },
    // Lambda receives and deletes the messages in the name of the function's role.
    {
      actions: ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes'],
      resources: [eventQueue, ...(taskStopQueueArn === undefined ? [] : [taskStopQueueArn])],
    },
    { actions: ['sqs:SendMessage'], resources: [eventQueue, deadLetterQueue] },
    ...(queueKeyArn === undefined
      ? []
      : [{ actions: ['kms:Decrypt', 'kms:GenerateDataKey'], resources: [queueKeyArn] }]),
    {
      actions: [
        'autoscaling:DescribeAutoScalingGroups',
        'autoscaling:DescribeAutoScalingInstances',
        'autoscaling:DescribeLifecycleHooks',
        'autoscaling:DescribeScalingActivities',
        ...(scheduler ? ['scheduler:ListSchedules'] : []),
        ...(stops ? ['ecs:DescribeTaskDefinition'] : []),
      ],
      resources: ['*'],
    },
    ...(scheduler
      ? [
          {
            actions: ['CreateSchedule', 'UpdateSchedule', 'GetSchedule', 'DeleteSchedule'].map(
              (name) => `scheduler:${name}`,
            ),
            resources: [arn('scheduler', `schedule/${scheduler.scheduleGroup}/any`)],
          },
          {
            actions: ['iam:PassRole'],
            resources: [scheduler.scheduleRoleArn],
            context: { 'iam:PassedToService': 'scheduler.amazonaws.com' },
          },
        ]
      : []),
  ];
}

function needsInCluster(
  cluster: string,
  arn: (service: string, resource: string) => string,
  stops: boolean,
  changes: (...actions: string[]) => string[],
): Need[] {
  const context = { 'ecs:cluster': arn('ecs', `cluster/${cluster}`) };
  return [
    { actions: ['ecs:ListContainerInstances'], resources: [arn('ecs', `cluster/${cluster}`)] },
    {
      actions: [
        'ecs:DescribeContainerInstances',
        'ecs:ListTasks',
        ...changes('ecs:UpdateContainerInstancesState', 'ecs:PutAttributes', 'ecs:DeleteAttributes'),
      ],
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
}

async function permissionFindings(
  deployment: Deployment,
  taskStopQueueArn?: string,
  queueKeyArn?: string,
): Promise<Finding[]> {
  const { roleArn } = deployment;
  const where = `role ${roleArn.split('/').at(-1)}`;
  const { simulated, denied } = await simulate(
    roleArn,
    needsOf(deployment, taskStopQueueArn, queueKeyArn),
    where,
    deployment,
  );
  if (denied.length === 0) {
    return [{ level: 'ok', where, what: `it is allowed all ${simulated} actions that were simulated.` }];
  }
  return denied.map(({ action, resources }) => ({
    level: 'error',
    where,
    what: `${action} is not allowed on ${resources.join(', ')}.`,
    fix: 'Deploy again; if that does not help, a permissions boundary or another policy denies it.',
  }));
}

// --- How events arrive ------------------------------------------------------------------------------------------------

/** The rules of the deployment, by the names that deploy/rules.ts gives them. */
function rulesOf({ functionName, settings }: Deployment): string[] {
  const prefix = functionName.replace(/drain$/, '');
  const wakeUps = settings.scheduler ? ['task-stopped', 'instance-emptied'] : [];
  return ['termination', 'continuation', 'sweep', ...wakeUps, ...settings.notices].map((rule) => `${prefix}${rule}`);
}

async function ruleFinding(name: string, eventBridge: EventBridgeClient): Promise<Finding> {
  const where = `rule ${name}`;
  try {
    const { State: state } = await awsCall(`describe ${where}`, () =>
      eventBridge.send(new DescribeRuleCommand({ Name: name })),
    );
    if (state !== 'DISABLED') return { level: 'ok', where, what: 'it is enabled.' };
    const what = 'it is disabled: its events do not reach the function.';
    return { level: 'error', where, what, fix: `Enable it: aws events enable-rule --name ${name}` };
  } catch (error) {
    if (!hasCode('ResourceNotFoundException', error)) throw error;
    return { level: 'error', where, what: 'EventBridge has no such rule on the default bus.', fix: 'Deploy again.' };
  }
}

function eventQueueFindings(deployment: Deployment, state: QueueState | undefined): Finding[] {
  const { settings } = deployment;
  const where = `event queue ${queueNameIn(settings.eventQueueUrl)}`;
  if (!state) {
    return [{ level: 'error', where, what: 'SQS has no such queue: no event arrives.', fix: 'Deploy again.' }];
  }
  const found = visibilityFindings(where, state, deployment);
  const deadLetterQueue = queueNameIn(settings.deadLetterQueueUrl);
  if (state.deadLetterQueue !== deadLetterQueue) {
    const what = `its redrive policy does not name ${deadLetterQueue}: an event with which the function keeps failing is lost in the end.`;
    found.push({ level: 'error', where, what, fix: 'Deploy again.' });
  }
  if (found.length > 0) return found;
  return [{ level: 'ok', where, what: `about ${counted(state.waiting, 'event')} in it, ${state.delayed} delayed.` }];
}

/** The ARN of the key in `queueKmsKeyArn`; undefined where there is none, or SQS does not answer: then the check of the queue says so. */
async function keyOf(queue: Promise<QueueState | undefined>): Promise<string | undefined> {
  const key = (await queue.catch(() => undefined))?.kmsKey;
  return key?.startsWith('arn:') ? key : undefined;
}

/** The policy of a key can be read only with permissions that an operator seldom has. */
function keyFindings(key: string | undefined): Finding[] {
  if (key === undefined) return [];
  const where = `KMS key ${key.split('/').at(-1)}`;
  const what =
    'it encrypts the queues. Whether it is enabled is not read, nor whether its policy lets EventBridge and EventBridge Scheduler use it.';
  return [{ level: 'unchecked', where, what, isOptional: true }];
}

function visibilityFindings(
  where: string,
  { visibilityTimeoutSeconds }: QueueState,
  { timeoutSeconds }: Deployment,
): Finding[] {
  if (visibilityTimeoutSeconds >= timeoutSeconds) return [];
  const what = `its visibility timeout of ${visibilityTimeoutSeconds} s is shorter than the function's timeout of ${timeoutSeconds} s: events come again while the function works on them.`;
  return [{ level: 'warning', where, what, fix: 'Deploy again.' }];
}

/** How Lambda reads queues for the function: the event queue, and with `waiting: park` that of stopped tasks. */
async function mappingsOf({ functionName, lambda }: Deployment): Promise<EventSourceMappingConfiguration[]> {
  return awsCall(`list the event source mappings of ${functionName}`, async () => {
    const pages = paginateListEventSourceMappings({ client: lambda, pageSize: 100 }, { FunctionName: functionName });
    return (await Array.fromAsync(pages)).flatMap((page) => page.EventSourceMappings ?? []);
  });
}

function queueOf({ EventSourceArn: arn }: EventSourceMappingConfiguration): string {
  return arn?.split(':').at(-1) ?? '';
}

/** The queue of stopped tasks is not among the settings: it is what Lambda reads besides the event queue. */
function taskStopMappingIn(mappings: readonly EventSourceMappingConfiguration[], { settings }: Deployment) {
  return settings.scheduler && mappings.find((mapping) => queueOf(mapping) !== queueNameIn(settings.eventQueueUrl));
}

/** Its ARN; undefined where there is none, or Lambda does not say: then the check of the mappings says so. */
async function taskStopQueueIn(mappings: Promise<EventSourceMappingConfiguration[]>, deployment: Deployment) {
  return taskStopMappingIn(await mappings.catch(() => []), deployment)?.EventSourceArn;
}

function mappingFindings(mappings: readonly EventSourceMappingConfiguration[], deployment: Deployment): Finding[] {
  const { settings } = deployment;
  const found = mappings.flatMap((mapping): Finding[] => {
    const where = `event source mapping of ${queueOf(mapping)}`;
    const troubles = [...mappingTroubles(mapping, where)];
    const what = `it is enabled, with ${mapping.ScalingConfig?.MaximumConcurrency} executions at most.`;
    return troubles.length > 0 ? troubles : [{ level: 'ok', where, what }];
  });
  const queue = queueNameIn(settings.eventQueueUrl);
  if (mappings.every((mapping) => queueOf(mapping) !== queue)) {
    const where = `event source mapping of ${queue}`;
    const what = 'there is none: Lambda does not read the queue.';
    found.push({ level: 'error', where, what, fix: 'Deploy again.' });
  }
  if (settings.scheduler && !taskStopMappingIn(mappings, deployment)) {
    const where = 'event source mapping of the task stop queue';
    const what = 'there is none: stops of tasks wake no drain, which may end some minutes later for it.';
    found.push({ level: 'warning', where, what, fix: 'Deploy again.' });
  }
  return found;
}

async function taskStopQueueFindings(
  mappings: readonly EventSourceMappingConfiguration[],
  deployment: Deployment,
  sqs: ReturnType<typeof sqsOf>,
): Promise<Finding[]> {
  const mapping = taskStopMappingIn(mappings, deployment);
  if (!mapping) return [];
  const name = queueOf(mapping);
  const where = `task stop queue ${name}`;
  const state = await orMissing(queueStateOf(sqs, deployment.settings.eventQueueUrl.replace(/[^/]+$/, name)));
  if (!state) {
    const what = 'SQS has no such queue: stops of tasks wake no drain.';
    return [{ level: 'warning', where, what, fix: 'Deploy again.' }];
  }
  const found = visibilityFindings(where, state, deployment);
  const what = `about ${counted(state.waiting, 'stop')} of tasks in it.`;
  return found.length > 0 ? found : [{ level: 'ok', where, what }];
}

/** What is wrong with how Lambda reads a queue. */
export function* mappingTroubles(mapping: EventSourceMappingConfiguration, where: string): Generator<Finding> {
  const { UUID, State, StateTransitionReason, LastProcessingResult, ScalingConfig, FunctionResponseTypes } = mapping;
  if (State !== 'Enabled') {
    const what = `it is ${State} (${StateTransitionReason}): Lambda does not read the queue.`;
    const fix = `Enable it: aws lambda update-event-source-mapping --uuid ${UUID} --enabled`;
    yield { level: 'error', where, what, fix };
  }
  if (LastProcessingResult?.startsWith('PROBLEM')) {
    const what = `Lambda has a problem with the queue: ${LastProcessingResult}`;
    yield { level: 'error', where, what, fix: 'Check the permissions of the role on the queue.' };
  }
  if (!FunctionResponseTypes?.includes('ReportBatchItemFailures')) {
    const what = 'it does not take partial batch responses: one event that fails makes its whole batch come again.';
    yield { level: 'error', where, what, fix: 'Deploy again.' };
  }
  if (ScalingConfig?.MaximumConcurrency === undefined) {
    const what = 'it has no MaximumConcurrency: the function may take every execution of the account.';
    yield { level: 'warning', where, what, fix: 'Deploy again.' };
  }
}

/** Facts 90 loops-allowed. */
async function recursionFinding({ functionName, lambda }: Deployment): Promise<Finding> {
  const where = `recursion detection of ${functionName}`;
  const { RecursiveLoop: loop } = await awsCall(`read the recursion configuration of ${functionName}`, () =>
    lambda.send(new GetFunctionRecursionConfigCommand({ FunctionName: functionName })),
  );
  if (loop === 'Allow') return { level: 'ok', where, what: 'it lets a drain wait in the queue as often as it needs.' };
  return {
    level: 'error',
    where,
    what: `RecursiveLoop is ${loop}: Lambda drops the messages of a drain that waits in the queue again and again.`,
    fix: `Deploy again, or: aws lambda put-function-recursion-config --function-name ${functionName} --recursive-loop Allow`,
  };
}

async function deadLetterFinding({ settings }: Deployment, sqs: ReturnType<typeof sqsOf>): Promise<Finding> {
  const where = `dead-letter queue ${queueNameIn(settings.deadLetterQueueUrl)}`;
  const state = await orMissing(queueStateOf(sqs, settings.deadLetterQueueUrl));
  if (!state) return { level: 'error', where, what: 'SQS has no such queue.', fix: 'Deploy again.' };
  const messages = state.waiting + state.received + state.delayed;
  if (messages === 0) return { level: 'ok', where, what: 'it is empty.' };
  return {
    level: 'error',
    where,
    what: `it has ${counted(messages, 'message')}: events that could not be handled. An instance may be held while no drain is in progress.`,
    fix: 'See what they are with: npx ecs-drain replay --dead-letter',
  };
}

/** Undefined if the queue does not exist. */
async function orMissing<T>(state: Promise<T>): Promise<T | undefined> {
  try {
    return await state;
  } catch (error) {
    if (!/QueueDoesNotExist|NonExistentQueue/.test(failedCallIn(error)?.code ?? '')) throw error;
    return undefined;
  }
}

// --- The groups -------------------------------------------------------------------------------------------------------

async function groupsChecked(
  deployment: Deployment,
  aws: Aws,
  check: Check,
): Promise<{ readonly findings: readonly Finding[]; readonly ours: Ours }> {
  const { autoScalingGroups, policy } = deployment.settings;
  const times: Time[] = [];
  const instanceIds = new Set<string>();
  const findings = await check('the groups', async () => {
    const groups = await aws.groups(autoScalingGroups);
    for (const { instances } of groups) for (const { instanceId } of instances) instanceIds.add(instanceId);
    const names = groups.map(({ name }) => name);
    const each = groups.map(async (group) => {
      const where = `group ${group.name}`;
      const onHooks = async () => {
        const hooks = await aws.lifecycleActions.hooksOf(group.name);
        const ours = hooks.filter((hook) => deployment.settings.lifecycleHooks.includes(hook.name));
        times.push(...ours.map((hook) => timeOf(hook, deployment)));
        return [...hookFindings(group.name, hooks, ours, deployment)];
      };
      return [...groupFindings(where, group), ...(await check(where, onHooks))];
    });
    const missing = choicesWithout(names, autoScalingGroups).map(missingGroupFinding);
    return [...missing, ...(await Promise.all(each)).flat()];
  });
  const ours = {
    autoScalingGroups,
    instanceIds,
    deadlineSeconds: Math.min(policy.deadlineSeconds, ...times.map(({ deadlineSeconds }) => deadlineSeconds)),
    heartbeatSeconds: Math.min(...times.map(({ heartbeatSeconds }) => heartbeatSeconds)),
  };
  return { findings, ours };
}

function missingGroupFinding(choice: GroupChoice): Finding {
  const where = `group ${choice.text}`;
  if (isPattern(choice)) {
    // A group whose name changes may be between two lives.
    const what = 'Auto Scaling has no group that the pattern matches.';
    return { level: 'warning', where, what, fix: 'If there should be one, fix the pattern in autoScalingGroups.' };
  }
  const fix = 'Fix its name in autoScalingGroups, or remove it there, and deploy again.';
  return { level: 'error', where, what: 'Auto Scaling has no such group.', fix };
}

function groupFindings(where: string, group: Pick<Group, 'returnsToWarmPool'>): Finding[] {
  if (!group.returnsToWarmPool) return [];
  return [{ level: 'warning', where, ...WARM_POOL_REUSE }];
}

/** How long the hook lets a drain take. */
export function timeOf({ name, limits }: LifecycleHook, { settings }: Pick<Deployment, 'settings'>): Time {
  const action = { autoScalingGroup: '', lifecycleHook: name, instanceId: '' };
  const drain = { ...newHeldDrain(action, { startedAtMs: 0, pollIntervalSeconds: 0 }), hook: limits };
  return {
    deadlineSeconds: deadlineAtMs(drain, settings.policy) / 1000,
    heartbeatSeconds: limits.heartbeatTimeoutSeconds,
  };
}

export function* hookFindings(
  group: string,
  hooks: readonly LifecycleHook[],
  ours: readonly LifecycleHook[],
  { settings, timeoutSeconds }: Pick<Deployment, 'settings' | 'timeoutSeconds'>,
): Generator<Finding> {
  const ofEcs = hooks.some(({ name }) => name === MANAGED_DRAINING_HOOK);
  if (ours.length === 0 && !ofEcs) {
    yield {
      level: 'error',
      where: `group ${group}`,
      what: `it has no terminating hook ${settings.lifecycleHooks.join(' or ')}: its instances are terminated without a drain.`,
      fix: 'Deploy with createLifecycleHooks=true, or create the hook where the group is managed.',
    };
  }
  for (const hook of ours) yield* ourHookFindings(group, hook, settings, timeoutSeconds);
  const deadlineSeconds = Math.max(...ours.map((hook) => timeOf(hook, { settings }).deadlineSeconds));
  for (const hook of hooks) {
    const what = interferenceOf(hook, settings.lifecycleHooks, deadlineSeconds);
    const fix = 'Give it the default result CONTINUE, or a timeout that is longer than a drain.';
    if (what) yield { level: 'warning', where: `hook ${hook.name} of group ${group}`, what, fix };
  }
  if (ofEcs) yield managedDrainingFinding(group, ours.length > 0, settings);
}

/** ECS managed draining: supervised where we have no hook, and one drain too many where we have one. */
function managedDrainingFinding(group: string, isOurs: boolean, settings: Deployment['settings']): Finding {
  const where = `group ${group}`;
  if (isOurs) return { level: 'warning', where, ...MANAGED_DRAINING.besideOurs };
  if (!settings.superviseManagedDraining) return { level: 'warning', where, ...MANAGED_DRAINING.unwatched };
  const { managedDrainingDeadline: result, deadlineSeconds } = settings.policy;
  const end =
    result === 'none' ? 'leaves the end to ECS' : `completes its hook with ${result} after ${deadlineSeconds} s`;
  const what = `ECS managed draining drains its instances; ecs-drain reports it, and ${end}.`;
  return { level: 'ok', where, what };
}

function* ourHookFindings(
  group: string,
  hook: LifecycleHook,
  settings: Deployment['settings'],
  functionTimeoutSeconds: number,
): Generator<Finding> {
  const where = `hook ${hook.name} of group ${group}`;
  const trouble = metadataTrouble(hook, settings);
  if (trouble) {
    yield { ...trouble, where, fix: 'Put the hook with metadata such as {"cluster": "prod"}, or with none.' };
  }
  const policy = policyWith(hook.limits.choices, settings.policy);
  const conflicts = conflictsIn(policy, { functionTimeoutSeconds, hook: hook.limits });
  yield* conflicts.map((what) => ({ level: 'warning', where, what }) as const);
  if (trouble || conflicts.length > 0) return;
  const { heartbeatTimeoutSeconds, globalTimeoutSeconds, choices = {} } = hook.limits;
  const chosen = Object.entries(choices).map(([choice, value]) => `${choice} ${value}`);
  const what = `it holds an instance for ${duration(heartbeatTimeoutSeconds)} without a heartbeat, and for ${duration(globalTimeoutSeconds)} at most.${chosen.length > 0 ? ` Its metadata chooses ${chosen.join(', ')}.` : ''}`;
  yield { level: 'ok', where, what };
}

// --- Presenting -------------------------------------------------------------------------------------------------------

const WORDS = { error: 'ERROR', warning: 'warning', unchecked: 'not checked', note: 'note', ok: 'ok' } as const;

const STYLES = { error: 'red', warning: 'yellow', unchecked: 'yellow', note: 'dim', ok: 'green' } as const;

const SEVERITY = Object.keys(WORDS);

function linesOn({ level, where, what, fix }: Finding, page: Page): string {
  const line = `${styled(STYLES[level], WORDS[level].padEnd(13), page)}${where}: ${what}`;
  return fix === undefined ? line : `${line}\n${' '.repeat(13)}-> ${fix}`;
}

/** `1 error, 2 warnings, 14 passed`: nothing of which there is none. */
function summaryOf(findings: readonly Finding[], verbose: boolean): string {
  const count = (level: Finding['level']) => findings.filter((finding) => finding.level === level).length;
  const [errors, warnings, unchecked, ok] = [count('error'), count('warning'), count('unchecked'), count('ok')];
  if (errors + warnings + unchecked === 0) {
    return `Nothing was found that would prevent the next drain: all ${ok} checks passed.${verbose ? '' : ' --verbose lists them.'}`;
  }
  const parts = [
    ...(errors > 0 ? [counted(errors, 'error')] : []),
    ...(warnings > 0 ? [counted(warnings, 'warning')] : []),
    ...(unchecked > 0 ? [`${unchecked} not checked`] : []),
    `${ok} passed`,
  ];
  return `${parts.join(', ')}.${verbose ? '' : ' --verbose lists all.'}`;
}
