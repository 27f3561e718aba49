import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Finding } from '../../cli/finding.ts';
import type { Plan } from '../../sandbox/plan/plan.ts';
import { aSnapshot, aTask, type Changes, INSTANCES } from '../sandbox/plan/samples.ts';
import { deployedRegion, run } from './deployed-region.ts';

async function fileWith(changes: Changes): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ecs-drain-doctor-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, 'web.json');
  await writeFile(path, JSON.stringify(aSnapshot(changes)));
  return path;
}

interface Answer {
  readonly healthy: boolean;
  readonly findings: readonly Finding[];
}

/** What the doctor and the plan say of the termination of the first instance. */
async function opinionsOn(path: string) {
  const change = ['--change', 'terminate', '--instance', INSTANCES[0], '--trials', '1'];
  const plan: Plan = JSON.parse((await run('plan', '--snapshot', path, ...change, '--json')).stdout);
  const doctor: Answer = JSON.parse((await run('doctor', '--snapshot', path, '--json')).stdout);
  return { plan, doctor, said: doctor.findings.map(({ what }) => what) };
}

const { takenAtMs } = aSnapshot();
const JUST_STARTED = { group: 'family:job', createdAtMs: takenAtMs - 40_000, startedAtMs: takenAtMs };

/** A standalone task that runs for 40 minutes, longer than most drains here may take. */
const JOB: Changes['cluster'] = {
  tasks: [...aSnapshot().cluster.tasks, aTask('0j', INSTANCES[0], JUST_STARTED)],
  stoppedTasks: [
    {
      group: 'family:job',
      taskDefinition: 'web:1',
      stopCode: 'EssentialContainerExited',
      createdAtMs: 0,
      startedAtMs: 0,
      executionStoppedAtMs: 40 * 60_000,
    },
  ],
};

describe('ecs-drain doctor of a group without a stack', () => {
  it('rehearses each kind of instance that the group may launch, as the plan does', async () => {
    const types = ['m5.large', 'm5.xlarge'];
    const { instances } = aSnapshot().cluster;
    const path = await fileWith({
      service: { placementConstraints: [{ type: 'memberOf', expression: 'attribute:ecs.instance-type == m5.large' }] },
      cluster: {
        instances: instances.map((each, i) => ({
          ...each,
          memoryMiB: 7_680 * (i + 1),
          attributes: { ...each.attributes, 'ecs.instance-type': types[i] ?? '' },
        })),
        tasks: aSnapshot().cluster.tasks.map((each) => ({ ...each, ec2InstanceId: INSTANCES[0] })),
      },
    });
    const { doctor, said } = await opinionsOn(path);
    expect(doctor.healthy).toBe(false);
    expect(said).toContain('it ends as timed-out, and 4 tasks may be killed.');
    const report = `${path}.html`;
    const change = ['--change', 'terminate', '--instance', INSTANCES[0], '--trials', '2', '--report', report];
    expect((await run('plan', '--snapshot', path, ...change)).status).toBe(1);
    // The page shows the rehearsal that fails.
    expect(await readFile(report, 'utf8')).toMatch(/\d+ tasks ran on it; 4 were killed/);
  });

  it('finds nothing wrong with a healthy group, as the plan does, and says with what settings it judges', async () => {
    const { plan, doctor, said } = await opinionsOn(await fileWith({ group: { hooks: [] }, drain: undefined }));
    expect([plan.drainsAll, doctor.healthy]).toEqual([true, true]);
    expect(said).toEqual([
      'no deployed ecs-drain was found: it is judged with the default settings.',
      'it holds an instance for 1 h without a heartbeat, and for 48 h at most.',
      expect.stringContaining('its tasks may need 120 s of deregistration + 30 s of stop timeout = 150 s, of 7200 s.'),
      'it drains in 3 min 18 s, and waits longest for: load balancer deregistration.',
    ]);
  });

  it('finds each cause that the plan finds, in the same words, and what ECS reports of a service', async () => {
    const service: Changes['service'] = { maximumPercent: 100, obstacles: ['deployment'] };
    // It is played until the deadline.
    const drain = { function: 'ecs-drain-main-drain', params: { deadlineSeconds: '1800' } };
    const { plan, doctor, said } = await opinionsOn(await fileWith({ service, cluster: JOB, drain }));
    expect([plan.drainsAll, doctor.healthy]).toEqual([false, false]);
    const causes = plan.stuck.flatMap((each) => each.causes);
    expect(causes.length).toBeGreaterThan(1);
    for (const cause of causes) expect(said).toContainEqual(expect.stringContaining(cause));
    expect(said).toContain('a deployment of the service is in progress.');
  });

  it('finds a hook that is missing, a dry run, a silent agent, and a group that the deployed function does not drain', async () => {
    const drain = {
      function: 'ecs-drain-main-drain',
      params: { dryRun: 'true', deadlineSeconds: '1800' },
      drainsGroup: false,
    };
    const instances = aSnapshot().cluster.instances.map((each, i) => ({ ...each, agentConnected: i === 0 }));
    const path = await fileWith({ group: { hooks: [] }, cluster: { instances }, drain });
    const { plan, doctor, said } = await opinionsOn(path);
    expect(plan.troubles).toEqual([expect.stringContaining(`The agent of ${INSTANCES[1]} is disconnected`)]);
    expect(doctor.findings).toContainEqual(
      expect.objectContaining({
        level: 'error',
        what: plan.troubles[0]?.replace(' Check the ECS agent on the instance.', ''),
      }),
    );
    expect([plan.go, doctor.healthy]).toEqual([false, false]);
    expect(said).toEqual(
      expect.arrayContaining([
        'it has no terminating hook ecs-drain: its instances are terminated without a drain.',
        ...plan.prerequisites.filter(({ kind }) => kind !== 'hook').map(({ because }) => `${because}.`),
      ]),
    );
    expect(plan.prerequisites.map(({ kind }) => kind)).toEqual(['group', 'dry-run', 'hook']);
  });

  it('finds a hook that is missing where it may not read the function', async () => {
    const unknown = [{ call: 'lambda:GetFunctionConfiguration', why: 'AccessDenied', missing: 'the settings' }];
    const path = await fileWith({ group: { hooks: [], instances: [] }, drain: undefined, unknown });
    const { findings }: Answer = JSON.parse((await run('doctor', '--snapshot', path, '--json')).stdout);
    expect(findings).toContainEqual(
      expect.objectContaining({
        level: 'error',
        what: expect.stringContaining('it has no terminating hook ecs-drain'),
      }),
    );
  });

  it('warns of what holds up a drain that ends as drained, for which the plan is a Go', async () => {
    // The job ends before the deadline.
    const drain = { function: 'ecs-drain-main-drain', params: { deadlineSeconds: '3600' }, drainsGroup: true };
    const { plan, doctor } = await opinionsOn(await fileWith({ cluster: JOB, drain }));
    expect([plan.go, doctor.healthy]).toEqual([true, true]);
    expect(doctor.findings).toContainEqual(
      expect.objectContaining({
        level: 'warning',
        what: expect.stringContaining('family:job: draining does not stop'),
      }),
    );
  });

  it('warns where the drain itself stops tasks before its deadline', async () => {
    const params = { deadlineSeconds: '900', stopStragglers: 'all', deregistrationDelaySeconds: '120' };
    const drain = { function: 'ecs-drain-main-drain', params, drainsGroup: true };
    const doctor: Answer = JSON.parse(
      (await run('doctor', '--snapshot', await fileWith({ cluster: JOB, drain }), '--json')).stdout,
    );
    expect(doctor.findings).toContainEqual(
      expect.objectContaining({
        level: 'warning',
        what: expect.stringMatching(
          /waits longest for: its deadline\. The drain itself stops 1 task before its deadline \(1 of family:job\)\.$/,
        ),
      }),
    );
  });

  it('is not healthy where the snapshot lacks something', async () => {
    const path = await fileWith({
      cluster: { targetGroups: [] },
      unknown: [
        { call: 'elasticloadbalancing:DescribeTargetGroupAttributes', why: 'AccessDenied', missing: 'a delay' },
      ],
    });
    const { status, stdout } = await run('doctor', '--snapshot', path);
    expect(status).toBe(3);
    expect(stdout).toContain('Not known (elasticloadbalancing:DescribeTargetGroupAttributes: AccessDenied): a delay.');
    expect(stdout).toContain('The snapshot lacks the deregistration delay of the target group web.');
  });

  it('does not need to know how many requests come', async () => {
    const unknown = [{ call: 'cloudwatch:GetMetricData', why: 'AccessDenied', missing: 'how many requests come' }];
    const { status, stdout } = await run('doctor', '--snapshot', await fileWith({ unknown }));
    expect(status).toBe(0);
    expect(stdout).not.toContain('how many requests come');
  });

  it('says of each service what it says where a stack is deployed', async () => {
    const services = [
      { name: 'fine' },
      { name: 'stuck', maximumPercent: 100 },
      { name: 'protected', protectedFromScaleIn: true },
    ];
    const { json } = await deployedRegion({ services });
    const findings = (answer: Answer) => answer.findings.filter(({ where }) => where.startsWith('service '));
    const deployed = findings((await json('doctor')).answer);
    const alone = findings((await json('doctor', '--group', 'web')).answer);
    expect(alone.map(({ level, where, fix }) => ({ level, where, fix }))).toEqual(
      deployed.map(({ level, where, fix }) => ({ level, where, fix })),
    );
    expect(alone.map(({ level }) => level).toSorted()).toEqual(['error', 'ok', 'warning']);
  });

  it('refuses a file that is no snapshot, and a group beside a file, in a sentence', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ecs-drain-doctor-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    await writeFile(join(folder, 'web.json'), '{');
    const cut = await run('doctor', '--snapshot', join(folder, 'web.json'));
    expect(cut.stderr).toMatch(/is not whole JSON: it may have been cut off\./);
    const both = await run('doctor', '--group', 'web', '--snapshot', join(folder, 'web.json'));
    expect(both.stderr).toMatch(/^--group web is for reading from AWS, and --snapshot .* is read instead: /);
    expect([cut.status, both.status]).toEqual([2, 2]);
  });

  it('refuses settings that cannot work in a sentence', async () => {
    const drain = { function: 'ecs-drain-main-drain', params: { deadlineSeconds: 'soon' } };
    const { status, stderr } = await run('doctor', '--snapshot', await fileWith({ drain }));
    expect(stderr).toBe(
      'The settings cannot work: deadlineSeconds is "soon": expected a whole number of seconds from 1 to 172800.\n',
    );
    expect(status).toBe(2);
  });

  it('refuses a cluster without its group', async () => {
    expect(await run('doctor', '--cluster', 'prod')).toEqual({
      status: 2,
      stdout: '',
      stderr: '--cluster prod is the cluster of a --group: name the group as well, or leave it out.\n',
    });
  });
});
