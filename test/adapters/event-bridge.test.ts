import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { describe, expect, it } from 'vitest';
import { eventBridgeContinuations } from '../../src/adapters/event-bridge.ts';
import { type Drain, newDrain } from '../../src/domain/drain.ts';
import { Unavailable } from '../../src/domain/ports.ts';
import { drain, INSTANCE_ID } from './samples.ts';
import { type AwsEndpoint, accessDenied, aws, badGateway, fault, reset, throttled } from './wire.ts';

const SOURCE = 'ecs-drain.blue';
const accepted = { FailedEntryCount: 0, Entries: [{ EventId: '11710aed-b79e-4468-a20b-bb3c0c3b4860' }] };

/** Hands the drain over through the real SDK client. */
function handOver({ config }: AwsEndpoint, handedOver: Drain) {
  return eventBridgeContinuations(new EventBridgeClient(config), SOURCE).continueNow(handedOver);
}

describe('handing a drain over', () => {
  it('puts one event on the default bus: ours, with the version and the whole drain', async () => {
    const endpoint = await aws({ PutEvents: accepted });
    await handOver(endpoint, drain);
    const [input] = endpoint.inputsOf('PutEvents');
    expect(input).toEqual({
      Entries: [{ Source: SOURCE, DetailType: 'ECS Drain Continuation', Detail: expect.any(String) }],
    });
    expect(JSON.parse(input?.Entries?.[0]?.Detail ?? '')).toEqual({ version: 2, drain });
  });

  it('loses nothing of a drain that knows little yet', async () => {
    const endpoint = await aws({ PutEvents: accepted });
    const young = newDrain(drain.action, drain.startedAtMs, undefined, 5);
    await handOver(endpoint, young);
    const detail = JSON.parse(endpoint.inputsOf('PutEvents')[0]?.Entries?.[0]?.Detail ?? '');
    expect(detail.drain).toEqual(young);
  });

  it('notices an entry that was refused in a 200', async () => {
    const refused = { ErrorCode: 'InternalFailure', ErrorMessage: 'Unexpected failure.' };
    const endpoint = await aws({ PutEvents: { FailedEntryCount: 1, Entries: [refused] } });
    await expect(handOver(endpoint, drain)).rejects.toThrow(
      `Could not put the continuation of ${INSTANCE_ID} on the bus: InternalFailure: Unexpected failure.`,
    );
  });

  it.each([
    ['InternalFailure', true],
    ['ThrottlingException', true],
    ['NotAuthorizedForSourceException', false],
    ['MalformedDetail', false],
  ])('tells an entry that may be taken later from one that never will: %s', async (ErrorCode, later) => {
    const endpoint = await aws({ PutEvents: { FailedEntryCount: 1, Entries: [{ ErrorCode, ErrorMessage: '…' }] } });
    const error = await handOver(endpoint, drain).catch((each: unknown) => each);
    expect(error instanceof Unavailable).toBe(later);
  });

  it.each([
    ['throttled', throttled],
    ['an error inside the service', fault('InternalException', 'This exception occurs due to unexpected causes.', 500)],
    ['a gateway without a service', badGateway],
    ['a connection that breaks', reset],
  ])('is tried again, then unavailable: %s', async (_, answer) => {
    const endpoint = await aws({ PutEvents: answer });
    await expect(handOver(endpoint, drain)).rejects.toThrow(Unavailable);
    expect(endpoint.actions).toHaveLength(4);
  });

  it('says which permission it lacks', async () => {
    const endpoint = await aws({ PutEvents: accessDenied('events:PutEvents') });
    const handedOver = handOver(endpoint, drain);
    await expect(handedOver).rejects.toThrow('is not authorized to perform: events:PutEvents');
    await expect(handedOver).rejects.not.toThrow(Unavailable);
  });
});
