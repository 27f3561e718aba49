import type { AwsError } from './aws-error.ts';
import type { ServiceName } from './wire/models.ts';
import type { Violation } from './wire/shapes.ts';

/** The operations of a service, by name. Input and answer are as in AWS's model, with a `Date` for an instant. */
// biome-ignore lint/suspicious/noExplicitAny: the wire has checked what it hands over against the operation's own model.
export type Operations = Readonly<Record<string, (input: any, context: RequestContext) => object | Promise<object>>>;

/** How a request came. */
export interface RequestContext {
  /** Where it was sent, as far as the path: what an answer names as an address has to be there too. */
  readonly endpoint: string;
}

/** A service of the Region: what the wire needs of it. */
export interface Service {
  readonly name: ServiceName;
  readonly operations: Operations;
  /** AWS's own words for what does not fit its model, where they are known; undefined leaves the service's usual ones. */
  readonly refusal?: (violation: Violation, operation: string) => AwsError | undefined;
}
