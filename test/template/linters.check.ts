import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { pythonLinters } from './tools.ts';

const run = promisify(execFile);
const commands = await pythonLinters();

const EXAMPLES = ['rolling-update', 'notify', 'notify-chat', 'notify-webhook', 'central-bus'].map((name) =>
  join(import.meta.dirname, `../../examples/${name}/template.yaml`),
);
const FACTS_STACK = join(import.meta.dirname, '../../sandbox/facts/stack.yaml');

describe.skipIf(!commands).each([
  { what: 'the packaged templates', config: 'checkov.yaml' },
  { what: "the examples' templates", config: 'checkov.example.yaml', files: EXAMPLES },
  { what: "the experiments' stack", config: 'checkov.facts.yaml', files: [FACTS_STACK] },
])('in $what', ({ config, files: given }) => {
  const configFile = join(import.meta.dirname, config);
  let folder: string;
  let files: string[];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ecs-drain-templates-'));
    files = given ?? (await writtenTo(folder));
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('cfn-lint finds nothing', async () => {
    expect(await printed('cfn-lint', files)).toBe('');
  });

  it('checkov finds nothing but what is suppressed', async () => {
    expect(await failed(configFile, files)).toEqual([]);
  });

  it('checkov finds all that is suppressed, and each suppression has its reason', async () => {
    const list = (await readFile(configFile, 'utf8')).split('skip-check:\n')[1]?.trimEnd().split('\n') ?? [];
    const suppressed = list.map((line) => /^ {2}- (CKV\w+) # .{20,}$/.exec(line)?.[1] ?? `no reason: ${line}`);
    // A check that does not exist stands in for the configured list.
    expect(await failed(configFile, files, ['--skip-check', 'CKV_NO_SUCH_CHECK'])).toEqual(suppressed.toSorted());
  });
});

describe.skipIf(!commands)('what an account asks of every resource', () => {
  it('is on every resource that can have it, by the schemas that cfn-lint has of CloudFormation', async () => {
    const resources = inject('packages')['patterns and options']?.resources ?? {};
    const options = ['Tags', 'PermissionsBoundary', 'RetentionInDays', 'KmsMasterKeyId'];
    const types = new Map(Object.values(resources).map(({ Type, Properties }) => [Type, Object.keys(Properties)]));
    expect(types.size).toBeGreaterThan(10);
    const possible = await propertiesOf([...types.keys()]);
    const having = (names: readonly string[] = []) => options.filter((option) => names.includes(option));
    for (const [type, properties] of types) expect([type, having(properties)]).toEqual([type, having(possible[type])]);
  });
});

/** The properties that each type of resource can have. */
async function propertiesOf(types: readonly string[]): Promise<Readonly<Record<string, readonly string[]>>> {
  const script = [
    'import json, sys',
    'from cfnlint.schema import PROVIDER_SCHEMA_MANAGER as schemas',
    'properties = lambda type: list(schemas.get_resource_schema("us-east-1", type).schema["properties"])',
    'print(json.dumps({type: properties(type) for type in sys.argv[1:]}))',
  ].join('\n');
  const { stdout } = await run(join(commands ?? '', 'python'), ['-c', script, ...types]);
  return JSON.parse(stdout);
}

/** The packaged templates, as files. */
async function writtenTo(folder: string): Promise<string[]> {
  const writing = Object.entries(inject('packages')).map(async ([set, { template }]) => {
    const file = join(folder, `${set}.json`);
    await writeFile(file, JSON.stringify(template));
    return file;
  });
  return Promise.all(writing);
}

/** The ids of the checks that fail. */
async function failed(config: string, files: readonly string[], more: readonly string[] = []): Promise<string[]> {
  const args = ['--config-file', config, ...files.flatMap((file) => ['-f', file]), '-o', 'json', ...more];
  const report = JSON.parse(await printed('checkov', args));
  expect(report.summary).toMatchObject({ parsing_errors: 0 });
  expect(report.summary.resource_count).toBeGreaterThan(files.length);
  const checks: { check_id: string }[] = report.results.failed_checks;
  return [...new Set(checks.map(({ check_id }) => check_id))].toSorted();
}

/** What a linter prints; that it found something is no error here. */
async function printed(linter: string, args: readonly string[]): Promise<string> {
  const { stdout } = await run(join(commands ?? '', linter), args, { maxBuffer: Infinity }).catch((error) => {
    if (error.stdout) return error;
    throw error;
  });
  return stdout;
}
