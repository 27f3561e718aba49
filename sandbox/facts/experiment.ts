import type { AutoScalingClient } from '@aws-sdk/client-auto-scaling';
import type { CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import type { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import type { EC2Client } from '@aws-sdk/client-ec2';
import type { ECSClient } from '@aws-sdk/client-ecs';
import type { ElasticLoadBalancingV2Client } from '@aws-sdk/client-elastic-load-balancing-v2';
import type { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import type { LambdaClient } from '@aws-sdk/client-lambda';
import type { SchedulerClient } from '@aws-sdk/client-scheduler';
import type { SNSClient } from '@aws-sdk/client-sns';
import type { SQSClient } from '@aws-sdk/client-sqs';

/**
 * A fact about AWS as a program: it asks AWS's own APIs and compares the answers with what `docs/aws-facts.md` says.
 * An experiment knows neither the local Region nor an AWS account: the world gives it clients, a clock and resources.
 */
export interface Experiment {
  /** The numbers of the facts in `docs/aws-facts.md` that it observes. */
  readonly facts: readonly number[];
  /** What is claimed, as a sentence; for an open question, what is asked. */
  readonly title: string;
  /** No public source settles the question: whatever is seen is news, and nothing disagrees. */
  readonly open?: true;
  /** The resources that it uses. */
  readonly needs: readonly Need[];
  /** How long it takes on AWS, at most. */
  readonly minutes: number;
  /** What it costs on AWS beyond the resources of the stack, in cents of a US dollar. */
  readonly cents: number;
  /** What others in the account feel of it. Such an experiment runs only where someone asks for it. */
  readonly disturbs?: string;
  /** What it changes and undoes, or leaves to the deletion of the stack. */
  readonly cleansUp: string;
  run(world: World): Promise<Observation>;
}

/** What was seen, and whether that is what the fact says; an open question has no answer to agree with. */
export interface Observation {
  readonly saw: string;
  readonly agrees: boolean | 'open';
}

/** A cluster with two or more container instances on which every service runs. */
export interface ClusterResources {
  readonly name: string;
  readonly services: {
    /** Two replicas; minimumHealthyPercent 100, maximumPercent 200; no stopTimeout of its own; SIGTERM does not end them. */
    readonly web: string;
    /** One replica that ignores SIGTERM, with a stopTimeout of 60 s; minimumHealthyPercent 0. */
    readonly slow: string;
    /** One replica; minimumHealthyPercent 50 and maximumPercent 100, so that it can neither stop nor start first. */
    readonly fixed: string;
    /** A daemon. */
    readonly daemon: string;
    /** Desired count 0; a task asks for more memory than any instance has. */
    readonly large: string;
  };
  /** A task definition for standalone tasks that run until they are stopped. */
  readonly job: string;
  /** The task definition of the service `large`. */
  readonly largeJob: string;
}

/** The Auto Scaling group of the cluster's instances. */
export interface GroupResources {
  readonly name: string;
  /** The terminating hook that the group has, with the default result CONTINUE. */
  readonly hook: string;
  readonly heartbeatTimeoutSeconds: number;
  /** Lets EC2 interrupt a Spot instance of the group, where that is possible; its warning says which. */
  readonly interruptSpot?: () => Promise<unknown>;
}

/** A queue that gets the events of ECS, Auto Scaling and Spot, those of source `facts`, and a scheduled one every minute. */
export interface EventResources {
  readonly queueUrl: string;
}

/** Where one-time schedules can be created. */
export interface ScheduleResources {
  readonly group: string;
  /** The default event bus. */
  readonly busArn: string;
  /** A role that Scheduler can assume and that may put events on the bus. */
  readonly roleArn: string;
}

/** A function that always fails, with a queue as its destination on failure. */
export interface FunctionResources {
  readonly name: string;
  readonly queueUrl: string;
}

/** A function that writes the texts in `lines` of its event to its log, and returns the event. */
export interface EchoResources {
  readonly name: string;
  readonly logGroup: string;
}

/** A load balancer, and what it sends to. */
export interface LoadBalancerResources {
  /** A service of the cluster, with a desired count of 0. */
  readonly service: string;
  readonly deregistrationDelaySeconds: number;
}

/** A queue to which only experiments send messages. */
export interface QueueResources {
  readonly url: string;
  readonly arn: string;
}

/** A topic without subscriptions. */
export interface TopicResources {
  readonly arn: string;
}

export interface Resources {
  readonly cluster: ClusterResources;
  readonly group: GroupResources;
  readonly events: EventResources;
  readonly schedules: ScheduleResources;
  readonly function: FunctionResources;
  readonly echo: EchoResources;
  readonly loadBalancer: LoadBalancerResources;
  readonly queue: QueueResources;
  readonly topic: TopicResources;
}

export type Need = keyof Resources;

/** AWS's own clients. */
export interface Clients {
  readonly ecs: ECSClient;
  /** It tries a call once, where the refusal itself is what an experiment looks at. */
  readonly ecsWithoutRetries: ECSClient;
  readonly autoScaling: AutoScalingClient;
  readonly cloudWatch: CloudWatchClient;
  readonly ec2: EC2Client;
  readonly elasticLoadBalancing: ElasticLoadBalancingV2Client;
  readonly events: EventBridgeClient;
  readonly lambda: LambdaClient;
  readonly logs: CloudWatchLogsClient;
  readonly scheduler: SchedulerClient;
  readonly sns: SNSClient;
  readonly sqs: SQSClient;
}

/** Where experiments run: an account, the local Region, or an emulator. */
export interface World extends Clients {
  readonly resources: Partial<Resources>;
  /** Aborted when the run is cancelled. */
  readonly signal?: AbortSignal;
  /** Epoch milliseconds. */
  now(): number;
  /** Rejects when the run is cancelled. */
  sleepUntil(instantMs: number): Promise<void>;
  /** Nothing is waited for longer than this: emulators are asked in real time, and most change nothing by themselves. */
  readonly longestWaitSeconds: number;
  /** The same, until the resources are ready for an experiment. */
  readonly longestRestSeconds: number;
  /** Undoes something when the experiment is over, whatever comes of it; what is deferred last is undone first. */
  defer(undo: () => Promise<unknown>): void;
}

/** The experiment cannot be made in this world; the message says why. */
export class NotObservable extends Error {}

/** A resource of the world that the experiment has declared as a need. */
export function use<K extends Need>(world: World, need: K): Resources[K] {
  const resource = world.resources[need];
  if (!resource) throw new NotObservable(`there is no ${need}`);
  return resource as Resources[K];
}
