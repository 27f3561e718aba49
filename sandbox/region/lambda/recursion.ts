import { AsyncLocalStorage } from 'node:async_hooks';
import type { Trace } from '../trace.ts';

/** The most invocations in one chain of requests; AWS says "about" (facts 8 loop-detection). */
const MOST_ROUNDS = 16;

/** What recursion detection has to know of a function. */
export interface Invoked {
  readonly name: string;
  readonly spec: { readonly recursiveLoop?: 'Allow' | 'Terminate' };
}

/** The place in its chain of the invocation that the running code belongs to. */
const currentRound = new AsyncLocalStorage<number>();

/**
 * Lambda's recursion detection (facts 8 loop-detection): the place in its chain that a message has which is sent now.
 * AWS carries it in the message's trace header, so that it outlives a change of the body.
 */
export function nextRound(): number {
  return (currentRound.getStore() ?? 0) + 1;
}

/**
 * Whether Lambda refuses to invoke the function by this message, and says so; a function may be allowed its loops
 * (facts 90 loops-allowed).
 */
export function isStopped(round: number, { name: functionName, spec }: Invoked, trace: Trace): boolean {
  const stopped = round > MOST_ROUNDS && spec.recursiveLoop !== 'Allow';
  if (stopped) trace({ kind: 'invocation', functionName, what: 'throttled', message: 'stopped as a recursive loop' });
  return stopped;
}

/** Invokes a function because of a message. */
export function inRound<T>(round: number, invoke: () => T): T {
  return currentRound.run(round, invoke);
}
