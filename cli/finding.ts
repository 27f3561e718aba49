/** What `doctor` finds. */

/** The result of a check: `unchecked` where AWS did not answer or the doctor does not look, `note` where there is nothing to judge. */
export interface Finding {
  readonly level: 'error' | 'warning' | 'ok' | 'unchecked' | 'note';
  /** What was checked, such as `group web`. */
  readonly where: string;
  readonly what: string;
  /** What to do about it. */
  readonly fix?: string;
  /** That it is unchecked is usual, so the exit status does not depend on it. */
  readonly isOptional?: true;
}

/** Runs one check: what AWS does not answer is a finding, and does not prevent the other checks. */
export type Check = (where: string, look: () => Promise<readonly Finding[]>) => Promise<readonly Finding[]>;
