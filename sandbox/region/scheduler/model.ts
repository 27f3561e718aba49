import type {
  ActionAfterCompletion,
  CreateScheduleGroupInput,
  CreateScheduleGroupOutput,
  CreateScheduleInput,
  CreateScheduleOutput,
  DeleteScheduleGroupInput,
  DeleteScheduleGroupOutput,
  DeleteScheduleInput,
  DeleteScheduleOutput,
  FlexibleTimeWindow,
  GetScheduleGroupInput,
  GetScheduleGroupOutput,
  GetScheduleInput,
  GetScheduleOutput,
  ListScheduleGroupsInput,
  ListScheduleGroupsOutput,
  ListSchedulesInput,
  ListSchedulesOutput,
  ScheduleState,
  ScheduleSummary,
  Target,
  UpdateScheduleInput,
  UpdateScheduleOutput,
} from '@aws-sdk/client-scheduler';
import { AwsError } from '../aws-error.ts';
import type { BusEvent } from '../event-bridge/model.ts';
import type { Context, Roles } from '../iam/api.ts';
import { pageByKey, pageOf } from '../pages.ts';
import type { Place } from '../place.ts';
import type { Service } from '../service.ts';
import type { QueueModel } from '../sqs/model.ts';
import type { Random } from '../time/random.ts';
import type { Scheduled, VirtualTime } from '../time/virtual-time.ts';

/** What the model needs of the rest of the Region. */
export interface SchedulerOptions {
  readonly time: VirtualTime;
  readonly place: Place;
  readonly random: Random;
  readonly roles: Roles;
  /** Puts an event on the default bus. */
  readonly publish: (event: BusEvent) => void;
  /** The queue with this ARN, if there is one. */
  readonly queueOf: (arn: string) => QueueModel | undefined;
}

interface ScheduleGroup {
  readonly name: string;
  readonly createdAtMs: number;
  readonly schedules: Map<string, Schedule>;
}

interface Schedule {
  readonly name: string;
  readonly group: string;
  readonly arn: string;
  readonly createdAtMs: number;
  readonly clientToken: string | undefined;
  modifiedAtMs: number;
  settings: ScheduleSettings;
  /** Undefined if it never fires as it is set now. */
  firing: Scheduled | undefined;
}

/** What CreateSchedule and UpdateSchedule set, AWS's defaults filled in. */
interface ScheduleSettings {
  readonly atMs: number;
  readonly delivery: Delivery;
  /** As GetSchedule answers it. */
  readonly described: {
    readonly ScheduleExpression: string;
    readonly ScheduleExpressionTimezone: string;
    readonly FlexibleTimeWindow: FlexibleTimeWindow;
    readonly Target: Target;
    readonly State: ScheduleState;
    readonly ActionAfterCompletion: ActionAfterCompletion;
    readonly Description?: string;
  };
}

/** What a schedule brings to its target: an event to the default bus, or a message to a queue. */
type Delivery =
  | { readonly to: 'bus'; readonly event: Omit<BusEvent, 'resources'> }
  | { readonly to: 'queue'; readonly body: string };

/** Facts 10 one-time-schedules: a schedule fires within the minute that begins at its time. */
const PRECISION_SECONDS = 60;
/** How long after its firing a schedule is deleted, if it asks for that; AWS says "shortly" (facts 30 schedule-deletion). */
const DELETED_AFTER_SECONDS = { min: 1, max: 60 };
const LARGEST_INPUT_BYTES = 256 * 1024;
const LARGEST_PAGE = 100;
const DEFAULT_GROUP = 'default';
/** The principal that assumes a schedule's role. */
const SCHEDULER = 'scheduler.amazonaws.com';
/** Where nothing else is said, as for a rule's target (facts 7 event-retries). */
const RETRY_POLICY = { ageSeconds: 86_400, attempts: 185 };

/**
 * EventBridge Scheduler in virtual time, as far as one-time schedules go whose target is the default event bus or a
 * standard queue (facts 10 one-time-schedules, 27 to 30). What else AWS can do is refused, with a sentence that says so.
 * The dead-letter queue of a schedule is only a name here.
 */
export class SchedulerModel {
  readonly #options: SchedulerOptions;
  readonly #groups = new Map<string, ScheduleGroup>();
  /** How often a schedule has fired: what AWS bills. */
  firings = 0;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#createGroup(DEFAULT_GROUP);
  }

  /** The operations of the EventBridge Scheduler API that this model answers, by name. */
  readonly operations = {
    CreateSchedule: (input: CreateScheduleInput): CreateScheduleOutput => {
      const name = input.Name ?? '';
      const group = this.#group(input.GroupName);
      const settings = this.#settings(input);
      const existing = group.schedules.get(name);
      // The same request again, by a client that did not hear the answer.
      if (existing && existing.clientToken === input.ClientToken && input.ClientToken)
        return { ScheduleArn: existing.arn };
      if (existing) throw conflict(`Schedule ${name}`);
      const nowMs = this.#options.time.nowMs();
      const schedule: Schedule = {
        name,
        group: group.name,
        arn: this.#arn(`schedule/${group.name}/${name}`),
        createdAtMs: nowMs,
        clientToken: input.ClientToken,
        modifiedAtMs: nowMs,
        settings,
        firing: this.#arm(settings, () => this.#fire(schedule)),
      };
      group.schedules.set(name, schedule);
      return { ScheduleArn: schedule.arn };
    },

    UpdateSchedule: (input: UpdateScheduleInput): UpdateScheduleOutput => {
      const name = input.Name ?? '';
      const settings = this.#settings(input);
      const schedule = this.#schedule(input.GroupName, name);
      this.#disarm(schedule);
      schedule.settings = settings;
      schedule.modifiedAtMs = this.#options.time.nowMs();
      schedule.firing = this.#arm(settings, () => this.#fire(schedule));
      return { ScheduleArn: schedule.arn };
    },

    GetSchedule: (input: GetScheduleInput): GetScheduleOutput => {
      const schedule = this.#schedule(input.GroupName, input.Name ?? '');
      return { ...summaryOf(schedule), ...schedule.settings.described };
    },

    DeleteSchedule: (input: DeleteScheduleInput): DeleteScheduleOutput => {
      this.#delete(this.#schedule(input.GroupName, input.Name ?? ''));
      return {};
    },

    ListSchedules: (input: ListSchedulesInput): ListSchedulesOutput => {
      const { GroupName, NamePrefix = '', State, NextToken, MaxResults = LARGEST_PAGE } = input;
      const groups = GroupName === undefined ? [...this.#groups.values()] : [this.#group(GroupName)];
      const found = groups
        .flatMap(({ schedules }) => [...schedules.values()])
        .filter(({ name, settings }) => {
          return name.startsWith(NamePrefix) && (State === undefined || settings.described.State === State);
        });
      const { items, next } = pageByKey(found, ({ arn }) => arn, { size: MaxResults, token: NextToken });
      return {
        Schedules: items.map((schedule): ScheduleSummary => {
          const { State, Target } = schedule.settings.described;
          return { ...summaryOf(schedule), State, Target: { Arn: Target.Arn } };
        }),
        ...(next !== undefined && { NextToken: next }),
      };
    },

    CreateScheduleGroup: (input: CreateScheduleGroupInput): CreateScheduleGroupOutput => {
      const name = input.Name ?? '';
      if (this.#groups.has(name)) throw conflict(`Schedule group ${name}`);
      this.#createGroup(name);
      return { ScheduleGroupArn: this.#arn(`schedule-group/${name}`) };
    },

    GetScheduleGroup: (input: GetScheduleGroupInput): GetScheduleGroupOutput => {
      return this.#describedGroup(this.#group(input.Name ?? ''));
    },

    ListScheduleGroups: (input: ListScheduleGroupsInput): ListScheduleGroupsOutput => {
      const { NamePrefix = '', MaxResults = LARGEST_PAGE, NextToken } = input;
      const groups = [...this.#groups.values()].filter(({ name }) => name.startsWith(NamePrefix));
      const { items, next } = pageOf(
        groups.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
        { size: MaxResults, token: NextToken },
      );
      const ScheduleGroups = items.map((group) => this.#describedGroup(group));
      return { ScheduleGroups, ...(next !== undefined && { NextToken: next }) };
    },

    /** AWS takes a while, in which the group is DELETING and its schedules may still fire; here it is gone at once. */
    DeleteScheduleGroup: (input: DeleteScheduleGroupInput): DeleteScheduleGroupOutput => {
      const group = this.#group(input.Name ?? '');
      if (group.name === DEFAULT_GROUP) throw invalid('The default schedule group cannot be deleted.');
      for (const schedule of [...group.schedules.values()]) this.#delete(schedule);
      this.#groups.delete(group.name);
      return {};
    },
  };

  /** Its API. */
  readonly service: Service = { name: 'scheduler', operations: this.operations };

  /** The input of every schedule that is still to come, by the name of the schedule. */
  pending(): ReadonlyMap<string, string> {
    const schedules = [...this.#groups.values()].flatMap((group) => [...group.schedules.values()]);
    const armed = schedules.filter(({ firing }) => firing && !firing.cancelled);
    return new Map(armed.map(({ name, settings }) => [name, settings.described.Target.Input ?? '']));
  }

  #describedGroup({ name, createdAtMs }: ScheduleGroup) {
    const created = new Date(createdAtMs);
    return {
      Arn: this.#arn(`schedule-group/${name}`),
      Name: name,
      State: 'ACTIVE' as const,
      CreationDate: created,
      LastModificationDate: created,
    };
  }

  #createGroup(name: string): void {
    this.#groups.set(name, { name, createdAtMs: this.#options.time.nowMs(), schedules: new Map() });
  }

  #group(name = DEFAULT_GROUP): ScheduleGroup {
    const group = this.#groups.get(name);
    if (!group) throw notFound(`Schedule group ${name}`);
    return group;
  }

  #schedule(groupName: string | undefined, name: string): Schedule {
    const schedule = this.#group(groupName).schedules.get(name);
    if (!schedule) throw notFound(`Schedule ${name}`);
    return schedule;
  }

  #arn(resource: string): string {
    const { region, account } = this.#options.place;
    return `arn:aws:scheduler:${region}:${account}:${resource}`;
  }

  /**
   * Facts 29 past-schedule: a time that has passed is accepted; whether AWS fires it is unverified, so it never
   * fires here.
   */
  #arm({ atMs, described: { State } }: ScheduleSettings, fire: () => void): Scheduled | undefined {
    const { time, random } = this.#options;
    const inSeconds = (atMs - time.nowMs()) / 1000;
    if (State === 'DISABLED' || inSeconds < 0) return undefined;
    return time.after(inSeconds + random.between(0, PRECISION_SECONDS), fire);
  }

  #disarm({ firing }: Schedule): void {
    if (firing) this.#options.time.cancel(firing);
  }

  #fire(schedule: Schedule): void {
    const { time, random } = this.#options;
    const { described } = schedule.settings;
    this.firings += 1;
    this.#deliver(schedule);
    if (described.ActionAfterCompletion !== 'DELETE') return;
    // Facts 30 schedule-deletion: the deletion comes later, and AWS does not say that an update in between stops it. So
    // here it removes this schedule with its latest settings, but not one that was created again under its name.
    time.after(random.between(DELETED_AFTER_SECONDS.min, DELETED_AFTER_SECONDS.max), () => {
      if (this.#groups.get(schedule.group)?.schedules.get(schedule.name) === schedule) this.#delete(schedule);
    });
  }

  /** Delivers the input, if the role of the schedule allows that. What cannot be delivered is dropped. */
  #deliver({ arn, group, settings: { delivery, described } }: Schedule): void {
    const { roles, publish, queueOf } = this.#options;
    const { Arn = '', RoleArn = '' } = described.Target;
    const isPermitted = (action: string, keys: Context = {}) =>
      roles.permits(RoleArn, SCHEDULER, { ...this.#callFor(group), ...keys }, action, Arn);
    if (delivery.to === 'queue') {
      if (isPermitted('sqs:SendMessage')) queueOf(Arn)?.send(delivery.body);
      return;
    }
    const { event } = delivery;
    const keys = { 'events:source': [event.source], 'events:detail-type': [event['detail-type']] };
    if (isPermitted('events:PutEvents', keys)) publish({ ...event, resources: [arn] });
  }

  /** The condition keys of Scheduler's calls on behalf of a group's schedules. */
  #callFor(group: string): Context {
    return {
      'aws:SourceAccount': [this.#options.place.account],
      'aws:SourceArn': [this.#arn(`schedule-group/${group}`)],
    };
  }

  #delete(schedule: Schedule): void {
    this.#disarm(schedule);
    this.#groups.get(schedule.group)?.schedules.delete(schedule.name);
  }

  /** Reads the settings of a schedule. What is left out gets AWS's default, also in an update. */
  #settings(input: CreateScheduleInput | UpdateScheduleInput): ScheduleSettings {
    const {
      ScheduleExpression = '',
      FlexibleTimeWindow = { Mode: 'OFF' },
      ScheduleExpressionTimezone = 'UTC',
      State = 'ENABLED',
      ActionAfterCompletion = 'NONE',
      Description,
    } = input;
    const { Target, delivery } = this.#target(
      input.Target ?? { Arn: '', RoleArn: '' },
      input.GroupName ?? DEFAULT_GROUP,
    );
    const atMs = instantIn(ScheduleExpression);
    const { StartDate, EndDate } = input;
    if (StartDate && EndDate && EndDate <= StartDate) throw invalid('The EndDate must come after the StartDate.');
    if (ScheduleExpressionTimezone !== 'UTC') throw unknownHere(`time zone ${ScheduleExpressionTimezone}`);
    if (FlexibleTimeWindow.Mode !== 'OFF') throw unknownHere('flexible time windows');
    return {
      atMs,
      delivery,
      // AWS ignores StartDate and EndDate of a one-time schedule.
      described: {
        ScheduleExpression,
        ScheduleExpressionTimezone,
        FlexibleTimeWindow,
        Target,
        State,
        ActionAfterCompletion,
        ...(Description !== undefined && { Description }),
      },
    };
  }

  #target(input: Target, group: string): { readonly Target: Target; readonly delivery: Delivery } {
    const { roles } = this.#options;
    const delivery = this.#delivery(input);
    if (!roles.permits(input.RoleArn ?? '', SCHEDULER, this.#callFor(group))) {
      throw invalid('The execution role you provide must allow AWS EventBridge Scheduler to assume the role.');
    }
    const { MaximumEventAgeInSeconds = RETRY_POLICY.ageSeconds, MaximumRetryAttempts = RETRY_POLICY.attempts } =
      input.RetryPolicy ?? {};
    return {
      Target: { ...input, RetryPolicy: { MaximumEventAgeInSeconds, MaximumRetryAttempts } },
      delivery,
    };
  }

  /** By the templated target that the ARN names; whether a queue is there only shows when the schedule fires. */
  #delivery({ Arn = '', Input, EventBridgeParameters }: Target): Delivery {
    const { region, account } = this.#options.place;
    if (Arn.startsWith(`arn:aws:sqs:${region}:${account}:`) && !Arn.endsWith('.fifo')) {
      return { to: 'queue', body: inputIn(Input) };
    }
    if (Arn !== `arn:aws:events:${region}:${account}:event-bus/default`) throw unknownHere(`target ${Arn}`);
    if (!EventBridgeParameters) throw invalid('EventBridgeParameters are missing in the target, an event bus.');
    const { Source = '', DetailType = '' } = EventBridgeParameters;
    return { to: 'bus', event: { source: Source, 'detail-type': DetailType, detail: detailIn(Input) } };
  }
}

function summaryOf({ arn, name, group, createdAtMs, modifiedAtMs }: Schedule) {
  return {
    Arn: arn,
    Name: name,
    GroupName: group,
    CreationDate: new Date(createdAtMs),
    LastModificationDate: new Date(modifiedAtMs),
  };
}

// --- What is asked --------------------------------------------------------------------------------------------------

/** The instant of a one-time expression, in UTC. @throws AwsError in AWS's words if it is not valid. */
function instantIn(expression: string): number {
  if (/^(rate|cron)\(/.test(expression)) throw unknownHere(`schedule expression ${expression}: only at(…)`);
  const text = /^at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)$/.exec(expression)?.[1];
  const instantMs = Date.parse(`${text}Z`);
  // Date takes the 30th of February for a day of March.
  if (text === undefined || Number.isNaN(instantMs) || !new Date(instantMs).toISOString().startsWith(text)) {
    throw invalid(`Invalid Schedule Expression ${expression}.`);
  }
  return instantMs;
}

/** Any text: of a queue's message Scheduler asks no more (Scheduler API reference, "Target"). */
function inputIn(input: string | undefined): string {
  if (input === undefined) throw unknownHere('schedules without Input');
  const bytes = Buffer.byteLength(input);
  if (bytes > LARGEST_INPUT_BYTES) {
    throw invalid(`Target.Input has ${bytes} bytes, more than ${LARGEST_INPUT_BYTES}.`);
  }
  return input;
}

/** The detail of the event: the bus takes a JSON object. */
function detailIn(input: string | undefined): object {
  const text = inputIn(input);
  let detail: unknown;
  try {
    detail = JSON.parse(text);
  } catch {
    throw invalid('Target.Input is not well-formed JSON.');
  }
  if (typeof detail === 'object' && detail !== null && !Array.isArray(detail)) return detail;
  throw invalid('Target.Input is not a JSON object, which the detail of an event must be.');
}

// --- What is answered to what cannot be ------------------------------------------------------------------------------

function invalid(message: string): AwsError {
  return new AwsError('ValidationException', message);
}

function unknownHere(what: string): AwsError {
  return invalid(`The local Region does not know ${what}.`);
}

function notFound(what: string): AwsError {
  return new AwsError('ResourceNotFoundException', `${what} does not exist.`);
}

function conflict(what: string): AwsError {
  return new AwsError('ConflictException', `${what} already exists.`);
}
