import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { release } from '../../build/release.ts';
import { DEFAULT_STAGE } from '../../deploy/params.ts';
import { templateOf } from '../../deploy/template.ts';
import type { Region } from '../../sandbox/region/region.ts';
import { listen } from '../../sandbox/region/wire/http.ts';
import { commandsOf, type Emulator, install, installed, run, start } from './ministack.ts';
import { bringHooks, CLUSTER, forwardEvents, goOn, OURS, settledRegion } from './region.ts';

/** A release, deployed to the emulator by the two commands of CloudFormation, as docs/deployment.md has them. */

const STACK = 'ecs-drain-main';
const PARAMS = { cluster: CLUSTER, autoScalingGroups: OURS, pollMinSeconds: 1, pollMaxSeconds: 2 };
const WATCHING = { ...PARAMS, waiting: 'watch' };

const missing = (await install()) ?? (await installed('aws-cli', 'requirements-aws-cli.txt'));
if (missing) console.warn(`Skipped: ${missing}.`);

describe.skipIf(missing)('the stack of the template with parameters', () => {
  const started = new AsyncDisposableStack();
  let folder: string;
  let emulator: Emulator;
  let region: Region;
  let ours: readonly string[];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ecs-drain-release-'));
    started.defer(() => rm(folder, { recursive: true, force: true }));
    await release(join(folder, 'release'));

    ({ region, ours } = await settledRegion());
    started.defer(goOn(region));
    const wire = await listen(region.answer);
    started.defer(wire.close);
    emulator = await start({ AWS_ENDPOINT_URL_ECS: wire.url, AWS_ENDPOINT_URL_AUTO_SCALING: wire.url });
    started.defer(emulator.stop);
    started.defer(forwardEvents(region, emulator).end);
    await emulator.ask([
      [
        's3',
        'create_bucket',
        { Bucket: 'releases', CreateBucketConfiguration: { LocationConstraint: 'eu-west-1' } },
        'Location',
      ],
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
    region.autoScaling.terminateInstance(instanceId);
    await vi.waitFor(() => expect(region.terminated).toContain(instanceId), { timeout: 120_000, interval: 200 });
    const completions = region.autoScaling.completions.filter((completion) => completion.instanceId === instanceId);
    expect(completions).toMatchObject([{ hook: 'ecs-drain', result: 'CONTINUE', by: 'completion' }]);
    expect(region.killedTasks).toEqual([]);
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

  /** The types of what CloudFormation reports, except what the hooks wait for. */
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
