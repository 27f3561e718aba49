import { deploymentOf } from '../../deploy/template.ts';

/** The deployment of the defaults in serverless.yml with these params. */
export function deployed(params: Record<string, unknown>) {
  const defaults = {
    cluster: 'prod',
    autoScalingGroups: 'web',
    lifecycleHook: 'ecs-drain',
    createLifecycleHooks: true,
    heartbeatTimeoutSeconds: 3_600,
    hookDefaultResult: 'CONTINUE',
    deadlineSeconds: 7_200,
    deadlineResult: 'CONTINUE',
    stuckFraction: 0.5,
    stopStragglers: 'none',
    deregistrationDelaySeconds: 300,
    agentGraceSeconds: 900,
    heartbeatFraction: 0.5,
    pollMinSeconds: 2,
    pollMaxSeconds: 20,
    marginSeconds: 20,
    functionTimeoutSeconds: 300,
    waiting: 'park',
    reservedConcurrency: 'auto',
    spotInterruptions: false,
    rebalanceRecommendations: false,
    dryRun: false,
    sweepMinutes: 1,
    logLevel: 'INFO',
    alarmTopicArn: 'none',
  };
  const surroundings = { eventSource: 'ecs-drain.dev', functionName: 'ecs-drain-dev-drain' };
  return deploymentOf({ ...defaults, ...params }, surroundings);
}
