import {
  DescribeInstanceAttributeCommand,
  DescribeInstancesCommand,
  type DescribeInstancesCommandInput,
  EC2Client,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Region } from '../../../../sandbox/region/region.ts';
import { clientOf, pass, regionOfTest } from '../clients.ts';

const GROUP = { minSize: 0, maxSize: 5, cluster: 'prod', memoryMiB: 4_096, cpuUnits: 2_048, launchSeconds: 60 };

let region: Region;
let ec2: EC2Client;
let ids: readonly string[];
beforeEach(() => {
  region = regionOfTest();
  region.ecs.createCluster('prod');
  const web = { ...GROUP, name: 'web', desiredCapacity: 2, tags: { team: 'shop' } };
  const spot = { ...GROUP, name: 'spot', desiredCapacity: 1, spot: true };
  ids = [web, spot].flatMap((spec) => region.autoScaling.createGroup(spec, { running: true }));
  ec2 = new EC2Client(clientOf(region));
});

async function found(input: DescribeInstancesCommandInput) {
  const { Reservations = [] } = await ec2.send(new DescribeInstancesCommand(input));
  return Reservations.flatMap(({ Instances = [] }) => Instances);
}

const idsFound = async (input: DescribeInstancesCommandInput) =>
  (await found(input)).map(({ InstanceId }) => InstanceId);
const filtered = (Name: string, ...Values: string[]) => idsFound({ Filters: [{ Name, Values }] });

describe('EC2 on the wire', () => {
  it('describes an instance: state, launch, address, tags, and whether it is a Spot instance', async () => {
    const [web, , spot] = ids;
    expect(await found({ InstanceIds: [web ?? ''] })).toMatchObject([
      {
        InstanceId: web,
        State: { Code: 16, Name: 'running' },
        LaunchTime: new Date('2026-01-01T00:00:00Z'),
        Placement: { AvailabilityZone: 'eu-west-1a' },
        PrivateDnsName: 'ip-10-0-0-1.eu-west-1.compute.internal',
        PrivateIpAddress: '10.0.0.1',
        Tags: [
          { Key: 'aws:autoscaling:groupName', Value: 'web' },
          { Key: 'team', Value: 'shop' },
        ],
      },
    ]);
    const lifecycles = (await found({})).map(({ InstanceId, InstanceLifecycle }) => [InstanceId, InstanceLifecycle]);
    expect(lifecycles).toEqual(ids.map((id) => [id, id === spot ? 'spot' : undefined]));
  });

  it('filters, by wildcards too, and says of a filter that it does not know it', async () => {
    const [a, b, spot] = ids;
    expect(await filtered('tag:aws:autoscaling:groupName', 'we*')).toEqual([a, b]);
    expect(await filtered('tag-key', 'te?m')).toEqual([a, b]);
    expect(await filtered('instance-lifecycle', 'spot')).toEqual([spot]);
    expect(await filtered('instance-state-name', 'pending', 'stopped')).toEqual([]);
    expect(await filtered('private-dns-name', 'ip-10-0-0-2.eu-west-1.compute.internal')).toEqual([b]);
    expect(await filtered('private-dns-name', 'ip-10-0-0-2?eu-west-1*')).toEqual([b]);
    await expect(filtered('vpc-id', 'x')).rejects.toThrow(/does not know the filter vpc-id of instances/);
  });

  it('knows an instance until an hour after its termination', async () => {
    const [id = ''] = ids;
    await ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
    expect(await found({ InstanceIds: [id] })).toMatchObject([
      { State: { Code: 48, Name: 'terminated' }, StateTransitionReason: 'Service initiated (2026-01-01 00:00:00 GMT)' },
    ]);
    await pass(region, 3_601);
    await expect(found({ InstanceIds: [id] })).rejects.toMatchObject({
      name: 'InvalidInstanceID.NotFound',
      message: `The instance ID '${id}' does not exist`,
    });
  });

  it('says that an instance runs while a hook holds it', async () => {
    const [id = ''] = ids;
    region.autoScaling.putLifecycleHook({
      name: 'drain',
      group: 'web',
      heartbeatTimeoutSeconds: 300,
      defaultResult: 'CONTINUE',
    });
    region.autoScaling.terminateInstance(id);
    expect(region.autoScaling.instance(id)?.state).toBe('Terminating:Wait');
    expect(await found({ InstanceIds: [id] })).toMatchObject([{ State: { Name: 'running' } }]);
  });

  it('facts 21 when-hooks-run: terminates past the hooks of the group', async () => {
    const [id = ''] = ids;
    region.autoScaling.putLifecycleHook({
      name: 'drain',
      group: 'web',
      heartbeatTimeoutSeconds: 300,
      defaultResult: 'CONTINUE',
    });
    const { TerminatingInstances } = await ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
    expect(TerminatingInstances).toMatchObject([
      { InstanceId: id, PreviousState: { Name: 'running' }, CurrentState: { Name: 'terminated' } },
    ]);
    expect(region.terminated.has(id)).toBe(true);
  });

  it('has the user data that names the cluster, and says of another attribute that it does not know it', async () => {
    const attribute = (Attribute: 'userData' | 'kernel') =>
      ec2.send(new DescribeInstanceAttributeCommand({ InstanceId: ids[0], Attribute }));
    const { UserData } = await attribute('userData');
    expect(Buffer.from(UserData?.Value ?? '', 'base64').toString()).toMatch(/^#!.*\necho ECS_CLUSTER=prod >> /);
    await expect(attribute('kernel')).rejects.toThrow(/does not know the attribute kernel of instances/);
  });

  it('gives pages', async () => {
    const page = await ec2.send(new DescribeInstancesCommand({ MaxResults: 5 }));
    expect([page.Reservations?.length, page.NextToken]).toEqual([3, undefined]);
    region.autoScaling.setDesiredCapacity('web', 5);
    const first = await ec2.send(new DescribeInstancesCommand({ MaxResults: 5 }));
    const rest = await ec2.send(new DescribeInstancesCommand({ MaxResults: 5, NextToken: first.NextToken }));
    expect([first.Reservations?.length, rest.Reservations?.length, rest.NextToken]).toEqual([5, 1, undefined]);
  });

  it.each([
    [{ InstanceIds: ['web'] }, 'InvalidInstanceID.Malformed', 'Invalid id: "web"'],
    [{ DryRun: true }, 'DryRunOperation', 'Request would have succeeded, but DryRun flag is set.'],
    [
      { MaxResults: 4 },
      'InvalidParameterValue',
      'Value ( 4 ) for parameter maxResults is invalid. Expecting a value greater than 5.',
    ],
    [
      { MaxResults: 1_001 },
      'InvalidParameterValue',
      'Value ( 1001 ) for parameter maxResults is invalid. Expecting a value less than 1000.',
    ],
    [{ NextToken: 'none' }, 'InvalidParameterValue', "The token 'none' is invalid"],
    [{ InstanceIds: ['i-00000000000000001'], MaxResults: 5 }, 'InvalidParameterCombination', /cannot be used with/],
  ])('refuses %j', async (input, name, message) => {
    await expect(found(input)).rejects.toMatchObject({
      name,
      message: typeof message === 'string' ? message : expect.stringMatching(message),
    });
  });
});

describe('STS on the wire', () => {
  it('says whose account it is', async () => {
    expect(await new STSClient(clientOf(region)).send(new GetCallerIdentityCommand({}))).toMatchObject({
      Account: '123456789012',
      Arn: 'arn:aws:iam::123456789012:user/local',
      UserId: expect.stringMatching(/^AIDA[A-Z0-9]+$/),
    });
  });
});
