import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, type MockInstance, vi } from 'vitest';
import { UsageError } from '../../../sandbox/command-line.ts';
import { facts } from '../../../sandbox/facts.ts';
import { fakeAccount } from './fake-account.ts';

let printed: MockInstance<typeof console.log>;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'facts-'));
  printed = vi.spyOn(console, 'log').mockImplementation(() => {});
});
afterEach(async () => {
  await rm(folder, { recursive: true });
  printed.mockRestore();
  process.exitCode = undefined;
});
const output = () => printed.mock.calls.join('\n');

const noAccount = () => {
  throw new Error('The account is asked.');
};

describe('npm run facts', () => {
  it('shows fact, experiment, observation and verdict, writes the report, and ends well where all agree', async () => {
    const file = join(folder, 'report.json');
    await facts(['--fact', '32', '--report', file], noAccount);
    expect(output()).toMatch(/32 .*query language.* 2 of 2 found .*agrees/s);
    expect(output()).toContain('1 experiment: 1 agree, 0 disagree');
    expect(process.exitCode).toBeUndefined();
    expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({
      where: 'the local Region',
      date: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      results: [{ facts: [32], verdict: 'agrees', saw: '2 of 2 found' }],
    });
  });

  it('with --aws lists what it would create, and touches no account without --yes', async () => {
    await facts(['--aws', '--region', 'eu-west-1', '--fact', '29'], noAccount);
    expect(output()).toContain('AWS::AutoScaling::AutoScalingGroup');
    expect(output()).toContain('Nothing is created without --yes.');
  });

  it('with --yes takes the account of that Region', async () => {
    const asked = vi.fn(noAccount);
    const args = ['--aws', '--region', 'eu-west-1', '--yes', '--report', join(folder, 'report.json')];
    await expect(facts(args, asked)).rejects.toThrow('The account is asked.');
    expect(asked).toHaveBeenCalledExactlyOnceWith('eu-west-1');
  });

  it('reports what was observed, though the stack could not be deleted', async () => {
    const refused = () => {
      throw new Error('It is in use');
    };
    const { account } = fakeAccount({ DeleteStackCommand: refused });
    const file = join(folder, 'report.json');
    const args = ['--aws', '--region', 'eu-west-1', '--yes', '--fact', '29', '--report', file];
    await expect(facts(args, () => account)).rejects.toThrow('is not deleted, and its instances cost money');
    const report = JSON.parse(await readFile(file, 'utf8'));
    // The account has no queue to look into.
    expect(report).toMatchObject({ where: 'AWS, eu-west-1', results: [{ facts: [29], verdict: 'failed' }] });
    expect(process.exitCode).toBe(1);
  });

  it('leaves out what disturbs others in the account, unless asked to keep it', async () => {
    await facts(['--aws', '--region', 'eu-west-1'], noAccount);
    expect(output()).not.toContain('ECS throttles reads');
    await facts(['--aws', '--region', 'eu-west-1', '--disturb'], noAccount);
    expect(output()).toContain('ECS throttles reads');
  });

  it.each([
    { args: ['--yes'], sentence: '--yes is for experiments on AWS' },
    { args: ['--region', 'eu-west-1'], sentence: '--region is for experiments on AWS' },
    { args: ['--aws', '--endpoint-url', 'http://127.0.0.1:1'], sentence: 'leave out one of them' },
    { args: ['--fact', '999'], sentence: 'No experiment observes fact 999' },
    { args: ['--fact', '32', '--fact', '999', '--fact', '8'], sentence: 'No experiment observes fact 999, 8.' },
    { args: ['--fact', '032'], sentence: 'No experiment observes fact 032' },
    { args: ['--docs', '--fact', '32'], sentence: '--docs writes the whole table: leave out --fact.' },
    { args: ['--report', '/nonexistent/x.json'], sentence: '--report /nonexistent/x.json cannot be written: ENOENT' },
    {
      args: ['--aws', '--region', 'eu-west-1', '--yes', '--report', '/nonexistent/x.json'],
      sentence: '--report /nonexistent/x.json cannot be written',
    },
  ])('refuses $args in a sentence', async ({ args, sentence }) => {
    const refused = facts(args, noAccount);
    await expect(refused).rejects.toThrow(UsageError);
    await expect(refused).rejects.toThrow(sentence);
    expect(printed).not.toHaveBeenCalled();
  });

  it('leaves no empty report behind where it refuses an option, or creates nothing', async () => {
    const file = join(folder, 'report.json');
    await expect(facts(['--yes', '--report', file], noAccount)).rejects.toThrow(UsageError);
    await facts(['--aws', '--region', 'eu-west-1', '--fact', '29', '--report', file], noAccount);
    await expect(readFile(file)).rejects.toThrow('ENOENT');
  });

  it('asks for a Region where neither the command nor the environment names one', async () => {
    vi.stubEnv('AWS_REGION', undefined);
    await expect(facts(['--aws'], noAccount)).rejects.toThrow('Say in which Region of AWS');
    vi.unstubAllEnvs();
  });
});
