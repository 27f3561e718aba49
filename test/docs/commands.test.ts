import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { markdownTokens } from '../words/passages.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(resolve(ROOT, path), 'utf8');
const PAGES = globSync(['*.md', '{docs,examples}/**/*.md'], { cwd: ROOT }).sort();

/** Only a person with an AWS account can run it: docs/verify-on-aws.md. */
const NEEDS_AWS = 'needs AWS';
/** It takes minutes to hours: it is run by hand, and a test runs a short form of it. */
const BY_HAND = 'by hand';

/**
 * What runs each command that a page shows in a block of `sh`, by the beginning of the command; the longest beginning
 * counts. The text of the test has every option of the command.
 */
const RUN_BY: Readonly<Record<string, string>> = {
  'npm ci': '.ci/run',
  'npm test': '.ci/run',
  'npm install ecs-drain': 'cdk/test/deploy.check.ts',
  'npm run lint': '.ci/run',
  'npm run words': '.ci/run',
  'npm run typecheck': '.ci/run',
  'npm run architecture': '.ci/run',
  'npm run facts --': 'test/sandbox/facts/command.test.ts',
  'npm run drill': '.ci/run',
  'npm run drill --': 'test/sandbox/drill.test.ts',
  'npm run chaos --': 'test/sandbox/drill.test.ts',
  'npm run region': 'test/sandbox/drill.test.ts',
  'npm run region -- --drainer external --notify sns': 'test/sandbox/drill.test.ts',
  'npm run format': BY_HAND,
  'npm run mutation': BY_HAND,
  'npm run bench': BY_HAND,
  'npm run soak': BY_HAND,
  'npm run soak --': 'test/bench/soak.test.ts',
  'npx serverless deploy': 'test/emulator/deployment.emulator.ts',
  'npx serverless deploy --stage': NEEDS_AWS,
  'npx serverless remove': 'test/emulator/deployment.emulator.ts',
  'npx ecs-drain compare': 'test/cli/compare.test.ts',
  'npx ecs-drain doctor': 'test/cli/doctor.test.ts',
  'npx ecs-drain drain': 'test/cli/drain.test.ts',
  'npx ecs-drain doctor --group': 'test/cli/doctor-group.test.ts',
  'npx ecs-drain explain': 'test/cli/explain.test.ts',
  'npx ecs-drain logs': 'test/cli/history.test.ts',
  'npx ecs-drain plan': 'test/cli/plan.test.ts',
  'npx ecs-drain release': 'test/cli/operate.test.ts',
  'npx ecs-drain replay': 'test/cli/replay.test.ts',
  'npx ecs-drain snapshot': 'test/cli/snapshot.test.ts',
  'npx ecs-drain --profile web,data': 'test/cli/several-places.test.ts',
  'npx ecs-drain status': 'test/cli/status.test.ts',
  'npx ecs-drain wait': 'test/cli/operate.test.ts',
  'python3 examples/bring-your-own-drainer/run.py': 'test/peers/bring-your-own-drainer.check.ts',
  aws: NEEDS_AWS,
  curl: NEEDS_AWS,
  'while sleep': NEEDS_AWS,
};

/** What only the AWS CLI has, and no API. */
const OF_THE_AWS_CLI = ['cloudformation deploy', 'cloudformation package', 'cloudformation wait', 'logs tail'];
const CLIENT_OF: Readonly<Record<string, string>> = {
  autoscaling: 'auto-scaling',
  elbv2: 'elastic-load-balancing-v2',
  events: 'eventbridge',
  logs: 'cloudwatch-logs',
};

/** The commands of a block, each in one line, without comments and without what only the shell does. */
function commandsIn(block: string): string[] {
  const lines = block.replace(/\\\n\s*/g, '').split('\n');
  return lines
    .map((line) => line.replace(/(^|\s)#.*$/, '').trim())
    .flatMap((line) => line.split(/ && /))
    .filter((line) => line !== '' && !/^(export |\w+=|\w+\(\) \{)/.test(line));
}

const shownIn = (page: string) =>
  markdownTokens(page)
    .filter(({ token }) => token.type === 'fence' && token.info === 'sh')
    .flatMap(({ token }) => commandsIn(token.content));

const SHOWN = PAGES.flatMap((path) => shownIn(read(path)).map((command) => ({ path, command })));

/** Commands within a sentence: often only their beginning, so they are looked at for names that do not exist. */
const namedIn = (page: string) =>
  markdownTokens(page)
    .filter(({ token }) => token.type === 'code_inline' && /^(?:npm|npx|aws) /.test(token.content))
    .map(({ token }) => token.content);

const NAMED = PAGES.filter((path) => path !== 'CHANGELOG.md').flatMap((path) =>
  namedIn(read(path)).map((command) => ({ path, command })),
);

/** The package of this repository is not on the npm registry, where its name may belong to a stranger. */
const installsFromTheRegistry = (command: string) =>
  /^npm (?:install|i) (?:\S+ )*ecs-drain(?:@\S+)?(?: |$)/.test(command);

const entryOf = (command: string) =>
  Object.keys(RUN_BY)
    .filter((beginning) => command === beginning || command.startsWith(`${beginning} `))
    .toSorted((a, b) => b.length - a.length)[0];

/** `--since`, and the name of each --param. */
const optionsOf = (command: string) => [
  ...[...command.matchAll(/(?<= )--[a-z][\w-]*/g)].map(([option]) => option).filter((option) => option !== '--param'),
  ...[...command.matchAll(/--param="?(\w+)=/g)].map(([, name = '']) => name),
];

/** What is wrong with the way in which a command is tested; undefined if nothing is. */
function untested(command: string): string | undefined {
  const entry = entryOf(command);
  const by = entry === undefined ? undefined : RUN_BY[entry];
  if (by === undefined) return 'has no entry: say which test runs it, or that it needs AWS';
  if (by === NEEDS_AWS || by === BY_HAND) return undefined;
  const texts = [by, ...(command.includes('--param') ? ['deploy/params.ts'] : [])].map(read).join();
  if (by === '.ci/run' && !texts.includes(entry ?? '')) return 'is not in .ci/run';
  const missing = optionsOf(command).filter((option) => !texts.includes(option));
  return missing.length > 0 ? `has ${missing.join(', ')}, unknown to ${by}` : undefined;
}

describe('the commands of the documents', () => {
  it('are each run by a test, or need AWS or a person', () => {
    expect(SHOWN.length).toBeGreaterThan(60);
    const failures = SHOWN.flatMap(({ path, command }) => {
      const why = untested(command);
      return why ? [`${path}: ${command} ${why}`] : [];
    });
    expect(failures).toEqual([]);
  });

  it('would be found untested', () => {
    expect(untested('npm run dance')).toContain('has no entry');
    expect(untested('npx ecs-drain status --loud')).toBe('has --loud, unknown to test/cli/status.test.ts');
    expect(commandsIn('# a\nnpm ci && npm test # b\nexport A=b\naws ecs \\\n  list-tasks\n')).toEqual([
      'npm ci',
      'npm test',
      'aws ecs list-tasks',
    ]);
  });

  it('have an entry only as long as a page shows them', () => {
    const used = new Set(SHOWN.map(({ command }) => entryOf(command)));
    expect(Object.keys(RUN_BY).filter((entry) => !used.has(entry))).toEqual([]);
  });

  it('install ecs-drain from a file, as long as it is not published', () => {
    expect(NAMED.length).toBeGreaterThan(60);
    expect(installsFromTheRegistry('npm install --global ecs-drain')).toBe(true);
    expect(installsFromTheRegistry('npm install --global ./ecs-drain-0.2.0.tgz')).toBe(false);
    const found = [...SHOWN, ...NAMED].filter(({ command }) => installsFromTheRegistry(command));
    expect(found.map(({ path }) => path)).toEqual(['docs/cdk.md']); // for the day when it is published, as it says
  });

  it('run scripts that package.json has', () => {
    const scripts = [...SHOWN, ...NAMED].flatMap(({ command }) => /^npm run ([\w:]+)/.exec(command)?.[1] ?? []);
    expect(scripts.filter((script) => !(script in packageJson.scripts))).toEqual([]);
  });

  it('ask AWS for operations that it has', async () => {
    const asked = [...SHOWN, ...NAMED].flatMap(({ command }) => [...command.matchAll(/\baws ([a-z\d]+) ([a-z-]+)/g)]);
    const operations = new Set(asked.map(([, service, operation]) => `${service} ${operation}`));
    const unknown: string[] = [];
    for (const name of operations.difference(new Set(OF_THE_AWS_CLI))) {
      const [service = '', operation = ''] = name.split(' ');
      const client = await import(`@aws-sdk/client-${CLIENT_OF[service] ?? service}`);
      const command = `${operation.replace(/(?:^|-)(\w)/g, (_, letter) => letter.toUpperCase())}Command`;
      if (!(command in client)) unknown.push(name);
    }
    expect(operations.size).toBeGreaterThan(10);
    expect(unknown).toEqual([]);
  });
});
