import type { PutEventsRequest, PutEventsResponse } from '@aws-sdk/client-eventbridge';
import { matches } from './event-pattern.ts';
import type { Faults } from './faults.ts';
import type { Tell } from './happenings.ts';
import type { Place } from './place.ts';
import type { Random } from './random.ts';
import type { VirtualTime } from './virtual-time.ts';

/** What a publisher gives; the bus adds the rest of the envelope. */
export interface BusEvent {
  readonly source: string;
  readonly 'detail-type': string;
  readonly resources: readonly string[];
  readonly detail: unknown;
}

/** A rule with one target. */
export interface Rule {
  readonly name: string;
  readonly pattern: Readonly<Record<string, unknown>>;
  readonly target: (event: unknown) => void;
}

/** What the model needs of the rest of the Region. */
export interface EventBridgeOptions {
  readonly time: VirtualTime;
  readonly place: Place;
  readonly random: Random;
  readonly tell: Tell;
  readonly faults: Faults;
}

/** At most so many entries in one PutEvents (facts 7). */
const MAX_ENTRIES = 10;

/** The default event bus in virtual time: at least once, in no order (facts 3). */
export class EventBridgeModel {
  readonly #options: EventBridgeOptions;
  readonly #rules: Rule[] = [];

  constructor(options: EventBridgeOptions) {
    this.#options = options;
  }

  putRule(rule: Rule): void {
    this.#rules.push(rule);
  }

  /** Puts an event on the bus; the targets of the rules it matches get it a little later, unless a fault has it otherwise. */
  publish(event: BusEvent): void {
    const { place, time, random, faults, tell } = this.#options;
    const { account, region } = place;
    const at = `${new Date(time.nowMs()).toISOString().slice(0, 19)}Z`;
    const delivered = { version: '0', id: place.newId(), account, time: at, region, ...event };
    const matching = this.#rules.filter(({ pattern }) => matches(pattern, delivered));
    if (matching.length === 0) return;

    const news = {
      kind: 'event',
      source: event.source,
      detailType: event['detail-type'],
      rules: matching.map(({ name }) => name),
    } as const;
    // Facts 3: Auto Scaling's events may be lost; events of our own are at least once.
    if (event.source === 'aws.autoscaling' && random.chance(faults.lostEvents)) {
      tell({ ...news, fate: 'lost' });
      return;
    }
    const duplicated = random.chance(faults.duplicatedEvents);
    const delayed = random.chance(faults.delayedEvents);
    tell({ ...news, ...(duplicated ? { fate: 'duplicated' } : delayed ? { fate: 'delayed' } : {}) });
    for (const { target } of matching) {
      for (let delivery = 0; delivery < (duplicated ? 2 : 1); delivery++) {
        // EventBridge's usual latency is around half a second.
        const late = delayed ? random.between(0, faults.delaySeconds) : 0;
        time.after(random.between(0.3, 0.7) + late, () => target(delivered));
      }
    }
  }

  /** The operations of the EventBridge API that this model answers, by name. */
  readonly operations = {
    PutEvents: (input: PutEventsRequest): PutEventsResponse => {
      const entries = input.Entries ?? [];
      const Entries = entries.map(({ Source = '', DetailType = '', Detail = '', Resources = [] }, i) => {
        const detail = parsed(Detail);
        // Facts 7: a bad entry is refused alone, and the answer is 200.
        if (i >= MAX_ENTRIES) return { ErrorCode: 'InvalidArgument', ErrorMessage: 'Too many entries.' };
        if (detail === undefined) return { ErrorCode: 'MalformedDetail', ErrorMessage: 'Detail is malformed.' };
        this.publish({ source: Source, 'detail-type': DetailType, resources: Resources, detail });
        return { EventId: this.#options.place.newId() };
      });
      return { Entries, FailedEntryCount: Entries.filter((entry) => 'ErrorCode' in entry).length };
    },
  };
}

function parsed(json: string): object | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
