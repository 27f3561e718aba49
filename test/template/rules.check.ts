import fc from 'fast-check';
import { afterAll, describe, expect, inject, it } from 'vitest';
import { deploymentIn } from '../../sandbox/packaging.ts';
import { matches } from '../../sandbox/region/event-bridge/event-pattern.ts';
import { settingsFrom } from '../../src/handlers/settings.ts';
import { purposeOf, sampleEvents } from '../deploy/sample-events.ts';
import { eventRuler } from './tools.ts';

const packages = inject('packages');
const ruler = await eventRuler();

describe.skipIf(!ruler)("AWS's matcher of event patterns and the sandbox's", () => {
  afterAll(() => ruler?.end());

  it.each(Object.entries(packages))('give each sample event to its rule and to no other with %s', async (_, each) => {
    const { rules, samples } = await deployed(each);
    for (const { what, takenBy, event } of samples) {
      for (const { purpose, pattern } of rules) {
        const expected = takenBy === purpose;
        expect(await byBoth(pattern, event), `${purpose} takes ${what}`).toEqual({ aws: expected, sandbox: expected });
      }
    }
  });

  it.each(Object.entries(packages))('have a sample event for every rule with %s', async (_, each) => {
    const { rules, samples } = await deployed(each);
    const takers = new Set(samples.flatMap(({ takenBy }) => takenBy ?? []));
    expect([...takers].toSorted()).toEqual(rules.map(({ purpose }) => purpose).toSorted());
  });

  it('agree on sample events in which anything is changed', async () => {
    const { rules, samples } = await deployed(packages['hooks created elsewhere']);
    const changed = fc
      .tuple(fc.constantFrom(...samples), fc.array(change, { minLength: 1, maxLength: 2 }))
      .map(([{ event }, changes]) => changes.reduce((before, apply) => apply(before), event));
    await agreeOn(fc.constantFrom(...rules.map(({ pattern }) => pattern)), changed);
  });

  it('agree on every operator that the sandbox knows', async () => {
    await agreeOn(patternOf(fc.oneof(someTest, missing)), eventOf({ inLists: scalar }));
  });

  it('agree on lists of objects', async () => {
    await agreeOn(patternOf(someTest), eventOf({}));
  });
});

/** The rules of a package, and the sample events for its names. */
async function deployed(from: (typeof packages)[string] | undefined) {
  if (!from) throw new Error('There is no package of that parameter set.');
  const { rules, environment } = deploymentIn(from);
  const settings = settingsFrom(environment);
  return {
    rules: rules.map(({ name, pattern }) => ({ purpose: purposeOf(name, settings), pattern })),
    samples: await sampleEvents(settings),
  };
}

/** Whether each matches them, or that it refuses the pattern. */
async function byBoth(pattern: unknown, event: unknown) {
  const orRefused = (answer: Promise<unknown>) => answer.catch(() => 'refused');
  return {
    aws: await orRefused(Promise.resolve(ruler?.matches(pattern, event))),
    sandbox: await orRefused((async () => matches(pattern, event))()),
  };
}

async function agreeOn(patterns: fc.Arbitrary<unknown>, events: fc.Arbitrary<unknown>): Promise<void> {
  const property = fc.asyncProperty(patterns, events, async (pattern, event) => {
    const answers = await byBoth(pattern, JSON.parse(JSON.stringify(event)));
    expect(answers.sandbox).toEqual(answers.aws);
  });
  await fc.assert(property, { numRuns: 2_000 });
}

type Fields = Readonly<Record<string, unknown>>;

const TEXTS = ['a', 'ab', 'b', ''];
const NUMBERS = [0, 1, 1.5, -1];
const scalar = fc.constantFrom(...TEXTS, ...NUMBERS, true, false, null);
const name = fc.constantFrom('x', 'y', 'z');

/** Removes a field of an event, or puts something else in its place. */
const change: fc.Arbitrary<(event: Fields) => Fields> = fc
  .tuple(
    fc.constantFrom('source', 'detail-type', 'account', 'detail'),
    fc.constantFrom(
      ...['LifecycleTransition', 'AutoScalingGroupName', 'LifecycleHookName', 'Destination'],
      ...['clusterArn', 'lastStatus', 'containerInstanceArn', 'stopCode'],
      ...['status', 'runningTasksCount', 'pendingTasksCount'],
    ),
    fc.boolean(),
    fc.oneof(
      fc
        .constantFrom(
          undefined,
          {},
          [],
          'WarmPool',
          'EC2',
          'workers',
          'STOPPED',
          'DRAINING',
          'EssentialContainerExited',
        )
        .map((value) => () => value),
      scalar.map((value) => () => value),
      fc.constantFrom<(value: unknown) => unknown>(
        (value) => [value],
        (value) => ['x', [value]],
        (value) => ({ value }),
        (value) => ({ value: [value] }),
        (value) => `${value} `,
        (value) => String(value).toUpperCase(),
      ),
    ),
  )
  .map(([field, detailField, inDetail, replace]) => (event) => {
    if (!inDetail) return { ...event, [field]: replace(event[field]) };
    const detail = { ...(event['detail'] as Fields) };
    return { ...event, detail: { ...detail, [detailField]: replace(detail[detailField]) } };
  });

const texts = fc.constantFrom(...TEXTS);
const wildcard = fc.record({ wildcard: fc.constantFrom('a*', '*b', 'a*b', '*', '\\*', 'a\\\\*', '*a*', 'a**', '\\a') });
const affix = fc.oneof(fc.record({ prefix: texts }), fc.record({ suffix: texts }));
const excluded = fc.oneof(
  texts,
  fc.constantFrom(...NUMBERS),
  fc.uniqueArray(texts, { minLength: 1 }),
  fc.uniqueArray(fc.constantFrom(...NUMBERS), { minLength: 1 }),
  affix,
);
const someTest = fc.oneof(
  scalar,
  fc.constant({ exists: true }),
  affix,
  wildcard,
  fc.record({ 'anything-but': excluded }),
);
/** On its own, because the sandbox does not know what it means in a list of objects. */
const missing = fc.constant({ exists: false });

function patternOf(test: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const tests = fc.array(test, { minLength: 1, maxLength: 3 });
  return fc.letrec((tie) => ({
    fields: fc.dictionary(name, fc.oneof(tests, tie('fields')), { minKeys: 1, maxKeys: 3 }),
  })).fields;
}

/** Without a list straight in a list, which no AWS event has: Event Ruler does not keep the elements of such apart. */
function eventOf({ inLists }: { inLists?: fc.Arbitrary<unknown> }): fc.Arbitrary<unknown> {
  return fc.letrec((tie) => ({
    fields: fc.dictionary(name, fc.oneof(tie('one'), fc.array(inLists ?? tie('one'), { maxLength: 3 })), {
      maxKeys: 3,
    }),
    one: fc.oneof(scalar, tie('fields')),
  })).fields;
}
