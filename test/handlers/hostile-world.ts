import { createHash } from 'node:crypto';
import type { ECSClientConfig } from '@aws-sdk/client-ecs';
import { captureLogs, type LogLine } from '../../sandbox/logs.ts';
import { createRegion, type Region } from '../../sandbox/region/region.ts';
import { playGlobals } from '../../sandbox/region/time/globals.ts';
import { UNSIGNED } from '../../sandbox/region/wire/transport.ts';
import { DEADLINE_SECONDS, EVENT_SOURCE, OUR_HOOK, PARKING, SCHEDULE_GROUP, START_MS } from './environment.ts';
import { type Installed, installIn } from './installed.ts';

/** The deployed function in a small Region of which it may touch only a part, and all that it tries to change. */

export const ENVIRONMENT = { ...PARKING, SPOT_INTERRUPTIONS: 'true', REBALANCE_RECOMMENDATIONS: 'true' };

const TASK = { memoryMiB: 512, cpuUnits: 128, stopTimeoutSeconds: 30 };
const GROUP = { minSize: 0, maxSize: 4, desiredCapacity: 2, memoryMiB: 4_096, cpuUnits: 2_048, launchSeconds: 60 };

/** A call of the function that changes something, as it went over the wire. */
export interface Mutation {
  readonly operation: string;
  // biome-ignore lint/suspicious/noExplicitAny: each operation has its own input.
  readonly input: any;
  readonly atMs: number;
}

export interface HostileWorld {
  readonly region: Region;
  readonly service: Installed;
  /** The instance of the group web that Auto Scaling holds, with a task on it. */
  readonly held: string;
  readonly heldSinceMs: number;
  /** What must be left alone: in our group and not held, in our cluster and another group, and in another cluster. */
  readonly others: { readonly free: string; readonly foreign: string; readonly secret: string };
  /** Each a container instance's or a task's ARN. */
  readonly arns: Readonly<Record<'held' | 'free' | 'foreign' | 'secret', { instance: string; task: string }>>;
  readonly token: string;
  readonly mutations: readonly Mutation[];
  readonly logs: readonly LogLine[];
  /** What was on the bus and matched a rule. */
  readonly events: readonly unknown[];
  /** What the function has sent to its queue, as text. */
  readonly continuations: readonly string[];
  seconds(count: number): Promise<void>;
  settle(): Promise<void>;
}

export interface WorldOptions {
  readonly environment?: Partial<typeof ENVIRONMENT>;
  /** Of the one task on the held instance. */
  readonly taskSeconds?: number;
  readonly heartbeatTimeoutSeconds?: number;
  /** Whether the rules bring the function its events; without them it hears only of what the test sends, and of itself. */
  readonly rules?: boolean;
}

/** Builds it, lets the task start and the instance be held, and hands it to `play`. */
export async function inHostileWorld<T>(options: WorldOptions, play: (world: HostileWorld) => Promise<T>): Promise<T> {
  const { environment, taskSeconds = 600, heartbeatTimeoutSeconds = 3_600, rules = false } = options;
  Object.assign(process.env, {
    AWS_REGION: 'eu-west-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    POWERTOOLS_SERVICE_NAME: 'ecs-drain',
    POWERTOOLS_METRICS_NAMESPACE: 'ECSDrain',
  });
  const region = createRegion({ startMs: START_MS, seed: 1 });
  const logs: LogLine[] = [];
  const events: unknown[] = [];
  const mutations: Mutation[] = [];
  const continuations: string[] = [];
  const stops = [playGlobals(region.time, region.random), captureLogs((line) => logs.push(line))];
  try {
    const { ecs, autoScaling, time } = region;
    for (const cluster of ['prod', 'secret']) ecs.createCluster(cluster);
    const created = (name: string, cluster = 'prod') =>
      autoScaling.createGroup({ ...GROUP, name, cluster }, { running: true });
    const [held = '', free = ''] = created('web');
    const [foreign = ''] = created('others');
    const [secret = ''] = created('secrets', 'secret');
    const hook = { heartbeatTimeoutSeconds, defaultResult: 'CONTINUE' } as const;
    for (const group of ['web', 'others', 'secrets']) autoScaling.putLifecycleHook({ ...hook, group, name: OUR_HOOK });
    const ids = { held, free, foreign, secret };
    for (const [name, ec2InstanceId] of Object.entries(ids)) {
      const cluster = name === 'secret' ? 'secret' : 'prod';
      const runsForSeconds = name === 'held' ? taskSeconds : 100_000;
      ecs.runTask({ ...TASK, cluster, name, ec2InstanceId, runsForSeconds });
    }

    const transport = {
      handle: (request: WireRequest, sending: object) => {
        const call = callIn(request);
        if (MUTATING.has(call.operation)) mutations.push({ ...call, atMs: time.nowMs() });
        if (call.operation === 'SendMessageBatch') {
          continuations.push(...call.input.Entries.map(({ MessageBody }: { MessageBody: string }) => MessageBody));
        }
        return region.transport.handle(request as Parameters<typeof region.transport.handle>[0], sending);
      },
    } as unknown as NonNullable<ECSClientConfig['requestHandler']>;
    let hasBegun = false; // With rules and without, the world is the same until then.
    const service = installIn(region, {
      environment: { ...ENVIRONMENT, ...environment },
      sdk: { requestHandler: transport, signer: UNSIGNED },
      brings: (event) => {
        events.push(event);
        return rules && hasBegun;
      },
    });

    const seconds = async (count: number) => {
      const untilMs = time.nowMs() + count * 1000;
      time.after(count, () => {});
      await time.runUntil(() => time.nowMs() >= untilMs);
    };
    await seconds(20);
    hasBegun = true;
    autoScaling.terminateInstance(held);
    const arnsOf = (instanceId: string) => {
      const [instance] = ecs.registrationsOf(instanceId);
      return { instance: instance?.arn ?? '', task: [...(instance?.tasks ?? [])][0]?.arn ?? '' };
    };
    return await play({
      region,
      service,
      held,
      heldSinceMs: time.nowMs(),
      others: { free, foreign, secret },
      arns: { held: arnsOf(held), free: arnsOf(free), foreign: arnsOf(foreign), secret: arnsOf(secret) },
      token: autoScaling.pendingActions()[0]?.token ?? '',
      mutations,
      logs,
      events,
      continuations,
      seconds,
      // The tasks of the others run for a day: some time after the deadline all is over that was about the held one.
      settle: () => seconds(DEADLINE_SECONDS + 1_200),
    });
  } finally {
    for (const stop of stops) stop();
  }
}

interface WireRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

const MUTATING: ReadonlySet<string> = new Set([
  'UpdateContainerInstancesState',
  'PutAttributes',
  'DeleteAttributes',
  'StopTask',
  'CompleteLifecycleAction',
  'RecordLifecycleActionHeartbeat',
  'PutEvents',
  'CreateSchedule',
  'UpdateSchedule',
  'DeleteSchedule',
  'SendMessage',
  'SendMessageBatch',
]);

const SCHEDULER_OPERATIONS: Readonly<Record<string, string>> = {
  POST: 'CreateSchedule',
  PUT: 'UpdateSchedule',
  DELETE: 'DeleteSchedule',
};

/** What a request asks, in whichever protocol. */
function callIn({ method, path, headers, body }: WireRequest): Omit<Mutation, 'atMs'> {
  const text = body instanceof Uint8Array ? new TextDecoder().decode(body) : String(body ?? '');
  const target = headers['x-amz-target'];
  if (target !== undefined) return { operation: target.split('.').at(-1) ?? '', input: JSON.parse(text) };
  if (path === '/') {
    const { Action: operation = '', ...input } = Object.fromEntries(new URLSearchParams(text));
    return { operation, input };
  }
  const input = { Name: path.split('/').at(-1), ...(text && JSON.parse(text)) };
  return { operation: SCHEDULER_OPERATIONS[method] ?? '', input };
}

/** What an invocation may at most write: CloudWatch bills by the byte, and people read it. */
const LONGEST_SENTENCE = 1_500;
const LONGEST_LOG_LINE = 8_000;

/** A standalone task is stopped its stop timeout and 10 to 30 s before the deadline. */
const STOPS_BEFORE_MS = (TASK.stopTimeoutSeconds + 30) * 1000;

/** The name of the schedule for our hook on an instance. */
export function scheduleOf(instanceId: string): string {
  const hook = createHash('sha256').update(OUR_HOOK).digest('hex').slice(0, 8);
  return `${instanceId}-${hook}`;
}

/** So much earlier than Auto Scaling says a drain may claim to have begun: clocks differ. */
const CLOCK_SKEW_SECONDS = 60;

/** What went wrong, a sentence each: `touchable` are those whose container instances and tasks may be drained. */
export function misdeedsIn(world: HostileWorld, touchable: readonly (keyof HostileWorld['arns'])[]): string[] {
  const { region, service, mutations, logs, heldSinceMs, held, others, arns } = world;
  const deadlineMs = heldSinceMs + (DEADLINE_SECONDS - CLOCK_SKEW_SECONDS) * 1000;
  const instanceArns = touchable.map((one) => arns[one].instance);
  const taskArns = touchable.map((one) => arns[one].task);
  const ids = { held, ...others };
  const names = touchable.flatMap((one) => [
    scheduleOf(ids[one]),
    ...['spot-interruption', 'rebalance-recommendation'].map((kind) => `${ids[one]}-${kind}`),
  ]);

  const isFine = ({ operation, input, atMs }: Mutation): boolean => {
    switch (operation) {
      case 'UpdateContainerInstancesState':
        return (
          input.cluster === 'prod' &&
          input.status === 'DRAINING' &&
          input.containerInstances.every((arn: string) => instanceArns.includes(arn))
        );
      case 'PutAttributes':
        return (
          input.cluster === 'prod' &&
          input.attributes.every(
            ({ name, targetId }: Record<string, string>) =>
              name === EVENT_SOURCE && instanceArns.includes(targetId ?? ''),
          )
        );
      case 'StopTask':
        return input.cluster === 'prod' && taskArns.includes(input.task) && atMs >= deadlineMs - STOPS_BEFORE_MS;
      case 'CompleteLifecycleAction':
      case 'RecordLifecycleActionHeartbeat':
        return ['web', 'workers'].includes(input.AutoScalingGroupName) && input.LifecycleHookName === OUR_HOOK;
      case 'CreateSchedule':
      case 'UpdateSchedule':
        return (
          input.GroupName === SCHEDULE_GROUP &&
          names.includes(input.Name) &&
          input.Target.Arn === ENVIRONMENT.EVENT_QUEUE_ARN &&
          input.Target.RoleArn === ENVIRONMENT.SCHEDULE_ROLE_ARN
        );
      case 'DeleteSchedule':
        return names.includes(input.Name);
      case 'PutEvents':
        return input.Entries.every(({ Source, DetailType, Detail = '' }: Record<string, string>) => {
          if (Source !== EVENT_SOURCE) return false;
          if (DetailType === 'ECS Drain Failed') return isSentence(JSON.parse(Detail).reason);
          return /^ECS Drain (Continuation|Started|Stuck|Finished)$/.test(DetailType ?? '');
        });
      case 'SendMessage':
        return (
          input.QueueUrl === ENVIRONMENT.DEAD_LETTER_QUEUE_URL &&
          input.MessageAttributes.ERROR_CODE.StringValue === 'RejectedEvent' &&
          isSentence(input.MessageAttributes.ERROR_MESSAGE.StringValue)
        );
      case 'SendMessageBatch':
        return input.QueueUrl === ENVIRONMENT.EVENT_QUEUE_URL;
      default:
        return false;
    }
  };
  const errors = logs.filter(({ level }) => level === 'ERROR');
  const early = region.autoScaling.completions.filter(({ atMs }) => atMs < deadlineMs);
  return [
    ...mutations.filter((each) => !isFine(each)).map((each) => `it may not: ${JSON.stringify(each).slice(0, 600)}`),
    ...region.killedTasks
      .filter(() => early.length > 0)
      .map(({ arn, lastStatus }) => `killed before the deadline: ${arn}, ${lastStatus}`),
    ...early
      .filter(({ by, instanceId }) => by === 'timeout' || instanceId !== held)
      .map((each) => `let go: ${each.by}`),
    ...errors
      .filter((line) => !isSentence(line['message']) || (line['error'] && !isForPeople(line['error'] as Error)))
      .map((line) => `no sentence: ${JSON.stringify(line).slice(0, 600)}`),
    ...service.lambda.invocations.flatMap(({ error }) => (error === undefined ? [] : [`an invocation died: ${error}`])),
    ...logs.flatMap((line) => {
      const { length } = JSON.stringify(line);
      return length > LONGEST_LOG_LINE
        ? [`a log line of ${length} characters: ${JSON.stringify(line).slice(0, 600)}`]
        : [];
    }),
    ...('polluted' in {} ? ['the prototype of all objects is polluted'] : []),
  ];
}

/** What AWS refuses, in words for people: nothing that the machine throws by itself, such as a TypeError. */
function isForPeople({ name, message }: Error): boolean {
  return ['RejectedEvent', 'Error', 'AwsCallFailed', 'Unavailable'].includes(name) && isSentence(message);
}

function isSentence(text: unknown): boolean {
  if (typeof text !== 'string' || text.length > LONGEST_SENTENCE) return false;
  return !/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Noncharacter_Code_Point}]/u.test(text) && /^[A-Z]\w* .*\w/.test(text);
}
