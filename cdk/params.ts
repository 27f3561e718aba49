import type { Duration } from 'aws-cdk-lib';
import type { IAutoScalingGroup } from 'aws-cdk-lib/aws-autoscaling';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import type { ParamName } from '../deploy/params.ts';
import type { DrainedCluster, DrainedGroup, DrainedGroupInCluster, EcsDrainProps } from './props.ts';
import type { StandIns } from './stand-ins.ts';

/** The params that the properties mean; undefined where the default holds. */
export function paramsFrom(props: EcsDrainProps, standIns: StandIns): Readonly<Record<ParamName, unknown>> {
  const { group, groupInCluster, cluster, arn } = textsWith(standIns);
  const { createLifecycleHooks: hooks } = props;
  return {
    cluster: props.clusters?.map(cluster),
    autoScalingGroups: props.autoScalingGroups?.map((each) => (isInCluster(each) ? groupInCluster(each) : group(each))),
    lifecycleHook: props.lifecycleHook,
    createLifecycleHooks: typeof hooks === 'object' ? hooks.map(group) : hooks,
    heartbeatTimeoutSeconds: seconds(props.heartbeatTimeout),
    hookDefaultResult: props.hookDefaultResult,
    deadlineSeconds: seconds(props.deadline),
    deadlineResult: props.deadlineResult,
    superviseManagedDraining: props.superviseManagedDraining,
    managedDrainingDeadline: props.managedDrainingDeadline,
    stuckFraction: props.stuckFraction,
    stopStragglers: props.stopStragglers,
    deregistrationDelaySeconds: seconds(props.deregistrationDelay),
    containerStopTimeoutSeconds: seconds(props.containerStopTimeout),
    agentGraceSeconds: seconds(props.agentGrace),
    heartbeatFraction: props.heartbeatFraction,
    waiting: props.waiting,
    maximumConcurrency: props.maximumConcurrency,
    pollMinSeconds: seconds(props.pollMin),
    pollMaxSeconds: seconds(props.pollMax),
    marginSeconds: seconds(props.margin),
    functionTimeoutSeconds: seconds(props.functionTimeout),
    spotInterruptions: props.spotInterruptions,
    rebalanceRecommendations: props.rebalanceRecommendations,
    dryRun: props.dryRun,
    logLevel: props.logLevel,
    sweepMinutes: props.sweep?.toMinutes({ integral: false }),
    alarmTopicArn: arn(props.alarmTopic?.topicArn, (digits) => `arn:aws:sns:us-east-1:123456789012:${digits}`),
    permissionsBoundaryArn: arn(
      props.permissionsBoundary?.managedPolicyArn,
      (digits) => `arn:aws:iam::123456789012:policy/${digits}`,
    ),
    roleNamePrefix: props.roleNamePrefix,
    rolePath: props.rolePath,
    tags: tagsOf(props),
    logRetentionDays: props.logRetention,
    logKmsKeyArn: arn(props.logKmsKey?.keyArn, keyArn),
    queueKmsKeyArn: arn(props.queueKmsKey?.keyArn, keyArn),
    subnetIds: props.vpc?.selectSubnets(props.vpcSubnets).subnetIds.map((id) => standIns.of(id, idOf('subnet'))),
    securityGroupIds: props.securityGroups?.map(({ securityGroupId }) => standIns.of(securityGroupId, idOf('sg'))),
    deadLetterQueueArn: props.deadLetterQueue && queueArn(props.deadLetterQueue, standIns),
    eventBusArn: arn(
      props.eventBus?.eventBusArn,
      (digits) => `arn:aws:events:us-east-1:123456789012:event-bus/${digits}`,
    ),
  };
}

function tagsOf({ tags = {} }: EcsDrainProps): string[] | undefined {
  const pairs = Object.entries(tags ?? {}).map(([key, value]) => `${key}=${value}`);
  return pairs.length > 0 ? pairs : undefined;
}

function seconds(duration: Duration | undefined): number | undefined {
  return duration?.toSeconds({ integral: false });
}

function keyArn(digits: string): string {
  return `arn:aws:kms:us-east-1:123456789012:key/${digits}`;
}

function idOf(kind: string): (digits: string) => string {
  return (digits) => `${kind}-${digits.slice(0, 8)}`;
}

/** The template has the name of the queue alone as well. */
function queueArn({ queueArn: given, queueName }: IQueue, standIns: StandIns): string {
  const text = standIns.arn(given, (digits) => `arn:aws:sqs:us-east-1:123456789012:token-${digits}`);
  const name = text.slice(text.lastIndexOf(':') + 1);
  if (!given.endsWith(`:${name}`)) standIns.part(name, queueName);
  return text;
}

function isInCluster(group: DrainedGroup | DrainedGroupInCluster): group is DrainedGroupInCluster {
  return typeof group === 'object' && 'group' in group;
}

function textsWith(standIns: StandIns) {
  const cluster = (given: DrainedCluster) => standIns.inText(typeof given === 'string' ? given : given.clusterName);
  /** The name of a construct is a name, whatever characters it has; a text is what the param takes. */
  const named = (given: IAutoScalingGroup) => standIns.inText(given.autoScalingGroupName).replace(/[\\*@,]/g, '\\$&');
  const group = (given: DrainedGroup) => (typeof given === 'string' ? standIns.inText(given) : named(given));
  return {
    cluster,
    group,
    groupInCluster: (given: DrainedGroupInCluster) => `${named(given.group)}@${cluster(given.cluster)}`,
    arn: (value: string | undefined, standIn: (digits: string) => string) =>
      value === undefined ? undefined : standIns.arn(value, standIn),
  };
}
