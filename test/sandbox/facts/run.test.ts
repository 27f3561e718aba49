import { describe, expect, it } from 'vitest';
import { type Experiment, NotObservable, use, type World } from '../../../sandbox/facts/experiment.ts';
import { isRefuted, summaryOf } from '../../../sandbox/facts/report.ts';
import { type Place, run } from '../../../sandbox/facts/run.ts';

const PLACE = {
  resources: { events: { queueUrl: 'https://queue' } },
  now: () => 0,
  sleepUntil: async () => {},
  longestWaitSeconds: 1,
  longestRestSeconds: 1,
} as unknown as Place;

const experiment = (run: Experiment['run'], more: Partial<Experiment> = {}): Experiment => ({
  facts: [1],
  title: 'A fact.',
  needs: [],
  minutes: 1,
  cents: 0,
  cleansUp: 'changes nothing',
  run,
  ...more,
});

const refusal = (name: string, httpStatusCode = 400) =>
  Object.assign(new Error('The operation is not known.'), { name, $metadata: { httpStatusCode } });

describe('an experiment', () => {
  it.each([
    { what: 'agrees with its fact', saw: { saw: 'it', agrees: true }, verdict: 'agrees' },
    { what: 'disagrees with its fact', saw: { saw: 'it', agrees: false }, verdict: 'disagrees' },
    { what: 'answers an open question', saw: { saw: 'it', agrees: 'open' }, verdict: 'open' },
  ] as const)('that $what says so, and what it saw', async ({ saw, verdict }) => {
    expect(await run([experiment(async () => saw)], PLACE)).toEqual([
      { facts: [1], title: 'A fact.', saw: 'it', verdict },
    ]);
  });

  it.each([
    { what: 'breaks off', error: new Error('no task'), verdict: 'failed', saw: 'Error: no task' },
    { what: 'is refused a call', error: refusal('AccessDenied'), verdict: 'failed', saw: /^AccessDenied: / },
    {
      what: 'cannot be made',
      error: new NotObservable('there is no Spot'),
      verdict: 'not observable',
      saw: 'there is no Spot',
    },
    {
      what: 'calls what the world lacks',
      error: refusal('InvalidAction'),
      verdict: 'not observable',
      saw: /no such operation/,
    },
    {
      what: 'calls what an emulator lacks',
      error: refusal('501', 501),
      verdict: 'not observable',
      saw: /no such operation/,
    },
    {
      what: 'is answered with a page of HTML',
      error: Object.assign(new Error('Deserialization error: to see the raw response, …'), { name: 'SyntaxError' }),
      verdict: 'not observable',
      saw: /no such operation/,
    },
  ])('that $what is "$verdict", with the reason', async ({ error, verdict, saw }) => {
    const [result] = await run([experiment(() => Promise.reject(error))], PLACE);
    expect(result).toMatchObject({ verdict, saw: expect.stringMatching(saw) });
  });

  it('is not made where the world lacks a resource that it needs', async () => {
    const made = experiment(() => Promise.reject(new Error('made')), { needs: ['events', 'cluster', 'group'] });
    expect(await run([made], PLACE)).toMatchObject([
      { verdict: 'not observable', saw: 'there is no cluster, no group' },
    ]);
  });

  it('gets the resources that it needs, and no other', async () => {
    const needy = experiment(async (world) => ({ saw: use(world, 'events').queueUrl, agrees: true }), {
      needs: ['events'],
    });
    const greedy = experiment(async (world) => ({ saw: use(world, 'cluster').name, agrees: true }));
    expect(await run([needy, greedy], PLACE)).toMatchObject([
      { verdict: 'agrees', saw: 'https://queue' },
      { verdict: 'not observable', saw: 'there is no cluster' },
    ]);
  });

  it('is undone before the next begins, what was done last first, whatever comes of it', async () => {
    const did: string[] = [];
    const doing = (name: string) => async (world: World) => {
      did.push(name);
      for (const step of ['a', 'b']) world.defer(async () => did.push(`undo ${name}${step}`));
      throw new Error('it breaks off');
    };
    await run([experiment(doing('1')), experiment(doing('2'))], PLACE);
    expect(did).toEqual(['1', 'undo 1b', 'undo 1a', '2', 'undo 2b', 'undo 2a']);
  });

  it('names what could not be undone, and undoes the rest', async () => {
    const did: string[] = [];
    const leaving = experiment(async (world) => {
      world.defer(async () => did.push('undone'));
      world.defer(() => Promise.reject(new Error('the hook is still there')));
      return { saw: 'it', agrees: true };
    });
    expect(await run([leaving], PLACE)).toMatchObject([
      { verdict: 'agrees', leftBehind: ['Error: the hook is still there'] },
    ]);
    expect(did).toEqual(['undone']);
  });

  it('is not begun when the run has been cancelled', async () => {
    const cancelled = new AbortController();
    const cancelling = experiment(async () => {
      cancelled.abort();
      return { saw: 'it', agrees: true };
    });
    expect(await run([cancelling, cancelling], { ...PLACE, signal: cancelled.signal })).toHaveLength(1);
  });

  it('that the cancellation has broken off is no result, but it is undone', async () => {
    const cancelled = new AbortController();
    let undone = false;
    const broken = experiment(async (world) => {
      world.defer(async () => {
        undone = true;
      });
      cancelled.abort();
      throw new Error('The operation was aborted');
    });
    expect(await run([broken], { ...PLACE, signal: cancelled.signal })).toEqual([]);
    expect(undone).toBe(true);
  });
});

describe('the results', () => {
  const ended = (...verdicts: ('agrees' | 'disagrees' | 'failed' | 'open' | 'not observable')[]) =>
    verdicts.map((verdict) => ({ facts: [1], title: 'A fact.', saw: 'it', verdict }));

  it('are refuted by one that disagrees, and by one that says nothing because it broke off', () => {
    expect(isRefuted(ended('agrees', 'open', 'not observable'))).toBe(false);
    expect(isRefuted(ended('agrees', 'disagrees'))).toBe(true);
    expect(isRefuted(ended('failed'))).toBe(true);
  });

  it('are counted by how they ended', () => {
    expect(summaryOf(ended('agrees', 'agrees', 'open', 'failed'))).toBe(
      '4 experiments: 2 agree, 0 disagree, 1 failed, 1 open, 0 not observable.',
    );
  });
});
