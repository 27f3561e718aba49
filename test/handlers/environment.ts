export const EVENT_SOURCE = 'ecs-drain.test';
export const SCHEDULE_GROUP = 'ecs-drain-test';
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
  AGENT_GRACE_SECONDS: '900',
  HEARTBEAT_TIMEOUT_SECONDS: '3600',
  HEARTBEAT_FRACTION: '0.5',
  POLL_MIN_SECONDS: '2',
  POLL_MAX_SECONDS: '20',
  MARGIN_SECONDS: '20',
  FUNCTION_TIMEOUT_SECONDS: '300',
  EVENT_SOURCE,
  WAITING: 'watch',
  STUCK_FRACTION: '0.5',
  SPOT_INTERRUPTIONS: 'false',
  REBALANCE_RECOMMENDATIONS: 'false',
  DRY_RUN: 'false',
};

/** The same, and drains are parked. */
export const PARKING = {
  ...WATCHING,
  WAITING: 'park',
  SCHEDULE_GROUP,
  SCHEDULE_ROLE_ARN: 'arn:aws:iam::123456789012:role/parking',
  EVENT_BUS_ARN: 'arn:aws:events:eu-west-1:123456789012:event-bus/default',
  DEAD_LETTER_QUEUE_ARN: 'arn:aws:sqs:eu-west-1:123456789012:dead-letters',
};
