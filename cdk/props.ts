import type { Duration } from 'aws-cdk-lib';
import type { DefaultResult, IAutoScalingGroup } from 'aws-cdk-lib/aws-autoscaling';
import type { ISecurityGroup, IVpc, SubnetSelection } from 'aws-cdk-lib/aws-ec2';
import type { ICluster } from 'aws-cdk-lib/aws-ecs';
import type { IEventBus } from 'aws-cdk-lib/aws-events';
import type { IManagedPolicy } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';

/** A cluster; only its name matters. */
export type DrainedCluster = Pick<ICluster, 'clusterName'> | string;

/** A group, or what the setting `autoScalingGroups` takes: `web`, `web@prod`, `app-*`. */
export type DrainedGroup = IAutoScalingGroup | string;

/** A group whose instances are in one cluster. */
export interface DrainedGroupInCluster {
  readonly group: IAutoScalingGroup;
  readonly cluster: DrainedCluster;
}

/**
 * The settings of the service, in the manner of the CDK: a setting of seconds is a Duration without `Seconds` in its name, and what
 * has an ARN is the construct that has it.
 */
export interface EcsDrainProps {
  /**
   * Distinguishes several deployments in one account and Region: it is a part of the names of the resources.
   *
   * @default 'main'
   */
  readonly stage?: string;

  /**
   * The ECS clusters that an instance may be in.
   *
   * @default - those that the groups name
   */
  readonly clusters?: readonly DrainedCluster[];

  /**
   * The Auto Scaling groups to drain.
   */
  readonly autoScalingGroups: readonly (DrainedGroup | DrainedGroupInCluster)[];

  /**
   * The name of the terminating hook; several, if they are created elsewhere.
   *
   * @default 'ecs-drain'
   */
  readonly lifecycleHook?: string | readonly string[];

  /**
   * Whether each group gets a hook, or the groups that get one.
   *
   * @default true
   */
  readonly createLifecycleHooks?: boolean | readonly DrainedGroup[];

  /**
   * How long a created hook holds an instance without a heartbeat, 30 seconds to 2 hours. If your hooks are created elsewhere, the
   * shortest of theirs.
   *
   * @default Duration.hours(1)
   */
  readonly heartbeatTimeout?: Duration;

  /**
   * The result of a created hook that times out.
   *
   * @default DefaultResult.CONTINUE
   */
  readonly hookDefaultResult?: `${DefaultResult}`;

  /**
   * The longest that a drain may take.
   *
   * @default Duration.hours(2)
   */
  readonly deadline?: Duration;

  /**
   * The result for Auto Scaling when tasks are left at the deadline.
   *
   * @default DefaultResult.CONTINUE
   */
  readonly deadlineResult?: `${DefaultResult}`;

  /**
   * Supervise the drains of ECS managed draining, and report them as our own.
   *
   * @default false
   */
  readonly superviseManagedDraining?: boolean;

  /**
   * What ends a supervised drain at the deadline.
   *
   * @default - ECS does, after 48 hours
   */
  readonly managedDrainingDeadline?: `${DefaultResult}`;

  /**
   * After which share of the time to the deadline a drain that still waits is reported as stuck, 0.05 to 1.
   *
   * @default 0.5
   */
  readonly stuckFraction?: number;

  /**
   * Which tasks are stopped ahead of the deadline, early enough for their stop timeout.
   *
   * @default 'none'
   */
  readonly stopStragglers?: 'none' | 'standalone' | 'all';

  /**
   * The deregistration delay of your load balancers. A straggler of a service gets it on top of its stop timeout.
   *
   * @default Duration.minutes(5)
   */
  readonly deregistrationDelay?: Duration;

  /**
   * `ECS_CONTAINER_STOP_TIMEOUT` of your agents: the stop timeout of containers whose task definition has none.
   *
   * @default Duration.seconds(30)
   */
  readonly containerStopTimeout?: Duration;

  /**
   * How long an instance's ECS agent may be disconnected before the drain gives up on it.
   *
   * @default Duration.minutes(15)
   */
  readonly agentGrace?: Duration;

  /**
   * When a heartbeat is due, as a share of the hook's heartbeat timeout.
   *
   * @default 0.5
   */
  readonly heartbeatFraction?: number;

  /**
   * How a drain waits: as a schedule of EventBridge Scheduler, or as messages with a delay.
   *
   * @default 'park'
   */
  readonly waiting?: 'park' | 'watch';

  /**
   * How many executions of the function may work on the event queue at once, 2 to 1000. None are reserved.
   *
   * @default 5
   */
  readonly maximumConcurrency?: number;

  /**
   * The shortest interval between two polls.
   *
   * @default Duration.seconds(2)
   */
  readonly pollMin?: Duration;

  /**
   * The longest interval between two polls.
   *
   * @default Duration.seconds(20)
   */
  readonly pollMax?: Duration;

  /**
   * What is kept free at the end of an invocation to hand over what is left.
   *
   * @default Duration.seconds(20)
   */
  readonly margin?: Duration;

  /**
   * The longest invocation. The events of a crashed one come again after this time.
   *
   * @default Duration.minutes(1)
   */
  readonly functionTimeout?: Duration;

  /**
   * Drain on the two-minute warning of a Spot interruption as well.
   *
   * @default false
   */
  readonly spotInterruptions?: boolean;

  /**
   * Drain on EC2's recommendations to rebalance as well.
   *
   * @default false
   */
  readonly rebalanceRecommendations?: boolean;

  /**
   * Observe, decide, log and measure, and change nothing.
   *
   * @default false
   */
  readonly dryRun?: boolean;

  /**
   * How much the function logs.
   *
   * @default 'INFO'
   */
  readonly logLevel?: 'DEBUG' | 'INFO' | 'WARN' | 'ERROR';

  /**
   * How often drains are looked for whose event was lost: whole minutes, up to 60.
   *
   * @default Duration.minutes(1)
   */
  readonly sweep?: Duration;

  /**
   * The topic that the alarms notify.
   *
   * @default - the alarms notify no one
   */
  readonly alarmTopic?: ITopic;

  /**
   * The policy that bounds every role.
   *
   * @default - no boundary
   */
  readonly permissionsBoundary?: IManagedPolicy;

  /**
   * How the name of every role begins, such as `team-web-`.
   *
   * @default - as the stack names them
   */
  readonly roleNamePrefix?: string;

  /**
   * The path of every role, such as `/teams/web/`.
   *
   * @default '/'
   */
  readonly rolePath?: string;

  /**
   * Tags of each resource that can have tags. `Tags.of` works on a whole stack.
   *
   * @default - none
   */
  readonly tags?: Readonly<Record<string, string>>;

  /**
   * How long CloudWatch keeps the logs.
   *
   * @default RetentionDays.ONE_WEEK
   */
  readonly logRetention?: RetentionDays;

  /**
   * The key that encrypts the logs.
   *
   * @default - a key of CloudWatch Logs
   */
  readonly logKmsKey?: IKey;

  /**
   * The key that encrypts the queues.
   *
   * @default - a key of SQS
   */
  readonly queueKmsKey?: IKey;

  /**
   * The network of the function. It needs a way to the APIs of AWS: a NAT gateway, or endpoints.
   *
   * @default - it is in no VPC of yours
   */
  readonly vpc?: IVpc;

  /**
   * The subnets of the function.
   *
   * @default - the private ones of the VPC
   */
  readonly vpcSubnets?: SubnetSelection;

  /**
   * The security groups of the function. In a VPC it needs one.
   *
   * @default - none
   */
  readonly securityGroups?: readonly ISecurityGroup[];

  /**
   * Where events end up that could not be handled. Its policy must let the rules send to it.
   *
   * @default - a queue of the stack
   */
  readonly deadLetterQueue?: IQueue;

  /**
   * A bus, of any account, that gets the outcome events as well.
   *
   * @default - none
   */
  readonly eventBus?: IEventBus;
}
