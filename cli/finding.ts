/** What `doctor` finds. */

/** The result of a check: `unchecked` where AWS did not answer. */
export interface Finding {
  readonly level: 'error' | 'warning' | 'ok' | 'unchecked';
  /** What was checked, such as `group web`. */
  readonly where: string;
  readonly what: string;
  /** What to do about it. */
  readonly fix?: string;
}

/** Runs one check: what AWS does not answer is a finding, and does not prevent the other checks. */
export type Check = (where: string, look: () => Promise<readonly Finding[]>) => Promise<readonly Finding[]>;
