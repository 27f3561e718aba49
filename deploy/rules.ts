/** The EventBridge rules: which events go to the event queue. */

import type { GroupChoice } from '../src/domain/groups.ts';
import { arn, arnOf, type Intrinsic, type Resources, type Sub } from './cloudformation.ts';

export interface RuleOptions {
  /** `ecs-drain-dev-drain`: what stands before `-drain` begins the names of the rules. */
  readonly functionName: string;
  readonly eventSource: string;
  readonly groups: readonly GroupChoice[];
  /** Those that we complete, and ECS's own where its drains are watched. */
  readonly hooks: readonly string[];
  readonly clusterArns: readonly Sub[];
  readonly sweepMinutes: number;
  readonly waiting: 'park' | 'watch';
  readonly spotInterruptions: boolean;
  readonly rebalanceRecommendations: boolean;
}

/** An EventBridge rule whose target is a queue of ours. */
export interface Rule {
  readonly logicalId: string;
  readonly name: string;
  readonly description: string;
  readonly trigger: { readonly EventPattern: Pattern } | { readonly ScheduleExpression: string };
  readonly targetId: string;
  readonly queue: 'EventQueue' | 'TaskStopQueue';
  /** How long EventBridge tries to deliver an event to the queue. */
  readonly maximumAgeSeconds: number;
  readonly maximumRetries: number;
  /** Whether an event that EventBridge could not deliver goes to the dead-letter queue. */
  readonly deadLettered: boolean;
}

/** An event pattern; EventBridge's account field keeps out what other accounts send to the bus. */
interface Pattern {
  readonly source: readonly string[];
  readonly 'detail-type': readonly string[];
  readonly account: readonly Intrinsic[];
  readonly detail?: Readonly<Record<string, unknown>>;
}

const ACCOUNT: Intrinsic = { Ref: 'AWS::AccountId' };

/** The most that EventBridge allows: the age decides. */
const MOST_RETRIES = 185;

/** No heartbeat timeout is longer: what is older than this is evidence for an operator, and no longer work to do. */
const LONGEST_HEARTBEAT_TIMEOUT_SECONDS = 7_200;

export function rulesOf(options: RuleOptions): Rule[] {
  return [
    terminationRule(options),
    continuationRule(options),
    sweepRule(options),
    ...(options.waiting === 'park' ? [taskStoppedRule(options), instanceEmptiedRule(options)] : []),
    ...(options.spotInterruptions ? [noticeRule('SpotInterruption', options)] : []),
    ...(options.rebalanceRecommendations ? [noticeRule('RebalanceRecommendation', options)] : []),
  ];
}

function terminationRule(options: RuleOptions): Rule {
  const { groups, hooks } = options;
  return {
    ...sinceFirstRelease(options, 'termination', 1),
    description: 'Auto Scaling holds an instance of ours that it is about to terminate',
    trigger: {
      EventPattern: {
        source: ['aws.autoscaling'],
        'detail-type': ['EC2 Instance-terminate Lifecycle Action'],
        account: [ACCOUNT],
        detail: {
          LifecycleTransition: ['autoscaling:EC2_INSTANCE_TERMINATING'],
          AutoScalingGroupName: groups.map(groupTest),
          LifecycleHookName: hooks,
          Destination: [{ exists: false }, { 'anything-but': ['WarmPool'] }], // such an instance only returns to the pool
        },
      },
    },
    maximumAgeSeconds: LONGEST_HEARTBEAT_TIMEOUT_SECONDS,
    maximumRetries: MOST_RETRIES,
    deadLettered: true,
  };
}

/** How EventBridge tests the name of a group (facts 92 pattern-wildcards). */
function groupTest({ parts }: GroupChoice): unknown {
  const [first = '', second] = parts;
  if (second === undefined) return first;
  if (parts.length === 2 && second === '') return { prefix: first };
  if (parts.length === 2 && first === '') return { suffix: second };
  return { wildcard: parts.map((part) => part.replace(/[*\\]/g, '\\$&')).join('*') };
}

function continuationRule(options: RuleOptions): Rule {
  return {
    ...sinceFirstRelease(options, 'continuation', 2),
    description: 'An invocation ran out of time and hands its drains over to the next one',
    // Nothing more: a continuation that this version cannot read has to reach the dead-letter queue.
    trigger: {
      EventPattern: {
        source: [options.eventSource],
        'detail-type': ['ECS Drain Continuation'],
        account: [ACCOUNT],
      },
    },
    maximumAgeSeconds: LONGEST_HEARTBEAT_TIMEOUT_SECONDS,
    maximumRetries: MOST_RETRIES,
    deadLettered: true,
  };
}

function sweepRule(options: RuleOptions): Rule {
  const { sweepMinutes } = options;
  return {
    ...sinceFirstRelease(options, 'sweep', 3),
    description: 'Looks for held instances whose event was lost',
    trigger: { ScheduleExpression: `rate(${sweepMinutes} ${sweepMinutes === 1 ? 'minute' : 'minutes'})` },
    maximumAgeSeconds: 60, // the next sweep does the same
    maximumRetries: 1,
    deadLettered: false,
  };
}

/** A parked drain looks for itself after nine minutes at most, and 75 s late at most: a wake-up after that is worth nothing. */
const WAKE_UP = { maximumAgeSeconds: 600, maximumRetries: MOST_RETRIES, deadLettered: false } as const;

/**
 * Wakes a drain whose instance may have become empty, on the slow lane: the rule instance-emptied is the fast one. A task
 * whose essential container exited ended by itself and is left to that rule: a cluster of short jobs may have a hundred
 * thousand of those a day.
 */
function taskStoppedRule(options: RuleOptions): Rule {
  return {
    ...named(options, 'TaskStopped', 'task-stopped'),
    queue: 'TaskStopQueue',
    description: 'A task was stopped, and its container instance may have become empty',
    trigger: {
      EventPattern: {
        source: ['aws.ecs'],
        'detail-type': ['ECS Task State Change'],
        account: [ACCOUNT],
        detail: {
          clusterArn: options.clusterArns,
          lastStatus: ['STOPPED'],
          containerInstanceArn: [{ exists: true }], // on EC2, not on Fargate
          stopCode: [{ 'anything-but': ['EssentialContainerExited'] }, { exists: false }],
        },
      },
    },
    ...WAKE_UP,
  };
}

/**
 * Wakes the drain of an instance that has become empty. The counts leave out tasks that are STOPPING, so the function
 * compares the free memory as well, and the drain still looks for tasks (facts 13 counting-trap).
 */
function instanceEmptiedRule(options: RuleOptions): Rule {
  return {
    ...named(options, 'InstanceEmptied', 'instance-emptied'),
    description: 'A draining container instance has no running or pending task left',
    trigger: {
      EventPattern: {
        source: ['aws.ecs'],
        'detail-type': ['ECS Container Instance State Change'],
        account: [ACCOUNT],
        detail: {
          clusterArn: options.clusterArns,
          status: ['DRAINING'],
          runningTasksCount: [0, { exists: false }],
          pendingTasksCount: [0, { exists: false }],
        },
      },
    },
    ...WAKE_UP,
  };
}

/** A notice is worth nothing after the time that it gives. */
const NOTICES = {
  SpotInterruption: {
    purpose: 'spot-interruption',
    detailType: 'EC2 Spot Instance Interruption Warning',
    maximumAgeSeconds: 120,
  },
  RebalanceRecommendation: {
    purpose: 'rebalance-recommendation',
    detailType: 'EC2 Instance Rebalance Recommendation',
    maximumAgeSeconds: 600,
  },
} as const;

/** The rule for a notice of EC2 (facts 6 ec2-notices). */
function noticeRule(id: keyof typeof NOTICES, options: RuleOptions): Rule {
  const { purpose, detailType, maximumAgeSeconds } = NOTICES[id];
  return {
    ...named(options, id, purpose),
    description: `${detailType}: the instance may be one of ours`,
    trigger: { EventPattern: { source: ['aws.ec2'], 'detail-type': [detailType], account: [ACCOUNT] } },
    maximumAgeSeconds,
    maximumRetries: MOST_RETRIES,
    deadLettered: false,
  };
}

function named({ functionName }: RuleOptions, id: string, purpose: string) {
  const name = functionName.replace(/drain$/, purpose);
  return { logicalId: `${id}Rule`, name, targetId: 'drain', queue: 'EventQueue' } as const;
}

/**
 * The ids under which the Serverless Framework created the rules of version 0.1.0. CloudFormation cannot create a rule
 * under the name of another one in the stack, so an upgrade has to change these rules in place.
 */
function sinceFirstRelease({ functionName }: RuleOptions, purpose: string, index: number) {
  const id = `${functionName}-rule-${index}`.replace(/[^A-Za-z0-9]/g, '');
  const name = functionName.replace(/drain$/, purpose);
  return {
    logicalId: `${id.charAt(0).toUpperCase()}${id.slice(1)}EventBridgeRule`,
    name,
    targetId: `${name}-target`,
    queue: 'EventQueue',
  } as const;
}

/** The rules as resources, by logical id. */
export function ruleResources(rules: readonly Rule[]): Resources {
  return Object.fromEntries(
    rules.map((rule) => [
      rule.logicalId,
      {
        Type: 'AWS::Events::Rule',
        // EventBridge does not retry what the queue's policy denies.
        DependsOn: [`${rule.queue}Policy`, ...(rule.deadLettered ? ['DeadLetterQueuePolicy'] : [])],
        Properties: {
          Name: rule.name,
          Description: rule.description,
          ...rule.trigger,
          Targets: [
            {
              Id: rule.targetId,
              Arn: arnOf(rule.queue),
              RetryPolicy: {
                MaximumEventAgeInSeconds: rule.maximumAgeSeconds,
                MaximumRetryAttempts: rule.maximumRetries,
              },
              ...(rule.deadLettered && { DeadLetterConfig: { Arn: arnOf('DeadLetterQueue') } }),
            },
          ],
        },
      },
    ]),
  );
}

/** The ARNs, composed from the names: the policy of a queue lists them, and it has to exist before the rules do. */
export function ruleArns(rules: readonly Rule[]): Sub[] {
  return rules.map(({ name }) => arn('events', `rule/${name}`));
}
