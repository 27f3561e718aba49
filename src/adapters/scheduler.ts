import { createHash } from 'node:crypto';
import {
  ConflictException,
  CreateScheduleCommand,
  type CreateScheduleCommandInput,
  DeleteScheduleCommand,
  GetScheduleCommand,
  paginateListSchedules,
  ResourceNotFoundException,
  type SchedulerClient,
  type ScheduleSummary,
  UpdateScheduleCommand,
} from '@aws-sdk/client-scheduler';
import { type Drain, instanceIdOf, isSameDrain, type Notice, type NoticeKind, unreachable } from '../domain/drain.ts';
import { LONGEST_CALL_SECONDS, wholeSecond } from '../domain/policy.ts';
import { type Clock, type DrainSchedules, errorOf } from '../domain/ports.ts';
import { awsCall } from './aws-call.ts';
import { decode, encode } from './continuation.ts';
import { jsonIn } from './schemas.ts';

/** What the deployment made for the schedules of its drains. */
export interface SchedulerSettings {
  readonly scheduleGroup: string;
  /** The role in which EventBridge Scheduler sends a continuation to the queue. */
  readonly scheduleRoleArn: string;
  readonly eventQueueArn: string;
  readonly deadLetterQueueArn: string;
}

export interface SchedulerOptions {
  readonly client: SchedulerClient;
  readonly settings: SchedulerSettings;
  readonly clock: Clock;
  /** The hooks whose drains are looked for on an instance. */
  readonly lifecycleHooks: readonly string[];
  /** The notices whose drains are looked for as well. */
  readonly notices: readonly NoticeKind[];
}

/** Parks drains as one-time schedules that send the drain's continuation to the queue when they fire. */
export function drainSchedules(options: SchedulerOptions): (abortSignal: AbortSignal) => DrainSchedules {
  return (abortSignal) => schedulesUntil(abortSignal, options);
}

function schedulesUntil(abortSignal: AbortSignal, options: SchedulerOptions): DrainSchedules {
  const { client, settings, lifecycleHooks, notices } = options;
  const { scheduleGroup: GroupName } = settings;
  const calls = scheduleCalls(abortSignal, options);
  return {
    nameOf: (drain) =>
      drain.kind === 'notice'
        ? noticeScheduleName(drain.notice)
        : scheduleNameOf(drain.action.instanceId, drain.action.lifecycleHook),

    earlierNamesOf: ({ action }, containerInstanceArn) => {
      const id = containerInstanceArn.split('/').at(-1) ?? '';
      return [scheduleNameOf(id, action.lifecycleHook), id];
    },

    put: (drain, name, firesAtMs, before) =>
      awsCall(`park the drain of ${instanceIdOf(drain)}`, () =>
        putSchedule({ ...scheduleOf(drain, name, settings), firesAtMs }, drain, before, calls, options.clock),
      ),

    get: (name) => awsCall(`read the schedule ${name}`, () => calls.get(name)),

    parkedOn: async (instanceId) => {
      const names = [
        ...lifecycleHooks.map((hook) => scheduleNameOf(instanceId, hook)),
        ...notices.map((kind) => noticeScheduleName({ kind, instanceId })),
        // Version 0.2.0 had one for both notices.
        ...(notices.length > 0 ? [`${instanceId}-notice`] : []),
      ];
      const attempted = `look for drains that are parked on ${instanceId}`;
      const answers = await Promise.all(names.map((name) => awsCall(attempted, () => calls.get(name)).catch(errorOf)));
      return answers.flatMap((answer) => answer ?? []);
    },

    writtenAtMs: () =>
      awsCall(`list the schedules of ${GroupName}`, async () => {
        const pages = paginateListSchedules({ client, pageSize: 100 }, { GroupName }, { abortSignal });
        const schedules = (await Array.fromAsync(pages)).flatMap((page) => page.Schedules ?? []);
        return writtenAtMsIn(schedules);
      }),

    delete: (name) => awsCall(`delete the schedule ${name}`, () => calls.remove(name)),
  };
}

type ScheduleCalls = ReturnType<typeof scheduleCalls>;

/** A schedule that will be written. Other calls may come first, so its expression is written with it. */
type Schedule = Omit<CreateScheduleCommandInput, 'ScheduleExpression'> & { readonly firesAtMs: number };

/**
 * One-time schedules have no fraction of a second. Whether a schedule fires that is written for a time in the past is unverified
 * (facts 29 past-schedule), so each is written for a time that is still ahead when the call arrives.
 */
function inTime({ firesAtMs, ...schedule }: Schedule, { nowMs }: Clock): CreateScheduleCommandInput {
  const atMs = wholeSecond(Math.max(firesAtMs, nowMs() + LONGEST_CALL_SECONDS * 1000));
  return { ...schedule, ScheduleExpression: `at(${new Date(atMs).toISOString().slice(0, 19)})` };
}

/** Each makes one call. Its answer says whether there was such a schedule; other errors are thrown. */
function scheduleCalls(abortSignal: AbortSignal, { client, settings, clock }: SchedulerOptions) {
  const { scheduleGroup: GroupName } = settings;
  const sending = { abortSignal };
  return {
    get: async (Name: string): Promise<Drain | undefined> => {
      const answer = await orElse(ResourceNotFoundException, undefined, () =>
        client.send(new GetScheduleCommand({ GroupName, Name }), sending),
      );
      return answer && drainIn(Name, answer.Target?.Input);
    },

    remove: async (Name: string): Promise<void> => {
      await orElse(ResourceNotFoundException, undefined, () =>
        client.send(new DeleteScheduleCommand({ GroupName, Name }), sending),
      );
    },

    /** False if the name is taken. */
    create: (schedule: Schedule): Promise<boolean> =>
      orElse(ConflictException, false, async () => {
        await client.send(new CreateScheduleCommand(inTime(schedule, clock)), sending);
        return true;
      }),

    /** False if there is no such schedule. */
    update: (schedule: Schedule): Promise<boolean> =>
      orElse(ResourceNotFoundException, false, async () => {
        await client.send(new UpdateScheduleCommand(inTime(schedule, clock)), sending);
        return true;
      }),
  };
}

/** The answer of the call, or the other answer if it throws an error of this type. */
async function orElse<T, E>(
  errorType: typeof ConflictException | typeof ResourceNotFoundException,
  other: E,
  call: () => Promise<T>,
): Promise<T | E> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof errorType) return other;
    throw error;
  }
}

async function putSchedule(
  schedule: Schedule,
  drain: Drain,
  before: Parameters<DrainSchedules['put']>[3],
  calls: ScheduleCalls,
  clock: Clock,
): Promise<'parked' | 'taken'> {
  switch (before) {
    case 'absent':
      return createFirst(schedule, drain, calls, clock);
    case 'pending':
      return (await calls.update(schedule)) ? 'parked' : createFirst(schedule, drain, calls, clock);
    case 'fired':
      return createAnew(schedule, calls);
    default:
      return unreachable(before);
  }
}

async function createFirst(
  schedule: Schedule,
  drain: Drain,
  calls: ScheduleCalls,
  clock: Clock,
): Promise<'parked' | 'taken'> {
  if (await calls.create(schedule)) return 'parked';
  // Another delivery of the same event parks the drain; or an earlier drain never ended and left its schedule.
  const stored = await waitingIn(schedule.Name ?? '', drain, calls, clock);
  // An earlier call has written it, whose answer was lost.
  const isOwn = stored?.parked?.turn !== undefined && stored.parked.turn === drain.parked?.turn;
  if (isOwn && (await calls.update(schedule))) return 'parked';
  return stored && !isOwn ? 'taken' : createAnew(schedule, calls);
}

/** The drain if it waits there already. A schedule that has fired waits no more: its continuation is on its way, or lost. */
async function waitingIn(name: string, drain: Drain, { get }: ScheduleCalls, clock: Clock): Promise<Drain | undefined> {
  const stored = await get(name).catch((error: Error) => {
    if (error instanceof UnreadableSchedule) return undefined;
    throw error;
  });
  const isWaiting = stored && isSameDrain(stored, drain) && (stored.parked?.firesAtMs ?? 0) > clock.nowMs();
  return isWaiting ? stored : undefined;
}

/**
 * AWS does not document whether an update lets a schedule fire again (facts 36 schedule-update). After a crash between the two
 * calls the message comes again.
 */
async function createAnew(schedule: Schedule, { remove, create }: ScheduleCalls): Promise<'parked' | 'taken'> {
  await remove(schedule.Name ?? '');
  return (await create(schedule)) ? 'parked' : 'taken';
}

/** What is in the schedule is no continuation that this version can read. */
export class UnreadableSchedule extends Error {
  override readonly name = 'UnreadableSchedule';
}

function drainIn(name: string, input = ''): Drain {
  const decoded = decode(jsonIn(input), 'Target.Input');
  if (decoded.kind !== 'unreadable') return decoded.drain;
  throw new UnreadableSchedule(`The schedule ${name} cannot be understood: ${decoded.reason}`);
}

function writtenAtMsIn(schedules: readonly ScheduleSummary[]): Map<string, number> {
  return new Map(schedules.flatMap(({ Name, LastModificationDate: at }) => (Name && at ? [[Name, at.getTime()]] : [])));
}

function scheduleOf(
  drain: Drain,
  Name: string,
  { scheduleGroup: GroupName, scheduleRoleArn: RoleArn, eventQueueArn, deadLetterQueueArn }: SchedulerSettings,
): Omit<Schedule, 'firesAtMs'> {
  return {
    GroupName,
    Name,
    FlexibleTimeWindow: { Mode: 'OFF' },
    // The drain deletes it when it ends. AWS would delete it some time after it has fired, when it may already hold the next
    // wait (docs/decisions/0007).
    ActionAfterCompletion: 'NONE',
    Target: { Arn: eventQueueArn, RoleArn, Input: encode(drain), DeadLetterConfig: { Arn: deadLetterQueueArn } },
  };
}

/**
 * Two hooks may hold one instance, each with a drain of its own. The name of a hook may be longer than the name of a schedule.
 * The group is left out, because an ECS event does not name it and an instance is in one group at a time.
 */
function scheduleNameOf(instanceId: string, lifecycleHook: string): string {
  const hook = createHash('sha256').update(lifecycleHook).digest('hex').slice(0, 8);
  return `${instanceId}-${hook}`;
}

/** A recommendation may come before the warning of an interruption or after it, and must not end the drain on the warning. */
function noticeScheduleName({ kind, instanceId }: Pick<Notice, 'kind' | 'instanceId'>): string {
  return `${instanceId}-${kind}`;
}
