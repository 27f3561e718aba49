import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { AwsError } from '../../sandbox/region/aws-error.ts';
import { deployedRegion, run } from './deployed-region.ts';

const ROOT = resolve(import.meta.dirname, '../..');

/** Runs a command as a shell does, with nothing of AWS in its environment but what is given. */
function child(env: Record<string, string>, ...args: string[]): Promise<{ status: number; stderr: string }> {
  return new Promise((done) => {
    execFile(
      process.execPath,
      [join(ROOT, 'cli/ecs-drain.ts'), ...args],
      { env: { PATH: process.env['PATH'] ?? '', HOME: tmpdir(), AWS_EC2_METADATA_DISABLED: 'true', ...env } },
      (error, _, stderr) => done({ status: error ? Number(error.code) : 0, stderr }),
    );
  });
}

describe('npx ecs-drain, typed wrongly', () => {
  it.each([
    ['an unknown command', ['sing'], "Unknown command 'sing'. npx ecs-drain --help lists the commands."],
    ['an option twice', ['status', '--stage', 'prod', '--stage', 'main'], '--stage is repeated: name it once.'],
    ['an unknown option', ['status', '--loud'], "Unknown option '--loud'. npx ecs-drain --help lists the commands."],
    [
      'an option that is nearly one',
      ['history', '--sinc', '2h'],
      "Unknown option '--sinc'. Did you mean --since? npx ecs-drain --help lists the commands.",
    ],
    ['a script as JSON', ['completion', 'bash', '--json'], 'completion prints a script for a shell: leave out --json.'],
    ['no instance', ['explain'], "Missing required argument 'instance'. npx ecs-drain --help lists the commands."],
    ['no instance id', ['explain', 'web-1'], 'web-1 is not the id of an EC2 instance, such as i-0123456789abcdef0.'],
    ['neither file nor queue', ['replay'], 'Name a FILE, or --dead-letter, and not both.'],
    ['both', ['replay', 'a.json', '--dead-letter'], 'Name a FILE, or --dead-letter, and not both.'],
    ['a file that is not there', ['replay', '/none/a.json'], '/none/a.json cannot be read: there is no such file.'],
    [
      'no URL',
      ['status', '--endpoint-url', 'localhost:4566'],
      '--endpoint-url localhost:4566 is not a URL such as http://127.0.0.1:4566.',
    ],
    ['no Region', ['status', '--region', 'mars west'], '--region mars west is not a Region of AWS such as eu-west-1.'],
    ...['region', 'profile', 'stage', 'function'].map((option): [string, string[], string] => [
      `an empty ${option}`,
      ['status', `--${option}`, ''],
      `--${option} is empty: name one, or leave it out.`,
    ]),
  ])('gets a sentence about %s, with exit status 2', async (_, args, sentence) => {
    expect(await run(...args)).toEqual({ status: 2, stdout: '', stderr: `${sentence}\n` });
  });

  it.each(['127.0.0.1:4566', 'localhost:4566'])('gets a sentence that AWS_ENDPOINT_URL=%s is no URL', async (url) => {
    vi.stubEnv('AWS_ENDPOINT_URL', url);
    onTestFinished(() => void vi.unstubAllEnvs());
    expect(await run('status')).toEqual({
      status: 2,
      stdout: '',
      stderr: `AWS_ENDPOINT_URL ${url} is not a URL such as http://127.0.0.1:4566.\n`,
    });
  });

  it('gets a sentence about a file that is not JSON', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ecs-drain-cli-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const file = join(folder, 'event.json');
    await writeFile(file, '{');
    const { status, stderr } = await run('replay', file);
    expect(status).toBe(2);
    expect(stderr).toMatch(/^.*event\.json is not JSON: .*\n$/);
  });

  it('prints its version', async () => {
    expect(await run('--version')).toEqual({ status: 0, stdout: `${packageJson.version}\n`, stderr: '' });
  });

  it('lists the commands, and exits 2 where that was not asked for', async () => {
    expect(await run('--help')).toMatchObject({ status: 0, stderr: '', stdout: expect.stringContaining('doctor') });
    expect(await run()).toMatchObject({ status: 2, stdout: '', stderr: expect.stringContaining('doctor') });
  });
});

describe('npx ecs-drain, completed by a shell', () => {
  /** What the shell offers: a line each. The last line, a directive, is left out. */
  async function offered(...words: string[]): Promise<string[]> {
    const lines: string[] = [];
    const logged = vi.spyOn(console, 'log').mockImplementation((line) => void lines.push(line));
    onTestFinished(() => logged.mockRestore());
    expect(await run('complete', '--', ...words)).toMatchObject({ status: 0, stderr: '' });
    return lines.slice(0, -1).map((line) => line.split('\t')[0] ?? '');
  }

  it('offers the commands, the options of each, and those of all', async () => {
    expect(await offered('')).toEqual(expect.arrayContaining(['status', 'explain', 'doctor', 'plan', 'completion']));
    expect(await offered('ex')).toEqual(['explain', 'extend']);
    expect(await offered('plan', '--max-c')).toEqual(['--max-calls']);
    expect(await offered('status', '--end')).toEqual(['--endpoint-url']);
    expect(await offered('completion', '')).toEqual(['zsh', 'bash', 'fish', 'powershell']);
  });

  it('refuses a shell that it does not know, in a sentence', async () => {
    const { status, stderr } = await run('completion', 'tcsh');
    expect(status).toBe(2);
    expect(stderr).toMatch(/'tcsh' is invalid .*Allowed choices are zsh, bash, fish, powershell\./);
  });
});

describe('npx ecs-drain, where AWS does not answer as it should', () => {
  it('says that a function is not deployed, and how to name another', async () => {
    const deployed = await deployedRegion();
    const { status, stderr } = await deployed.run('status', '--stage', 'prod');
    expect(status).toBe(2);
    expect(stderr).toBe(
      'Function not found: arn:aws:lambda:eu-west-1:123456789012:function:ecs-drain-prod-drain. Deploy it, or name another stage with --stage, another function with --function, or another Region with --region.\n',
    );
    expect((await deployed.run('status', '--function', 'ecs-drain-main-drain')).status).toBe(0);
  });

  it('says that it cannot read the settings of a function that is another', async () => {
    const deployed = await deployedRegion();
    deployed.region.deploy({ name: 'other', timeoutSeconds: 3, load: () => async () => {} });
    const { status, stderr } = await deployed.run('status', '--function', 'other');
    expect(status).toBe(2);
    expect(stderr).toMatch(/^The function other has settings that cannot be read: cluster is missing.*Deploy it again/);
  });

  it.each([
    ['lambda', 'GetFunctionConfiguration', 'lambda:GetFunctionConfiguration'],
    ['autoscaling', 'DescribeAutoScalingGroups', 'autoscaling:DescribeAutoScalingGroups'],
  ])('names the action of %s that is not permitted', async (service, operation, action) => {
    const deployed = await deployedRegion();
    deployed.fail((call) =>
      call.service === service && call.operation === operation
        ? new AwsError('AccessDeniedException', `User: me is not authorized to perform: ${action} on resource: it`, 403)
        : undefined,
    );
    const { status, stdout, stderr } = await deployed.run('status');
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain(
      `not authorized to perform: ${action} on resource: it. The commands need these permissions: `,
    );
    expect(stderr).not.toContain("function's role");
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  it('says that an endpoint refuses', async () => {
    const server = createServer();
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const { port } = server.address() as { port: number };
    await new Promise((closed) => server.close(closed));
    await deployedRegion();
    const { status, stderr } = await run('status', '--endpoint-url', `http://127.0.0.1:${port}`);
    expect(status).toBe(2);
    expect(stderr).toBe(
      `http://127.0.0.1:${port} does not answer (ECONNREFUSED): check --endpoint-url, --region and the network.\n`,
    );
  });

  it.each([
    ['a page', 'http', 200, '<html><body>Please sign in</body></html>', 'HTTP 200'],
    ['a page that refuses', 'http', 403, '<html><body>Blocked</body></html>', 'HTTP 403'],
    ['a text', 'http', 501, 'never heard of it', 'HTTP 501'],
    ['nothing', 'http', 404, '', 'HTTP 404'],
    ['no TLS', 'https', 200, '', 'EPROTO'],
  ])('says that what answers with %s is not AWS', async (_, protocol, httpStatus, body, how) => {
    const server = createHttpServer((_, response) => response.writeHead(httpStatus).end(body));
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    onTestFinished(() => void server.close());
    await deployedRegion();
    const url = `${protocol}://127.0.0.1:${(server.address() as AddressInfo).port}`;
    expect(await run('status', '--endpoint-url', url)).toEqual({
      status: 2,
      stdout: '',
      stderr: `${url} does not answer as AWS does (${how}): check --endpoint-url / AWS_ENDPOINT_URL and proxies.\n`,
    });
  });

  it('says that AWS does not accept the credentials', async () => {
    const deployed = await deployedRegion();
    deployed.fail(
      () => new AwsError('ExpiredTokenException', 'The security token included in the request is expired', 403),
    );
    const { status, stderr } = await deployed.run('status');
    expect(status).toBe(2);
    expect(stderr).toMatch(/^AWS does not accept these credentials: .* is expired\. Sign in again/);
  });

  it('ends a process with a sentence and exit status 2 where there are no credentials', async () => {
    const unsigned = await child({ AWS_REGION: 'eu-west-1' }, 'status', '--endpoint-url', 'http://127.0.0.1:9');
    expect(unsigned.status).toBe(2);
    expect(unsigned.stderr).toMatch(/^There are no AWS credentials: .* Set AWS_PROFILE or --profile.*\n$/);
    for (const [env, ...options] of [[{}, '--profile', 'nope'], [{ AWS_PROFILE: 'nope' }]] as const) {
      const nobody = await child({ AWS_REGION: 'eu-west-1', ...env }, 'status', ...options);
      expect(nobody.status).toBe(2);
      expect(nobody.stderr).toMatch(
        /^The profile nope gives no credentials: is it in ~\/\.aws\/config\? Could not .*\.\n$/,
      );
    }
    const nowhere = await child({ AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' }, 'status');
    expect(nowhere.status).toBe(2);
    expect(nowhere.stderr).toBe('No AWS Region is set: set AWS_REGION, or use --region.\n');
    expect((await child({}, 'sing')).status).toBe(2);
  });

  it.each([
    ['', /^No AWS Region is set: set AWS_REGION, or use --region\.\n$/],
    ['eu west', /Correct AWS_REGION or the profile, or name a Region with --region\.\n$/],
  ])('says what to do about the Region “%s” of the environment', async (region, sentence) => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'a');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'b');
    vi.stubEnv('AWS_REGION', region);
    const { status, stderr } = await run('snapshot', '--group', 'web');
    expect(stderr).toMatch(sentence);
    expect(status).toBe(2);
  });
});
