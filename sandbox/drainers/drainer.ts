import type { Invocation, LambdaModel } from '../region/lambda/model.ts';
import type { Region } from '../region/region.ts';
import type { Fiber } from '../region/time/virtual-time.ts';
import type { Scenario } from '../scenarios.ts';

/** Something that drains: installs itself in a Region; undefined if no function of its own runs there. */
export type Install = (region: Region, scenario: Scenario) => Promise<Installed>;

/** What a drainer left in the Region. */
export interface Installed {
  readonly lambda: LambdaModel | undefined;
  /** The EC2 instances that an invocation was about, each once: a batch has many. */
  instancesOf(invocation: Pick<Invocation, 'event' | 'fiber'>): readonly string[];
  /** What became of each drain that an invocation worked on, by instance, where the drainer reports it. */
  readonly resultsOf?: (fiber: Fiber) => ReadonlyMap<string, string>;
  /** How many messages are in its dead-letter queues, where it has some. */
  readonly deadLetters?: () => number;
  /** What was done outside the Region; nothing where it is left out. */
  readonly works?: () => readonly Work[];
}

/** One stretch of work on an instance, such as an invocation. */
export interface Work {
  readonly instanceId: string | undefined;
  /** Distinguishes its calls from those of others. */
  readonly fiber: Fiber;
  /** Of the whole fiber. */
  readonly billedSeconds: number;
  /** When it began, where the Region knows it. */
  readonly startedAtMs?: number;
  /** How much of the fiber's seconds and calls is this instance's; all of it where it is left out. */
  readonly share?: number;
}
