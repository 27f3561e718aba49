import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import fc from 'fast-check';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { matches } from '../../sandbox/region/event-bridge/event-pattern.ts';
import { eventBridgePublisher } from '../../src/adapters/event-bridge.ts';
import type { EventPublisher } from '../../src/domain/ports.ts';
import { drain, INSTANCE_ID, noticeDrain, supervisedDrain } from '../adapters/samples.ts';
import { aws } from '../adapters/wire.ts';
import { anyCodePoint } from '../any-text.ts';
import { EVENTS, LETTERS, notificationSchema, OUTCOMES } from './notifications.ts';

const SOURCE = 'ecs-drain.main';
const ACCOUNT = '123456789012';

interface Rule {
  readonly EventPattern: unknown;
  readonly Targets: readonly [{ readonly InputTransformer?: Transformer }];
}

interface Transformer {
  readonly InputPathsMap: Readonly<Record<string, string>>;
  readonly InputTemplate: string;
}

type Event = Readonly<Record<string, unknown>> & { readonly detail: Readonly<Record<string, unknown>> };

/** The rules of an example by name, for the source and the account of the tests. */
function rulesOf(example: string): [name: string, rule: Rule][] {
  const refs: Readonly<Record<string, string>> = { EventSource: SOURCE, 'AWS::AccountId': ACCOUNT };
  const customTags = [{ tag: '!Ref', resolve: (name: string) => refs[name] ?? name }];
  const file = join(import.meta.dirname, `../../examples/${example}/template.yaml`);
  const { Resources } = parse(readFileSync(file, 'utf8'), { customTags, logLevel: 'error' });
  return Object.entries<{ Type: string; Properties: Rule }>(Resources).flatMap(([name, { Type, Properties }]) =>
    Type === 'AWS::Events::Rule' ? [[name, Properties]] : [],
  );
}

/**
 * What EventBridge makes of an event. Between quotes, a variable becomes its text, which is not escaped; elsewhere it becomes
 * its JSON. A variable that the event lacks becomes nothing. (EventBridge user guide, "Amazon EventBridge input transformation".)
 */
function transformed({ InputPathsMap, InputTemplate }: Transformer, event: Event): string {
  let quoted = false;
  return InputTemplate.replace(/\\.|"|<([\w-]+)>/g, (token, variable?: string) => {
    if (token === '"') quoted = !quoted;
    if (variable === undefined) return token;
    const path = InputPathsMap[variable];
    if (path === undefined) throw new Error(`The template has <${variable}>, for which there is no path.`);
    const fields = path.split('.').slice(1);
    const value = fields.reduce<unknown>((at, field) => Object(at)[field], event);
    if (value === undefined) return '';
    return quoted && typeof value === 'string' ? value : JSON.stringify(value);
  });
}

/** The events that the service puts on the bus. */
async function published(publish: (events: EventPublisher) => Promise<unknown>): Promise<Event[]> {
  const endpoint = await aws({ PutEvents: ({ Entries = [] }) => ({ Entries: Entries.map(() => ({ EventId: '1' })) }) });
  await publish(eventBridgePublisher(new EventBridgeClient(endpoint.config), SOURCE, false));
  const entries = endpoint.inputsOf('PutEvents').flatMap(({ Entries = [] }) => Entries);
  return entries.map(({ Source, DetailType, Detail = '' }, n) => ({
    id: `event-${n}`,
    source: Source,
    account: ACCOUNT,
    'detail-type': DetailType,
    detail: JSON.parse(Detail),
  }));
}

describe('the rules of examples/notify-chat', () => {
  const rules = rulesOf('notify-chat');
  /** The notifications that an event becomes. */
  function notifications(event: Event): v.InferOutput<typeof notificationSchema>[] {
    const takers = rules.filter(([, { EventPattern }]) => matches(EventPattern, event));
    return takers.map(([name, { Targets }]) => {
      const [{ InputTransformer }] = Targets;
      if (!InputTransformer) throw new Error(`${name} passes the event on as it is.`);
      return v.parse(notificationSchema, JSON.parse(transformed(InputTransformer, event)));
    });
  }

  it('make one notification of each Stuck and Finished, and none of Started', async () => {
    const counts = (await published((events) => events.publish(EVENTS))).map((event) => [
      event['detail-type'],
      notifications(event).length,
    ]);
    const expected = ['Started', 'Stuck', ...OUTCOMES.map(() => 'Finished')].map((type) => [
      `ECS Drain ${type}`,
      type === 'Started' ? 0 : 1,
    ]);
    expect(counts).toEqual([...expected, ...expected, ...expected]);
  });

  it('put all of one drain into one thread, and each drain into its own', async () => {
    const threads = (await published((events) => events.publish(EVENTS))).flatMap((event) =>
      notifications(event).map(({ metadata }) => metadata?.threadId),
    );
    const ids = [drain.action.token, supervisedDrain.action.token, noticeDrain.notice.token];
    expect(threads).toEqual(ids.flatMap((id) => Array(1 + OUTCOMES.length).fill(id)));
  });

  it("say why a drain is stuck in the event's own words, and how it ended", async () => {
    const [, ...events] = (await published((events) => events.publish(EVENTS))).slice(0, 2 + OUTCOMES.length);
    const told = events.flatMap((event) => notifications(event).map(({ content }) => content));
    const expected = events.map(({ detail }) => detail['reason'] ?? detail['why']);
    expect(told.map(({ description }) => description)).toEqual(expected);
    expect(told[0]?.description).toContain('\nsee C:\\logs <here>');
    expect(told[0]?.title).toBe(`Stuck: the drain of ${INSTANCE_ID}`);
    expect(told[3]?.title).toBe(`Finished as timed-out: the drain of ${INSTANCE_ID}`);
  });

  it('report each failed drain once, in its thread where the event says which drain it is', async () => {
    const told = (await published((events) => events.publishDeadLetters(LETTERS))).map((event) =>
      notifications(event).map(({ metadata }) => metadata?.threadId),
    );
    expect(told).toEqual([['drain-1'], ['drain-1'], ['message-1'], ['message-1']]);
  });

  it('make JSON of it whatever the texts of the event are', async () => {
    const told = [
      ...(await published((events) => events.publish(EVENTS))),
      ...(await published((events) => events.publishDeadLetters(LETTERS))),
    ].filter((event) => notifications(event).length > 0);
    const anyText = fc.string({ unit: anyCodePoint, minLength: 1 });
    const property = fc.property(fc.constantFrom(...told), anyText, (event, said) => {
      const changed = { ...event, detail: { ...event.detail, why: said, reason: said } };
      expect(notifications(changed).map(({ content }) => content.description)).toEqual([said]);
    });
    fc.assert(property);
  });
});

describe('the rules of examples/notify', () => {
  const rules = rulesOf('notify');
  const mails = (event: Event) =>
    rules
      .filter(([, { EventPattern }]) => matches(EventPattern, event))
      .map(([, { Targets }]) => JSON.parse(transformed(Targets[0].InputTransformer as Transformer, event)));

  it('mail which drain is stuck or has ended badly, of which group, and why', async () => {
    const sent = (await published((events) => events.publish(EVENTS))).flatMap((event) =>
      mails(event).map((mail) => ({ mail, detail: event.detail })),
    );
    expect(sent.map(({ mail }) => mail.message)).toEqual(
      [drain, supervisedDrain, noticeDrain].flatMap(() => [
        `The drain of ${INSTANCE_ID} is stuck. Its deadline is 2026-03-01T11:00:00.000Z.`,
        `The drain of ${INSTANCE_ID} has ended as timed-out.`,
        `The drain of ${INSTANCE_ID} has ended as agent-lost.`,
      ]),
    );
    for (const { mail, detail } of sent) {
      expect(mail).toMatchObject({ group: detail['autoScalingGroup'] ?? '', why: detail['reason'] ?? detail['why'] });
    }
  });

  it('mail JSON whatever the texts of the event are', async () => {
    const sent = (await published((events) => events.publish(EVENTS))).filter((event) => mails(event).length > 0);
    const anyText = fc.string({ unit: anyCodePoint, minLength: 1 });
    const property = fc.property(fc.constantFrom(...sent), anyText, (event, said) => {
      const changed = { ...event, detail: { ...event.detail, why: said, reason: said } };
      expect(mails(changed).map(({ why }) => why)).toEqual([said]);
    });
    fc.assert(property);
  });
});

describe('a text with quotes', () => {
  it.each([
    ['breaks the JSON between quotes', '{"a": "<why>"}', '{"a": "say "no""}'],
    ['is escaped as a value of its own', '{"a": <why>}', '{"a": "say \\"no\\""}'],
    ['leaves nothing where there is none', '{"a": "<cause>"}', '{"a": ""}'],
  ])('%s', (_, InputTemplate, expected) => {
    const InputPathsMap = { why: '$.detail.why', cause: '$.detail.cause' };
    expect(transformed({ InputPathsMap, InputTemplate }, { detail: { why: 'say "no"' } })).toBe(expected);
  });
});

describe('the rule of examples/notify-webhook', () => {
  it.each([
    ['ECS Drain Stuck', true],
    ['ECS Drain Finished', true],
    ['ECS Drain Failed', true],
    ['ECS Drain Started', false],
    ['ECS Drain Continuation', false],
  ])('posts %s: %s', (type, expected) => {
    const event = { source: SOURCE, account: ACCOUNT, 'detail-type': type, detail: {} };
    expect(rulesOf('notify-webhook').map(([, { EventPattern }]) => matches(EventPattern, event))).toEqual([expected]);
  });
});
