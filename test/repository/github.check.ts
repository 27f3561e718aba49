import { execFile } from 'node:child_process';
import { globSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { goCommand, pythonLinters } from '../template/tools.ts';

/** What GitHub reads of this repository, as far as linters know it: no workflow can run here. */

const REPOSITORY = resolve(import.meta.dirname, '../..');
const commands = await pythonLinters(import.meta.dirname);
const actionlint = await goCommand('github.com/rhysd/actionlint/cmd/actionlint@v1.7.12');

/** A copy of .github in which a test may write mistakes. */
let copy: string;
const workflow = () => join(copy, '.github/workflows/ci.yml');

beforeAll(async () => {
  copy = await mkdtemp(join(tmpdir(), 'ecs-drain-github-'));
  await cp(join(REPOSITORY, '.github'), join(copy, '.github'), { recursive: true });
});

afterAll(() => rm(copy, { recursive: true }));

describe.skipIf(!actionlint)('actionlint', () => {
  const finds = (files: readonly string[]) => printed(String(actionlint), ['-no-color', ...files]);

  it('finds nothing in the workflows', async () => {
    const workflows = globSync(join(REPOSITORY, '.github/workflows/*.yml'));
    expect(workflows).not.toEqual([]);
    expect(await finds(workflows)).toBe('');
  });

  it('finds an expression that names nothing', async () => {
    await change(workflow(), 'matrix.node', 'matrix.nodes');
    expect(await finds([workflow()])).toContain('property "nodes" is not defined');
  });
});

describe.skipIf(!commands)('zizmor', () => {
  const finds = (folder: string) =>
    printed(join(String(commands), 'zizmor'), [
      '--offline',
      '--pedantic',
      '--strict-collection',
      '--no-progress',
      '--format=json',
      folder,
    ]).then((found) => (JSON.parse(found) as { ident: string }[]).map(({ ident }) => ident));

  it('finds nothing in the workflows and the configuration of updates', async () => {
    expect(await finds(join(REPOSITORY, '.github'))).toEqual([]);
  });

  it('finds an action that is not pinned, and an update that waits for nothing', async () => {
    await change(workflow(), /setup-node@\w+/, 'setup-node@v7');
    await change(join(copy, '.github/dependabot.yml'), /\n {4}cooldown: .*/, '');
    expect(await finds(join(copy, '.github'))).toEqual(
      expect.arrayContaining(['unpinned-uses', 'dependabot-cooldown']),
    );
  });
});

describe.skipIf(!commands)("by GitHub's schemas", () => {
  it.each([
    ['dependabot', 'dependabot.yml'],
    ['github-workflows', 'workflows/*.yml'],
    ['github-issue-config', 'ISSUE_TEMPLATE/config.yml'],
    ['github-issue-forms', 'ISSUE_TEMPLATE/!(config).yml'],
  ])('%s: .github/%s is in order', async (schema, pattern) => {
    const files = globSync(join(REPOSITORY, '.github', pattern));
    expect(files).not.toEqual([]);
    const check = ['--builtin-schema', `vendor.${schema}`, '--output-format=json', ...files];
    expect(JSON.parse(await printed(join(String(commands), 'check-jsonschema'), check))).toMatchObject({
      status: 'ok',
    });
  });
});

async function change(file: string, what: string | RegExp, by: string): Promise<void> {
  const text = await readFile(file, 'utf8');
  const changed = text.replace(what, by);
  expect(changed).not.toBe(text);
  await writeFile(file, changed);
}

/** What a linter prints; that it found something is no error here. */
async function printed(command: string, args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(command, args, { cwd: REPOSITORY }).catch((error) => {
    if (error.stdout) return error;
    throw error;
  });
  return stdout;
}
