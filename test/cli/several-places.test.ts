import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { AwsError } from '../../sandbox/region/aws-error.ts';
import { listen } from '../../sandbox/region/wire/http.ts';
import { answeringInTime } from '../sandbox/region/clients.ts';
import { type Deployed, deployedRegion, logEnds, run } from './deployed-region.ts';

/**
 * Two deployments behind one URL. The second has the requests in whose signature this text is: a Region, or the access key of an
 * account. What is logged goes to the deployment that was made last, so what the log of the first has to show comes before that.
 */
async function twoDeployments(signature: string, before = async (_first: Deployed) => {}) {
  const first = await deployedRegion();
  await before(first);
  const second = await deployedRegion({ instances: 3, speed: 10 });
  const { url, close } = await listen(
    (request) => {
      const authorization = String(request.headers['authorization']);
      const { region } = authorization.includes(signature) ? second : first;
      // Every local Region is eu-west-1, and takes no signature of another.
      const headers = { ...request.headers, authorization: authorization.replace('/us-east-1/', '/eu-west-1/') };
      return answeringInTime(region)({ ...request, headers });
    },
    0,
    () => first.region.time.nowMs(),
  );
  onTestFinished(close);
  return { first, second, url };
}

async function twoRegions(before?: (ireland: Deployed) => Promise<void>) {
  const { first: ireland, second: virginia, url } = await twoDeployments('/us-east-1/', before);
  return { ireland, virginia, there: ['--region', 'eu-west-1,us-east-1', '--endpoint-url', url] };
}

async function twoProfiles() {
  const { first: web, second: data, url } = await twoDeployments('Credential=DATA/');
  await terminate(web, 0);
  await terminate(data, 2);
  const folder = await mkdtemp(join(tmpdir(), 'ecs-drain-profiles-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, 'config');
  const profileOf = (name: string) =>
    `[profile ${name}]\naws_access_key_id = ${name.toUpperCase()}\naws_secret_access_key = local\n`;
  await writeFile(file, profileOf('web') + profileOf('data'));
  vi.stubEnv('AWS_CONFIG_FILE', file);
  for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) vi.stubEnv(name, undefined);
  return url;
}

async function terminate({ region, instanceIds, pass }: Deployed, ...which: number[]): Promise<void> {
  for (const i of which) region.autoScaling.terminateInstance(instanceIds[i] ?? '');
  await pass(60);
}

const cellsOf = (stdout: string) =>
  stdout
    .split('\n')
    .filter((line) => line.startsWith('│'))
    .map((line) => line.split('│').map((cell) => cell.trim()));

/** What every row of the table has in this column; the lines of a row are one. */
function column(stdout: string, head: string): string[] {
  const [heads = [], ...lines] = cellsOf(stdout);
  return lines.flatMap((cells) => cells[heads.indexOf(head)] || []);
}

describe('ecs-drain status and history of several Regions', () => {
  it('show the drains of all in one table, with the Region of each', async () => {
    const { ireland, virginia, there } = await twoRegions();
    await terminate(ireland, 0);
    await terminate(virginia, 1, 2);
    const { status, stdout } = await run('status', ...there);
    expect(status).toBe(0);
    expect(column(stdout, 'Region')).toEqual(['eu-west-1', 'us-east-1', 'us-east-1']);
    expect(cellsOf(stdout)[0]).not.toContain('profile');
    const { drains, failures } = JSON.parse((await run('status', '--json', ...there)).stdout);
    expect(drains).toMatchObject([
      { region: 'eu-west-1', instanceId: ireland.instanceIds[0], parked: true },
      { region: 'us-east-1', instanceId: virginia.instanceIds[1], parked: true },
      { region: 'us-east-1', instanceId: virginia.instanceIds[2], parked: true },
    ]);
    expect(failures).toEqual([]);
  });

  it('show the drains that have ended in all, the latest of any first', async () => {
    const { virginia, there } = await twoRegions(async (ireland) => {
      await terminate(ireland, 0);
      await ireland.pass(1_440);
      await terminate(ireland, 1);
      await ireland.pass(1_440);
    });
    await virginia.pass(600);
    await terminate(virginia, 1);
    await virginia.pass(2_340);
    const { status, stdout } = await run('history', ...there);
    expect(status).toBe(0);
    expect(column(stdout, 'Region')).toEqual(['eu-west-1', 'us-east-1', 'eu-west-1']);
    expect(stdout).toMatch(/3 drains since \S+: 3 drained; tasks killed: 0\.\n$/);
    const history = JSON.parse((await run('history', '--json', ...there)).stdout);
    expect(history).toMatchObject({ isCut: false, failures: [] });
    expect(history.drains.map(({ region }: { region: string }) => region)).toEqual(column(stdout, 'Region'));
  });

  it('show no drain of a time of which another Region has too many', async () => {
    const { virginia, there } = await twoRegions(async (ireland) => {
      await ireland.pass(60);
      await logEnds(ireland, 501);
    });
    await logEnds(virginia, 1);
    const { stdout } = await run('history', '--json', '--function', 'busy', ...there);
    const { isCut, drains } = JSON.parse(stdout);
    expect(isCut).toBe(true);
    expect(new Set(drains.map(({ region }: { region: string }) => region))).toEqual(new Set(['eu-west-1']));
    expect(drains).toHaveLength(500);
  });

  it('say of each Region what is not in the table', async () => {
    const { ireland, there } = await twoRegions();
    await terminate(ireland, 0);
    expect((await run('status', ...there)).stdout).toMatch(
      /\nus-east-1: Nothing is draining: Auto Scaling holds no instance of web\.\n$/,
    );
  });

  it('show the others where one does not answer, with its sentence and exit status 1', async () => {
    const { ireland, virginia, there } = await twoRegions();
    await terminate(ireland, 0);
    virginia.fail(() => new AwsError('AccessDeniedException', 'User: me is not authorized', 403));
    const sentence =
      'us-east-1: Could not read the configuration of ecs-drain-main-drain: User: me is not authorized. The commands need';
    for (const command of ['status', 'history']) {
      const { status, stdout, stderr } = await run(command, ...there);
      expect({ status, stderr }).toEqual({ status: 1, stderr: '' });
      expect(stdout).toContain(`\n${sentence}`);
      const json = await run(command, '--json', ...there);
      expect(json.status).toBe(1);
      expect(JSON.parse(json.stdout)).toMatchObject({
        function: 'ecs-drain-main-drain',
        failures: [expect.stringContaining(sentence)],
        drains: command === 'status' ? [{ region: 'eu-west-1' }] : [],
      });
    }
  });

  it('say why where none answers', async () => {
    const { ireland, virginia, there } = await twoRegions();
    for (const { fail } of [ireland, virginia]) fail(() => new AwsError('AccessDeniedException', 'not you', 403));
    for (const command of ['status', 'history']) {
      const { status, stdout } = await run(command, ...there);
      expect(status).toBe(1);
      expect(stdout.trimEnd().split('\n')).toEqual([
        expect.stringMatching(/^eu-west-1: Could not .*: not you\./),
        expect.stringMatching(/^us-east-1: Could not .*: not you\./),
      ]);
    }
  });

  it('watch them, and keep the drains of one that does not answer a later look', async () => {
    const { ireland, virginia, there } = await twoRegions();
    await terminate(ireland, 0);
    await terminate(virginia, 0);
    const sinceMs = virginia.region.time.nowMs();
    ireland.fail(() =>
      virginia.region.time.nowMs() > sinceMs ? new AwsError('AccessDeniedException', 'not you', 403) : undefined,
    );
    const { status, stdout } = await virginia.interrupt(10, false, 'status', '--watch', ...there);
    expect(status).toBe(0);
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).toContain(`Z eu-west-1 ${ireland.instanceIds[0]}, group web: `);
    expect(lines[1]).toContain(`Z us-east-1 ${virginia.instanceIds[0]}, group web: `);
    expect(lines.filter((line) => line.includes('Z eu-west-1: Could not '))).toHaveLength(1);
    expect(lines.filter((line) => line.endsWith(' drains no more'))).toEqual([
      expect.stringContaining(`Z us-east-1 ${virginia.instanceIds[0]} drains no more`),
    ]);
  });

  it('need the list to be of Regions, and no other command takes one', async () => {
    for (const command of [['status'], ['history']]) {
      expect(await run(...command, '--region', 'eu-west-1,mars west')).toMatchObject({
        status: 2,
        stderr: '--region mars west is not a Region of AWS such as eu-west-1.\n',
      });
      expect(await run(...command, '--region', 'eu-west-1,')).toMatchObject({
        status: 2,
        stderr: '--region is empty: name one, or leave it out.\n',
      });
    }
    for (const option of ['--region', '--profile']) {
      expect(await run('doctor', option, 'one,two')).toEqual({
        status: 2,
        stdout: '',
        stderr: `${option} one,two is a list, which only status and history take.\n`,
      });
    }
  });
});

describe('ecs-drain status of several profiles', () => {
  it('shows the profile of each drain, and of what does not answer', async () => {
    const url = await twoProfiles();
    const { status, stdout } = await run('status', '--profile', 'web,data,none', '--endpoint-url', url);
    expect(status).toBe(1);
    expect(column(stdout, 'profile')).toEqual(['web', 'data']);
    expect(cellsOf(stdout)[0]).not.toContain('Region');
    expect(stdout).toMatch(/\nnone: The profile none gives no credentials: is it in ~\/\.aws\/config\?/);
    const both = ['--profile', 'web,data', '--region', 'eu-west-1,us-east-1', '--endpoint-url', url];
    const { drains } = JSON.parse((await run('status', '--json', ...both)).stdout);
    expect(drains.map(({ profile, region }: Record<string, string>) => [profile, region])).toEqual([
      ['web', 'eu-west-1'],
      ['web', 'us-east-1'],
      ['data', 'eu-west-1'],
      ['data', 'us-east-1'],
    ]);
  });
});
