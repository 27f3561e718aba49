/** The EventBridge rules: which events go to the event queue. */

import { arn, arnOf, type Intrinsic, type Resources } from './cloudformation.ts';
import { type Condition, DEPLOYMENT, type Form } from './form.ts';

/** An EventBridge rule whose target is a queue of ours. */
export interface Rule {
  readonly logicalId: string;
  /** What follows `ecs-drain-STAGE-` in its name. */
  readonly purpose: string;
  /** Under what condition there is the rule; always, if it has none. */
  readonly condition?: Condition;
  readonly description: string;
  readonly trigger: { readonly EventPattern: Pattern } | { readonly ScheduleExpression: unknown };
  readonly targetId: unknown;
  readonly queue: 'EventQueue' | 'TaskStopQueue';
  /** How long EventBridge tries to deliver an event to the queue. */
  readonly maximumAgeSeconds: number;
  readonly maximumRetries: number;
  /** Whether an event that EventBridge could not deliver goes to the dead-letter queue. */
  readonly deadLettered: boolean;
}

/** An event pattern; EventBridge's account field keeps out what other accounts send to the bus. */
interface Pattern {
  readonly source: readonly unknown[];
  readonly 'detail-type': readonly string[];
  readonly account: readonly Intrinsic[];
  readonly detail?: Readonly<Record<string, unknown>>;
}

const ACCOUNT: Intrinsic = { Ref: 'AWS::AccountId' };

/** The source of our own events, for `text`: each deployment of an account has its own. */
export const EVENT_SOURCE = `ecs-drain.\${Stage}`;

/** A cluster, for `perCluster`. */
export const CLUSTER_ARN = arn('ecs', `cluster/\${Cluster}`);

/** The most that EventBridge allows: the age decides. */
const MOST_RETRIES = 185;

/** No heartbeat timeout is longer: what is older than this is evidence for an operator, and no longer work to do. */
const LONGEST_HEARTBEAT_TIMEOUT_SECONDS = 7_200;

export function rulesOf(form: Form): Rule[] {
  return [
    terminationRule(form),
    continuationRule(form),
    sweepRule(form),
    { ...taskStoppedRule(form), condition: 'Parks' },
    { ...instanceEmptiedRule(form), condition: 'Parks' },
    { ...noticeRule('SpotInterruption'), condition: 'DrainsOnSpotInterruptions' },
    { ...noticeRule('RebalanceRecommendation'), condition: 'DrainsOnRebalanceRecommendations' },
  ];
}

function terminationRule(form: Form): Rule {
  return {
    ...sinceFirstRelease(form, 'termination', 1),
    description: 'Auto Scaling holds an instance of ours that it is about to terminate',
    trigger: {
      EventPattern: {
        source: ['aws.autoscaling'],
        'detail-type': ['EC2 Instance-terminate Lifecycle Action'],
        account: [ACCOUNT],
        detail: {
          LifecycleTransition: ['autoscaling:EC2_INSTANCE_TERMINATING'],
          AutoScalingGroupName: form.groupTests(),
          LifecycleHookName: form.hooks(),
          Destination: [{ exists: false }, { 'anything-but': ['WarmPool'] }], // such an instance only returns to the pool
        },
      },
    },
    maximumAgeSeconds: LONGEST_HEARTBEAT_TIMEOUT_SECONDS,
    maximumRetries: MOST_RETRIES,
    deadLettered: true,
  };
}

function continuationRule(form: Form): Rule {
  return {
    ...sinceFirstRelease(form, 'continuation', 2),
    description: 'An invocation ran out of time and hands its drains over to the next one',
    // Nothing more: a continuation that this version cannot read has to reach the dead-letter queue.
    trigger: {
      EventPattern: {
        source: [form.text(EVENT_SOURCE)],
        'detail-type': ['ECS Drain Continuation'],
        account: [ACCOUNT],
      },
    },
    maximumAgeSeconds: LONGEST_HEARTBEAT_TIMEOUT_SECONDS,
    maximumRetries: MOST_RETRIES,
    deadLettered: true,
  };
}

function sweepRule(form: Form): Rule {
  return {
    ...sinceFirstRelease(form, 'sweep', 3),
    description: 'Looks for held instances whose event was lost',
    trigger: {
      ScheduleExpression: form.choose(
        'SweepsEveryMinute',
        'rate(1 minute)',
        form.text(`rate(\${SweepMinutes} minutes)`),
      ),
    },
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
function taskStoppedRule(form: Form): Rule {
  return {
    ...named('TaskStopped', 'task-stopped'),
    queue: 'TaskStopQueue',
    description: 'A task was stopped, and its container instance may have become empty',
    trigger: {
      EventPattern: {
        source: ['aws.ecs'],
        'detail-type': ['ECS Task State Change'],
        account: [ACCOUNT],
        detail: {
          clusterArn: form.perCluster(CLUSTER_ARN),
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
function instanceEmptiedRule(form: Form): Rule {
  return {
    ...named('InstanceEmptied', 'instance-emptied'),
    description: 'A draining container instance has no running or pending task left',
    trigger: {
      EventPattern: {
        source: ['aws.ecs'],
        'detail-type': ['ECS Container Instance State Change'],
        account: [ACCOUNT],
        detail: {
          clusterArn: form.perCluster(CLUSTER_ARN),
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
function noticeRule(id: keyof typeof NOTICES): Rule {
  const { purpose, detailType, maximumAgeSeconds } = NOTICES[id];
  return {
    ...named(id, purpose),
    description: `${detailType}: the instance may be one of ours`,
    trigger: { EventPattern: { source: ['aws.ec2'], 'detail-type': [detailType], account: [ACCOUNT] } },
    maximumAgeSeconds,
    maximumRetries: MOST_RETRIES,
    deadLettered: false,
  };
}

function named(id: string, purpose: string) {
  return { logicalId: `${id}Rule`, purpose, targetId: 'drain', queue: 'EventQueue' } as const;
}

/** A rule of version 0.1.0, under the ids that it had there. */
function sinceFirstRelease(form: Form, purpose: string, index: number) {
  return {
    logicalId: form.firstRule(purpose, index),
    purpose,
    targetId: form.text(`${DEPLOYMENT}-${purpose}-target`),
    queue: 'EventQueue',
  } as const;
}

/**
 * The rules as resources, by logical id.
 * @param deadLetters the ARN of the dead-letter queue.
 */
export function ruleResources(form: Form, deadLetters: unknown): Resources {
  return Object.assign(
    {},
    ...rulesOf(form).map((rule) => only(form, rule, { [rule.logicalId]: resourceOf(form, rule, deadLetters) })),
  );
}

function only(form: Form, { condition }: Rule, resources: Resources): Resources {
  return condition === undefined ? resources : form.only(condition, resources);
}

function resourceOf(form: Form, rule: Rule, deadLetters: unknown): Resources[string] {
  return {
    Type: 'AWS::Events::Rule',
    // EventBridge does not retry what the queue's policy denies.
    DependsOn: [`${rule.queue}Policy`, ...(rule.deadLettered ? ['DeadLetterQueuePolicy'] : [])],
    Properties: {
      Name: form.text(`${DEPLOYMENT}-${rule.purpose}`),
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
          ...(rule.deadLettered && { DeadLetterConfig: { Arn: deadLetters } }),
        },
      ],
    },
  };
}

/** The ARNs of some rules, composed from the names: the policy of a queue lists them, and it has to exist before the rules do. */
export function ruleArns(form: Form, isMeant: (rule: Rule) => boolean): unknown[] {
  return rulesOf(form)
    .filter(isMeant)
    .map(({ purpose, condition }) => {
      const ruleArn = form.text(arn('events', `rule/${DEPLOYMENT}-${purpose}`));
      return condition === undefined ? ruleArn : form.choose(condition, ruleArn);
    });
}
