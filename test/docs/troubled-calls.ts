import { Readable } from 'node:stream';
import { HttpResponse } from '@smithy/core/transport';
import { captureLogs, type LogLine } from '../../sandbox/logs.ts';
import { AwsError } from '../../sandbox/region/aws-error.ts';
import { NO_FAULTS } from '../../sandbox/region/faults.ts';
import { createRegion, type Region } from '../../sandbox/region/region.ts';
import { playGlobals } from '../../sandbox/region/time/globals.ts';
import { currentFiber } from '../../sandbox/region/time/virtual-time.ts';
import { textOf, type WireAnswer, type WireRequest } from '../../sandbox/region/wire/message.ts';
import { type ParsedRequest, protocolOf } from '../../sandbox/region/wire/protocols.ts';
import { type Transport, UNSIGNED } from '../../sandbox/region/wire/transport.ts';
import { HAND_OVER_BOUNDS, SDK_BOUNDS } from '../../src/adapters/aws-call.ts';
import { EVENT_SOURCE, OUR_HOOK, PARKING, START_MS } from '../handlers/environment.ts';
import { deadLettersIn, installIn } from '../handlers/installed.ts';

/** A small drain on the local Region, with one of its AWS calls in trouble. */

export const TROUBLES = ['denied', 'throttled', 'hangs', 'in part'] as const;
export type Trouble = (typeof TROUBLES)[number];

/** What AWS answers in part. */
export interface PartialAnswer {
  /** The request that AWS gets instead. */
  readonly asked?: (body: string) => string;
  /** Undefined if AWS does not do what it is asked for. */
  readonly answer: (request: string, answered: string | undefined) => string;
  readonly isDone: boolean;
}

/** A drain that makes the call. Seconds count from when the instance is held. */
export interface Play {
  readonly environment?: Partial<typeof PARKING>;
  /** The heartbeat timeout of the hook, unless it is the usual one. */
  readonly hookSeconds?: number;
  /** How long the standalone task on the instance runs. */
  readonly taskSeconds: number;
  /** Whether the instance also has a task of a service that cannot be drained. */
  readonly hasStuckService?: boolean;
  /** Whether another instance is DRAINING that we have marked and that is in service. */
  readonly hasReturning?: boolean;
  /** Whether the termination event is lost, so that only the sweep finds the instance. */
  readonly isEventLost?: boolean;
  /** Until when every call is so slow that invocations run out of time. */
  readonly slowUntil?: number;
  /** When the trouble begins and ends; a permission that is denied stays denied. */
  readonly from?: number;
  readonly to?: number;
  /** A message that is sent to the queue when the instance is held. */
  readonly message?: string;
  /** Which calls of the operation are in trouble; all unless set. */
  readonly isMeant?: (body: string) => boolean;
  readonly partial?: PartialAnswer;
}

/** What came of a drain. */
export interface Course {
  /** What ended the lifecycle action. */
  readonly endedBy: 'completion' | 'timeout' | 'no one';
  readonly endSecond: number;
  readonly killedTasks: number;
  /** How many calls were in trouble. */
  readonly troubled: number;
  readonly logs: readonly LogLine[];
  /** How many events are on the dead-letter queue, or still on the event queue. */
  readonly kept: number;
}

type Request = Parameters<Transport['handle']>[0];
type Sending = Parameters<Transport['handle']>[1];
type Answered = ReturnType<Transport['handle']>;

const SIZE = { memoryMiB: 512, cpuUnits: 128, stopTimeoutSeconds: 30 };
const HEARTBEAT_TIMEOUT_SECONDS = 400;
const DEADLINE_SECONDS = 400;
/** A drain that has not ended by then, long after its deadline, does not end. */
const LONGEST_SECONDS = 550;

/** Plays the drain; nothing is in trouble if the trouble is undefined. */
export async function played(operation: string, play: Play, trouble: Trouble | undefined): Promise<Course> {
  Object.assign(process.env, {
    AWS_REGION: 'eu-west-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    POWERTOOLS_SERVICE_NAME: 'ecs-drain',
    POWERTOOLS_METRICS_NAMESPACE: 'ECSDrain',
  });
  const { from = 0, to = 200, slowUntil = 0, isMeant = () => true } = play;
  let heldSinceMs = Number.POSITIVE_INFINITY;
  const second = () => (region.time.nowMs() - heldSinceMs) / 1000;
  const faults = {
    ...NO_FAULTS,
    get slownessSeconds() {
      return second() < slowUntil ? 16 : 0;
    },
  };
  const region: Region = createRegion({ startMs: START_MS, seed: 1, faults });
  const logs: LogLine[] = [];
  const stops = [playGlobals(region.time, region.random), captureLogs((line) => logs.push(line))];
  let troubled = 0;
  const handle = (request: Request, sending: Sending): Answered => {
    const asked = wireRequest(request);
    const isOn = second() >= from && (trouble === 'denied' || second() < to);
    const isInTrouble = isOn && parsed(asked).operation === operation && isMeant(textOf(asked.body));
    if (!trouble || !isInTrouble) return region.transport.handle(request, sending);
    troubled += 1;
    return troubledAnswer(trouble, { request, asked, sending, region, partial: play.partial });
  };
  try {
    const held = populate(region, play);
    const service = installIn(region, {
      environment: {
        ...PARKING,
        DEADLINE_SECONDS: String(DEADLINE_SECONDS),
        ...(play.hookSeconds !== undefined && { HEARTBEAT_TIMEOUT_SECONDS: String(play.hookSeconds) }),
        ...play.environment,
      },
      sdk: { requestHandler: { handle }, signer: UNSIGNED },
      brings: (event) => !(play.isEventLost && (event as { source: string }).source === 'aws.autoscaling'),
    });
    const sweep = (event: unknown) => service.queue.send(JSON.stringify(event));
    region.eventBridge.putScheduledRule({ name: 'sweep', everySeconds: 60, target: sweep });
    const { completions } = region.autoScaling;
    await runFor(region, 60);
    heldSinceMs = region.time.nowMs();
    region.autoScaling.terminateInstance(held);
    if (play.message !== undefined) service.queue.send(play.message);
    await runFor(region, LONGEST_SECONDS, () => completions.length > 0);
    await runFor(region, 30); // What is reported after the end.
    if (play.message !== undefined) await runFor(region, 600);
    const [completion] = completions;
    return {
      endedBy: completion ? (completion.by === 'timeout' ? 'timeout' : 'completion') : 'no one',
      endSecond: completion ? (completion.atMs - heldSinceMs) / 1000 : Number.POSITIVE_INFINITY,
      killedTasks: region.killedTasks.length,
      troubled,
      logs,
      kept: deadLettersIn(service).length + service.queue.counts.visible + service.queue.counts.inFlight,
    };
  } finally {
    for (const stop of stops) stop();
  }
}

/** A cluster with the instance that will be held; returns its id. */
function populate({ ecs, autoScaling }: Region, play: Play): string {
  const { taskSeconds, hasStuckService, hasReturning, hookSeconds = HEARTBEAT_TIMEOUT_SECONDS } = play;
  ecs.createCluster('prod');
  const size = {
    minSize: 0,
    maxSize: 4,
    desiredCapacity: hasReturning ? 2 : 1,
    memoryMiB: 4_096,
    cpuUnits: 2_048,
    launchSeconds: 60,
  };
  const [held = '', other = ''] = autoScaling.createGroup({ ...size, name: 'web', cluster: 'prod' }, { running: true });
  const hook = { heartbeatTimeoutSeconds: hookSeconds, defaultResult: 'CONTINUE' } as const;
  autoScaling.putLifecycleHook({ ...hook, group: 'web', name: OUR_HOOK });
  for (const registration of hasReturning ? ecs.registrationsOf(other) : []) {
    ecs.setInstanceStatus(registration, 'DRAINING');
    ecs.putAttributes(registration, new Map([[EVENT_SOURCE, 'lifecycle-action 2025-12-31T00:00:00.000Z']]));
  }
  if (hasStuckService) {
    const strategy = { strategy: 'REPLICA', minimumHealthyPercent: 100, maximumPercent: 100 } as const;
    ecs.createService({ ...SIZE, ...strategy, cluster: 'prod', name: 'api', desiredCount: 1, startSeconds: 5 });
  }
  ecs.runTask({ ...SIZE, cluster: 'prod', name: 'job', ec2InstanceId: held, runsForSeconds: taskSeconds + 60 });
  return held;
}

async function runFor({ time }: Region, seconds: number, isEnough = () => false): Promise<void> {
  const untilMs = time.nowMs() + seconds * 1000;
  time.after(seconds, () => {});
  await time.runUntil(() => isEnough() || time.nowMs() >= untilMs);
}

function wireRequest({ method, path, headers, body }: Request): WireRequest {
  const bytes = typeof body === 'string' || body instanceof Uint8Array ? body : '';
  return { method, path, headers, body: bytes, query: new URLSearchParams() };
}

function parsed(request: WireRequest): ParsedRequest {
  return protocolOf(request).parsed();
}

interface Troubled {
  readonly request: Request;
  readonly asked: WireRequest;
  readonly sending: Sending;
  readonly region: Region;
  readonly partial: PartialAnswer | undefined;
}

async function troubledAnswer(trouble: Trouble, call: Troubled): Answered {
  const { asked, region, sending } = call;
  const { service, operation } = parsed(asked);
  switch (trouble) {
    case 'denied': {
      const code = service === 'autoscaling' ? 'AccessDenied' : 'AccessDeniedException';
      const message = `User: arn:aws:sts::123456789012:assumed-role/ecs-drain/ecs-drain is not authorized to perform: ${service}:${operation}`;
      return refusal(new AwsError(code, message, 403), call);
    }
    case 'throttled':
      return refusal(new AwsError('ThrottlingException', 'Rate exceeded', 400), call);
    case 'hangs':
      return hang(operation, region, sending?.abortSignal);
    case 'in part':
      return answerInPart(call);
    default:
      return trouble satisfies never;
  }
}

async function refusal(error: AwsError, { asked, region }: Troubled): Answered {
  await currentFiber.getStore()?.waitUntil(region.time.nowMs() + 40);
  const status = error.status ?? 400;
  const { headers = {}, body = '' } = protocolOf(asked).failure(Object.assign(error, { status }), 'request');
  return responseWith({ status, headers, body });
}

function responseWith({ status, headers, body }: WireAnswer): { response: HttpResponse } {
  const stream = Readable.from([Buffer.from(body)]);
  return { response: new HttpResponse({ statusCode: status, headers: { ...headers }, body: stream }) };
}

/** The connection stands and nothing comes, until the SDK or the invocation gives it up. */
async function hang(operation: string, { time }: Region, abortSignal: AbortSignal | undefined): Promise<never> {
  const isTighter = ['PutEvents', 'SendMessage', 'SendMessageBatch'].includes(operation);
  const { requestTimeout } = (isTighter ? HAND_OVER_BOUNDS : SDK_BOUNDS).requestHandler;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(Object.assign(new Error('Request aborted'), { name: 'AbortError' }));
  if (abortSignal?.aborted) abort();
  abortSignal?.addEventListener('abort', abort, { once: true });
  const timedOut = async () => {
    await currentFiber.getStore()?.waitUntil(time.nowMs() + requestTimeout);
    throw Object.assign(new Error(`Request timed out after ${requestTimeout} ms`), { name: 'TimeoutError' });
  };
  return Promise.race([timedOut(), aborted]);
}

async function answerInPart({ request, asked, sending, region, partial }: Troubled): Answered {
  if (!partial) throw new Error('This operation has no answer in part.');
  const { asked: changed = (body: string) => body, answer, isDone } = partial;
  const body = textOf(asked.body);
  if (!isDone) {
    await currentFiber.getStore()?.waitUntil(region.time.nowMs() + 40);
    return responseWith({ status: 200, headers: {}, body: answer(body, undefined) });
  }
  const { response } = await region.transport.handle(Object.assign(request, { body: changed(body) }), sending);
  const answered = Buffer.concat(await response.body.toArray()).toString();
  response.body = Readable.from([Buffer.from(answer(body, answered))]);
  return { response };
}
