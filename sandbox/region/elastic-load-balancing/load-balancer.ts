import type { VirtualTime } from '../time/virtual-time.ts';

/** How long a load balancer goes on sending requests to a target that died: about two failed health checks. */
const UNNOTICED_SECONDS = 20;
/** What every target has in flight, as seconds' worth of the requests that it gets. */
const IN_FLIGHT_SECONDS = 10;

export interface LoadBalancerOptions {
  readonly time: Pick<VirtualTime, 'nowMs' | 'after'>;
  /** How many requests come for all targets together. */
  readonly requestsPerSecond: number;
  readonly deregistrationDelaySeconds: number;
}

/**
 * The requests that a service loses, as simple as can be. Requests come at a steady rate and are spread evenly over the
 * registered targets. Lost are
 * - those sent to a target that was killed or has vanished, until the health check notices;
 * - those that a target has in flight when it is killed; they drain away evenly over the deregistration delay;
 * - all of them while there is no target, once there has been one.
 *
 * It is accounted when something changes, never by ticking.
 */
export class LoadBalancer {
  readonly #options: LoadBalancerOptions;
  readonly #serving = new Set<string>();
  /** Targets that get requests and are dead. */
  #unnoticed = 0;
  /** What the targets had in flight when they were deregistered. */
  readonly #draining = new Map<string, { readonly requests: number; readonly sinceMs: number }>();
  #hasServed = false;
  #lost = 0;
  #accountedUntilMs: number;

  constructor(options: LoadBalancerOptions) {
    this.#options = options;
    this.#accountedUntilMs = options.time.nowMs();
  }

  register(target: string): void {
    this.#account();
    this.#serving.add(target);
    this.#hasServed = true;
  }

  /** Sends it nothing more; what it has in flight drains away. */
  deregister(target: string): void {
    this.#account();
    if (!this.#serving.has(target)) return;
    this.#draining.set(target, { requests: this.#inFlight(), sinceMs: this.#options.time.nowMs() });
    this.#serving.delete(target);
  }

  /** The target has ended in peace. */
  release(target: string): void {
    this.#draining.delete(target);
  }

  /** The target is gone from one instant to the next. */
  kill(target: string): void {
    this.#account();
    if (this.#serving.has(target)) this.#lost += this.#inFlight();
    this.#lost += this.#leftOf(target);
    this.#leave(target);
  }

  /**
   * The target ends by itself, without being deregistered. It has answered what it had in flight, unless the deregistration that it does not
   * wait for would have let that take longer; it answers nothing that comes.
   */
  vanish(target: string): void {
    this.#account();
    this.#lost += this.#leftOf(target);
    this.#leave(target);
  }

  /** So far, in whole requests. */
  requestsLost(): number {
    this.#account();
    return Math.round(this.#lost);
  }

  #leave(target: string): void {
    this.#draining.delete(target);
    if (!this.#serving.delete(target)) return;
    this.#unnoticed += 1;
    this.#options.time.after(UNNOTICED_SECONDS, () => {
      this.#account();
      this.#unnoticed -= 1;
    });
  }

  #inFlight(): number {
    const { requestsPerSecond } = this.#options;
    return (requestsPerSecond / (this.#serving.size + this.#unnoticed)) * IN_FLIGHT_SECONDS;
  }

  #leftOf(target: string): number {
    const flight = this.#draining.get(target);
    if (!flight) return 0;
    const passedSeconds = (this.#options.time.nowMs() - flight.sinceMs) / 1000;
    const { deregistrationDelaySeconds } = this.#options;
    if (passedSeconds >= deregistrationDelaySeconds) return 0;
    return flight.requests * (1 - passedSeconds / deregistrationDelaySeconds);
  }

  /** Adds what was lost since the last change, at the rate that has held since then. */
  #account(): void {
    const nowMs = this.#options.time.nowMs();
    this.#lost += (this.#lossPerSecond() * (nowMs - this.#accountedUntilMs)) / 1000;
    this.#accountedUntilMs = nowMs;
  }

  #lossPerSecond(): number {
    const { requestsPerSecond } = this.#options;
    if (!this.#hasServed) return 0;
    if (this.#serving.size === 0) return requestsPerSecond;
    return (requestsPerSecond * this.#unnoticed) / (this.#serving.size + this.#unnoticed);
  }
}
