import { ECSClient, type Service } from '@aws-sdk/client-ecs';
import { describe, expect, it } from 'vitest';
import type { Deployment } from '../../cli/common.ts';
import type { Check, Finding } from '../../cli/finding.ts';
import { clusterFindings } from '../../cli/services.ts';
import { groupNamed } from '../../src/domain/groups.ts';
import { recordedInstance, recordedService, recordedTask, taskArn } from '../adapters/samples.ts';
import { accessDenied, aws, type Script, type Wire } from '../adapters/wire.ts';
import { POLICY } from '../domain/samples.ts';

const OURS = 'i-0123456789abcdef0';
const size = (value: number) => ['CPU', 'MEMORY'].map((name) => ({ name, type: 'INTEGER', integerValue: value }));

/** A host of the cluster, which is half full. */
const host = (n: number, changes: object) => ({
  ...recordedInstance(),
  containerInstanceArn: `arn:aws:ecs:eu-west-1:123456789012:container-instance/prod/${n}`,
  status: 'ACTIVE',
  registeredResources: size(1_000),
  remainingResources: size(500),
  ...changes,
});

const arnOfGroup = (name: string) =>
  `arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:1:autoScalingGroupName/${name}`;
const by = (capacityProvider: string) => ({ launchType: undefined, capacityProviderStrategy: [{ capacityProvider }] });

/** ECS with these services and hosts. One task of a service `web` is on the first host. */
function ecsWith(services: readonly Wire<Service>[], hosts: readonly object[], more: Script = {}): Script {
  return {
    ListServices: { serviceArns: services.map(({ serviceName = '' }) => serviceName) },
    DescribeServices: { services, failures: [] },
    DescribeTaskDefinition: { taskDefinition: { containerDefinitions: [{ name: 'app' }] } },
    DescribeCapacityProviders: ({ capacityProviders = [], nextToken }) => ({
      // A page for each.
      capacityProviders: [providers[capacityProviders[Number(nextToken ?? 0)] ?? ''] ?? {}],
      ...(Number(nextToken ?? 0) + 1 < capacityProviders.length && { nextToken: `${Number(nextToken ?? 0) + 1}` }),
    }),
    ListTasks: ({ desiredStatus }) => ({ taskArns: desiredStatus === 'RUNNING' ? [taskArn()] : [] }),
    GetTaskProtection: { protectedTasks: [], failures: [] },
    DescribeTasks: { tasks: [{ ...recordedTask({ group: 'service:web' }), cpu: '100', memory: '100' }], failures: [] },
    ListContainerInstances: { containerInstanceArns: hosts.map((_, n) => `${n}`) },
    DescribeContainerInstances: { containerInstances: hosts, failures: [] },
    ...more,
  } as Script;
}

const providers: Record<string, object> = {
  ours: { name: 'ours', autoScalingGroupProvider: { autoScalingGroupArn: arnOfGroup('web') } },
  theirs: { name: 'theirs', autoScalingGroupProvider: { autoScalingGroupArn: arnOfGroup('theirs') } },
  managed: { name: 'managed', managedInstancesProvider: {} },
};

async function findingsIn(script: Script, policy: Partial<typeof POLICY> = {}): Promise<readonly Finding[]> {
  const { config } = await aws(script);
  const check: Check = async (where, look) =>
    look().catch((error: Error) => [{ level: 'unchecked', where, what: error.message }]);
  const settings = { policy: { ...POLICY, ...policy } };
  const deployment = { config, settings, target: { stage: 'main' }, nowMs: () => 0 } as unknown as Deployment;
  const groups = Promise.resolve({
    autoScalingGroups: [groupNamed('web')],
    instanceIds: new Set([OURS]),
    deadlineSeconds: 7_200,
    heartbeatSeconds: 3_600,
  });
  const ecs = { client: new ECSClient(config), abortSignal: new AbortController().signal };
  return clusterFindings('prod', groups, deployment, ecs, check);
}

const service = (changes: Partial<Wire<Service>> = {}, name = 'web') =>
  recordedService(name, { status: 'ACTIVE', desiredCount: 2, ...changes });
const one = host(0, { ec2InstanceId: OURS });

describe('the services of a cluster that others share', () => {
  it('are judged only if they can be on our instances, whatever else can never be drained', async () => {
    const never = { deploymentConfiguration: { minimumHealthyPercent: 100, maximumPercent: 100 } };
    const others = [
      service({ ...never, ...by('theirs') }, 'theirs'),
      service({ ...never, ...by('managed') }, 'managed'),
      service({ ...never, launchType: 'FARGATE' }, 'fargate'),
      service({ ...never, ...by('ours') }, 'ours'),
    ];
    const findings = await findingsIn(ecsWith(others, [one]));
    expect(findings.flatMap(({ where }) => (where.startsWith('service ') ? [where] : []))).toEqual([
      'service ours of cluster prod',
    ]);
  });

  it('are all judged where ECS does not describe the capacity providers, which is said', async () => {
    const denied = { DescribeCapacityProviders: accessDenied('ecs:DescribeCapacityProviders') };
    const findings = await findingsIn(ecsWith([service(by('theirs'), 'theirs')], [one], denied));
    expect(findings).toMatchObject([
      { level: 'unchecked', where: 'cluster prod: capacity providers' },
      { level: 'ok', where: 'service theirs of cluster prod' },
      {},
    ]);
  });

  it('find no room where the agent is disconnected: the instance may be gone (facts 15 agent-connection)', async () => {
    const gone = host(1, { ec2InstanceId: 'i-0000000000000000a', agentConnected: false });
    expect((await findingsIn(ecsWith([service()], [one, gone]))).at(-1)).toMatchObject({
      level: 'warning',
      what: expect.stringContaining('no other instance has room for the 1 service task of its fullest instance'),
    });
  });

  it('find no room on ECS Anywhere, on ECS Managed Instances or with another provider', async () => {
    const other = host(1, { ec2InstanceId: 'i-0000000000000000a' });
    const anywhere = host(2, { ec2InstanceId: 'mi-0123456789abcdef0' });
    const managed = host(3, { ec2InstanceId: 'i-0000000000000000b', capacityProviderName: 'managed' });
    const roomOn = async (...hosts: readonly object[]) => (await findingsIn(ecsWith([service()], hosts))).at(-1);
    expect(await roomOn(one, other)).toMatchObject({
      level: 'ok',
      what: expect.stringContaining(
        'the other instances have CPU and memory for the 1 service task of its fullest instance',
      ),
    });
    expect(await roomOn(one, anywhere, managed)).toMatchObject({
      level: 'warning',
      what: expect.stringContaining('no other instance has room for the 1 service task of its fullest instance'),
    });
    expect(await roomOn(other, anywhere)).toMatchObject({
      what: 'it has no ACTIVE container instance of the groups whose agent is connected.',
    });
  });
});

describe('the room for replacements', () => {
  it('is not asked for tasks above the desired count of their service, which ECS does not replace', async () => {
    const full = host(1, { ec2InstanceId: 'i-0000000000000000a', remainingResources: size(0) });
    const roomWith = async (counts: Partial<Wire<Service>>) =>
      (await findingsIn(ecsWith([service(counts)], [host(0, { ec2InstanceId: OURS }), full]))).at(-1);
    expect(await roomWith({ desiredCount: 2, runningCount: 2 })).toMatchObject({ level: 'warning' });
    expect(await roomWith({ desiredCount: 1, runningCount: 2 })).toMatchObject({
      level: 'ok',
      what: expect.stringContaining(
        `the 0 service tasks of its fullest instance, ${OURS}, without 1 above the desired counts`,
      ),
    });
  });
});

describe('the time that a service needs', () => {
  it.each([
    ['a Classic Load Balancer', { loadBalancers: [{ loadBalancerName: 'old' }] }, 'Classic Load Balancer old'],
    [
      'VPC Lattice',
      { deployments: [{ vpcLatticeConfigurations: [{ targetGroupArn: 'tg', roleArn: 'role', portName: 'http' }] }] },
      'VPC Lattice target group tg',
    ],
  ])('is not 0 behind what the doctor does not read: %s', async (_, changes, name) => {
    const [finding] = await findingsIn(ecsWith([service(changes as Partial<Wire<Service>>)], [one]));
    expect(finding).toEqual({
      level: 'unchecked',
      where: 'service web of cluster prod',
      what: `how long its ${name} takes to let go of a task is not read. A deregistration delay of 300 s is assumed.`,
      isOptional: true,
    });
  });

  it('is that of the agents’ default where the task definition has no stop timeout', async () => {
    const [finding] = await findingsIn(ecsWith([service()], [one]), { containerStopTimeoutSeconds: 600 });
    expect(finding?.what).toContain('0 s of deregistration + 600 s of stop timeout = 600 s');
  });
});
