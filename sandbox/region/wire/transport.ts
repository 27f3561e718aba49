import { Readable } from 'node:stream';
import { buildQueryString } from '@smithy/core/protocols';
import { type HttpRequest, HttpResponse } from '@smithy/core/transport';
import { currentFiber, type Fiber } from '../time/virtual-time.ts';
import type { WireAnswer, WireRequest } from './message.ts';

/** What an SDK client takes as its `requestHandler`. */
export type Transport = ReturnType<typeof transportTo>;

/** In place of the SDK's own signer, whose hashes take a fifth of a rehearsal: the Region in this process asks for none. */
export const UNSIGNED = { sign: async <T>(request: T): Promise<T> => request };

/** What the transport needs of the Region. */
export interface TransportOptions {
  answer(request: WireRequest): WireAnswer | Promise<WireAnswer>;
  nowMs(): number;
  /** How long this call takes. */
  latencySeconds(): number;
  /** Called before and after each call: the invocation may die there. */
  mayCrash(): void;
}

/**
 * Carries the SDK's requests to the Region in this process, byte for byte what HTTP would carry, and takes the time in
 * virtual seconds that the network and AWS would.
 */
export function transportTo(region: TransportOptions) {
  async function carry(request: HttpRequest): Promise<{ response: HttpResponse }> {
    const fiber = currentFiber.getStore();
    region.mayCrash();
    await fiber?.waitUntil(region.nowMs() + region.latencySeconds() * 1000);
    const answered = region.answer({
      method: request.method,
      path: request.path,
      query: new URLSearchParams(buildQueryString(request.query)),
      headers: request.headers,
      body: bodyOf(request.body),
    });
    // To await what is there already would put this call behind others.
    const { status, headers, body } = answered instanceof Promise ? await waitedFor(answered, fiber) : answered;
    region.mayCrash();
    if (fiber?.ended) await new Promise(() => {}); // AWS has performed the call, and the invocation that made it is over.
    return {
      response: new HttpResponse({
        statusCode: status,
        headers: { ...headers },
        body: Readable.from([Buffer.from(body)]),
      }),
    };
  }

  return {
    async handle(request: HttpRequest, { abortSignal }: { readonly abortSignal?: AbortSignal } = {}) {
      if (!abortSignal) return carry(request);
      const { promise: aborted, reject } = Promise.withResolvers<never>();
      const abort = () => reject(Object.assign(new Error('Request aborted'), { name: 'AbortError' }));
      if (abortSignal.aborted) abort();
      abortSignal.addEventListener('abort', abort, { once: true });
      return Promise.race([carry(request), aborted]).finally(() => abortSignal.removeEventListener('abort', abort));
    },
  };
}

/** Time passes while an answer is waited for, such as that of a long poll. */
function waitedFor(answer: Promise<WireAnswer>, fiber: Fiber | undefined): Promise<WireAnswer> {
  return fiber ? fiber.waitFor(answer) : answer;
}

/** The SDK writes a body as text or as bytes. */
function bodyOf(body: unknown): string | Uint8Array {
  return typeof body === 'string' || body instanceof Uint8Array ? body : '';
}
