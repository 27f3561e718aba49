import type { LambdaModel } from '../region/lambda/model.ts';
import type { Region } from '../region/region.ts';
import type { Fiber } from '../region/time/virtual-time.ts';
import type { Scenario } from '../scenarios.ts';

/** Something that drains: installs itself in a Region; undefined if no function of its own runs there. */
export type Install = (region: Region, scenario: Scenario) => Promise<Installed>;

/** What a drainer left in the Region. */
export interface Installed {
  readonly lambda: LambdaModel | undefined;
  /** The EC2 instance that an event of the function is about. */
  instanceOf(event: unknown): string | undefined;
  /** What was done outside the Region; nothing where it is left out. */
  readonly works?: () => readonly Work[];
}

/** One stretch of work on an instance, such as an invocation. */
export interface Work {
  readonly instanceId: string | undefined;
  /** Its calls can be told from others' by this. */
  readonly fiber: Fiber;
  readonly billedSeconds: number;
}
