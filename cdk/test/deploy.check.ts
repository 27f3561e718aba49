import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { templateOf } from '../../deploy/template.ts';
import type { Region } from '../../sandbox/region/region.ts';
import { type Emulator, install, run } from '../../test/emulator/ministack.ts';
import { bringHooks, startBoth } from '../../test/emulator/region.ts';

/**
 * The example app, deployed by the real `cdk` to the emulator that test/emulator deploys to with `serverless`: that file says what the
 * emulator and our Region each play, and what neither shows.
 */

const HERE = import.meta.dirname;
const EXAMPLE = resolve(HERE, '../../examples/cdk');
const TSC = resolve(HERE, '../../node_modules/typescript/bin/tsc');
const STACK = 'ecs-drain';

const missing = await install();
if (missing) console.warn(`Skipped: ${missing}.`);

describe.skipIf(missing)('the example app', () => {
  const started = new AsyncDisposableStack();
  let folder: string;
  let region: Region;
  let ours: readonly string[];
  let emulator: Emulator;

  beforeAll(async () => {
    ({ region, ours, emulator } = await startBoth(started));

    folder = await mkdtemp(join(tmpdir(), 'ecs-drain-cdk-'));
    started.defer(() => rm(folder, { recursive: true }));
    await newUsersFolder(folder);
    await cdk('bootstrap');
    await cdk('deploy', '--require-approval=never');
    await bringHooks(region, emulator);
  });

  afterAll(() => started.disposeAsync());

  it('has types in an ES module and in CommonJS', async () => {
    const example = await readFile(join(folder, 'app.ts'), 'utf8');
    await writeFile(join(folder, 'app.cts'), example);
    await writeFile(join(folder, 'wrong.ts'), example.replace('clusters', 'cluster'));
    const tsc = (...files: string[]) => {
      const options = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--target', 'es2022'];
      return run(process.execPath, [TSC, ...options, ...files], process.env, folder);
    };
    expect(await tsc('app.ts', 'app.cts')).toBe('');
    await expect(tsc('wrong.ts')).rejects.toThrow(/'cluster' does not exist in type 'EcsDrainProps'/);
  });

  it('deploys the resources that serverless.yml deploys', async () => {
    const resource = 'StackResourceSummaries[].[LogicalResourceId, ResourceType]';
    const [deployed = []] = await emulator.ask<[string, string][]>([
      ['cloudformation', 'list_stack_resources', { StackName: STACK }, resource],
    ]);
    const { Resources } = templateOf({ cluster: 'prod', autoScalingGroups: 'web' }, 'main');
    const defined = Object.entries(Resources).map(([id, { Type }]) => [id, Type]);
    expect(deployed.toSorted()).toEqual(defined.toSorted());
  });

  it('drains an instance, and no task is killed', async () => {
    const [instanceId = ''] = ours;
    region.autoScaling.terminateInstance(instanceId);
    await vi.waitFor(() => expect(region.terminated).toContain(instanceId), { timeout: 120_000, interval: 200 });
    const completions = region.autoScaling.completions.filter((completion) => completion.instanceId === instanceId);
    expect(completions).toMatchObject([{ hook: 'ecs-drain', result: 'CONTINUE', by: 'completion' }]);
    expect(region.killedTasks).toEqual([]);
  });

  it('leaves nothing behind when it is destroyed', async () => {
    await cdk('destroy', '--force');
    const stacks = "StackSummaries[?StackStatus != 'DELETE_COMPLETE'].StackName";
    const left = await emulator.ask([
      ['cloudformation', 'list_stacks', {}, stacks],
      ['lambda', 'list_functions', {}, 'Functions[].FunctionName'],
      ['sqs', 'list_queues', {}, 'QueueUrls || `[]`'],
      ['logs', 'describe_log_groups', {}, 'logGroups[].logGroupName'],
    ]);
    expect(left).toEqual([['CDKToolkit'], [], [], []]);
  });

  function cdk(...args: string[]): Promise<string> {
    const env = {
      ...emulator.env,
      HOME: folder,
      PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter),
      CDK_DISABLE_VERSION_CHECK: '1',
    };
    const bin = join(folder, 'node_modules/aws-cdk/bin/cdk');
    return run(process.execPath, [bin, ...args, '--no-notices', '--ci'], env, folder);
  }
});

/** Packs the package that built.ts has built, and installs it and the CDK into the folder of a new user, who has the example. */
async function newUsersFolder(folder: string): Promise<void> {
  const packed = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder]);
  const [{ filename }] = JSON.parse(packed.slice(packed.indexOf('[\n'))) as [{ filename: string }];
  const { devDependencies } = JSON.parse(await readFile(resolve(HERE, '../package.json'), 'utf8'));
  const cdk = Object.entries(devDependencies).map(([name, version]) => `${name}@${version}`);
  await writeFile(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
  const quietly = ['--prefer-offline', '--no-audit', '--no-fund'];
  await run('npm', ['install', ...quietly, join(folder, filename), ...cdk], process.env, folder);
  for (const name of ['app.ts', 'cdk.json']) await copyFile(join(EXAMPLE, name), join(folder, name));
}
