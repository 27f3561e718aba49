/** An instant for tests to count from: 2026-01-01T00:00:00Z. */
export const START_MS = Date.UTC(2026, 0, 1);

export const EVENT_SOURCE = 'ecs-drain.test';
export const SCHEDULE_GROUP = 'ecs-drain-test';
export const EVENT_QUEUE = 'events';
export const DEAD_LETTER_QUEUE = 'dead-letters';
export const OUR_HOOK = 'ecs-drain';
export const DEADLINE_SECONDS = 1_800;

/** What serverless.yml sets of a function that drains the groups web and workers of the cluster prod, and watches. */
export const WATCHING = {
  CLUSTER: 'prod',
  AUTO_SCALING_GROUPS: 'web,workers',
  LIFECYCLE_HOOK: OUR_HOOK,
  DEADLINE_SECONDS: String(DEADLINE_SECONDS),
  DEADLINE_RESULT: 'CONTINUE',
  STOP_STRAGGLERS: 'none',
  DEREGISTRATION_DELAY_SECONDS: '300',
  CONTAINER_STOP_TIMEOUT_SECONDS: '30',
  AGENT_GRACE_SECONDS: '900',
  HEARTBEAT_TIMEOUT_SECONDS: '3600',
  HEARTBEAT_FRACTION: '0.5',
  POLL_MIN_SECONDS: '2',
  POLL_MAX_SECONDS: '20',
  MARGIN_SECONDS: '20',
  FUNCTION_TIMEOUT_SECONDS: '60',
  EVENT_SOURCE,
  WAITING: 'watch',
  SUPERVISE_MANAGED_DRAINING: 'false',
  MANAGED_DRAINING_DEADLINE: 'none',
  STUCK_FRACTION: '0.5',
  SPOT_INTERRUPTIONS: 'false',
  REBALANCE_RECOMMENDATIONS: 'false',
  DRY_RUN: 'false',
  EVENT_QUEUE_URL: queueUrl(EVENT_QUEUE),
  DEAD_LETTER_QUEUE_URL: queueUrl(DEAD_LETTER_QUEUE),
};

/** The same, and drains are parked. */
export const PARKING = {
  ...WATCHING,
  WAITING: 'park',
  SCHEDULE_GROUP,
  SCHEDULE_ROLE_ARN: 'arn:aws:iam::123456789012:role/parking',
  EVENT_QUEUE_ARN: queueArn(EVENT_QUEUE),
  DEAD_LETTER_QUEUE_ARN: queueArn(DEAD_LETTER_QUEUE),
};

function queueUrl(name: string): string {
  return `https://sqs.eu-west-1.amazonaws.com/123456789012/${name}`;
}

function queueArn(name: string): string {
  return `arn:aws:sqs:eu-west-1:123456789012:${name}`;
}
