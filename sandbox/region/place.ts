/** Where in AWS the Region pretends to be. */
export interface Place {
  readonly region: string;
  readonly account: string;
  /** A new UUID, the same in every run. */
  readonly newId: () => string;
}
