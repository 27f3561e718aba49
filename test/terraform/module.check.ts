import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { unzipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { release } from '../../build/release.ts';
import { paramsOf } from '../../deploy/params.ts';
import { goProgram } from '../template/tools.ts';

/**
 * The module of a release, as Terraform reads it. The AWS provider cannot be had everywhere: a stand-in has its schema of what the
 * module uses (provider/main.go), and `terraform test` makes up the answers of AWS.
 */

const MODULE = resolve(import.meta.dirname, '../../terraform');
const run = promisify(execFile);

const standIn = await goProgram(join(import.meta.dirname, 'provider'), ['terraform']);

describe.skipIf(!standIn)('the module', () => {
  let folder: string;
  let module: string;
  let env: Readonly<Record<string, string | undefined>>;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ecs-drain-terraform-'));
    await release(join(folder, 'release'));
    module = join(folder, 'module');
    for (const [path, content] of Object.entries(
      unzipSync(await readFile(join(folder, 'release/ecs-drain-terraform.zip'))),
    )) {
      await mkdir(dirname(join(module, path)), { recursive: true });
      await writeFile(join(module, path), content);
    }
    await cp(join(MODULE, 'tests'), join(module, 'tests'), { recursive: true });
    env = { ...process.env, TF_CLI_CONFIG_FILE: await mirrorIn(folder) };
    await terraform('init', '-backend=false');
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('is formatted', async () => {
    expect(await terraform('fmt', '-check', '-diff', '-recursive')).toBe('');
  });

  it('is valid', async () => {
    expect(JSON.parse(await terraform('validate', '-json'))).toMatchObject({ valid: true, diagnostics: [] });
  });

  it('passes its own tests', async () => {
    expect(await terraform('test', '-no-color')).toMatch(/Success! \d+ passed, 0 failed\./);
  });

  it('refuses a value with the sentence of serverless package', async () => {
    const sentences = await refusals({
      deadline_seconds: '0',
      stop_stragglers: 'some',
      role_path: 'teams',
      alarm_topic_arn: 'x',
    });
    const given = { cluster: 'prod', autoScalingGroups: 'web' };
    const ours = messageOf(() =>
      paramsOf(
        { ...given, deadlineSeconds: '0', stopStragglers: 'some', rolePath: 'teams', alarmTopicArn: 'x' },
        'main',
      ),
    );
    expect(ours.split('; ')).toHaveLength(4);
    for (const sentence of ours.replace(/\.$/, '').split('; ')) {
      expect(sentences).toContain(
        sentence.replace(/^\w+/, (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)),
      );
    }
  });

  it('has an example that is valid', async () => {
    const example = join(module, 'examples/complete');
    await terraform(`-chdir=${example}`, 'init', '-backend=false');
    expect(JSON.parse(await terraform(`-chdir=${example}`, 'validate', '-json'))).toMatchObject({ valid: true });
  });

  async function terraform(...args: string[]): Promise<string> {
    const { stdout } = await run('terraform', args, { cwd: module, env });
    return stdout;
  }

  /** What a plan with these variables says, in one line. */
  async function refusals(variables: Readonly<Record<string, string>>): Promise<string> {
    const given = { bucket: 'artifacts', cluster: '["prod"]', auto_scaling_groups: '["web"]', ...variables };
    const args = Object.entries(given).map(([name, value]) => `-var=${name}=${value}`);
    const { stderr } = await run('terraform', ['plan', '-no-color', ...args], { cwd: module, env }).catch(
      (error) => error,
    );
    return stderr.replace(/[│\s]+/g, ' ');
  }
});

/** Terraform's configuration, by which it finds the stand-in where it would look for the provider. */
async function mirrorIn(folder: string): Promise<string> {
  const { stdout: providers } = await run('terraform', ['providers'], { cwd: MODULE });
  const [, address = ''] = /provider\[([^\]]+)\]/.exec(providers) ?? [];
  const { stdout: platform } = await run('go', ['env', 'GOOS', 'GOARCH']);
  const place = join(folder, 'mirror', address, '6.0.0', platform.trim().replace('\n', '_'));
  await mkdir(place, { recursive: true });
  await cp(String(standIn), join(place, 'terraform-provider-aws_v6.0.0'));
  const config = join(folder, 'terraform.rc');
  const mirror = `provider_installation {\n  filesystem_mirror {\n    path = ${JSON.stringify(join(folder, 'mirror'))}\n  }\n}\n`;
  await writeFile(config, mirror);
  return config;
}

function messageOf(make: () => unknown): string {
  try {
    make();
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('Nothing was refused.');
}
