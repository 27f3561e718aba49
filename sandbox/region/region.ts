import { autoScalingService } from './auto-scaling/api.ts';
import { AutoScalingModel, type GroupSpec } from './auto-scaling/model.ts';
import { AwsError } from './aws-error.ts';
import { cloudWatchService } from './cloudwatch/api.ts';
import { type Datapoint, datapointsIn, reportByTheMinute } from './cloudwatch/metrics.ts';
import { ec2Service } from './ec2/api.ts';
import { ecsService } from './ecs/api.ts';
import { ManagedDraining } from './ecs/managed-draining.ts';
import { ManagedScaling } from './ecs/managed-scaling.ts';
import { EcsModel } from './ecs/model.ts';
import type { KilledTask } from './ecs/specs.ts';
import type { CapacityProvider } from './ecs/views.ts';
import { elasticLoadBalancingService } from './elastic-load-balancing/api.ts';
import { EventBridgeModel } from './event-bridge/model.ts';
import type { Faults } from './faults.ts';
import { NO_FAULTS } from './faults.ts';
import { iamService, Roles } from './iam/api.ts';
import { lambdaService } from './lambda/api.ts';
import { EventSourceMapping, type MappingSpec } from './lambda/event-source-mapping.ts';
import { type FunctionSpec, LambdaModel, logGroupOf } from './lambda/model.ts';
import { logsService } from './logs/api.ts';
import { Logs } from './logs/model.ts';
import type { Place } from './place.ts';
import { SchedulerModel } from './scheduler/model.ts';
import type { Service } from './service.ts';
import { snsService } from './sns/api.ts';
import { TopicModel } from './sns/model.ts';
import { sqsService } from './sqs/api.ts';
import { QueueModel, type QueueSpec } from './sqs/model.ts';
import { stsService } from './sts/api.ts';
import { Throttling } from './throttling.ts';
import { Random } from './time/random.ts';
import { currentFiber, type Fiber, VirtualTime } from './time/virtual-time.ts';
import type { Trace, TraceEvent } from './trace.ts';
import type { ServiceName } from './wire/models.ts';
import { type Transport, transportTo } from './wire/transport.ts';
import { answerTo, callOperation, type WireAnswer, type WireCall, type WireRequest } from './wire/wire.ts';

/** A call that a client made, and what it was refused with if it was. */
export interface Call {
  readonly service: ServiceName;
  readonly operation: string;
  readonly atMs: number;
  /** The invocation that made it; undefined if it came from outside. */
  readonly fiber: Fiber | undefined;
  readonly failedWith: string | undefined;
}

export interface RegionOptions {
  readonly startMs: number;
  readonly seed: number;
  readonly faults?: Faults;
  readonly concurrencyLimit?: number;
  readonly onTrace?: (event: TraceEvent) => void;
}

/** A small AWS Region in this process. */
export interface Region {
  readonly time: VirtualTime;
  readonly place: Place;
  readonly random: Random;
  readonly ecs: EcsModel;
  readonly autoScaling: AutoScalingModel;
  readonly eventBridge: EventBridgeModel;
  readonly scheduler: SchedulerModel;
  readonly roles: Roles;
  /** A capacity provider of the instances of an Auto Scaling group, with what ECS manages of them. */
  createCapacityProvider(
    name: string,
    autoScalingGroup: string,
    managed: Partial<Pick<CapacityProvider, 'managedDraining' | 'managedScaling'>>,
  ): void;
  /** A queue that the wire knows by its name. */
  createQueue(spec: QueueSpec): QueueModel;
  /** Lets Lambda bring the messages of a queue to a function. */
  mapQueue(queue: QueueModel, lambda: LambdaModel, spec: MappingSpec): EventSourceMapping;
  /** A topic that the wire knows by its ARN. */
  createTopic(name: string): TopicModel;
  /** How SDK clients in this process reach it. */
  readonly transport: Transport;
  readonly calls: readonly Call[];
  readonly killedTasks: readonly KilledTask[];
  /** The EC2 instances that were terminated. */
  readonly terminated: ReadonlySet<string>;
  readonly trace: Trace;
  /** Every value that CloudWatch was given, by the functions' logs and by AWS itself. */
  readonly metrics: readonly Datapoint[];
  /** Hands over the calls and values since the last time, and forgets them and the logs: those of a month would fill the memory. */
  takeRecords(): { readonly calls: readonly Call[]; readonly metrics: readonly Datapoint[] };
  /** A value that AWS itself gives to CloudWatch. */
  measure(datapoint: Datapoint): void;
  /** A line of a function's log, and the text that it was written as. */
  log(line: Readonly<Record<string, unknown>>, text?: string): void;
  /** Performs an operation at once, without throttling or faults, and without a record in `calls`. */
  ask(service: ServiceName, operation: string, input: object): object | Promise<object>;
  /** What is behind the wire. */
  readonly services: ReadonlyMap<ServiceName, Service>;
  /** Answers what came over HTTP. */
  answer(request: WireRequest): WireAnswer | Promise<WireAnswer>;
  deploy(spec: FunctionSpec): LambdaModel;
}

/** What AWS answers a throttled call with (facts 17 ecs-throttling, 20 no-active-action, 28 scheduler-limits). */
const THROTTLED_AS: Readonly<Record<ServiceName, string>> = {
  autoscaling: 'Throttling',
  cloudwatch: 'Throttling',
  ec2: 'RequestLimitExceeded',
  ecs: 'ThrottlingException',
  elbv2: 'Throttling',
  events: 'ThrottlingException',
  iam: 'Throttling',
  lambda: 'TooManyRequestsException',
  logs: 'ThrottlingException',
  scheduler: 'ThrottlingException',
  sns: 'Throttling',
  sqs: 'RequestThrottled',
  sts: 'Throttling',
};

const internalFailure = () => new AwsError('InternalFailure', 'Internal failure.', 500);

/** One call to AWS within the Region, there and back. */
const LATENCY_SECONDS = { min: 0.02, max: 0.06 };

/** Builds a Region in which nothing exists yet. */
export function createRegion(options: RegionOptions): Region {
  const { startMs, seed, faults = NO_FAULTS, concurrencyLimit = 1_000, onTrace = () => {} } = options;
  const time = new VirtualTime(startMs);
  const random = new Random(seed);
  let ids = 0;
  const place: Place = {
    region: 'eu-west-1',
    account: '123456789012',
    newId: () => `00000000-0000-4000-8000-${(++ids).toString(16).padStart(12, '0')}`,
  };
  const trace: Trace = (event) => onTrace({ atMs: time.nowMs(), ...event });

  const calls: Call[] = [];
  const killedTasks: KilledTask[] = [];
  const metrics: Datapoint[] = [];
  const measure = (datapoint: Datapoint) => void metrics.push(datapoint);
  const terminated = new Set<string>();
  const terminatedAtMs = new Map<string, number>();
  const functions: LambdaModel[] = [];
  const throttling = new Throttling();
  const chance = random.fork('faults');

  const roles = new Roles();
  // Whoever calls the Region: STS says so.
  roles.set('user/local', { statements: [{ Effect: 'Allow', Action: '*', Resource: '*' }], trust: [] });
  const eventBridge = new EventBridgeModel({ time, place, random: random.fork('events'), trace, faults });
  const publish = eventBridge.publish.bind(eventBridge);
  const queues = new Map<string, QueueModel>();
  const queueOf = (arn: string) => queues.values().find((queue) => queue.arn === arn);
  const scheduler = new SchedulerModel({ time, place, random: random.fork('scheduler'), publish, queueOf, roles });
  const ecs = new EcsModel({ time, place, random: random.fork('ecs'), trace, publish, readings: faults });
  const autoScaling = new AutoScalingModel({
    time,
    place,
    random: random.fork('auto-scaling'),
    trace,
    publish,
    launched: (ec2InstanceId, { cluster, memoryMiB, cpuUnits, attributes = {}, ...more }: GroupSpec) => {
      const { taskInterfaces, gpus, ports, capacityProvider } = more;
      const size = { memoryMiB, cpuUnits, taskInterfaces, gpus, ports };
      ecs.registerInstance({ cluster, ec2InstanceId, attributes, capacityProvider, ...size });
    },
    terminate: (ec2InstanceId) => {
      terminated.add(ec2InstanceId);
      terminatedAtMs.set(ec2InstanceId, time.nowMs());
      killedTasks.push(...ecs.terminateInstance(ec2InstanceId));
    },
    stopped: (ec2InstanceId) => killedTasks.push(...ecs.stopHost(ec2InstanceId)),
    restarted: (ec2InstanceId, agent) => {
      if (agent === 'registers') ecs.reRegisterAgent(ec2InstanceId);
      else ecs.setAgentConnected(ec2InstanceId, true);
    },
  });

  reportByTheMinute({ time, ecs, queues, measure });

  const managedDraining = new ManagedDraining({ time, ecs, autoScaling, eventBridge });
  const managedScaling = new ManagedScaling({ time, ecs, autoScaling });

  const mappings: EventSourceMapping[] = [];
  const topics = new Map<string, TopicModel>();
  const logs = new Logs();
  /** Keeps a line that a function writes. Code outside of a function has no log. */
  const keep = (text: string) => {
    const fiber = currentFiber.getStore();
    for (const lambda of fiber ? functions : []) {
      const stream = lambda.logStreamOf(fiber as Fiber);
      if (stream !== undefined) logs.write(logGroupOf(lambda.name), stream, time.nowMs(), text);
    }
  };
  const services = byName([
    ecsService(ecs, faults),
    eventBridge.service,
    autoScalingService(autoScaling),
    scheduler.service,
    lambdaService({ place, functions, mappings, time }),
    sqsService({ place, queues, time }),
    snsService({ place, topics, queues, functions }),
    ec2Service({ place, autoScaling, terminatedAtMs, nowMs: () => time.nowMs() }),
    stsService(place),
    elasticLoadBalancingService(ecs),
    iamService(roles),
    logsService(logs, place),
    cloudWatchService({ metrics, nowMs: () => time.nowMs() }),
  ]);
  // Ids of their own: what is looked at from outside must not change what else happens.
  let requests = 0;
  const envelope = () => {
    const requestId = `00000000-0000-4000-9000-${(++requests).toString(16).padStart(12, '0')}`;
    return { region: place.region, requestId };
  };
  const answer = (request: WireRequest): WireAnswer | Promise<WireAnswer> => {
    let failedWith: string | undefined;
    let understood: WireCall | undefined;
    const refuse = (error: AwsError) => {
      failedWith = error.code;
      throw error;
    };
    const admit = (call: WireCall) => {
      understood = call;
      const failure = faults.failing(call);
      if (failure) refuse(failure);
      if (chance.chance(faults.serverErrors)) refuse(internalFailure());
      if (chance.chance(faults.throttles) || !throttling.admits(call.operation, time.nowMs())) {
        refuse(new AwsError(THROTTLED_AS[call.service], 'Rate exceeded'));
      }
    };
    const lose = () => answerTo(request, services, () => refuse(internalFailure()), envelope());
    const arrives = (answered: WireAnswer): WireAnswer | Promise<WireAnswer> => {
      const arriving = answered.status < 300 && chance.chance(faults.lostAnswers) ? lose() : answered;
      if (understood) note(understood, failedWith);
      return arriving;
    };
    const answered = answerTo(request, services, admit, envelope());
    return answered instanceof Promise ? answered.then(arrives) : arrives(answered);
  };
  const note = ({ service, operation }: Pick<Call, 'service' | 'operation'>, failedWith?: string) =>
    calls.push({ service, operation, atMs: time.nowMs(), fiber: currentFiber.getStore(), failedWith });

  const mayCrash = () => {
    const fiber = currentFiber.getStore();
    if (fiber && chance.chance(faults.crashes)) for (const each of functions) each.crash(fiber);
  };
  const latency = random.fork('latency');
  const latencySeconds = () => {
    const { slownessSeconds } = faults;
    const slowness = slownessSeconds > 0 ? latency.between(0, slownessSeconds) : 0;
    return latency.between(LATENCY_SECONDS.min, LATENCY_SECONDS.max) + slowness;
  };
  const transport = transportTo({ answer, nowMs: () => time.nowMs(), latencySeconds, mayCrash });

  /** A call that AWS makes itself, outside of every invocation. */
  const count = (service: ServiceName, operation: string) => currentFiber.exit(() => note({ service, operation }));

  return {
    time,
    place,
    random,
    ecs,
    autoScaling,
    eventBridge,
    scheduler,
    roles,
    createCapacityProvider: (name, group, managed) => {
      ecs.createCapacityProvider(name, autoScaling.group(group).arn, managed);
      if (managed.managedDraining) managedDraining.enable(group);
      if (managed.managedScaling) managedScaling.enable(name, group, managed.managedScaling);
    },
    createQueue: (spec) => {
      const queue = new QueueModel({ time, place }, spec);
      queues.set(spec.name, queue);
      return queue;
    },
    mapQueue: (queue, lambda, spec) => {
      const mapping = new EventSourceMapping({ time, place, random, trace, faults, count }, queue, lambda, spec);
      mappings.push(mapping);
      return mapping;
    },
    createTopic: (name) => {
      const topic = new TopicModel({ time, trace, place }, name);
      topics.set(name, topic);
      return topic;
    },
    transport,
    calls,
    killedTasks,
    terminated,
    trace,
    metrics,
    takeRecords: () => {
      logs.clear();
      return { calls: calls.splice(0), metrics: metrics.splice(0) };
    },
    measure,
    log: (line, text = JSON.stringify(line)) => {
      keep(text);
      metrics.push(...datapointsIn(line));
      trace({ kind: 'log', line });
    },
    services,
    ask: (name, operation, input) => callOperation(services.get(name) as Service, operation, { ...input }),
    answer,
    deploy: (spec) => {
      const { roleArn } = spec;
      if (roleArn !== undefined && !roles.permits(roleArn, 'lambda.amazonaws.com', {})) {
        const message = 'The role defined for the function cannot be assumed by Lambda.';
        throw new AwsError('InvalidParameterValueException', message);
      }
      const starts = () => !chance.chance(faults.failedStarts);
      const options = {
        time,
        place,
        random: random.fork(spec.name),
        trace,
        concurrencyLimit,
        mayCrash,
        starts,
        measure,
      };
      const deployed = new LambdaModel(options, spec);
      functions.push(deployed);
      logs.createGroup(logGroupOf(spec.name), time.nowMs());
      return deployed;
    },
  };
}

function byName(services: readonly Service[]): ReadonlyMap<ServiceName, Service> {
  return new Map(services.map((service) => [service.name, service]));
}
