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
/** An AWS in which one thing is otherwise: by operation. */
type OtherAws = Readonly<Record<string, Detour>>;

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
const eventsWithoutStatus = (status: string): Detour =>
  delivering(({ detail }) => {
    if (detail?.lastStatus === status) detail.lastStatus = 'RUNNING';
  });

/** Draining is answered, and not done. */
const drainingNothing: OtherAws = {
  UpdateContainerInstancesState: async (input, ask) => (input.status === 'DRAINING' ? { failures: [] } : ask(input)),
};
/** Asks for what the pattern of a filter would be if CloudWatch read it otherwise. */
const reading = (from: RegExp, to: string): OtherAws => ({
  FilterLogEvents: asking(({ filterPattern }) => ({ filterPattern: filterPattern?.replace(from, to) })),
});
/** Changes how the targets of a load balancer are described. */
const describingTargets = (change: (health: Loose) => void): OtherAws => ({
  DescribeTargetHealth: answering(({ TargetHealthDescriptions }) => {
    for (const { TargetHealth } of TargetHealthDescriptions) change(TargetHealth);
  }),
});
/** A target is draining at one look only. */
function drainingAtOnce(): OtherAws {
  let looks = 0;
  return describingTargets((health) => {
    if (health.State === 'draining' && looks++ > 0) {
      Object.assign(health, { State: 'unused', Reason: 'Target.NotRegistered' });
    }
  });
}
/** Each subscription is another. */
function subscribingAnew(): OtherAws {
  let subscriptions = 0;
  return { Subscribe: answering((out) => (out.SubscriptionArn += ++subscriptions)) };
}
/** Refuses without the headers of the answer. */
const withoutHeaders: Detour = (input, ask) =>
  ask(input).catch(({ name, message, $metadata }) => {
    throw Object.assign(new Error(message), { name, $metadata });
  });

/** Once an instance is drained, every task is being stopped, or has stopped. */
function stoppingEveryTask(status: 'desiredStatus' | 'lastStatus'): OtherAws {
  let drained = false;
  return {
    UpdateContainerInstancesState: (input, ask) => {
      drained = true;
      return ask(input);
    },
    DescribeTasks: answering(({ tasks }) => {
      for (const task of tasks) if (drained) task[status] = 'STOPPED';
    }),
  };
}

/** By the beginning of an experiment's title: each AWS that it would disagree with. */
const OTHER_AWS: Readonly<Record<string, OtherAws | readonly OtherAws[]>> = {
  'An attribute that is put': [
    { PutAttributes: async () => ({ attributes: [] }) },
    { DeleteAttributes: async () => ({ attributes: [] }) },
  ],
  'A task takes its memory': {
    DescribeContainerInstances: answering(({ containerInstances }) => {
      for (const each of containerInstances) each.remainingResources = each.registeredResources;
    }),
  },
  'A container instance that does not exist': {
    UpdateContainerInstancesState: answering((out) => Object.assign(out, { failures: [] })),
  },
  'UpdateContainerInstancesState refuses': { UpdateContainerInstancesState: accepting },
  'With minimumHealthyPercent 100 a replacement': {
    DescribeTasks: eachTask((task) => Object.assign(task, { startedAt: later(task.startedAt, 600) })),
  },
  'With minimumHealthyPercent 50 and maximumPercent 100': [
    stoppingEveryTask('desiredStatus'),
    stoppingEveryTask('lastStatus'),
    drainingNothing,
  ],
  'A DRAINING instance can be set ACTIVE': {
    UpdateContainerInstancesState: async (input, ask) => (input.status === 'ACTIVE' ? { failures: [] } : ask(input)),
  },
  'Draining does not stop a standalone task': [
    stoppingEveryTask('desiredStatus'),
    stoppingEveryTask('lastStatus'),
    drainingNothing,
  ],
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
  'Protection of a minute': [
    { UpdateTaskProtection: asking(() => ({ expiresInMinutes: 2 })) },
    {
      GetTaskProtection: answering(({ protectedTasks }) => {
        for (const task of protectedTasks) task.protectionEnabled = false;
      }),
    },
  ],
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
  'UpdateService refuses a service': { UpdateService: refusing('Service missing.') },
  'UpdateService refuses percentages': [{ UpdateService: accepting }, { UpdateService: refusing('They are wrong.') }],
  'A service whose task fits on no instance': {
    DescribeServices: answering(({ services }) => {
      for (const { events } of services)
        for (const each of events) each.message = `${each.message} unable to place`.slice(9);
    }),
  },
  'A circuit breaker fails a deployment': {
    DescribeServices: answering(({ services }) => {
      for (const service of services)
        service.events = service.events.filter(({ message = '' }) => !/rolling back/.test(message));
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
  'A hook that is created without values': {
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
  'While a hook holds a termination': ['StatusCode', 'Progress', 'Details'].map((member) => ({
    DescribeScalingActivities: answering(({ Activities }) => {
      for (const activity of Activities) delete activity[member];
    }),
  })),
  'DescribeScalingActivities filters': [
    { DescribeAutoScalingGroups: asking(() => ({ IncludeInstances: true })) },
    { DescribeScalingActivities: asking(() => ({ Filters: undefined })) },
    { DescribeScalingActivities: async () => ({ Activities: [] }) },
  ],
  'EC2 Instance Terminate Successful comes': { ReceiveMessage: delivering(({ detail }) => delete detail?.Cause) },
  'A group that has instances is not deleted': { DeleteAutoScalingGroup: accepting },
  'CancelInstanceRefresh without': { CancelInstanceRefresh: accepting },
  'A process that is suspended': { SuspendProcesses: async () => ({}) },
  'Scale-in protection does not stop a user': { SetInstanceProtection: accepting },
  'A minimum above the maximum': { UpdateAutoScalingGroup: accepting },
  'ECS Task State Change comes': [
    { ReceiveMessage: eventsWithoutVersion },
    { ReceiveMessage: eventsWithoutStatus('STOPPING') },
    { ReceiveMessage: eventsWithoutStatus('STOPPED') },
    { ReceiveMessage: delivering(({ detail }) => delete detail?.stoppedReason) },
  ],
  'ECS Container Instance State Change comes': { ReceiveMessage: eventsWithoutVersion },
  'A partial failure of PutEvents': { PutEvents: answering((out) => Object.assign(out, { FailedEntryCount: 0 })) },
  'An event has the EventId': [
    { ReceiveMessage: delivering((event) => Object.assign(event, { id: 'another' })) },
    { PutEvents: asking(({ Entries: [entry] }) => ({ Entries: [{ ...entry, Time: undefined }] })) },
  ],
  'PutEvents refuses more than ten': { PutEvents: asking(({ Entries }) => ({ Entries: Entries.slice(1) })) },
  'PutEvents refuses an entry': {
    PutEvents: asking(({ Entries: [entry] }) => ({ Entries: [{ ...entry, Source: 'facts' }] })),
  },
  'A rule with a rate': { ReceiveMessage: delivering((event) => Object.assign(event, { source: 'facts' })) },
  'A one-time schedule fires': { GetSchedule: async () => ({}) },
  'A name that is taken': { CreateSchedule: refusing('It is taken.') },
  'A schedule that does not exist': { GetSchedule: refusing('It is not there.') },
  'An expression with a Z': {
    CreateSchedule: asking(({ ScheduleExpression }) => ({ ScheduleExpression: ScheduleExpression.replace('Z', '') })),
  },
  'A target whose event has a source': {
    CreateSchedule: asking(({ Target }) => ({
      Target: { ...Target, EventBridgeParameters: { ...Target.EventBridgeParameters, Source: 'facts' } },
    })),
  },
  'UpdateSchedule resets what it omits': { UpdateSchedule: asking(() => ({ ActionAfterCompletion: 'DELETE' })) },
  'An asynchronous invocation that fails': {
    ReceiveMessage: delivering((record) =>
      Object.assign(record, { requestContext: { condition: 'EventAgeExceeded' } }),
    ),
  },
  'A target is initial': [
    describingTargets((health) => {
      if (health.State === 'initial') Object.assign(health, { State: 'healthy', Reason: undefined });
    }),
    describingTargets((health) => delete health.Reason),
    drainingAtOnce(),
  ],
  'An instance that is terminated is still described': [
    { DescribeInstances: async () => ({ Reservations: [] }) },
    {
      TerminateInstances: answering(({ TerminatingInstances }) => {
        for (const each of TerminatingInstances) each.PreviousState.Name = 'running';
      }),
    },
  ],
  'An id that no instance can have': [
    { DescribeInstances: refusing('There is none.') },
    { DescribeInstances: asking(() => ({ InstanceIds: ['i-00000000000000000'] })) },
  ],
  'A synchronous invocation returns what': [
    { Invoke: asking(() => ({ Payload: '{}' })) },
    { Invoke: answering((out) => (out.FunctionError = 'Handled')) },
    { Invoke: answering((out) => (out.StatusCode = 202)) },
  ],
  'A synchronous invocation returns HTTP 200 although': [
    { Invoke: asking(() => ({ FunctionName: 'facts-echo' })) },
    { Invoke: answering((out) => delete out.FunctionError) },
    { Invoke: answering((out) => (out.StatusCode = 500)) },
  ],
  'An asynchronous invocation returns HTTP 202': [
    { Invoke: asking(() => ({ InvocationType: 'RequestResponse' })) },
    { Invoke: answering((out) => (out.StatusCode = 202)) },
    { Invoke: answering((out) => (out.Payload = { transformToString: () => 'null' })) },
  ],
  'A function in another Region': [{ Invoke: accepting }, { Invoke: asking(() => ({ FunctionName: 'missing' })) }],
  'A pattern needs all terms': [
    reading(/^(\w+) (\w+)$/, '?$1 ?$2'),
    reading(/ -\w+/, ''),
    reading(/\?\w+ \?/, ''),
    reading(/"/g, ''),
  ],
  'Characters other than letters': [{ FilterLogEvents: accepting }, { FilterLogEvents: refusing('It is wrong.') }],
  'A pattern of JSON': [reading(/\*/, ''), reading(/NOT EXISTS/, 'IS NULL'), reading(/detail-type/, 'detail')],
  'ListMetrics with RecentlyActive PT3H': [
    { ListMetrics: async () => ({ Metrics: [] }) },
    { GetMetricData: async () => ({ MetricDataResults: [] }) },
  ],
  'GetMetricData takes the percentiles': [
    { GetMetricData: accepting },
    {
      GetMetricData: asking(({ MetricDataQueries: [{ Id, MetricStat }] }) => ({
        MetricDataQueries: [{ Id, MetricStat: { ...MetricStat, Stat: MetricStat.Stat.replace('p100', 'p101') } }],
      })),
    },
  ],
  'ReceiveMessage takes SentTimestamp': [
    { ReceiveMessage: asking(() => ({ AttributeNames: undefined })) },
    { ReceiveMessage: asking(() => ({ AttributeNames: ['All'] })) },
  ],
  'SQS takes a message of 1 MiB': [
    { SendMessage: accepting },
    { SendMessage: asking(({ MessageBody }) => ({ MessageBody: `${MessageBody}x` })) },
  ],
  'SQS reports an invalid entry of a batch': [
    { SendMessageBatch: answering((out) => delete out.Failed) },
    { SendMessageBatch: answering((out) => delete out.Successful) },
    { SendMessageBatch: answering((out) => (out.$metadata.httpStatusCode = 207)) },
  ],
  'SQS refuses as a whole a batch': { SendMessageBatch: accepting },
  'A long poll of an empty queue': [
    { ReceiveMessage: asking(() => ({ WaitTimeSeconds: 0 })) },
    { ReceiveMessage: asking(({ WaitTimeSeconds }) => ({ WaitTimeSeconds: WaitTimeSeconds && 20 })) },
    { ReceiveMessage: asking(({ WaitTimeSeconds = 0 }) => ({ WaitTimeSeconds: Math.min(WaitTimeSeconds, 20) })) },
  ],
  'PurgeQueue is refused': { PurgeQueue: accepting },
  'A receipt handle that the queue': [{ DeleteMessage: accepting }, { DeleteMessage: refusing('It is wrong.') }],
  'An error of SQS over JSON': { ReceiveMessage: withoutHeaders },
  'SNS takes a message of 256 KiB': [
    { Publish: accepting },
    { Publish: asking(({ Message }) => ({ Message: `${Message}x` })) },
  ],
  'A topic that does not exist': [{ Publish: accepting }, { Publish: refusing('There is none.') }],
  'A message with MessageStructure json': [
    { Publish: asking(() => ({ MessageStructure: undefined })) },
    { Publish: refusing('It is wrong.') },
  ],
  'Subscribing again returns': [subscribingAnew(), { Subscribe: answering((out) => delete out.SubscriptionArn) }],
};

const HELD = { AutoScalingInstances: [{ LifecycleState: 'Terminating:Wait' }] };

/** Clients whose operations take the detours. */
const by =
  (detours: OtherAws) =>
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
  const each = Object.entries(OTHER_AWS).flatMap(([beginning, others]) =>
    [others].flat().map((detours, i) => [beginning, i + 1, detours] as const),
  );
  it.each(each)('"%s…" is seen not to be so (%i)', async (beginning, _, detours) => {
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
