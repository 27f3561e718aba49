import { describe, expect, it } from 'vitest';
import { type Meaning, meaningOf, PHRASES } from '../../src/domain/service-events.ts';

/** A message of ECS for each phrase, as its source has it, in the order of the table. */
const MESSAGES: [message: string, means: Meaning][] = [
  ['(service web) has reached a steady state.', 'steady'],
  ['(service web) was unable to place a task because no container instance met all of its requirements.', 'no-room'],
  [
    '(service web) was unable to reach steady state. Reason: No Container Instances were found in your capacity provider.',
    'no-room',
  ],
  ['(service web) is unable to consistently start tasks successfully.', 'replacements-fail'],
  [
    '(service web) (task 1234) (instance i-0123456789abcdef0) (port 80) is unhealthy in (target-group web) due to (reason Health checks failed)',
    'replacements-fail',
  ],
  ['(service web) operations are being throttled. Will try again later.', 'replacements-fail'],
  [
    '(service web) was unable to stop or start tasks during a deployment because of the service deployment configuration. Update the minimumHealthyPercent or maximumPercent value and try again.',
    'replacements-fail',
  ],
  ['(service web) (task 1234) failed container health checks.', 'replacements-fail'],
  ['(service web) failed to launch a task with (error ECS was unable to assume the role).', 'replacements-fail'],
  ['(service web) failed to register targets in (target-group web) with (error some-error)', 'replacements-fail'],
  ['(service web) (deployment ecs-svc/1) deployment failed: tasks failed to start.', 'replacements-fail'],
  ['(service web) has started 2 tasks: (task 1234) (task 5678).', 'course'],
  ['(service web) deregistered 1 targets in (target-group web)', 'course'],
  ['(service web) has stopped 1 running tasks: (task 1234).', 'course'],
  ['(service web) has begun draining connections on 1 tasks.', 'course'],
  ['(service web) (deployment ecs-svc/1) deployment completed.', 'course'],
];

/** The same meaning in other words. */
const MORE: typeof MESSAGES = [
  ['(service web, taskSet ecs-svc/1) has reached a steady state.', 'steady'],
  ["(service web) was unable to place a task. Reason: You've reached the limit on the number of tasks.", 'no-room'],
  ['(service web) (instance i-1) is unhealthy in (elb web) due to (reason Instance has failed)', 'replacements-fail'],
  ['(service web) deployment ecs-svc/1 deployment failed: alarm detected.', 'replacements-fail'],
  ['(service web) rolling back to deployment ecs-svc/2.', 'replacements-fail'],
  ['(service web) registered 2 targets in (target-group web)', 'course'],
  ['(service web) has stopped 1 pending tasks.', 'course'],
  ['(service web) waits for the moon.', 'unknown'],
  ['', 'unknown'],
];

describe('a service event', () => {
  it.each([...MESSAGES, ...MORE])('means what its phrase is known for: %s', (message, means) => {
    expect(meaningOf(message)).toBe(means);
  });

  it('is known by exactly one phrase, and each phrase by an event', () => {
    const matching = MESSAGES.map(([message]) => PHRASES.filter(({ phrase }) => phrase.test(message)));
    expect(matching.map((phrases) => phrases[0])).toEqual(PHRASES);
    expect(matching.filter((phrases) => phrases.length !== 1)).toEqual([]);
  });
});
