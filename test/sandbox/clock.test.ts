import { ECSClient, ListClustersCommand } from '@aws-sdk/client-ecs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RegionClock } from '../../sandbox/clock.ts';
import { createRegion, type Region } from '../../sandbox/region/region.ts';
import { listen } from '../../sandbox/region/wire/http.ts';
import { type ClockClient, callsOf, registered } from './clock-client.ts';

const START_MS = Date.UTC(2026, 0, 1);
const HOUR_SECONDS = 3_600;

let region: Region;
let clock: RegionClock;
let url: string;
let close: () => void;
let over: boolean;

beforeEach(async () => {
  over = false;
  region = createRegion({ startMs: START_MS, seed: 1 });
  clock = new RegionClock(region);
  const nowMs = () => region.time.nowMs();
  ({ url, close } = await listen(
    (request) => clock.answer(request),
    0,
    nowMs,
    (...it) => clock.take(...it),
  ));
});
afterEach(() => close());

const secondsPassed = () => (region.time.nowMs() - START_MS) / 1000;

/** Lets the Region's time pass, as fast as its clients allow, while the program runs. */
async function during(program: () => Promise<void>): Promise<void> {
  const goOn = () => region.time.after(60, goOn);
  goOn();
  const ran = program().finally(() => {
    over = true;
    region.time.after(0, () => {});
  });
  await clock.firstClient();
  await Promise.all([region.time.runUntil(() => over), ran]);
}

async function asked(method: string, path: string, body?: string, headers = {}) {
  const response = await fetch(`${url}${path}`, { method, headers, ...(body !== undefined && { body }) });
  return { status: response.status, answer: (await response.json()) as { now?: string; message?: string } };
}

describe('the clock over HTTP', () => {
  it('shows the Region’s time', async () => {
    expect(await asked('GET', '/_clock')).toEqual({
      status: 200,
      answer: { now: '2026-01-01T00:00:00.000Z', epochSeconds: START_MS / 1000 },
    });
  });

  it('lets an hour of a client’s sleep pass at once', async () => {
    await during(async () => {
      const client = await registered(url);
      expect(await client.sleep({ seconds: HOUR_SECONDS })).toBe('2026-01-01T01:00:00.000Z');
      expect(await client.sleep({ until: '2026-01-01T03:00:00Z' })).toBe('2026-01-01T03:00:00.000Z');
      expect(secondsPassed()).toBe(3 * HOUR_SECONDS);
      client.end();
    });
  });

  it('stands still while a client works, however the others wait', async () => {
    await during(async () => {
      const [worker, sleeper] = [await registered(url), await registered(url)];
      let wokenAfter = Number.NaN;
      const slept = sleeper.sleep({ seconds: 5 }).then(() => {
        wokenAfter = secondsPassed();
        sleeper.end();
      });
      // Each of these goes to the server and back, in which time an hour would have passed.
      for (let i = 0; i < 20; i++) await asked('GET', '/_clock');
      expect(secondsPassed()).toBe(0);
      await worker.sleep({ seconds: 7 });
      await slept;
      expect([wokenAfter, secondsPassed()]).toEqual([5, 7]);
      worker.end();
    });
  });

  it('goes on without a client whose connection has closed in the middle of its work', async () => {
    await during(async () => {
      const [crashing, other] = [await registered(url), await registered(url)];
      const slept = other.sleep({ seconds: HOUR_SECONDS });
      crashing.end();
      await slept;
      expect(secondsPassed()).toBe(HOUR_SECONDS);
      other.end();
    });
  });

  it('a client’s call takes the time that a call within the Region takes, and is counted as its own', async () => {
    await during(async () => {
      const client = await registered(url, 'i-1');
      await listClusters(client);
      expect(secondsPassed()).toBeGreaterThanOrEqual(0.02);
      expect(secondsPassed()).toBeLessThanOrEqual(0.06);
      client.end();
    });
    const [work] = clock.works();
    expect(work).toMatchObject({ instanceId: 'i-1' });
    expect(region.calls).toMatchObject([{ operation: 'ListClusters', fiber: work?.fiber }]);
  });

  it('a client’s work lasts from its registration to the end of its connection', async () => {
    await during(async () => {
      const client = await registered(url, 'i-1');
      await client.sleep({ seconds: 90 });
      client.end();
      const other = await registered(url);
      await other.sleep({ seconds: 30 });
      other.end();
    });
    expect(clock.works().map(({ instanceId, billedSeconds }) => [instanceId, billedSeconds])).toEqual([
      ['i-1', 90],
      [undefined, 30],
    ]);
  });

  it('a program that is no client sleeps too, and nothing waits for it', async () => {
    await during(async () => {
      const client = await registered(url);
      const slept = asked('POST', '/_clock/sleep', '{"seconds":60}');
      for (let i = 0; i < 20; i++) await asked('GET', '/_clock'); // It has arrived by then.
      await client.sleep({ seconds: HOUR_SECONDS });
      expect((await slept).answer.now).toBe('2026-01-01T00:01:00.000Z');
      client.end();
    });
  });

  it.each([
    ['POST', '/_clock/sleep', '{"seconds":-1}', 400, 'seconds is -1 and until is undefined: expected either seconds'],
    ['POST', '/_clock/sleep', '{"seconds":"5"}', 400, 'seconds is "5" and until'],
    ['POST', '/_clock/sleep', '{"until":"soon"}', 400, 'until is "soon": expected'],
    ['POST', '/_clock/sleep', '{"seconds":5,"until":"2026-01-01T01:00:00Z"}', 400, 'expected either seconds'],
    ['POST', '/_clock/sleep', '', 400, 'seconds is undefined and until is undefined'],
    ['POST', '/_clock/sleep', '[5]', 400, 'The body is "[5]": expected a JSON object, such as {"seconds": 5}.'],
    ['POST', '/_clock/sleep', '{', 400, 'The body is "{"'],
    [
      'POST',
      '/_clock/sleep',
      '{"seconds":5,"minutes":1}',
      400,
      'The body has the member "minutes": expected seconds or',
    ],
    ['POST', '/_clock/clients', '{"instance":"i-1"}', 400, 'The body has the member "instance": expected instanceId.'],
    ['POST', '/_clock/clients', '{"instanceId":5}', 400, 'instanceId is 5: expected the id of the EC2 instance'],
    [
      'GET',
      '/_clock/sleep',
      undefined,
      404,
      'There is no GET /_clock/sleep; there are GET /_clock, POST /_clock/sleep',
    ],
  ])('refuses %s %s with %s', async (method, path, body, status, sentence) => {
    const { answer, ...rest } = await asked(method, path, body);
    expect(rest).toEqual({ status });
    expect(answer.message).toContain(sentence);
  });

  it('refuses a client that is not registered, for a sleep and for a call of AWS', async () => {
    const headers = { 'x-region-client': 'client-9' };
    const sentence = 'x-region-client is "client-9": no such client is registered.';
    for (const path of ['/_clock/sleep', '/']) {
      const { status, answer } = await asked('POST', path, '{"seconds":1}', headers);
      expect({ status, told: answer.message?.startsWith(sentence) }).toEqual({ status: 404, told: true });
    }
  });
});

async function listClusters({ id }: ClockClient): Promise<void> {
  const ecs = new ECSClient({
    endpoint: url,
    region: 'eu-west-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  ecs.middlewareStack.use(callsOf(id));
  await ecs.send(new ListClustersCommand());
  ecs.destroy();
}
