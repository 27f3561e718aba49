/** Whether the services of a cluster can be drained in time, and whether their replacements have room. */

import {
  DescribeTargetGroupAttributesCommand,
  ElasticLoadBalancingV2Client,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import { awsCall } from '../src/adapters/aws-call.ts';
import type { Ecs } from '../src/adapters/ecs-call.ts';
import { readStopTimeoutSeconds } from '../src/adapters/ecs-services.ts';
import { canReplace } from '../src/domain/diagnose.ts';
import { DEFAULT_STOP_TIMEOUT_SECONDS } from '../src/domain/policy.ts';
import { ClusterMissing } from '../src/domain/ports.ts';
import { type ClusterService, type Host, hostsIn, servicesIn, taskSizesOn } from './cluster.ts';
import { counted, type Deployment, sentenceOf, untilSilent } from './common.ts';
import type { Check, Finding } from './finding.ts';

/** How long a drain may take, in the group that allows least. */
export interface Time {
  readonly deadlineSeconds: number;
  readonly heartbeatSeconds: number;
}

/** What is asked of AWS about each service. */
interface Ask {
  stopTimeoutSeconds(taskDefinition: string): Promise<number>;
  delaySeconds(targetGroups: readonly string[]): Promise<number>;
}

export async function clusterFindings(
  cluster: string,
  time: Promise<Time>,
  deployment: Deployment,
  ecs: Ecs,
  check: Check,
): Promise<Finding[]> {
  const where = `cluster ${cluster}`;
  let services: ClusterService[];
  try {
    services = await servicesIn(ecs, cluster);
  } catch (error) {
    if (!(error instanceof ClusterMissing)) throw error;
    const fix = 'Fix its name in cluster or in autoScalingGroups, and deploy again.';
    return [{ level: 'error', where, what: 'ECS has no such cluster.', fix }];
  }
  const loadBalancing = new ElasticLoadBalancingV2Client(deployment.config);
  const ask: Ask = {
    stopTimeoutSeconds: untilSilent((taskDefinition: string) => readStopTimeoutSeconds(ecs, taskDefinition)),
    delaySeconds: untilSilent((targetGroups: readonly string[]) => deregistrationDelayOf(loadBalancing, targetGroups)),
  };
  const findings: Finding[] = [];
  for (const service of services) findings.push(...(await serviceFindings(service, await time, deployment, ask)));
  const room = await check(`${where}: room for replacements`, async () => [
    await roomFinding(cluster, await hostsIn(ecs, cluster), services, ecs),
  ]);
  return [...findings, ...room];
}

async function serviceFindings(
  service: ClusterService,
  time: Time,
  { settings, target }: Deployment,
  ask: Ask,
): Promise<Finding[]> {
  const where = `service ${service.name} of cluster ${service.cluster}`;
  const findings: Finding[] = [...replacementFindings(service, where)];
  /** Continues with what is assumed, and says so. */
  const assuming = (seconds: number, what: string) => (error: unknown) => {
    const reason = sentenceOf(error, target);
    findings.push({ level: 'unchecked', where, what: `${reason} A ${what} of ${seconds} s is assumed.` });
    return seconds;
  };
  const { taskDefinition, targetGroups } = service;
  const stopSeconds =
    taskDefinition === undefined
      ? DEFAULT_STOP_TIMEOUT_SECONDS
      : await ask.stopTimeoutSeconds(taskDefinition).catch(assuming(DEFAULT_STOP_TIMEOUT_SECONDS, 'stop timeout'));
  const assumedSeconds = settings.policy.deregistrationDelaySeconds;
  const delaySeconds = await ask.delaySeconds(targetGroups).catch(assuming(assumedSeconds, 'deregistration delay'));

  const neededSeconds = delaySeconds + stopSeconds;
  const arithmetic = `its tasks may need ${delaySeconds} s of deregistration + ${stopSeconds} s of stop timeout = ${neededSeconds} s`;
  findings.push(...timeFindings(where, arithmetic, neededSeconds, time));
  if (settings.policy.stopStragglers === 'all' && delaySeconds > assumedSeconds) {
    findings.push({
      level: 'warning',
      where,
      what: `its deregistration delay is ${delaySeconds} s, and the setting deregistrationDelaySeconds is ${assumedSeconds}: its stragglers would be stopped too late.`,
      fix: `Deploy with deregistrationDelaySeconds=${delaySeconds}.`,
    });
  }
  return findings.length > 0 ? findings : [{ level: 'ok', where, what: `it can drain: ${arithmetic}.` }];
}

function* replacementFindings(service: ClusterService, where: string): Generator<Finding> {
  if (service.isDaemon || canReplace(service)) return;
  const { desiredCount, minimumHealthyPercent, maximumPercent } = service;
  yield {
    level: 'error',
    where,
    what: `it cannot be drained: with ${counted(desiredCount, 'task')}, minimumHealthyPercent ${minimumHealthyPercent} prevents stopping one first, and maximumPercent ${maximumPercent} prevents starting one first.`,
    fix: 'Lower minimumHealthyPercent or raise maximumPercent.',
  };
}

function* timeFindings(
  where: string,
  arithmetic: string,
  neededSeconds: number,
  { deadlineSeconds, heartbeatSeconds }: Time,
): Generator<Finding> {
  if (neededSeconds >= deadlineSeconds) {
    yield {
      level: 'error',
      where,
      what: `${arithmetic}, and a drain has ${deadlineSeconds} s to its deadline: they are killed.`,
      fix: "Raise deadlineSeconds, and the hook's heartbeat timeout if its global timeout is the limit.",
    };
  } else if (neededSeconds >= heartbeatSeconds) {
    yield {
      level: 'warning',
      where,
      what: `${arithmetic}, and a hook times out after ${heartbeatSeconds} s without a heartbeat: an outage of that length would end the drain.`,
      fix: "Raise the hook's heartbeat timeout.",
    };
  }
}

/** The longest of the target groups; 0 where there is none. */
async function deregistrationDelayOf(
  loadBalancing: ElasticLoadBalancingV2Client,
  targetGroups: readonly string[],
): Promise<number> {
  const delays = targetGroups.map(async (TargetGroupArn) => {
    const { Attributes: attributes = [] } = await awsCall(`describe the target group ${TargetGroupArn}`, () =>
      loadBalancing.send(new DescribeTargetGroupAttributesCommand({ TargetGroupArn })),
    );
    // 300 s unless it was changed (Elastic Load Balancing user guide, "Deregistration delay").
    return Number(attributes.find(({ Key }) => Key === 'deregistration_delay.timeout_seconds')?.Value ?? 300);
  });
  return Math.max(0, ...(await Promise.all(delays)));
}

/** Whether the service tasks of the fullest instance find room on the others: the largest first, each where it fits first. */
async function roomFinding(
  cluster: string,
  hosts: readonly Host[],
  services: readonly ClusterService[],
  ecs: Ecs,
): Promise<Finding> {
  const where = `cluster ${cluster}`;
  const [fullest, ...others] = hosts.toSorted((a, b) => b.used.memoryMiB - a.used.memoryMiB);
  if (!fullest) return { level: 'warning', where, what: 'it has no ACTIVE container instance.' };
  const replicas = services.filter(({ isDaemon }) => !isDaemon);
  const tasks = await taskSizesOn(ecs, fullest, replicas);
  const free = others.map((host) => ({ ...host.free }));
  const homeless = tasks.filter(({ cpuUnits, memoryMiB }) => {
    const room = free.find((each) => each.cpuUnits >= cpuUnits && each.memoryMiB >= memoryMiB);
    if (!room) return true;
    room.cpuUnits -= cpuUnits;
    room.memoryMiB -= memoryMiB;
    return false;
  });
  const what = `of the ${counted(tasks.length, 'service task')} on its fullest instance (${fullest.ec2InstanceId}), ${tasks.length - homeless.length} find CPU and memory on the ${counted(others.length, 'other')}`;
  if (homeless.length === 0) return { level: 'ok', where, what: `${what}; ports and constraints are not checked.` };
  return {
    level: 'warning',
    where,
    what: `${what}: the others wait for a new instance, and their drain with them.`,
    fix: 'Keep room for the tasks of one instance, or let the group launch before it terminates.',
  };
}
