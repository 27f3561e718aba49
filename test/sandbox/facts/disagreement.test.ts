import { describe, expect, it } from 'vitest';
import type { Clients } from '../../../sandbox/facts/experiment.ts';
import { EXPERIMENTS } from '../../../sandbox/facts/experiments/all.ts';
import { runOnLocalRegion } from '../../../sandbox/facts/local-region.ts';

/**
 * Every experiment can disagree: here it is shown another AWS, in which its fact is not so. What an operation is asked or what it
 * answers is changed on the way.
 */

// biome-ignore lint/suspicious/noExplicitAny: each operation has an input and an output of its own.
type Loose = any;
/** Another way to an operation: what it is asked, and how to ask the Region. */
type Detour = (input: Loose, ask: (input: Loose) => Promise<Loose>) => Promise<Loose>;

/** Asks for something else. */
const asking =
  (change: (input: Loose) => object): Detour =>
  (input, ask) =>
    ask({ ...input, ...change(input) });
/** Changes what is answered. */
const answering =
  (change: (output: Loose, input: Loose) => void): Detour =>
  async (input, ask) => {
    const output = await ask(input);
    change(output, input);
    return output;
  };
/** Takes what the Region refuses. */
const accepting: Detour = (input, ask) => ask(input).catch(() => ({}));
/** Refuses in other words. */
const refusing =
  (message: string): Detour =>
  (input, ask) =>
    ask(input).catch((error) => {
      throw Object.assign(error, { message });
    });
/** Changes the events, or other JSON, that a queue hands out. */
const delivering = (change: (body: Loose) => void): Detour =>
  answering(({ Messages = [] }) => {
    for (const message of Messages) {
      const body = JSON.parse(message.Body);
      change(body);
      message.Body = JSON.stringify(body);
    }
  });
const later = (date: Date | undefined, seconds: number) => date && new Date(date.getTime() + seconds * 1000);
const eachTask = (change: (task: Loose) => void): Detour => answering(({ tasks }) => tasks.forEach(change));
/** Answers what it answered first. */
const stale = (): Detour => {
  let first: Promise<Loose> | undefined;
  return (input, ask) => {
    first ??= ask(input);
    return first;
  };
};
const eventsWithoutVersion = delivering(({ detail }) => delete detail?.version);

/** Once an instance is drained, every task is told to stop. */
function stoppingEveryTask(): Readonly<Record<string, Detour>> {
  let drained = false;
  return {
    UpdateContainerInstancesState: (input, ask) => {
      drained = true;
      return ask(input);
    },
    DescribeTasks: answering(({ tasks }) => {
      for (const task of tasks) if (drained) task.desiredStatus = 'STOPPED';
    }),
  };
}

/** By the beginning of an experiment's title: the AWS that it would disagree with. */
const OTHER_AWS: Readonly<Record<string, Readonly<Record<string, Detour>>>> = {
  'A container instance that does not exist': {
    UpdateContainerInstancesState: answering((out) => Object.assign(out, { failures: [] })),
  },
  'UpdateContainerInstancesState refuses': { UpdateContainerInstancesState: accepting },
  'With minimumHealthyPercent 100 a replacement': {
    DescribeTasks: eachTask((task) => Object.assign(task, { startedAt: later(task.startedAt, 600) })),
  },
  'With minimumHealthyPercent 100 and maximumPercent 100': {
    DescribeTasks: eachTask((task) => (task.desiredStatus = 'STOPPED')),
  },
  'A DRAINING instance can be set ACTIVE': {
    UpdateContainerInstancesState: async (input, ask) => (input.status === 'ACTIVE' ? { failures: [] } : ask(input)),
  },
  'Draining leaves a standalone task': stoppingEveryTask(),
  'runningTasksCount and pendingTasksCount': {
    DescribeContainerInstances: answering(({ containerInstances }) => {
      for (const each of containerInstances) each.runningTasksCount += 1;
    }),
  },
  'ListTasks hides a task': {
    ListTasks: async (input, ask) => (input.desiredStatus === 'STOPPED' ? { taskArns: [] } : ask(input)),
  },
  'A task that has STOPPED is still listed': { ListTasks: asking(() => ({ desiredStatus: 'RUNNING' })) },
  'SIGKILL comes 30 s after': {
    DescribeTasks: eachTask((task) => (task.executionStoppedAt = later(task.executionStoppedAt, -10))),
  },
  'stoppingAt is when': { DescribeTasks: eachTask((task) => (task.stoppingAt = later(task.stoppingAt, 60))) },
  'The filter `ec2InstanceId ==': { ListContainerInstances: asking(() => ({ filter: undefined })) },
  'The cluster query language takes lists': { ListContainerInstances: asking(() => ({ filter: undefined })) },
  'The cluster query language takes `!=`': { ListContainerInstances: asking(() => ({ filter: undefined })) },
  'A nextToken that ECS did not give': { ListContainerInstances: asking(() => ({ nextToken: undefined })) },
  'An ARN of another Region': { ListContainerInstances: asking(() => ({ cluster: 'facts' })) },
  'Without a status, DRAINING instances': { ListContainerInstances: asking(() => ({ status: undefined })) },
  'Pages: maxResults': { ListContainerInstances: asking(() => ({ maxResults: undefined })) },
  'Protection lasts two hours': { UpdateTaskProtection: asking(() => ({ expiresInMinutes: 60 })) },
  'A duration above 2,880 minutes': { UpdateTaskProtection: asking(() => ({ expiresInMinutes: 2_880 })) },
  'Protection of a minute': { UpdateTaskProtection: asking(() => ({ expiresInMinutes: 2 })) },
  'A standalone task cannot be protected': {
    UpdateTaskProtection: answering((out) => Object.assign(out, { failures: [] })),
  },
  'A service that ECS deploys by rolling update': {
    DescribeServices: answering(({ services }) => {
      for (const { deployments } of services) for (const each of deployments) delete each.rolloutState;
    }),
  },
  'RunTask answers 200': { RunTask: answering((out) => Object.assign(out, { failures: [] })) },
  'DeregisterContainerInstance without force': { DeregisterContainerInstance: asking(() => ({ force: true })) },
  'FARGATE and FARGATE_SPOT': { DescribeCapacityProviders: async () => ({}) },
  'UpdateService refuses': { UpdateService: refusing('Service missing.') },
  'A service whose task fits on no instance': {
    DescribeServices: answering(({ services }) => {
      for (const { events } of services)
        for (const each of events) each.message = `${each.message} unable to place`.slice(9);
    }),
  },
  'ECS throttles reads': { ListTasks: accepting },
  'TerminateInstances of EC2': { TerminateInstances: async () => ({}) },
  'The event of a terminating hook': { ReceiveMessage: delivering(({ detail }) => delete detail?.LifecycleTransition) },
  'The container instance of a running EC2': { ListContainerInstances: stale() },
  'Without a heartbeat the hook ends': { RecordLifecycleActionHeartbeat: async () => ({}) },
  'A hook without a notification target': {
    ReceiveMessage: delivering((event) => Object.assign(event, { Event: 'autoscaling:TEST_NOTIFICATION' })),
  },
  'A hook that is put without values': {
    DescribeLifecycleHooks: answering(({ LifecycleHooks }) => {
      for (const hook of LifecycleHooks) hook.DefaultResult = 'CONTINUE';
    }),
  },
  'A heartbeat timeout of 29 s': { PutLifecycleHook: asking(() => ({ HeartbeatTimeout: 30 })) },
  'DeleteLifecycleHook completes': { DeleteLifecycleHook: async () => ({}) },
  'ABANDON terminates the instance': { DescribeAutoScalingInstances: answering((out) => Object.assign(out, HELD)) },
  'An action that is completed by the id': { RecordLifecycleActionHeartbeat: accepting },
  'Activities in progress come first': {
    DescribeScalingActivities: answering(({ Activities }) => Activities.reverse()),
  },
  'DescribeScalingActivities filters': { DescribeAutoScalingGroups: asking(() => ({ IncludeInstances: true })) },
  'EC2 Instance Terminate Successful comes': { ReceiveMessage: delivering(({ detail }) => delete detail?.Cause) },
  'CancelInstanceRefresh without': { CancelInstanceRefresh: accepting },
  'A process that is suspended': { SuspendProcesses: async () => ({}) },
  'Scale-in protection does not protect': { SetInstanceProtection: accepting },
  'A minimum above the maximum': { UpdateAutoScalingGroup: accepting },
  'ECS Task State Change comes': { ReceiveMessage: eventsWithoutVersion },
  'ECS Container Instance State Change comes': { ReceiveMessage: eventsWithoutVersion },
  'A partial failure of PutEvents': { PutEvents: answering((out) => Object.assign(out, { FailedEntryCount: 0 })) },
  'PutEvents refuses more than ten': { PutEvents: asking(({ Entries }) => ({ Entries: Entries.slice(1) })) },
  'PutEvents refuses an entry': {
    PutEvents: asking(({ Entries: [entry] }) => ({ Entries: [{ ...entry, Source: 'facts' }] })),
  },
  'A rule with a rate': { ReceiveMessage: delivering((event) => Object.assign(event, { source: 'facts' })) },
  'A one-time schedule fires': { GetSchedule: async () => ({}) },
  'A name that is taken': { CreateSchedule: refusing('It is taken.') },
  'A name that is not there': { GetSchedule: refusing('It is not there.') },
  'An expression with a Z': {
    CreateSchedule: asking(({ ScheduleExpression }) => ({ ScheduleExpression: ScheduleExpression.replace('Z', '') })),
  },
  'A target whose event has a source': {
    CreateSchedule: asking(({ Target }) => ({
      Target: { ...Target, EventBridgeParameters: { ...Target.EventBridgeParameters, Source: 'facts' } },
    })),
  },
  'UpdateSchedule sets what it leaves out': { UpdateSchedule: asking(() => ({ ActionAfterCompletion: 'DELETE' })) },
  'An asynchronous invocation that fails': {
    ReceiveMessage: delivering((record) =>
      Object.assign(record, { requestContext: { condition: 'EventAgeExceeded' } }),
    ),
  },
};

const HELD = { AutoScalingInstances: [{ LifecycleState: 'Terminating:Wait' }] };

/** Clients whose operations take the detours. */
const by =
  (detours: Readonly<Record<string, Detour>>) =>
  (clients: Clients): Clients => {
    for (const client of Object.values(clients)) {
      const send = client.send.bind(client);
      client.send = (command: Loose) => {
        const detour = detours[command.constructor.name.replace(/Command$/, '')];
        return detour ? detour(command.input, (input) => send(new command.constructor(input))) : send(command);
      };
    }
    return clients;
  };

describe('in another AWS', () => {
  it.each(Object.entries(OTHER_AWS))('"%s…" is seen not to be so', async (beginning, detours) => {
    const made = EXPERIMENTS.filter(({ title }) => title.startsWith(beginning));
    expect(made).toHaveLength(1);
    expect(await runOnLocalRegion(made, by(detours))).toMatchObject([{ verdict: 'disagrees' }]);
  });

  it('every experiment can disagree that agrees on the local Region', async () => {
    const agreeing = (await runOnLocalRegion(EXPERIMENTS)).filter(({ verdict }) => verdict === 'agrees');
    const shown = Object.keys(OTHER_AWS);
    expect(agreeing.map(({ title }) => title).filter((title) => !shown.some((each) => title.startsWith(each)))).toEqual(
      [],
    );
  });
});
