import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { presentPlan } from '../../cli/present-plan.ts';
import { aPlan, aSnapshot } from '../sandbox/plan/samples.ts';
import { run } from './deployed-region.ts';

async function fileWith(text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ecs-drain-plan-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, 'web.json');
  await writeFile(path, text);
  return path;
}

const WEB = JSON.stringify(aSnapshot());

describe('the services of a plan in the terminal', () => {
  const shown = (short: number) =>
    presentPlan(
      aPlan({
        services: [
          { name: 'fine', desired: 2, fewestRunning: 2 },
          ...Array.from({ length: short }, (_, i) => ({ name: `short-${i}`, desired: 4, fewestRunning: 2 })),
        ],
      }),
    );

  it('are those that fall below what they want, and a word about the others', () => {
    const text = shown(20);
    expect(text.match(/short-\d+/g)).toHaveLength(20);
    expect(text).not.toContain('more: --json has them all');
    expect(text).toContain('\nThe other services never have fewer running tasks than they want.\n');
  });

  it('are counted where they are too many', () => {
    const text = shown(23);
    expect(text.match(/short-\d+/g)).toHaveLength(20);
    expect(text).toContain('\nand 3 more: --json has them all\n');
  });
});

describe('ecs-drain plan', () => {
  it('rehearses the change with the packaged function, on all cores, and says what comes of it', async () => {
    const path = await fileWith(WEB);
    const report = `${path}.html`;
    const args = ['--change', 'scale-in', '--trials', '2', '--report', report];
    const { status, stdout, stderr } = await run('plan', '--snapshot', path, ...args);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    for (const words of [
      'Go: a scale-in by 1 drains its instance in each of 2 rehearsals; it takes 3 min 14 s (95 %: 3 min 18 s), and no task is killed; without a drain, 2 would be.',
      'tasks killed at most       with ecs-drain 0; without a drain 2, 2 of them before they could finish',
      'requests lost              not known: CloudWatch has no request count; give one with --assume',
      'load balancer deregistration',
      '- start of a task of web: 40 s (the median of 4 tasks of the service)',
      '- launch of an instance until it registers with ECS: assumed 2 min (no recent launch of the group is known)',
    ]) {
      expect(stdout).toContain(words);
    }
    expect(await readFile(report, 'utf8')).toContain('<title>Plan for the group web</title>');
  });

  it('exits 1 and prints one object with --json, if a drain may not end as drained', async () => {
    const path = await fileWith(JSON.stringify(aSnapshot({ service: { maximumPercent: 100 } })));
    const args = ['--change', 'scale-in', '--trials', '1', '--json'];
    const { status, stdout } = await run('plan', '--snapshot', path, ...args);
    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      drainsAll: false,
      trials: 1,
      stuck: [{ group: 'service:web', kinds: ['cannot-replace'] }],
    });
  });

  it.each([
    ['neither a group nor a snapshot', [], /^Name a group with --group, or with --snapshot a file/],
    ...[
      ['--group', 'web'],
      ['--cluster', 'prod'],
      ['--max-calls', '9'],
      ['--stage', 'prod'],
      ['--function', 'drainer'],
    ].map((option): [string, string[], RegExp] => [
      `${option.join(' ')} beside a snapshot`,
      [...option, '--snapshot', 'web.json'],
      new RegExp(
        `^${option.join(' ')} is for reading from AWS, and --snapshot web\\.json is read instead: leave out one of the two\\.$`,
      ),
    ]),
    [
      'an option of another change',
      ['--snapshot', WEB, '--change', 'rolling-update', '--count', '2'],
      /^--count 2 is an option of --change scale-in, and this is --change rolling-update: leave it out, or name --change scale-in\.$/,
    ],
    [
      'an option of another change that has no value',
      ['--snapshot', WEB, '--change', 'terminate', '--no-signals'],
      /^--no-signals is an option of --change rolling-update, and this is --change terminate: /,
    ],
    [
      'an option of another change that has several values',
      ['--snapshot', WEB, '--change', 'instance-refresh', '--instance', 'i-1', 'i-2'],
      /^--instance i-1 i-2 is an option of --change terminate, /,
    ],
    [
      'a file that is not there',
      ['--snapshot', '/nowhere.json'],
      /^--snapshot \/nowhere\.json cannot be read: there is no such file\.$/,
    ],
    [
      'settings of a snapshot that cannot be deployed',
      ['--snapshot', JSON.stringify(aSnapshot({ drain: { function: 'f', params: { deadlineSeconds: 'soon' } } }))],
      /^The settings cannot work: deadlineSeconds is "soon": expected a whole number of seconds from 1 to 172800\.$/,
    ],
    [
      'a param that contradicts another',
      ['--snapshot', WEB, '--param', 'pollMaxSeconds=5', '--param', 'pollMinSeconds=9'],
      /^The settings cannot work: pollMinSeconds 9 is above pollMaxSeconds 5: /,
    ],
    [
      'a change that is none',
      ['--snapshot', WEB, '--change', 'reboot'],
      /^There is no change reboot; there are rolling-update, /,
    ],
    [
      'a pause that is none',
      ['--snapshot', WEB, '--pause', '5m'],
      /^--pause 5m is not seconds, or a duration such as PT5M, from 0 to 172800\.$/,
    ],
    [
      'no instance',
      ['--snapshot', WEB, '--change', 'terminate'],
      /^Name the instances to terminate with --instance\.$/,
    ],
    [
      'one of several instances that is not in the group',
      ['--snapshot', WEB, '--change', 'terminate', '--instance', 'i-0000000000000000a', '--instance', 'i-00ff'],
      /i-00ff/,
    ],
    [
      'more than there are',
      ['--snapshot', WEB, '--change', 'scale-in', '--count', '9'],
      /^--count 9 is not a whole number from 1 to 2\.$/,
    ],
    [
      'more in service than there may be',
      ['--snapshot', WEB, '--min-in-service', '9'],
      /^--min-in-service 9 must be less than the maximum size/,
    ],
    [
      // Its default has to be one that the group without it can keep to.
      'nothing but the trials of a group with an instance that is launching',
      ['--snapshot', JSON.stringify(aSnapshot({ group: { desiredCapacity: 3, maxSize: 3 } })), '--trials', '0'],
      /^--trials 0 /,
    ],
    [
      'a batch of none',
      ['--snapshot', WEB, '--max-batch-size', '0'],
      /^--max-batch-size 0 is not a whole number from 1 to 100\.$/,
    ],
    ['a param that is none', ['--snapshot', WEB, '--param', 'deadline=3'], /^--param deadline=3 does not set anything/],
    [
      'a param that cannot be',
      ['--snapshot', WEB, '--param', 'deadlineSeconds=soon'],
      /^--param: deadlineSeconds is "soon": expected a whole number of seconds/,
    ],
    [
      'a report that cannot be written',
      ['--snapshot', WEB, '--report', '/nowhere/plan.html'],
      /^--report \/nowhere\/plan\.html cannot be written/,
    ],
    [
      'a param that is repeated',
      ['--snapshot', WEB, '--param', 'deadlineSeconds=100', '--param', 'deadlineSeconds=200'],
      /^--param deadlineSeconds is repeated: name it once\.$/,
    ],
    [
      'a param that the hook of the group overrules',
      ['--snapshot', WEB, '--param', 'heartbeatTimeoutSeconds=600'],
      /^--param heartbeatTimeoutSeconds=600 changes nothing: it is for hooks that the stack creates, and the group web has the hook ecs-drain, of 1 h\. Leave it out\.$/,
    ],
    [
      'a param that the snapshot has',
      ['--snapshot', WEB, '--param', 'cluster=x'],
      /^--param cluster=x: cluster is taken from the snapshot\. Leave it out\.$/,
    ],
    [
      'no change',
      ['--snapshot', WEB],
      /^Name a change with --change: rolling-update, instance-refresh, scale-in, terminate\.$/,
    ],
    ['no trial', ['--snapshot', WEB, '--trials', '0'], /^--trials 0 is not a whole number from 1 to 1000\.$/],
    [
      'a snapshot that is cut off',
      ['--snapshot', WEB.slice(0, -9)],
      /is not whole JSON: it may have been cut off\. Take it again/,
    ],
    [
      'a snapshot of another version',
      ['--snapshot', WEB.replace('"version":1', '"version":9')],
      /is a snapshot of version 9/,
    ],
  ])('refuses %s in a sentence, with exit status 2', async (what, args: string[], sentence) => {
    const whole = args.includes('--change') || what === 'no change' ? args : [...args, '--change', 'rolling-update'];
    const typed = await Promise.all(whole.map((arg) => (arg.startsWith('{') ? fileWith(arg) : arg)));
    const { status, stdout, stderr } = await run('plan', ...typed);
    expect(stderr.trim()).toMatch(sentence);
    expect(stderr.trim()).not.toContain('\n');
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  });
});
