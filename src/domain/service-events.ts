/** What the events of a service mean, by the phrases that ECS is known to use (facts 38 service-events). Pure. */

/**
 * - `no-room`: a task found no place.
 * - `replacements-fail`: tasks do not start, or do not stay.
 * - `steady`: whatever was wrong is over.
 * - `course`: the service does its work.
 * - `unknown`: a phrase that is not in the table; whoever reads it has to judge.
 */
export type Meaning = 'no-room' | 'replacements-fail' | 'steady' | 'course' | 'unknown';

interface Phrase {
  readonly phrase: RegExp;
  readonly means: Meaning;
  /** Where the phrase was read: the developer guide, AWS's own deployment tool (Copilot), or events that users quote. */
  readonly source: 'guide' | 'copilot' | 'reports';
}

/** The first that matches counts. */
export const PHRASES: readonly Phrase[] = [
  { phrase: /has reached a steady state/i, means: 'steady', source: 'guide' },
  { phrase: /was unable to place a task/i, means: 'no-room', source: 'guide' },
  {
    phrase: /No Container Instances were found in your (capacity provider|cluster)/i,
    means: 'no-room',
    source: 'guide',
  },
  { phrase: /is unable to consistently start tasks successfully/i, means: 'replacements-fail', source: 'guide' },
  { phrase: /is unhealthy in \(/i, means: 'replacements-fail', source: 'guide' },
  { phrase: /operations are being throttled/i, means: 'replacements-fail', source: 'guide' },
  { phrase: /was unable to stop or start tasks during a deployment/i, means: 'replacements-fail', source: 'guide' },
  { phrase: /failed container health checks/i, means: 'replacements-fail', source: 'copilot' },
  { phrase: /failed to launch a task with \(error/i, means: 'replacements-fail', source: 'copilot' },
  { phrase: /failed to register targets in/i, means: 'replacements-fail', source: 'copilot' },
  { phrase: /deployment failed:|rolling back to deployment/i, means: 'replacements-fail', source: 'copilot' },
  { phrase: /has started \d+ tasks/i, means: 'course', source: 'copilot' },
  { phrase: /\b(de)?registered \d+ (targets|instances)/i, means: 'course', source: 'copilot' },
  { phrase: /has stopped \d+ (running|pending) tasks/i, means: 'course', source: 'reports' },
  { phrase: /has begun draining connections on \d+ tasks/i, means: 'course', source: 'reports' },
  { phrase: /deployment completed/i, means: 'course', source: 'reports' },
];

/** What a service event means. */
export function meaningOf(message: string): Meaning {
  return PHRASES.find(({ phrase }) => phrase.test(message))?.means ?? 'unknown';
}
