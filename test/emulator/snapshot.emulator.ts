import {
  AutoScalingClient,
  CreateAutoScalingGroupCommand,
  CreateLaunchConfigurationCommand,
  DescribeAutoScalingGroupsCommand,
} from '@aws-sdk/client-auto-scaling';
import {
  CreateClusterCommand,
  CreateServiceCommand,
  ECSClient,
  RegisterContainerInstanceCommand,
  RegisterTaskDefinitionCommand,
  RunTaskCommand,
} from '@aws-sdk/client-ecs';
import { expect, it, vi } from 'vitest';
import { takeSnapshot } from '../../cli/snapshot.ts';
import { installMoto, startMoto } from './moto.ts';

/** moto leaves out much of what AWS answers, and answers other things: a snapshot of it is taken all the same. */

const missing = await installMoto();
if (missing) console.warn(`Skipped: ${missing}.`);

it.skipIf(missing)('ecs-drain snapshot reads a cluster of moto', async () => {
  for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) vi.stubEnv(name, 'local');
  const { url, stop } = await startMoto();
  try {
    const config = { endpoint: url, region: 'eu-west-1' };
    const instanceIds = await fill(new AutoScalingClient(config), new ECSClient(config));
    const target = { stage: 'main', region: 'eu-west-1', endpointUrl: url };
    const { snapshot } = await takeSnapshot({ group: 'web' }, target);
    expect(snapshot.group.instances.map(({ id }) => id).toSorted()).toEqual(instanceIds.toSorted());
    expect(snapshot.cluster).toMatchObject({
      name: 'prod',
      services: [{ name: 'web', desiredCount: 2, taskDefinition: 'web:1' }],
      tasks: [{ group: 'family:web', startedBy: 'someone' }],
      taskDefinitions: [{ name: 'web:1', memoryMiB: 256, hostPorts: [8_080] }],
    });
    expect(JSON.stringify(snapshot)).not.toContain('hunter2');
    // It answers DescribeCapacityProviders with status 500, unless they are named.
    expect(snapshot.unknown.map(({ call }) => call)).toEqual(['ecs:DescribeCapacityProviders']);
  } finally {
    await stop();
    vi.unstubAllEnvs();
  }
});

/** A group of two instances that are registered with a cluster, a service and a task. */
async function fill(autoScaling: AutoScalingClient, ecs: ECSClient): Promise<string[]> {
  await ecs.send(new CreateClusterCommand({ clusterName: 'prod' }));
  const launch = { LaunchConfigurationName: 'web', ImageId: 'ami-12c6146b', InstanceType: 'm5.large' };
  await autoScaling.send(new CreateLaunchConfigurationCommand(launch));
  await autoScaling.send(
    new CreateAutoScalingGroupCommand({
      AutoScalingGroupName: 'web',
      LaunchConfigurationName: 'web',
      MinSize: 1,
      MaxSize: 3,
      DesiredCapacity: 2,
      AvailabilityZones: ['eu-west-1a'],
    }),
  );
  const { AutoScalingGroups: [group] = [] } = await autoScaling.send(new DescribeAutoScalingGroupsCommand({}));
  const ids = (group?.Instances ?? []).flatMap(({ InstanceId }) => InstanceId ?? []);
  for (const instanceId of ids) {
    const instanceIdentityDocument = JSON.stringify({ instanceId });
    await ecs.send(new RegisterContainerInstanceCommand({ cluster: 'prod', instanceIdentityDocument }));
  }
  const container = { name: 'web', image: 'web', cpu: 128, memory: 256, essential: true };
  const environment = [{ name: 'PASSWORD', value: 'hunter2' }];
  const portMappings = [{ containerPort: 80, hostPort: 8_080 }];
  const containerDefinitions = [{ ...container, environment, portMappings }];
  await ecs.send(new RegisterTaskDefinitionCommand({ family: 'web', containerDefinitions }));
  await ecs.send(
    new CreateServiceCommand({
      cluster: 'prod',
      serviceName: 'web',
      taskDefinition: 'web',
      desiredCount: 2,
      launchType: 'EC2',
    }),
  );
  await ecs.send(new RunTaskCommand({ cluster: 'prod', taskDefinition: 'web', startedBy: 'someone' }));
  return ids;
}
