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
  ListSchedulesInput,
  ListSchedulesOutput,
  ScheduleState,
  ScheduleSummary,
  Target,
  UpdateScheduleInput,
  UpdateScheduleOutput,
} from '@aws-sdk/client-scheduler';
import { AwsError } from './aws-error.ts';
import type { BusEvent } from './event-bridge.ts';
import type { Place } from './place.ts';
import type { Random } from './random.ts';
import type { Scheduled, VirtualTime } from './virtual-time.ts';

/** What the model needs of the rest of the Region. */
export interface SchedulerOptions {
  readonly time: VirtualTime;
  readonly place: Place;
  readonly random: Random;
  /** Puts an event on the default bus, the one target that the model knows. */
  readonly publish: (event: BusEvent) => void;
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
  settings: Settings;
  /** Undefined if it never fires as it is set now. */
  firing: Scheduled | undefined;
}

/** What CreateSchedule and UpdateSchedule set, AWS's defaults filled in. */
interface Settings {
  readonly atMs: number;
  readonly event: Omit<BusEvent, 'resources'>;
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

/** Facts 10: a schedule fires within the minute that begins at its time. */
const PRECISION_SECONDS = 60;
/** How long after its firing a schedule is deleted that is to be; AWS says "shortly" (facts 30). */
const DELETED_AFTER_SECONDS = { min: 1, max: 60 };
const LARGEST_INPUT_BYTES = 256 * 1024;
const LARGEST_PAGE = 100;
const NAME = { pattern: /^[0-9a-zA-Z-_.]+$/, longest: 64 };
const DEFAULT_GROUP = 'default';
const STATES = ['ENABLED', 'DISABLED'];
/** Facts 7 has the same limits for a rule's target. */
const RETRY_POLICY = { ageSeconds: { min: 60, max: 86_400 }, attempts: { min: 0, max: 185 } };

/**
 * EventBridge Scheduler in virtual time, as far as one-time schedules go whose target is the default event bus (facts
 * 10, 27 to 30). What else AWS can do is refused, with a sentence that says so. Roles and queues are names here.
 */
export class SchedulerModel {
  readonly #options: SchedulerOptions;
  readonly #groups = new Map<string, ScheduleGroup>();

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#createGroup(DEFAULT_GROUP);
  }

  /** The operations of the EventBridge Scheduler API that this model answers, by name. */
  readonly operations = {
    CreateSchedule: (input: CreateScheduleInput): CreateScheduleOutput => {
      const name = nameOf(input.Name);
      const settings = this.#settings(input);
      const group = this.#group(input.GroupName);
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
      const name = nameOf(input.Name);
      const settings = this.#settings(input);
      const schedule = this.#schedule(input.GroupName, name);
      this.#disarm(schedule);
      schedule.settings = settings;
      schedule.modifiedAtMs = this.#options.time.nowMs();
      schedule.firing = this.#arm(settings, () => this.#fire(schedule));
      return { ScheduleArn: schedule.arn };
    },

    GetSchedule: (input: GetScheduleInput): GetScheduleOutput => {
      const schedule = this.#schedule(input.GroupName, nameOf(input.Name));
      return { ...summaryOf(schedule), ...schedule.settings.described };
    },

    DeleteSchedule: (input: DeleteScheduleInput): DeleteScheduleOutput => {
      this.#delete(this.#schedule(input.GroupName, nameOf(input.Name)));
      return {};
    },

    ListSchedules: (input: ListSchedulesInput): ListSchedulesOutput => {
      const { GroupName, NamePrefix = '', State, NextToken = '', MaxResults = LARGEST_PAGE } = input;
      if (State !== undefined) oneOf(State, 'state', STATES);
      inRange(MaxResults, 'maxResults', { min: 1, max: LARGEST_PAGE });
      const groups = GroupName === undefined ? [...this.#groups.values()] : [this.#group(GroupName)];
      // The token is the key of the last one given, so that what comes and goes meanwhile skips nothing.
      const left = groups
        .flatMap(({ schedules }) => [...schedules.values()])
        .filter(({ name, settings }) => {
          return name.startsWith(NamePrefix) && (State === undefined || settings.described.State === State);
        })
        .filter((schedule) => schedule.arn > NextToken)
        .sort((a, b) => (a.arn < b.arn ? -1 : 1));
      const page = left.slice(0, MaxResults);
      const last = page.at(-1);
      return {
        Schedules: page.map((schedule): ScheduleSummary => {
          const { State, Target } = schedule.settings.described;
          return { ...summaryOf(schedule), State, Target: { Arn: Target.Arn } };
        }),
        ...(last && page.length < left.length && { NextToken: last.arn }),
      };
    },

    CreateScheduleGroup: (input: CreateScheduleGroupInput): CreateScheduleGroupOutput => {
      const name = nameOf(input.Name);
      if (this.#groups.has(name)) throw conflict(`Schedule group ${name}`);
      this.#createGroup(name);
      return { ScheduleGroupArn: this.#arn(`schedule-group/${name}`) };
    },

    GetScheduleGroup: (input: GetScheduleGroupInput): GetScheduleGroupOutput => {
      const { name, createdAtMs } = this.#group(nameOf(input.Name));
      const created = new Date(createdAtMs);
      return {
        Arn: this.#arn(`schedule-group/${name}`),
        Name: name,
        State: 'ACTIVE',
        CreationDate: created,
        LastModificationDate: created,
      };
    },

    /** AWS takes a while, in which the group is DELETING and its schedules may still fire; here it is gone at once. */
    DeleteScheduleGroup: (input: DeleteScheduleGroupInput): DeleteScheduleGroupOutput => {
      const group = this.#group(nameOf(input.Name));
      if (group.name === DEFAULT_GROUP) throw invalid('The default schedule group cannot be deleted.');
      for (const schedule of [...group.schedules.values()]) this.#delete(schedule);
      this.#groups.delete(group.name);
      return {};
    },
  };

  /** Every schedule that is still to come, by name, and the detail of the event that it puts on the bus. */
  pending(): ReadonlyMap<string, unknown> {
    const schedules = [...this.#groups.values()].flatMap((group) => [...group.schedules.values()]);
    const armed = schedules.filter(({ firing }) => firing && !firing.cancelled);
    return new Map(armed.map(({ name, settings }) => [name, settings.event.detail]));
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

  /** Facts 29: a time that has passed is accepted; whether AWS fires it then nobody says, so here it does not. */
  #arm({ atMs, described: { State } }: Settings, fire: () => void): Scheduled | undefined {
    const { time, random } = this.#options;
    const inSeconds = (atMs - time.nowMs()) / 1000;
    if (State === 'DISABLED' || inSeconds < 0) return undefined;
    return time.after(inSeconds + random.between(0, PRECISION_SECONDS), fire);
  }

  #disarm({ firing }: Schedule): void {
    if (firing) this.#options.time.cancel(firing);
  }

  #fire(schedule: Schedule): void {
    const { time, random, publish } = this.#options;
    const { event, described } = schedule.settings;
    publish({ ...event, resources: [schedule.arn] });
    if (described.ActionAfterCompletion !== 'DELETE') return;
    // Facts 30: the deletion comes later, and AWS does not say that an update in between stops it. So here it takes this
    // schedule with whatever was set meanwhile, but not one that was created anew under its name.
    time.after(random.between(DELETED_AFTER_SECONDS.min, DELETED_AFTER_SECONDS.max), () => {
      if (this.#groups.get(schedule.group)?.schedules.get(schedule.name) === schedule) this.#delete(schedule);
    });
  }

  #delete(schedule: Schedule): void {
    this.#disarm(schedule);
    this.#groups.get(schedule.group)?.schedules.delete(schedule.name);
  }

  /** Reads what a schedule is to be; what is left out gets AWS's default, also in an update. */
  #settings(input: CreateScheduleInput | UpdateScheduleInput): Settings {
    const ScheduleExpression = given(input.ScheduleExpression, 'scheduleExpression');
    const {
      ScheduleExpressionTimezone = 'UTC',
      State = 'ENABLED',
      ActionAfterCompletion = 'NONE',
      Description,
    } = input;
    const FlexibleTimeWindow = given(input.FlexibleTimeWindow, 'flexibleTimeWindow');
    const { Target, event } = this.#target(given(input.Target, 'target'));
    const atMs = instantIn(ScheduleExpression);
    if (ScheduleExpressionTimezone !== 'UTC') throw unknownHere(`time zone ${ScheduleExpressionTimezone}`);
    if (given(FlexibleTimeWindow.Mode, 'flexibleTimeWindow.mode') !== 'OFF') throw unknownHere('flexible time windows');
    oneOf(State, 'state', STATES);
    oneOf(ActionAfterCompletion, 'actionAfterCompletion', ['NONE', 'DELETE']);
    return {
      atMs,
      event,
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

  #target(input: Target): { readonly Target: Target; readonly event: Omit<BusEvent, 'resources'> } {
    const { region, account } = this.#options.place;
    const arn = given(input.Arn, 'target.arn');
    given(input.RoleArn, 'target.roleArn');
    if (arn !== `arn:aws:events:${region}:${account}:event-bus/default`) throw unknownHere(`target ${arn}`);
    const { Source, DetailType } = given(input.EventBridgeParameters, 'target.eventBridgeParameters');
    const source = given(Source, 'target.eventBridgeParameters.source');
    const detailType = given(DetailType, 'target.eventBridgeParameters.detailType');
    inLength(detailType, 'target.eventBridgeParameters.detailType', 128);
    if (!/^(?!aws\.)[/.\-_A-Za-z0-9]{1,256}$/.test(source)) {
      throw unsatisfied(
        source,
        'target.eventBridgeParameters.source',
        'be up to 256 of A-Z a-z 0-9 . - _ / and not begin with aws.',
      );
    }
    const { MaximumEventAgeInSeconds = RETRY_POLICY.ageSeconds.max, MaximumRetryAttempts = RETRY_POLICY.attempts.max } =
      input.RetryPolicy ?? {};
    inRange(MaximumEventAgeInSeconds, 'target.retryPolicy.maximumEventAgeInSeconds', RETRY_POLICY.ageSeconds);
    inRange(MaximumRetryAttempts, 'target.retryPolicy.maximumRetryAttempts', RETRY_POLICY.attempts);
    return {
      Target: { ...input, RetryPolicy: { MaximumEventAgeInSeconds, MaximumRetryAttempts } },
      event: { source, 'detail-type': detailType, detail: detailIn(input.Input) },
    };
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

/** The instant of a one-time expression, in UTC; AWS's words for one that is none. */
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

/** The detail of the event: the bus takes a JSON object. */
function detailIn(input: string | undefined): object {
  if (input === undefined) throw unknownHere('schedules without Input');
  const bytes = Buffer.byteLength(input);
  if (bytes > LARGEST_INPUT_BYTES) {
    throw invalid(`Target.Input has ${bytes} bytes, more than ${LARGEST_INPUT_BYTES}.`);
  }
  let detail: unknown;
  try {
    detail = JSON.parse(input);
  } catch {
    throw invalid('Target.Input is not well-formed JSON.');
  }
  if (typeof detail === 'object' && detail !== null && !Array.isArray(detail)) return detail;
  throw invalid('Target.Input is not a JSON object, which the detail of an event must be.');
}

/** The name of a schedule or of a group. */
function nameOf(value: string | undefined): string {
  const name = given(value, 'name');
  inLength(name, 'name', NAME.longest);
  if (!NAME.pattern.test(name)) {
    throw unsatisfied(name, 'name', `satisfy regular expression pattern: ${NAME.pattern.source}`);
  }
  return name;
}

function given<T>(value: T | undefined | null, member: string): T {
  if (value === undefined || value === null) throw unsatisfied(null, member, 'not be null');
  return value;
}

function oneOf(value: string, member: string, known: readonly string[]): void {
  if (!known.includes(value)) throw unsatisfied(value, member, `satisfy enum value set: [${known.join(', ')}]`);
}

function inRange(value: number, member: string, { min, max }: { readonly min: number; readonly max: number }): void {
  if (value < min) throw unsatisfied(value, member, `have value greater than or equal to ${min}`);
  if (value > max) throw unsatisfied(value, member, `have value less than or equal to ${max}`);
}

function inLength(value: string, member: string, max: number): void {
  if (value.length < 1) throw unsatisfied(value, member, 'have length greater than or equal to 1');
  if (value.length > max) throw unsatisfied(value, member, `have length less than or equal to ${max}`);
}

// --- What is answered to what cannot be ------------------------------------------------------------------------------

function invalid(message: string): AwsError {
  return new AwsError('ValidationException', message, 400);
}

/** AWS's words for a value that its model does not allow. */
function unsatisfied(value: string | number | null, member: string, must: string): AwsError {
  const shown = value === null ? 'null' : `'${value}'`;
  return invalid(
    `1 validation error detected: Value ${shown} at '${member}' failed to satisfy constraint: Member must ${must}`,
  );
}

function unknownHere(what: string): AwsError {
  return invalid(`The local Region does not know ${what}.`);
}

function notFound(what: string): AwsError {
  return new AwsError('ResourceNotFoundException', `${what} does not exist.`, 404);
}

function conflict(what: string): AwsError {
  return new AwsError('ConflictException', `${what} already exists.`, 409);
}
