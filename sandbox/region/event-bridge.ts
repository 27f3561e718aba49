import type { PutEventsRequest, PutEventsResponse } from '@aws-sdk/client-eventbridge';
import { matches } from './event-pattern.ts';
import type { Place } from './place.ts';
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

/** The default event bus in virtual time. */
export class EventBridgeModel {
  readonly #time: VirtualTime;
  readonly #place: Place;
  readonly #tell: (what: string) => void;
  readonly #rules: Rule[] = [];

  constructor(time: VirtualTime, place: Place, tell: (what: string) => void) {
    this.#time = time;
    this.#place = place;
    this.#tell = tell;
  }

  putRule(rule: Rule): void {
    this.#rules.push(rule);
  }

  /** Puts an event on the bus; the targets of the rules it matches get it a little later. */
  publish(event: BusEvent): void {
    const { account, region } = this.#place;
    const time = `${new Date(this.#time.nowMs()).toISOString().slice(0, 19)}Z`;
    const delivered = { version: '0', id: this.#place.newId(), account, time, region, ...event };
    const matching = this.#rules.filter(({ pattern }) => matches(pattern, delivered));
    this.#tell(`${event['detail-type']} → ${matching.map(({ name }) => `rule ${name}`).join(', ') || 'no rule'}`);
    for (const { target } of matching) this.#time.after(DELIVERY_SECONDS, () => target(delivered));
  }

  /** The operations of the EventBridge API that this model answers, by name. */
  readonly operations = {
    PutEvents: (input: PutEventsRequest): PutEventsResponse => {
      const Entries = (input.Entries ?? []).map(({ Source = '', DetailType = '', Detail = '', Resources = [] }) => {
        const detail = parsed(Detail);
        // Facts 7: a bad entry is refused alone, and the answer is 200.
        if (detail === undefined) return { ErrorCode: 'MalformedDetail', ErrorMessage: 'Detail is malformed.' };
        this.publish({ source: Source, 'detail-type': DetailType, resources: Resources, detail });
        return { EventId: this.#place.newId() };
      });
      return { Entries, FailedEntryCount: Entries.filter((entry) => 'ErrorCode' in entry).length };
    },
  };
}

/** From the bus to the target; EventBridge's usual latency is around half a second. */
const DELIVERY_SECONDS = 0.5;

function parsed(json: string): object | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
