import { Readable } from 'node:stream';
import type { Context } from 'aws-lambda';
import { onTestFinished, vi } from 'vitest';
import { main } from '../../cli/program.ts';
import type { Streams } from '../../cli/session.ts';
import { captureLogs } from '../../sandbox/logs.ts';
import type { HookSpec } from '../../sandbox/region/auto-scaling/model.ts';
import type { AwsError } from '../../sandbox/region/aws-error.ts';
import type { ServiceSpec } from '../../sandbox/region/ecs/specs.ts';
import { NO_FAULTS } from '../../sandbox/region/faults.ts';
import type { Statement } from '../../sandbox/region/iam/api.ts';
import { roleFor } from '../../sandbox/region/iam/api.ts';
import type { MappingSpec } from '../../sandbox/region/lambda/event-source-mapping.ts';
import type { FunctionSpec } from '../../sandbox/region/lambda/model.ts';
import { type Call, createRegion } from '../../sandbox/region/region.ts';
import type { QueueSpec } from '../../sandbox/region/sqs/model.ts';
import { playGlobals } from '../../sandbox/region/time/globals.ts';
import { listen } from '../../sandbox/region/wire/http.ts';
import type { WireCall } from '../../sandbox/region/wire/wire.ts';
import { createDrainHandler } from '../../src/handlers/drain-handler.ts';
import type { Stream } from '../../terminal/layout.ts';
import { deployed } from '../deploy/deployed.ts';
import { START_MS } from '../fakes.ts';
import { answeringInTime, WEB } from '../sandbox/region/clients.ts';

/** Some fields, or their absence. */
type Changed<T> = { readonly [K in keyof T]?: T[K] | undefined };

/** What a test changes of a healthy deployment. */
export interface World {
  readonly params?: Readonly<Record<string, unknown>>;
  readonly hooks?: readonly Partial<HookSpec>[];
  readonly services?: readonly (Partial<ServiceSpec> & { readonly name: string })[];
  /** The purposes of the rules that there are. */
  readonly rules?: readonly (keyof typeof RULES | 'sweep')[];
  /** The hooks whose events the rule `termination` picks. */
  readonly termination?: readonly string[];
  readonly statements?: readonly Statement[];
  readonly instances?: number;
  readonly agentDataSurvives?: boolean;
  readonly eventQueue?: Changed<QueueSpec>;
  readonly lambda?: Partial<Omit<FunctionSpec, 'load'>>;
  /** What every invocation throws. */
  readonly crash?: string;
  /** How Lambda reads the event queue; null if nothing reads it. */
  readonly mapping?: Changed<MappingSpec> | null;
  /** How Lambda reads the queue of stopped tasks; null, and where it does not read the event queue, not at all. */
  readonly taskStopMapping?: Changed<MappingSpec> | null;
  readonly taskStopQueue?: Changed<QueueSpec>;
  /** Seconds of the Region in a second of this machine, while a command sleeps. */
  readonly speed?: number;
}

export const FUNCTION = 'ecs-drain-main-drain';
export const EVENT_QUEUE = 'events';
export const DEAD_LETTER_QUEUE = 'dead-letters';
export const TASK_STOP_QUEUE = 'task-stops';

const RULES = {
  termination: {
    source: ['aws.autoscaling'],
    'detail-type': ['EC2 Instance-terminate Lifecycle Action'],
  },
  continuation: { source: ['ecs-drain.main'], 'detail-type': ['ECS Drain Continuation'] },
  'spot-interruption': { source: ['aws.ec2'], 'detail-type': ['EC2 Spot Instance Interruption Warning'] },
  'rebalance-recommendation': { source: ['aws.ec2'], 'detail-type': ['EC2 Instance Rebalance Recommendation'] },
  'task-stopped': {
    source: ['aws.ecs'],
    'detail-type': ['ECS Task State Change'],
    detail: { lastStatus: ['STOPPED'] },
  },
  'instance-emptied': {
    source: ['aws.ecs'],
    'detail-type': ['ECS Container Instance State Change'],
    detail: { status: ['DRAINING'], runningTasksCount: [0], pendingTasksCount: [0] },
  },
};

/** The rules that wake drains. */
export const WAKE_UPS = ['task-stopped', 'instance-emptied'] as const;
const ALL_RULES = ['termination', 'continuation', 'sweep', ...WAKE_UPS] as const;

/**
 * A Region over HTTP in which the service is deployed, on a group of two instances whose services are up. Its time passes
 * when the test says so, and while a long poll waits. It ends with the test.
 */
export async function deployedRegion(world: World = {}) {
  vi.stubEnv('AWS_REGION', 'eu-west-1');
  for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) vi.stubEnv(name, 'local');
  /** What AWS refuses, beside what it would. */
  let failing: (call: WireCall) => AwsError | undefined = () => undefined;
  const region = createRegion({
    startMs: START_MS,
    seed: 1,
    faults: { ...NO_FAULTS, failing: (call) => failing(call) },
  });
  const ends = [playGlobals(region.time, region.random), captureLogs(region.log)];

  const { ecs, autoScaling, eventBridge, time } = region;
  ecs.createCluster('prod');
  const group = { cluster: 'prod', minSize: 0, maxSize: 4, memoryMiB: 4_096, cpuUnits: 2_048, launchSeconds: 60 };
  const instanceIds = autoScaling.createGroup(
    {
      ...group,
      name: 'web',
      desiredCapacity: world.instances ?? 2,
      agentDataSurvives: world.agentDataSurvives ?? false,
    },
    { running: true },
  );
  for (const hook of world.hooks ?? [{}]) {
    autoScaling.putLifecycleHook({
      name: 'ecs-drain',
      group: 'web',
      heartbeatTimeoutSeconds: 3_600,
      defaultResult: 'CONTINUE',
      ...hook,
    });
  }
  for (const service of world.services ?? [{}]) ecs.createService({ ...WEB, desiredCount: 4, ...service });

  const deadLetters = region.createQueue({
    name: DEAD_LETTER_QUEUE,
    visibilityTimeoutSeconds: 30,
    maxReceiveCount: Number.POSITIVE_INFINITY,
  });
  const events = region.createQueue({
    name: EVENT_QUEUE,
    visibilityTimeoutSeconds: 60,
    maxReceiveCount: 1_000,
    deadLetterQueue: deadLetters,
    ...world.eventQueue,
  } as QueueSpec);
  const environment = {
    ...(deployed(world.params ?? {}).environment as Record<string, string>),
    EVENT_QUEUE_URL: events.url,
    DEAD_LETTER_QUEUE_URL: deadLetters.url,
    SCHEDULE_GROUP: 'ecs-drain-main',
    SCHEDULE_ROLE_ARN: 'arn:aws:iam::123456789012:role/parking',
    EVENT_QUEUE_ARN: events.arn,
    DEAD_LETTER_QUEUE_ARN: deadLetters.arn,
  };
  const anything = { Effect: 'Allow', Action: '*', Resource: '*' };
  region.roles.set('drain', roleFor('lambda.amazonaws.com', world.statements ?? [anything]));
  region.roles.set('parking', roleFor('scheduler.amazonaws.com', [anything]));
  const lambda = region.deploy({
    name: FUNCTION,
    timeoutSeconds: 60,
    environment,
    recursiveLoop: 'Allow',
    roleArn: 'arn:aws:iam::123456789012:role/drain',
    ...world.lambda,
    load: (clock) => {
      if (world.crash !== undefined) return () => Promise.reject(new Error(world.crash));
      const handler = createDrainHandler(environment, { clock, sdk: { requestHandler: region.transport } });
      return (event: unknown, context: Context) => handler(event, context);
    },
  });
  const mapping = { batchSize: 500, windowSeconds: 1, maximumConcurrency: 5, reportsItemFailures: true };
  if (world.mapping !== null) region.mapQueue(events, lambda, { ...mapping, ...world.mapping } as MappingSpec);
  const isParking = (environment as Record<string, string>)['WAITING'] === 'park';
  const { taskStopMapping = world.mapping === null ? null : {} } = world;
  const taskStopQueue = { name: TASK_STOP_QUEUE, visibilityTimeoutSeconds: 60, ...world.taskStopQueue };
  const taskStops = isParking
    ? region.createQueue({ maxReceiveCount: Number.POSITIVE_INFINITY, ...taskStopQueue } as QueueSpec)
    : events;
  if (isParking && taskStopMapping) {
    const slow = { ...mapping, windowSeconds: 10, maximumConcurrency: 2 };
    region.mapQueue(taskStops, lambda, { ...slow, ...taskStopMapping } as MappingSpec);
  }
  region.scheduler.operations.CreateScheduleGroup({ Name: 'ecs-drain-main' });
  for (const purpose of world.rules ?? ALL_RULES) {
    const rule = {
      name: `ecs-drain-main-${purpose}`,
      target: (event: unknown) => void (purpose === 'task-stopped' ? taskStops : events).send(JSON.stringify(event)),
    };
    if (purpose === 'sweep') eventBridge.putScheduledRule({ ...rule, everySeconds: 60 });
    else eventBridge.putRule({ ...rule, pattern: patternOf(purpose, world) });
  }

  const pass = async (seconds: number) => {
    const untilMs = time.nowMs() + seconds * 1000;
    time.after(seconds, () => {});
    await time.runUntil(() => time.nowMs() >= untilMs);
  };
  await pass(300);

  /** While a command sleeps, time passes here and on the machine's clock. */
  const sleep = async (ms: number) => {
    await pass((ms / 1000) * (world.speed ?? 1));
    vi.setSystemTime(Date.now() + ms);
  };

  const { url, close } = await listen(answeringInTime(region), 0, () => time.nowMs());
  onTestFinished(() => {
    close();
    for (const end of ends) end();
    vi.unstubAllEnvs();
  });
  const interruptIn = async (stream: Stream, looks: number, ...args: string[]) => {
    const interrupted = new AbortController();
    let left = looks;
    const given = {
      ...stream,
      signal: interrupted.signal,
      sleep: async (ms: number) => {
        await sleep(ms);
        left -= 1;
        if (left === 0) interrupted.abort();
      },
    };
    const where = args.includes('--endpoint-url') ? [] : ['--endpoint-url', url];
    return runWith(given, ...args, ...where);
  };
  return {
    region,
    lambda,
    events,
    deadLetters,
    instanceIds,
    url,
    pass,
    fail: (how: typeof failing) => {
      failing = how;
    },
    /** Runs a command against the Region, whose time passes while the command sleeps. */
    run: (...args: string[]) => runWith({ sleep }, ...args, '--endpoint-url', url),
    /** The same in a terminal of so many columns. */
    runIn: (terminal: Omit<Given, 'sleep'>, ...args: string[]) =>
      runWith({ ...terminal, isTTY: true, sleep }, ...args, '--endpoint-url', url),
    /** The same in a terminal, where these lines are typed. */
    async type(lines: readonly string[], ...args: string[]) {
      const stdin = Object.assign(Readable.from(lines.map((line) => `${line}\n`)), { isTTY: true });
      const given = { stdin, isTTY: true, columns: 1_000, sleep };
      return runWith(given, ...args, '--endpoint-url', url);
    },
    /** The same for a command that goes on: it is interrupted after so many looks, with a terminal or without. */
    interrupt: (looks: number, isTTY: boolean, ...args: string[]) => interruptIn({ isTTY }, looks, ...args),
    /** The same in a terminal of this size. */
    interruptIn: (size: Pick<Stream, 'columns' | 'rows'>, looks: number, ...args: string[]) =>
      interruptIn({ ...size, isTTY: true }, looks, ...args),
    /** The same with `--json`; what it printed must be one object. */
    async json(...args: string[]) {
      const asJson = [...args, '--json', '--endpoint-url', url];
      const { status, stdout, stderr } = await runWith({ sleep }, ...asJson);
      // biome-ignore lint/suspicious/noExplicitAny: each command has its own.
      return { status, stderr, answer: JSON.parse(stdout) as any };
    },
  };
}

export type Deployed = Awaited<ReturnType<typeof deployedRegion>>;

/** Deploys a function `busy` that logs the ends of so many drains. */
export async function logEnds({ region, lambda, pass }: Deployed, count: number): Promise<void> {
  const { environment = {} } = lambda.spec;
  const ended = { autoScalingGroup: 'web', outcome: 'drained', durationSeconds: 60, message: 'Drained' };
  const load = () => async () => {
    for (let i = 0; i < count; i += 1) {
      const instanceId = `i-${String(i).padStart(17, '0')}`;
      process.stdout.write(`${JSON.stringify({ drainId: instanceId, instanceId, ...ended })}\n`);
    }
  };
  region.deploy({ name: 'busy', timeoutSeconds: 60, environment, load }).invokeAsync({});
  await pass(10);
}

/** The pattern of a rule; the hook of ECS managed draining is not ours. */
function patternOf(purpose: keyof typeof RULES, { termination = ['ecs-drain'] }: World) {
  const pattern = RULES[purpose];
  return purpose === 'termination' ? { ...pattern, detail: { LifecycleHookName: termination } } : pattern;
}

/** A call as IAM names it. */
export function permissionOf({ service, operation }: Call): string {
  return `${service === 'elbv2' ? 'elasticloadbalancing' : service}:${operation === 'Invoke' ? 'InvokeFunction' : operation}`;
}

/** Runs a command in this process. The machine's clock stands still, so a slow machine does not change what is printed. */
export function run(...args: string[]) {
  return runWith({}, ...args);
}

interface Given extends Pick<Streams, 'stdin' | 'sleep' | 'signal'> {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  readonly hasColors?: () => boolean;
}

async function runWith({ isTTY = false, columns, rows, hasColors, ...given }: Given, ...args: string[]) {
  let stdout = '';
  let stderr = '';
  vi.setSystemTime(Date.now());
  const status = await main(args, {
    ...given,
    stdout: {
      isTTY,
      ...(columns !== undefined && { columns }),
      ...(rows !== undefined && { rows }),
      ...(hasColors && { hasColors }),
      write: (text) => (stdout += text),
    },
    stderr: { isTTY, ...(columns !== undefined && { columns }), write: (text) => (stderr += text) },
  }).finally(() => vi.useRealTimers());
  return { status, stdout, stderr };
}
