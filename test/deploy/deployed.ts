import { deploymentOf } from '../../deploy/template.ts';

/** The deployment of the defaults in serverless.yml with these params, as a stage. */
export function deployed(params: Record<string, unknown>, stage = 'dev') {
  const defaults = {
    cluster: 'prod',
    autoScalingGroups: 'web',
    lifecycleHook: 'ecs-drain',
    createLifecycleHooks: true,
    heartbeatTimeoutSeconds: 3_600,
    hookDefaultResult: 'CONTINUE',
    deadlineSeconds: 7_200,
    deadlineResult: 'CONTINUE',
    superviseManagedDraining: false,
    managedDrainingDeadline: 'none',
    stuckFraction: 0.5,
    stopStragglers: 'none',
    deregistrationDelaySeconds: 300,
    containerStopTimeoutSeconds: 30,
    agentGraceSeconds: 900,
    heartbeatFraction: 0.5,
    pollMinSeconds: 2,
    pollMaxSeconds: 20,
    marginSeconds: 20,
    functionTimeoutSeconds: 60,
    waiting: 'park',
    maximumConcurrency: 5,
    spotInterruptions: false,
    rebalanceRecommendations: false,
    dryRun: false,
    sweepMinutes: 1,
    logLevel: 'INFO',
    alarmTopicArn: 'none',
    permissionsBoundaryArn: 'none',
    rolePath: '/',
    tags: 'none',
    logRetentionDays: 7,
    logKmsKeyArn: 'none',
    queueKmsKeyArn: 'none',
  };
  const names = { eventSource: `ecs-drain.${stage}`, functionName: `ecs-drain-${stage}-drain` };
  return deploymentOf({ ...defaults, ...params }, names);
}
