import type {
  DescribeRuleRequest,
  DescribeRuleResponse,
  ListRulesRequest,
  ListRulesResponse,
  ListTargetsByRuleRequest,
  ListTargetsByRuleResponse,
  PutEventsRequest,
  PutEventsRequestEntry,
  PutEventsResponse,
} from '@aws-sdk/client-eventbridge';
import { AwsError } from '../aws-error.ts';
import type { Faults } from '../faults.ts';
import { type Page, pageOf } from '../pages.ts';
import type { Place } from '../place.ts';
import type { Service } from '../service.ts';
import type { Random } from '../time/random.ts';
import type { VirtualTime } from '../time/virtual-time.ts';
import type { Trace } from '../trace.ts';
import { matches } from './event-pattern.ts';

/** What a publisher gives; the bus adds the rest of the envelope. */
export interface BusEvent {
  readonly source: string;
  readonly 'detail-type': string;
  readonly resources: readonly string[];
  readonly detail: unknown;
}

/** What PutEvents has said of an event already. */
interface Stamp {
  readonly id?: string;
  readonly atMs?: number;
}

/** A rule with one target. */
export interface Rule {
  readonly name: string;
  readonly pattern: Readonly<Record<string, unknown>>;
  readonly target: (event: unknown) => void;
  /** How the API names the target; if it is left out, the API lists none. */
  readonly address?: TargetAddress;
  /**
   * EventBridge's own retries of the target: 24 hours and 185 attempts unless the rule says otherwise
   * (facts 7 event-retries).
   */
  readonly retryPolicy?: RetryPolicy;
  /** Takes what the target would not, with the attributes that the message has. */
  readonly deadLetterQueue?: (event: unknown, attributes: Readonly<Record<string, string>>) => void;
}

/** A target, by the names that it has for AWS. */
export interface TargetAddress {
  readonly id: string;
  readonly arn: string;
  readonly deadLetterArn?: string;
}

/** A rule whose target gets an event at a fixed rate. */
export interface ScheduledRule extends Omit<Rule, 'pattern'> {
  readonly everySeconds: number;
}

export interface RetryPolicy {
  readonly maximumEventAgeSeconds: number;
  readonly maximumRetryAttempts: number;
}

const DEFAULT_RETRY_POLICY: RetryPolicy = { maximumEventAgeSeconds: 24 * 60 * 60, maximumRetryAttempts: 185 };

/** What the model needs of the rest of the Region. */
export interface EventBridgeOptions {
  readonly time: VirtualTime;
  readonly place: Place;
  readonly random: Random;
  readonly trace: Trace;
  readonly faults: Faults;
}

/** EventBridge says only that it backs off exponentially with jitter; this is where the model stops growing. */
const LONGEST_RETRY_SECONDS = 900;

/** Whose events may be lost (facts 3 event-delivery): Auto Scaling's, and EC2's notices. */
const BEST_EFFORT = ['aws.autoscaling', 'aws.ec2'];

const DEFAULT_BUS = 'default';
/** Of all entries of one PutEvents (facts 7 event-retries). */
const MAX_BYTES = 1024 * 1024;
/** In characters (EventBridge API reference, PutEventsRequestEntry). */
const LONGEST_DETAIL_TYPE = 128;
/** A detail that is nested deeper is not taken: what walks through events must come to an end. */
const DEEPEST_DETAIL = 1_000;

/** The default event bus in virtual time: at least once, in no order (facts 3 event-delivery). */
export class EventBridgeModel {
  readonly #options: EventBridgeOptions;
  readonly #rules: Rule[] = [];
  readonly #scheduledRules = new Map<string, ScheduledRule>();
  /** Events that no target would take, in the dead-letter queues of their rules. */
  readonly deadLetters: unknown[] = [];

  constructor(options: EventBridgeOptions) {
    this.#options = options;
  }

  putRule(rule: Rule): void {
    this.#rules.push(rule);
  }

  /** It repeats forever. A run does not wait for it to end. */
  putScheduledRule(rule: ScheduledRule): void {
    const { time, place } = this.#options;
    this.#scheduledRules.set(rule.name, rule);
    const happen = () => {
      this.putScheduledRule(rule);
      const resources = [`arn:aws:events:${place.region}:${place.account}:rule/${rule.name}`];
      const event = { source: 'aws.events', 'detail-type': 'Scheduled Event', resources, detail: {} };
      this.#deliver(rule, this.#enveloped(event));
    };
    time.toBackground(time.after(rule.everySeconds, happen));
  }

  /** What the bus adds to an event. */
  #enveloped(event: BusEvent, { id = this.#options.place.newId(), atMs = this.#options.time.nowMs() }: Stamp = {}) {
    const { account, region } = this.#options.place;
    const at = `${new Date(atMs).toISOString().slice(0, 19)}Z`;
    return { version: '0', id, account, time: at, region, ...event };
  }

  /** Puts an event on the bus; the targets of the rules it matches get it a little later, unless a fault has it otherwise. */
  publish(event: BusEvent, stamp?: Stamp): void {
    const { time, random, faults, trace } = this.#options;
    const delivered = this.#enveloped(event, stamp);
    const matching = this.#rules.filter(({ pattern }) => matches(pattern, delivered));
    if (matching.length === 0) return;

    const traced = {
      kind: 'event',
      source: event.source,
      detailType: event['detail-type'],
      rules: matching.map(({ name }) => name),
    } as const;
    // Facts 3 event-delivery: these may be lost; events of our own, and ECS's, are at least once, or should be.
    if (random.chance(BEST_EFFORT.includes(event.source) ? faults.lostEvents : faults.lostDurableEvents)) {
      trace({ ...traced, fate: 'lost' });
      return;
    }
    const duplicated = random.chance(faults.duplicatedEvents);
    const delayed = random.chance(faults.delayedEvents);
    trace({ ...traced, ...(duplicated ? { fate: 'duplicated' } : delayed ? { fate: 'delayed' } : {}) });
    for (const rule of matching) {
      for (let delivery = 0; delivery < (duplicated ? 2 : 1); delivery++) {
        // EventBridge's usual latency is around half a second.
        const late = delayed ? random.between(0, faults.delaySeconds) : 0;
        time.after(random.between(0.3, 0.7) + late, () => this.#deliver(rule, delivered));
      }
    }
  }

  /** Brings an event to a rule's target; a refusal is followed by another attempt, after ever longer waits. */
  #deliver(rule: Omit<Rule, 'pattern'>, event: unknown, attempt = 0, ageSeconds = 0): void {
    const { time, random, faults } = this.#options;
    if (!random.chance(faults.refusedDeliveries)) {
      rule.target(event);
      return;
    }
    const { maximumEventAgeSeconds, maximumRetryAttempts } = rule.retryPolicy ?? DEFAULT_RETRY_POLICY;
    const waitSeconds = Math.min(LONGEST_RETRY_SECONDS, 2 ** attempt) * random.between(0.5, 1);
    if (attempt >= maximumRetryAttempts || ageSeconds + waitSeconds > maximumEventAgeSeconds) {
      this.deadLetters.push(event);
      rule.deadLetterQueue?.(event, {
        RULE_ARN: this.#arnOf(rule),
        ERROR_CODE: 'SDK_CLIENT_ERROR',
        ERROR_MESSAGE: 'The target could not be invoked.',
        EXHAUSTED_RETRY_CONDITION:
          attempt >= maximumRetryAttempts ? 'MaximumRetryAttempts' : 'MaximumEventAgeInSeconds',
        RETRY_ATTEMPTS: String(attempt),
      });
      return;
    }
    time.after(waitSeconds, () => this.#deliver(rule, event, attempt + 1, ageSeconds + waitSeconds));
  }

  #arnOf({ name }: Pick<Rule, 'name'>): string {
    const { region, account } = this.#options.place;
    return `arn:aws:events:${region}:${account}:rule/${name}`;
  }

  /** Its API. */
  readonly service: Service = {
    name: 'events',
    operations: {
      DescribeRule: ({ Name, EventBusName }: DescribeRuleRequest): DescribeRuleResponse =>
        this.#described(this.#rule(Name, EventBusName)),

      ListRules: (input: ListRulesRequest): ListRulesResponse => {
        const { NamePrefix = '', EventBusName } = input;
        this.#refuseOtherBus(EventBusName);
        const rules = this.#allRules().filter(({ name }) => name.startsWith(NamePrefix));
        const { items, next } = pageIn(rules, input);
        return { Rules: items.map((rule) => this.#described(rule)), ...next };
      },

      ListTargetsByRule: (input: ListTargetsByRuleRequest): ListTargetsByRuleResponse => {
        const { address, retryPolicy } = this.#rule(input.Rule, input.EventBusName);
        const { items, next } = pageIn(address ? [address] : [], input);
        return {
          Targets: items.map(({ id, arn, deadLetterArn }) => ({
            Id: id,
            Arn: arn,
            ...(retryPolicy && {
              RetryPolicy: {
                MaximumEventAgeInSeconds: retryPolicy.maximumEventAgeSeconds,
                MaximumRetryAttempts: retryPolicy.maximumRetryAttempts,
              },
            }),
            ...(deadLetterArn !== undefined && { DeadLetterConfig: { Arn: deadLetterArn } }),
          })),
          ...next,
        };
      },

      PutEvents: (input: PutEventsRequest): PutEventsResponse => {
        const entries = input.Entries ?? [];
        const bytes = entries.reduce((sum, entry) => sum + bytesOf(entry), 0);
        if (bytes > MAX_BYTES) {
          throw new AwsError('ValidationException', `Total size of the entries in the request is over the limit.`);
        }
        // Facts 7 event-retries: a bad entry is refused alone, and the answer is 200.
        const Entries = entries.map((entry) => this.#put(entry));
        return { Entries, FailedEntryCount: Entries.filter((entry) => 'ErrorCode' in entry).length };
      },
    },
  };

  /** By name, as ListRules has them. */
  #allRules(): (Rule | ScheduledRule)[] {
    return [...this.#rules, ...this.#scheduledRules.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  #rule(name: string | undefined, bus: string | undefined): Rule | ScheduledRule {
    this.#refuseOtherBus(bus);
    const rule = this.#allRules().find((each) => each.name === name);
    if (!rule) throw new AwsError('ResourceNotFoundException', `Rule ${name} does not exist on EventBus default.`);
    return rule;
  }

  #refuseOtherBus(name = DEFAULT_BUS): void {
    if (this.#isDefaultBus(name)) return;
    throw new AwsError('ResourceNotFoundException', `Event bus ${name} does not exist.`);
  }

  #described(rule: Rule | ScheduledRule) {
    return {
      Name: rule.name,
      Arn: this.#arnOf(rule),
      ...('pattern' in rule
        ? { EventPattern: JSON.stringify(rule.pattern) }
        : { ScheduleExpression: rateOf(rule.everySeconds) }),
      State: 'ENABLED' as const,
      EventBusName: DEFAULT_BUS,
    };
  }

  #put({ Source, DetailType, Detail, Resources = [], Time, EventBusName = DEFAULT_BUS }: PutEventsRequestEntry) {
    for (const [name, value] of Object.entries({ Source, DetailType, Detail })) {
      if (!value) return invalidArgument(`Parameter ${name} is not valid. Reason: ${name} is a required argument.`);
    }
    if ((DetailType?.length ?? 0) > LONGEST_DETAIL_TYPE) {
      const reason = `DetailType must be ${LONGEST_DETAIL_TYPE} characters or less.`;
      return invalidArgument(`Parameter DetailType is not valid. Reason: ${reason}`);
    }
    // Facts 26 aws-source-refused: only AWS publishes events from AWS.
    if (Source?.startsWith('aws.')) {
      const ErrorMessage = `Not authorized for the source.`;
      return { ErrorCode: 'NotAuthorizedForSourceException', ErrorMessage };
    }
    const detail = parsed(Detail ?? '');
    if (detail === undefined) return { ErrorCode: 'MalformedDetail', ErrorMessage: 'Detail is malformed.' };
    const EventId = this.#options.place.newId();
    const event = { source: Source ?? '', 'detail-type': DetailType ?? '', resources: Resources, detail };
    // An event for a bus that does not exist is accepted and dropped.
    if (this.#isDefaultBus(EventBusName)) this.publish(event, { id: EventId, ...(Time && { atMs: Time.getTime() }) });
    return { EventId };
  }

  #isDefaultBus(name: string): boolean {
    const { region, account } = this.#options.place;
    return name === DEFAULT_BUS || name === `arn:aws:events:${region}:${account}:event-bus/${DEFAULT_BUS}`;
  }
}

/** Of rules and of targets (EventBridge API reference). */
const LARGEST_PAGE = 100;

interface PageRequest {
  readonly Limit?: number | undefined;
  readonly NextToken?: string | undefined;
}

function pageIn<T>(items: readonly T[], { Limit = LARGEST_PAGE, NextToken }: PageRequest) {
  const { items: page, next }: Page<T> = pageOf(items, { size: Limit, token: NextToken });
  return { items: page, next: next !== undefined && { NextToken: next } };
}

function invalidArgument(ErrorMessage: string) {
  return { ErrorCode: 'InvalidArgument', ErrorMessage };
}

/** EventBridge user guide, "Calculating PutEvents event entry size". */
function bytesOf({ Time, Source = '', DetailType = '', Detail = '', Resources = [] }: PutEventsRequestEntry): number {
  const texts = [Source, DetailType, Detail, ...Resources];
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), Time ? 14 : 0);
}

/** As EventBridge writes it, in minutes. */
function rateOf(everySeconds: number): string {
  const minutes = everySeconds / 60;
  return `rate(${minutes} ${minutes === 1 ? 'minute' : 'minutes'})`;
}

function parsed(json: string): object | undefined {
  try {
    const value: unknown = JSON.parse(json);
    const isDetail = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isDetail && !isDeeperThan(value, DEEPEST_DETAIL) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isDeeperThan(inner, levels - 1));
}
