import * as v from 'valibot';
import { CONTINUATION_DETAIL_TYPE } from '../../adapters/continuation.ts';
import { matching, name } from '../../adapters/schemas.ts';
import type { Settings } from '../settings.ts';
import { receiveBareContinuation, receiveContinuation } from './continuation.ts';
import { type Envelope, ignored, isTestNotification, parsed, type Received } from './event.ts';
import { receiveInstanceChange } from './instance-change.ts';
import { receiveNotice } from './notice.ts';
import { receiveRequest } from './request.ts';
import { receiveSweep } from './sweep.ts';
import { receiveTaskStop } from './task-stop.ts';
import { receiveTermination } from './termination.ts';

type Receive = (envelope: Envelope, settings: Settings) => Received;

/** Who handles which event, by source and detail-type; the settings name our own source. */
const receivers = (settings: Settings): Readonly<Record<string, Readonly<Record<string, Receive>>>> => ({
  'aws.autoscaling': { 'EC2 Instance-terminate Lifecycle Action': receiveTermination },
  [settings.eventSource]: { [CONTINUATION_DETAIL_TYPE]: receiveContinuation },
  'aws.ec2': {
    'EC2 Spot Instance Interruption Warning': receiveNotice('spot-interruption'),
    'EC2 Instance Rebalance Recommendation': receiveNotice('rebalance-recommendation'),
  },
  'aws.ecs': {
    'ECS Task State Change': receiveTaskStop,
    'ECS Container Instance State Change': receiveInstanceChange,
  },
  'aws.events': { 'Scheduled Event': receiveSweep },
});

const TIME_EXPECTED = 'expected an ISO 8601 time';

/** AWS may add fields, so unknown ones are accepted. */
const envelope = v.looseObject(
  {
    id: v.optional(name('the id of an EventBridge event')),
    source: name('the source of an EventBridge event'),
    'detail-type': name('the detail-type of an EventBridge event'),
    account: matching(/^\d{12}$/, 'an AWS account id of 12 digits'),
    time: v.pipe(
      v.string(TIME_EXPECTED),
      v.isoTimestamp(TIME_EXPECTED),
      v.check((time) => Date.parse(time) >= 0, TIME_EXPECTED),
    ),
    detail: v.looseObject({}, 'expected an object'),
  },
  'expected an EventBridge event',
);

/** A continuation without an envelope. EventBridge always adds one, so this came straight from the function or a schedule. */
const bareContinuation = v.looseObject({ version: v.number(), drain: v.looseObject({}) });

const bareRequest = v.looseObject({ request: v.looseObject({}) });

/**
 * Reads a message of the queue: an event of EventBridge, or a bare continuation.
 * @throws RejectedEvent if it is malformed; an event that is not ours is ignored.
 */
export function receiveMessage(message: unknown, settings: Settings): Received {
  if (v.is(bareContinuation, message)) return receiveBareContinuation(message, settings);
  return receive(message, settings);
}

/**
 * Reads what was given to the function directly: an event of EventBridge, or what an operator asks. That is taken in no other way,
 * so only who may invoke the function can ask.
 * @throws RejectedEvent if it is malformed; an event that is not ours is ignored.
 */
export function receiveDirect(event: unknown, settings: Settings): Received {
  return v.is(bareRequest, event) ? receiveRequest(event) : receive(event, settings);
}

/**
 * Reads an event of EventBridge.
 * @throws RejectedEvent if it is malformed; an event that is not ours is ignored.
 */
export function receive(event: unknown, settings: Settings): Received {
  if (isTestNotification(event)) return ignored('it is the test notification of a new lifecycle hook');
  const { id, source, 'detail-type': detailType, time, detail } = parsed(envelope, event, 'The event');
  const receiver = own(own(receivers(settings), source), detailType);
  if (!receiver) return ignored(`nothing here handles ${detailType} from ${source}`);
  return receiver({ id, sentAtMs: Date.parse(time), detail }, settings);
}

/** The object's own value under a key that an event names: an inherited one, such as `constructor`, is none. */
function own<T>(table: Readonly<Record<string, T>> | undefined, key: string): T | undefined {
  return table && Object.hasOwn(table, key) ? table[key] : undefined;
}
