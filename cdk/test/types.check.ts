import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';

/** The types of the package, as TypeScript 5.6 finds them: unlike the version of this repository, it knows classic CommonJS. */

const ROOT = resolve(import.meta.dirname, '../..');
const INSTALLED = resolve(import.meta.dirname, '../node_modules');

const APP = `
import { App, Stack } from 'aws-cdk-lib';
import { EcsDrain } from 'ecs-drain/cdk';

const stack = new Stack(new App(), 'ecs-drain');
export const drain: EcsDrain = new EcsDrain(stack, 'Drain', { clusters: ['prod'], autoScalingGroups: ['web'] });
// @ts-expect-error: without the types, anything would do.
new EcsDrain(stack, 'Drain', { clusters: ['prod'], autoScalingGroups: 'web' });
`;

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ecs-drain-cdk-types-'));
  const ours = join(folder, 'node_modules/ecs-drain');
  await mkdir(ours, { recursive: true });
  await cp(join(ROOT, 'package.json'), join(ours, 'package.json'));
  await cp(join(ROOT, 'dist/cdk'), join(ours, 'dist/cdk'), { recursive: true });
  for (const name of ['aws-cdk-lib', 'constructs']) {
    await symlink(join(INSTALLED, name), join(folder, 'node_modules', name));
  }
  await writeFile(join(folder, 'app.ts'), APP);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

it.each([
  ['CommonJS as TypeScript always had it', 'commonjs', 'commonjs'],
  ['CommonJS of Node', 'node16', 'commonjs'],
  ['ES modules of Node', 'node16', 'module'],
])('are found in %s', async (_, module, type) => {
  await writeFile(join(folder, 'package.json'), JSON.stringify({ type }));
  const compilerOptions = { module, target: 'es2020', strict: true, skipLibCheck: true, noEmit: true, types: [] };
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['app.ts'] }));
  const tsc = join(INSTALLED, 'typescript5/bin/tsc');
  const printed = promisify(execFile)(process.execPath, [tsc, '-p', folder]).catch(({ stdout }) => ({ stdout }));
  expect((await printed).stdout).toBe('');
});
