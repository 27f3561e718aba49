import type { LambdaModel } from '../region/lambda.ts';
import type { Region } from '../region/region.ts';
import type { Scenario } from '../scenarios.ts';

/** Something that drains: installs itself in a Region; undefined if no function of its own runs there. */
export type Install = (region: Region, scenario: Scenario) => Promise<Installed>;

/** What a drainer left in the Region. */
export interface Installed {
  readonly lambda: LambdaModel | undefined;
  /** The EC2 instance that an event of the function is about. */
  instanceOf(event: unknown): string | undefined;
}
