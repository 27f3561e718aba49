import {
  type AutoScalingGroup,
  paginateDescribeAutoScalingGroups,
  TerminateInstanceInAutoScalingGroupCommand,
} from '@aws-sdk/client-auto-scaling';
import { awsCall } from '../src/adapters/aws-call.ts';
import { presentTask } from '../src/adapters/event-bridge.ts';
import type { LifecycleHook } from '../src/domain/drain.ts';
import { choiceOf } from '../src/domain/groups.ts';
import type { HoldingTask } from '../src/domain/observation.ts';
import { interferenceOf } from '../src/domain/policy-conflicts.ts';
import { hooksOf } from '../src/handlers/settings.ts';
import { type Aws, awsOf } from './aws.ts';
import { counted, type Deployment, deploymentOf, sentenceOf, type Target, UsageError } from './common.ts';
import { readHoldingTasks } from './drain-reads.ts';
import { presentTaskCounts } from './drain-status.ts';
import { metadataTrouble } from './hooks.ts';
import { type InstanceState, readInstance, schedulesOf } from './instance.ts';
import { askerOf, leaveNote, type NoteLeft } from './request.ts';
import { hasConsent, refuseWithoutConsent, type Session } from './session.ts';
import { checkMessage, instanceIdsIn, secondsIn } from './typed.ts';
import { presentWaited, statusOf, USUAL_TIMEOUT, type Waited, waitForDrains } from './wait.ts';

/** What is typed after `ecs-drain drain INSTANCE…`. */
export interface DrainOptions {
  readonly decrement?: boolean;
  readonly wait?: boolean;
  readonly timeout?: string;
  readonly message?: string;
  readonly yes?: boolean;
}

/** What would come of an instance that Auto Scaling terminates. */
interface Outlook {
  readonly instanceId: string;
  readonly autoScalingGroup: string;
  readonly cluster: string | undefined;
  readonly holdingTasks: readonly HoldingTask[];
  /** The hook of ours that would hold it. */
  readonly hook: LifecycleHook | undefined;
  /** Why it must not be terminated: a sentence each. */
  readonly obstacles: readonly string[];
  readonly remarks: readonly string[];
}

/** `ecs-drain drain INSTANCE…`: has Auto Scaling terminate instances, which the hook holds until their tasks have stopped. */
export async function drain(
  typed: readonly string[],
  options: DrainOptions,
  target: Target,
  session: Session,
): Promise<number> {
  const instanceIds = instanceIdsIn(typed);
  const { decrement = false, message, yes = false } = options;
  const timeoutSeconds = timeoutSecondsIn(options);
  checkMessage(message);
  refuseWithoutConsent('drain', yes, session);
  const deployment = await deploymentOf(target);
  const aws = awsOf(deployment);
  const read = () => readOutlooks(instanceIds, decrement, deployment, aws);
  const first = await read();
  if (obstaclesOf(first).length > 0)
    return report({ ...first, failure: obstaclesOf(first).join(' ') }, deployment, session);
  const by = message === undefined ? undefined : await askerOf(deployment);
  for (const outlook of first.outlooks) for (const line of linesOn(outlook, first, decrement)) session.print(line);
  if (!(await hasConsent(`Terminate ${counted(instanceIds.length, 'instance')}?`, yes, session))) return 1;
  // While the question stood there, someone may have changed what it was about.
  const outlooks = yes ? first : await read();
  if (obstaclesOf(outlooks).length > 0)
    return report({ ...outlooks, failure: obstaclesOf(outlooks).join(' ') }, deployment, session);
  return act(outlooks, { ...options, timeoutSeconds, by }, deployment, aws, session);
}

interface Consented extends DrainOptions {
  readonly timeoutSeconds: number;
  /** Who leaves the note, if there is one. */
  readonly by: string | undefined;
}

/** Once there is a yes: whatever fails now, the report says what was done before. */
async function act(
  outlooks: Outlooks,
  { decrement = false, timeoutSeconds, by, message, wait = false }: Consented,
  deployment: Deployment,
  aws: Aws,
  session: Session,
): Promise<number> {
  const expectedSinceMs = deployment.nowMs();
  const { terminated, failure } = await terminate(outlooks.outlooks, decrement, deployment, aws);
  if (terminated.length > 0) {
    session.print(`Auto Scaling terminates ${terminated.join(', ')}.`);
    if (!wait) session.print(`To wait for the drains: npx ecs-drain wait ${terminated.join(' ')}`);
  }
  const notes = by === undefined ? undefined : await leaveNotes(terminated, { by, message }, deployment, aws, session);
  const waited = wait
    ? await waitForDrains(terminated, { timeoutSeconds, expectedSinceMs }, deployment, aws, session)
    : undefined;
  return report({ ...outlooks, terminated, failure, notes, waited }, deployment, session);
}

function timeoutSecondsIn({ wait = false, timeout }: DrainOptions): number {
  if (timeout !== undefined && !wait) {
    throw new UsageError('--timeout is how long --wait waits: add --wait, or leave out --timeout.');
  }
  return secondsIn('--timeout', timeout ?? USUAL_TIMEOUT);
}

/** What would come of the instances, and what stands against terminating them together. */
interface Outlooks {
  readonly outlooks: readonly Outlook[];
  /** Of their groups: a sentence each. */
  readonly obstacles: readonly string[];
  /** The groups that launch no instance in place of one that is terminated. */
  readonly notLaunching?: ReadonlySet<string>;
}

function obstaclesOf({ outlooks, obstacles }: Outlooks): string[] {
  return [...outlooks.flatMap((outlook) => outlook.obstacles), ...obstacles];
}

async function readOutlooks(
  instanceIds: readonly string[],
  decrement: boolean,
  deployment: Deployment,
  aws: Aws,
): Promise<Outlooks> {
  const outlooks: Outlook[] = [];
  for (const instanceId of instanceIds) outlooks.push(await outlookFor(instanceId, deployment, aws));
  const groups = await readGroups(outlooks, aws);
  const tooSmall = groups.flatMap(({ name, desiredCapacity, minSize, leaving }) =>
    decrement && desiredCapacity - leaving < minSize
      ? `The group ${name} cannot get smaller by ${leaving}: its desired capacity is ${desiredCapacity}, and its minimum size ${minSize}. Lower the minimum size, or leave out --decrement.`
      : [],
  );
  const notLaunching = new Set(groups.flatMap(({ name, launches }) => (launches ? [] : name)));
  return { outlooks, obstacles: tooSmall, notLaunching };
}

/** The groups of the instances that can be terminated. */
async function readGroups(outlooks: readonly Outlook[], { autoScaling }: Aws) {
  const leaving = outlooks.filter(({ obstacles }) => obstacles.length === 0);
  const names = [...new Set(leaving.map(({ autoScalingGroup }) => autoScalingGroup))];
  if (names.length === 0) return [];
  const groups = await awsCall(`describe the groups ${names.join(', ')}`, async () => {
    const found: AutoScalingGroup[] = [];
    const input = { AutoScalingGroupNames: names };
    const pages = paginateDescribeAutoScalingGroups({ client: autoScaling, pageSize: 100 }, input);
    for await (const page of pages) found.push(...(page.AutoScalingGroups ?? []));
    return found;
  });
  return groups.map(
    ({ AutoScalingGroupName: name = '', DesiredCapacity = 0, MinSize = 0, SuspendedProcesses = [] }) => ({
      name,
      desiredCapacity: DesiredCapacity,
      minSize: MinSize,
      launches: !SuspendedProcesses.some(({ ProcessName }) => ProcessName === 'Launch'),
      leaving: leaving.filter(({ autoScalingGroup }) => autoScalingGroup === name).length,
    }),
  );
}

async function outlookFor(instanceId: string, deployment: Deployment, aws: Aws): Promise<Outlook> {
  const { settings } = deployment;
  const { place, registrations } = await readInstance(instanceId, deployment, aws);
  const registered = registrations.of(instanceId);
  const seen = { instanceId, autoScalingGroup: place?.autoScalingGroup ?? '', cluster: registered[0]?.cluster };
  const refused = (obstacle: string): Outlook => ({
    ...seen,
    holdingTasks: [],
    hook: undefined,
    obstacles: [obstacle],
    remarks: [],
  });
  if (settings.dryRun) return refused(`The function is in a dry run: nothing would drain ${instanceId}.`);
  if (!place)
    return refused(`${instanceId} is in no Auto Scaling group of this account and Region: nothing would hold it.`);
  const { autoScalingGroup, lifecycleState } = place;
  if (!choiceOf(settings.autoScalingGroups, autoScalingGroup)) {
    return refused(
      `${instanceId} is in the group ${autoScalingGroup}, which is not among autoScalingGroups: nothing would drain it.`,
    );
  }
  if (lifecycleState !== 'InService') {
    return refused(
      `${instanceId} is ${lifecycleState} in the group ${autoScalingGroup}, not InService. npx ecs-drain explain ${instanceId} says more.`,
    );
  }
  const { holdingTasks, failures } = await readHoldingTasks(instanceId, registrations, deployment, aws);
  if (!holdingTasks) return refused(failures.join(' '));
  const hooks = await aws.lifecycleActions.hooksOf(autoScalingGroup);
  const hook = hooks.find(({ name }) => hooksOf(settings).includes(name));
  if (!hook) {
    return refused(
      `The group ${autoScalingGroup} has no terminating hook of ours (${hooksOf(settings).join(', ')}): nothing would hold ${instanceId}, and its tasks would be killed.`,
    );
  }
  const trouble = settings.lifecycleHooks.includes(hook.name) ? metadataTrouble(hook, settings) : undefined;
  if (trouble?.level === 'error') return refused(trouble.what);
  const interferences = hooks.flatMap(
    (other) => interferenceOf(other, settings.lifecycleHooks, settings.policy.deadlineSeconds) ?? [],
  );
  const missing =
    registered.length > 0
      ? []
      : [`It is registered in none of the clusters ${registrations.searched.join(', ')}: it is let go at once.`];
  return {
    ...seen,
    holdingTasks,
    hook,
    obstacles: [],
    remarks: [...(trouble ? [trouble.what] : []), ...interferences, ...missing, ...failures],
  };
}

function linesOn(outlook: Outlook, { notLaunching }: Outlooks, decrement: boolean) {
  const { instanceId, autoScalingGroup, cluster, holdingTasks, hook, remarks } = outlook;
  const replacement = notLaunching?.has(autoScalingGroup)
    ? 'launches none in its place, because its process Launch is suspended'
    : 'launches another in its place';
  return [
    `${instanceId} is in the group ${autoScalingGroup}${cluster ? ` and the cluster ${cluster}` : ''}, with ${presentTaskCounts(holdingTasks).replaceAll('\n', '\n  ')}`,
    `  The hook ${hook?.name} holds it until its tasks have stopped. The group ${decrement ? 'gets smaller by it' : replacement}.`,
    ...remarks.map((remark) => `  ${remark}`),
  ];
}

/** One after the other: what fails ends it. */
async function terminate(
  outlooks: readonly Outlook[],
  decrement: boolean,
  { target }: Deployment,
  { autoScaling }: Aws,
) {
  const terminated: string[] = [];
  for (const { instanceId: InstanceId } of outlooks) {
    try {
      await awsCall(`terminate ${InstanceId}`, () =>
        autoScaling.send(
          new TerminateInstanceInAutoScalingGroupCommand({ InstanceId, ShouldDecrementDesiredCapacity: decrement }),
        ),
      );
      terminated.push(InstanceId);
    } catch (error) {
      return { terminated, failure: sentenceOf(error, target) };
    }
  }
  return { terminated, failure: undefined };
}

/** How long it may take until a drain has a schedule that can keep a note. */
const NOTE_SECONDS = 60;
const POLL_SECONDS = 3;

/** A drain that ends before it has a schedule has its note in the log alone. */
async function leaveNotes(
  instanceIds: readonly string[],
  request: { readonly by: string; readonly message: string | undefined },
  deployment: Deployment,
  aws: Aws,
  { sleep, print }: Session,
): Promise<NoteLeft[]> {
  const notes: NoteLeft[] = [];
  const untilMs = deployment.nowMs() + NOTE_SECONDS * 1000;
  for (const instanceId of instanceIds) {
    let noted: NoteLeft;
    try {
      let state = await readInstance(instanceId, deployment, aws);
      while (mayYetBeParked(state, deployment) && deployment.nowMs() < untilMs) {
        await sleep(POLL_SECONDS * 1000);
        state = await readInstance(instanceId, deployment, aws);
      }
      noted = await leaveNote(state, request, deployment);
    } catch (error) {
      const sentence = `The note on ${instanceId} was not left: ${sentenceOf(error, deployment.target)}`;
      noted = { instanceId, note: 'lost', sentence };
    }
    if (noted.sentence !== undefined) print(noted.sentence);
    notes.push(noted);
  }
  return notes;
}

function mayYetBeParked(state: InstanceState, { settings }: Deployment): boolean {
  const { place, parked } = state;
  const isUnderWay = place?.lifecycleState === 'Terminating' || place?.lifecycleState === 'Terminating:Wait';
  const mayBeListed = settings.scheduler !== undefined && parked.failure === undefined;
  return mayBeListed && isUnderWay && schedulesOf(state).length === 0;
}

interface Report extends Outlooks {
  readonly terminated?: readonly string[];
  readonly failure: string | undefined;
  readonly notes?: readonly NoteLeft[] | undefined;
  readonly waited?: readonly Waited[] | undefined;
}

function report(
  { outlooks, obstacles, terminated = [], failure, notes, waited }: Report,
  { functionName }: Deployment,
  { print, printJson }: Session,
): number {
  printJson({
    function: functionName,
    instances: outlooks.map(({ instanceId, autoScalingGroup, hook, holdingTasks, obstacles, remarks }) => ({
      instanceId,
      state: terminated.includes(instanceId) ? 'terminating' : obstacles.length > 0 ? 'refused' : 'left alone',
      autoScalingGroup: autoScalingGroup || undefined,
      lifecycleHook: hook?.name,
      holdingTasks: holdingTasks.map(presentTask),
      obstacles,
      remarks,
    })),
    failure,
    notes,
    drains: waited?.map(presentWaited),
  });
  const left = outlooks.map(({ instanceId }) => instanceId).filter((id) => !terminated.includes(id));
  if (failure !== undefined) {
    const refusals = obstaclesOf({ outlooks, obstacles });
    for (const sentence of refusals.length > 0 ? refusals : [failure]) print(sentence);
    print(`${left.join(', ')} ${left.length === 1 ? 'is' : 'are'} left alone.`);
    return 1;
  }
  const isLost = notes?.some(({ note }) => note === 'lost') ?? false;
  return (waited ? statusOf(waited) : 0) || (isLost ? 1 : 0);
}
