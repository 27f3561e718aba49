import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { release } from '../../build/release.ts';
import { DEFAULT_STAGE } from '../../deploy/params.ts';
import { templateOf } from '../../deploy/template.ts';
import type { Region } from '../../sandbox/region/region.ts';
import { commandsOf, type Emulator, install, installed, run } from './ministack.ts';
import { bringHooks, CLUSTER, OURS, startBoth } from './region.ts';

/**
 * A release, deployed to the emulator by the two commands of CloudFormation, as docs/deployment.md has them. Its outcome events go to a
 * bus for all accounts, which is of the same account and Region here. The emulator delivers to no other one, checks neither roles nor the
 * policies of buses, and has no log group as a target.
 */

const STACK = 'ecs-drain-main';
const CENTRAL_BUS = 'arn:aws:events:eu-west-1:123456789012:event-bus/central';
const PARAMS = {
  cluster: CLUSTER,
  autoScalingGroups: OURS,
  pollMinSeconds: 1,
  pollMaxSeconds: 2,
  eventBusArn: CENTRAL_BUS,
};
const WATCHING = { ...PARAMS, waiting: 'watch' };

const missing = (await install()) ?? (await installed('aws-cli', 'requirements-aws-cli.txt'));
if (missing) console.warn(`Skipped: ${missing}.`);

describe.skipIf(missing)('the stack of the template with parameters', () => {
  const started = new AsyncDisposableStack();
  let folder: string;
  let emulator: Emulator;
  let region: Region;
  let ours: readonly string[];
  /** The queue with what reaches the bus for all accounts. */
  let outcomes: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ecs-drain-release-'));
    started.defer(() => rm(folder, { recursive: true, force: true }));
    await release(join(folder, 'release'));

    ({ region, ours, emulator } = await startBoth(started));
    const LocationConstraint = 'eu-west-1';
    const pattern = JSON.stringify({ source: [{ prefix: 'ecs-drain.' }] });
    const keep = { EventBusName: 'central', Rule: 'keep' };
    const queue = { Id: 'queue', Arn: 'arn:aws:sqs:eu-west-1:123456789012:outcomes' };
    [outcomes = ''] = await emulator.ask<string>([
      ['sqs', 'create_queue', { QueueName: 'outcomes' }, 'QueueUrl'],
      ['events', 'create_event_bus', { Name: 'central' }, 'EventBusArn'],
      ['events', 'put_rule', { EventBusName: 'central', Name: 'keep', EventPattern: pattern }, 'RuleArn'],
      ['events', 'put_targets', { ...keep, Targets: [queue] }, 'FailedEntryCount'],
      ['s3', 'create_bucket', { Bucket: 'releases', CreateBucketConfiguration: { LocationConstraint } }, 'Location'],
    ]);

    await aws(
      'package',
      '--template-file',
      join(folder, 'release/template.yaml'),
      '--s3-bucket',
      'releases',
      '--output-template-file',
      join(folder, 'packaged.yaml'),
    );
    await deploy(PARAMS);
    await bringHooks(region, emulator);
  });

  afterAll(() => started.disposeAsync());

  it('has the resources of the stack that serverless deploys', async () => {
    expect(await typesInStack()).toEqual(typesOf(PARAMS));
  });

  it('drains an instance', async () => {
    const [instanceId = ''] = ours;
    const job = { cluster: CLUSTER, name: 'report', memoryMiB: 256, cpuUnits: 64, stopTimeoutSeconds: 30 };
    region.ecs.runTask({ ...job, ec2InstanceId: instanceId, runsForSeconds: 25 });
    region.autoScaling.terminateInstance(instanceId);
    await vi.waitFor(() => expect(region.terminated).toContain(instanceId), { timeout: 120_000, interval: 200 });
    const completions = region.autoScaling.completions.filter((completion) => completion.instanceId === instanceId);
    expect(completions).toMatchObject([{ hook: 'ecs-drain', result: 'CONTINUE', by: 'completion' }]);
    expect(region.killedTasks).toEqual([]);
  });

  it('reports the drain on the bus for all accounts', async () => {
    const [instanceId] = ours;
    const types = new Set<string>(); // a message may be received twice
    await vi.waitFor(
      async () => {
        const receive = { QueueUrl: outcomes, MaxNumberOfMessages: 10 };
        const [bodies] = await emulator.ask<string[] | null>([['sqs', 'receive_message', receive, 'Messages[].Body']]);
        for (const body of bodies ?? []) {
          const { detail, 'detail-type': type } = JSON.parse(body);
          if (detail.instanceId === instanceId) types.add(type);
        }
        expect([...types].toSorted()).toEqual(['ECS Drain Finished', 'ECS Drain Started']);
      },
      { timeout: 60_000, interval: 1_000 },
    );
  });

  it('has nothing of parking left when a parameter says so', async () => {
    await deploy(WATCHING);
    expect(await typesInStack()).toEqual(typesOf(WATCHING));
  });

  it('is refused by a rule where params exclude each other', async () => {
    await expect(deploy({ ...WATCHING, dryRun: 'true' })).rejects.toThrow('dryRun completes nothing');
  });

  function aws(...args: readonly string[]): Promise<string> {
    return run(join(commandsOf('aws-cli'), 'aws'), ['cloudformation', ...args], emulator.env);
  }

  async function deploy(params: Readonly<Record<string, unknown>>): Promise<void> {
    const given = Object.entries(params).map(
      ([name, value]) => `${name.charAt(0).toUpperCase()}${name.slice(1)}=${value}`,
    );
    await aws(
      ...['deploy', '--template-file', join(folder, 'packaged.yaml'), '--s3-bucket', 'releases', '--stack-name', STACK],
      ...['--capabilities', 'CAPABILITY_NAMED_IAM', 'CAPABILITY_AUTO_EXPAND'],
      ...['--parameter-overrides', ...given],
    );
  }

  /** The types of what CloudFormation reports, without the one that the hooks wait for. */
  async function typesInStack(): Promise<string[]> {
    const list = 'StackResourceSummaries[].ResourceType';
    const [types = []] = await emulator.ask<string[]>([
      ['cloudformation', 'list_stack_resources', { StackName: STACK }, list],
    ]);
    return types.filter((type) => type !== 'AWS::CloudFormation::WaitConditionHandle').toSorted();
  }
});

function typesOf(params: Readonly<Record<string, unknown>>): string[] {
  return Object.values(templateOf(params, DEFAULT_STAGE).Resources)
    .map(({ Type }) => Type)
    .toSorted();
}
