import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import type { Region } from './region/region.ts';
import type { Random } from './region/time/random.ts';
import { currentFiber, type Fiber } from './region/time/virtual-time.ts';
import type { WireAnswer, WireRequest } from './region/wire/wire.ts';

/**
 * The Region's clock over HTTP, for drain programs that run outside this process. A program that registers as a client makes
 * time its own: time stands still while a client works, and passes while all of them sleep or wait for an answer. So an hour
 * of waiting costs a registered program nothing, and its calls take the virtual time that calls within the Region take.
 * A program that does not register runs beside the clock, at whatever speed that has.
 */

/** The header by which a request says which client makes it. */
export const CLIENT_HEADER = 'x-region-client';
export const CLOCK_PATH = '/_clock';

/** What one client did: the time from its registration to its end, and its calls by its fiber. */
export interface ClientWork {
  /** The EC2 instance that it said it works for. */
  readonly instanceId: string | undefined;
  readonly fiber: Fiber;
  readonly billedSeconds: number;
}

interface Client {
  readonly instanceId: string | undefined;
  readonly fiber: Fiber;
  readonly sinceMs: number;
  endedMs: number | undefined;
}

/** One call to AWS within the Region, there and back. */
const LATENCY_SECONDS = { min: 0.02, max: 0.06 };
/** Longer than any hook lasts (facts 18 hook-timeouts). */
const LONGEST_SLEEP_SECONDS = 31 * 24 * 3_600;
const ROUTES = `GET ${CLOCK_PATH}, POST ${CLOCK_PATH}/sleep and POST ${CLOCK_PATH}/clients`;

class Refusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export class RegionClock {
  readonly #region: Region;
  readonly #latency: Random;
  readonly #clients = new Map<string, Client>();
  readonly #registered = Promise.withResolvers<void>();

  constructor(region: Region) {
    this.#region = region;
    this.#latency = region.random.fork('clients');
    this.#listen();
  }

  /** Lets requests come in each second of the Region's time, however fast that passes. */
  #listen(): void {
    const { time } = this.#region;
    time.stir();
    time.toBackground(time.after(1, () => this.#listen()));
  }

  /** Until the first client has registered. */
  firstClient(): Promise<void> {
    return this.#registered.promise;
  }

  /** What each client did until now. */
  works(): readonly ClientWork[] {
    const nowMs = this.#region.time.nowMs();
    return [...this.#clients.values()].map(({ instanceId, fiber, sinceMs, endedMs = nowMs }) => ({
      instanceId,
      fiber,
      billedSeconds: Math.ceil(endedMs - sinceMs) / 1000,
    }));
  }

  /** Takes a request that is about the clock; false for all others, which are AWS's. */
  take(request: IncomingMessage, response: ServerResponse): boolean {
    const { method = 'GET', url = '' } = request;
    const path = url.split('?')[0] ?? '';
    if (path !== CLOCK_PATH && !path.startsWith(`${CLOCK_PATH}/`)) return false;
    const answered = this.#answerTo(`${method} ${path}`, request, response);
    answered.catch((error: unknown) => {
      const status = error instanceof Refusal ? error.status : 500;
      const message = error instanceof Error ? error.message : String(error);
      response.writeHead(status, JSON_TYPE).end(`${JSON.stringify({ message })}\n`);
    });
    return true;
  }

  /** Answers a call of AWS, which takes the client's time if a client makes it. */
  answer(request: WireRequest): WireAnswer | Promise<WireAnswer> {
    const id = request.headers[CLIENT_HEADER];
    if (id === undefined) return this.#region.answer(request);
    const client = this.#clients.get(String(id));
    if (!client || client.endedMs !== undefined)
      return { status: 404, headers: JSON_TYPE, body: JSON.stringify({ message: unknownClient(id) }) };
    return this.#answerLater(request, client.fiber);
  }

  async #answerLater(request: WireRequest, fiber: Fiber): Promise<WireAnswer> {
    const { time } = this.#region;
    await fiber.waitUntil(time.nowMs() + this.#latency.between(LATENCY_SECONDS.min, LATENCY_SECONDS.max) * 1000);
    const answered = currentFiber.run(fiber, () => this.#region.answer(request));
    return answered instanceof Promise ? fiber.waitFor(answered) : answered;
  }

  async #answerTo(route: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (route === `GET ${CLOCK_PATH}`) this.#tellNow(response);
    else if (route === `POST ${CLOCK_PATH}/sleep`)
      await this.#sleep(await bodyOf(request, ['seconds', 'until']), this.#clientOf(request), response);
    else if (route === `POST ${CLOCK_PATH}/clients`) this.#register(await bodyOf(request, ['instanceId']), response);
    else throw new Refusal(404, `There is no ${route}; there are ${ROUTES}.`);
  }

  #tellNow(response: ServerResponse, more: object = {}): void {
    response.writeHead(200, JSON_TYPE).end(`${JSON.stringify({ ...this.#now(), ...more })}\n`);
  }

  #now() {
    const nowMs = this.#region.time.nowMs();
    return { now: new Date(nowMs).toISOString(), epochSeconds: nowMs / 1000 };
  }

  /** Answers when the instant has come. */
  async #sleep(body: Body, client: Client | undefined, response: ServerResponse): Promise<void> {
    const { time } = this.#region;
    const untilMs = wakeUpIn(body, time.nowMs());
    if (client) await client.fiber.waitUntil(untilMs);
    else await new Promise<void>((resolve) => time.after(Math.max(0, untilMs - time.nowMs()) / 1000, resolve));
    this.#tellNow(response);
  }

  /** A client is registered as long as this connection is open: one that dies holds up no one's time. */
  #register({ instanceId }: Body, response: ServerResponse): void {
    if (instanceId !== undefined && typeof instanceId !== 'string') {
      throw new Refusal(
        400,
        `instanceId is ${JSON.stringify(instanceId)}: expected the id of the EC2 instance that the client works for, such as "i-00000000000000001", or nothing.`,
      );
    }
    const { time } = this.#region;
    const gone = Promise.withResolvers<void>();
    const client: Client = {
      instanceId,
      fiber: time.start(() => gone.promise),
      sinceMs: time.nowMs(),
      endedMs: undefined,
    };
    const id = `client-${this.#clients.size + 1}`;
    this.#clients.set(id, client);
    response.once('close', () => {
      client.endedMs = time.nowMs();
      gone.resolve();
    });
    response.writeHead(200, JSON_TYPE).write(`${JSON.stringify({ client: id, ...this.#now() })}\n`);
    this.#registered.resolve();
  }

  /** @throws Refusal if the request names a client that is not registered. */
  #clientOf({ headers }: IncomingMessage): Client | undefined {
    const id = headers[CLIENT_HEADER];
    if (id === undefined) return undefined;
    const client = this.#clients.get(String(id));
    if (!client || client.endedMs !== undefined) throw new Refusal(404, unknownClient(id));
    return client;
  }
}

type Body = Readonly<Record<string, unknown>>;

const JSON_TYPE = { 'content-type': 'application/json' };

function unknownClient(id: unknown): string {
  return `${CLIENT_HEADER} is ${JSON.stringify(id)}: no such client is registered. Register with POST ${CLOCK_PATH}/clients, and keep that connection open.`;
}

/** @throws Refusal if the body is not a JSON object, or has another member: a mistyped one would change nothing without a word. */
async function bodyOf(request: IncomingMessage, members: readonly string[]): Promise<Body> {
  const body = await text(request);
  const value = parsed(body || '{}');
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Refusal(
      400,
      `The body is ${JSON.stringify(body.slice(0, 80))}: expected a JSON object, such as {"seconds": 5}.`,
    );
  }
  const unknown = Object.keys(value).find((name) => !members.includes(name));
  if (unknown !== undefined) {
    throw new Refusal(400, `The body has the member ${JSON.stringify(unknown)}: expected ${members.join(' or ')}.`);
  }
  return value as Body;
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** When a sleep ends. @throws Refusal if that cannot be read from it. */
function wakeUpIn({ seconds, until }: Body, nowMs: number): number {
  if (typeof seconds === 'number' && seconds >= 0 && seconds <= LONGEST_SLEEP_SECONDS && until === undefined) {
    return nowMs + seconds * 1000;
  }
  const untilMs = typeof until === 'string' ? Date.parse(until) : Number.NaN;
  if (seconds === undefined && untilMs <= nowMs + LONGEST_SLEEP_SECONDS * 1000) return Math.max(nowMs, untilMs);
  throw new Refusal(
    400,
    `seconds is ${JSON.stringify(seconds)} and until is ${JSON.stringify(until)}: expected either seconds, from 0 to ${LONGEST_SLEEP_SECONDS}, or until, an instant such as "2026-01-01T00:15:00Z".`,
  );
}
