import { describe, expect, it } from 'vitest';
import { assumptionsFrom, estimatesOf } from '../../../sandbox/plan/estimates.ts';
import type { StoppedTask } from '../../../sandbox/plan/snapshot.ts';
import { START_MS } from '../start.ts';
import { aSnapshot, aTask, type Changes, INSTANCES } from './samples.ts';

const web = (changes: Changes = {}, assumptions = {}) => {
  const times = estimatesOf(aSnapshot(changes), assumptions).services.get('web');
  if (!times) throw new Error('The service is missing.');
  return times;
};

/** Runs for a minute, and takes so long from SIGTERM, after it was deregistered for two minutes. */
const stopped = (seconds: number, more: Partial<StoppedTask> = {}): StoppedTask => ({
  group: 'service:web',
  taskDefinition: 'web:1',
  stopCode: 'ServiceSchedulerInitiated',
  createdAtMs: START_MS,
  startedAtMs: START_MS + 40_000,
  stoppingAtMs: START_MS + 100_000,
  executionStoppedAtMs: START_MS + 100_000 + (120 + seconds) * 1000,
  ...more,
});

describe('the times of a plan', () => {
  it('are those of the tasks that run, by their median', () => {
    expect(web().start).toEqual({ seconds: 40, source: 'the median of 4 tasks of the service', assumed: false });
    const slow = aTask('slow', INSTANCES[0], { startedAtMs: START_MS + 400_000 });
    const tasks = [aTask('a', INSTANCES[0]), slow, aTask('b', INSTANCES[1])];
    expect(web({ cluster: { tasks } }).start.seconds).toBe(40);
  });

  it('have the first health check of the load balancer on top of the start of a task', () => {
    const targetGroups = [{ name: 'web', healthCheckIntervalSeconds: 10 }];
    expect(web({ cluster: { targetGroups } }).start).toEqual({
      seconds: 50,
      source: 'the median of 4 tasks of the service, and 10 s to its first health check',
      assumed: false,
    });
  });

  it('are those of tasks that stopped recently, without their deregistration, and without tasks that ended by themselves', () => {
    const stoppedTasks = [stopped(12), stopped(14), stopped(13), stopped(1, { stopCode: 'EssentialContainerExited' })];
    expect(web({ cluster: { stoppedTasks } }).stop).toEqual({
      seconds: 13,
      longestSeconds: 14,
      source: 'the median of 3 tasks of the service that stopped recently',
      assumed: false,
    });
  });

  it('have no stop that is longer than the stop timeout, after which ECS ends a task', () => {
    expect(web({ cluster: { stoppedTasks: [stopped(45)] } }).stop).toEqual({
      seconds: 30,
      source: 'its stop timeout, which the median of 1 task of the service that stopped recently is above',
      assumed: false,
    });
  });

  it('are assumed where nothing is known, and say so', () => {
    const nothing = { tasks: [], taskDefinitions: [], targetGroups: [{ name: 'web' }] };
    expect(web({ cluster: nothing })).toEqual({
      start: { seconds: 40, source: 'no start of a task of the service is known', assumed: true },
      stop: { seconds: 30, source: 'its stop timeout, because no task of the service stopped recently', assumed: true },
      stopTimeout: { seconds: 30, source: 'its task definition could not be read', assumed: true },
      deregistration: { seconds: 300, source: 'the attributes of a load balancer are not known', assumed: true },
      requests: undefined,
    });
    expect(estimatesOf(aSnapshot()).launch).toEqual({
      seconds: 120,
      source: 'no recent launch of the group is known',
      assumed: true,
    });
  });

  it('have the requests that CloudWatch counts for each target, unless someone says otherwise', () => {
    const cluster = { targetGroups: [{ name: 'web', requestsPerTargetPerSecond: 2.5 }] };
    expect(web({ cluster }).requests).toEqual({
      perSecond: 10, // four tasks
      source: 'the mean of the last hour, from CloudWatch',
    });
    const assumed = estimatesOf(aSnapshot({ cluster }), { services: { web: { requestsPerSecond: 7 } } });
    expect(assumed.services.get('web')?.requests).toEqual({ perSecond: 7, source: '--assume' });
  });

  it('have no requests where those of one of several load balancers are not known', () => {
    const known = { name: 'web', requestsPerTargetPerSecond: 2.5 };
    const targetGroups = [known, { name: 'internal' }];
    const service: Changes['service'] = { targetGroups: ['web', 'internal'] };
    expect(web({ cluster: { targetGroups }, service }).requests).toBeUndefined();
    expect(
      web({ cluster: { targetGroups: [known] }, service: { otherLoadBalancers: ['old'] } }).requests,
    ).toBeUndefined();
  });

  it('are those of recent launches of the group', () => {
    const { launch } = estimatesOf(aSnapshot({ group: { launchSeconds: [80, 95, 90] } }));
    expect(launch).toEqual({
      seconds: 90,
      source: 'the median of 3 launches of the group',
      assumed: false,
      longestSeconds: 95,
    });
  });

  it('are those of standalone tasks of the same group that ended by themselves', () => {
    const job = { group: 'family:report', taskDefinition: 'report:1' };
    const ended = stopped(0, {
      ...job,
      stopCode: 'EssentialContainerExited',
      executionStoppedAtMs: START_MS + 640_000,
    });
    const tasks = [aTask('job', INSTANCES[0], job)];
    const runs = (stoppedTasks: StoppedTask[]) =>
      estimatesOf(aSnapshot({ cluster: { tasks, stoppedTasks } })).standalone.get('family:report');
    expect(runs([ended])).toMatchObject({ seconds: 600, assumed: false });
    // Not half of the default deadline, at which a drain is reported as stuck.
    expect(runs([])).toMatchObject({ seconds: 2_700, assumed: true });
  });

  it('are those of --assume before all others', () => {
    const assumptions = {
      launchSeconds: 7,
      services: { web: { startSeconds: 1, stopSeconds: 2, deregistrationDelaySeconds: 3 } },
    };
    expect(estimatesOf(aSnapshot(), assumptions).launch).toEqual({ seconds: 7, source: '--assume', assumed: false });
    expect(web({}, assumptions)).toMatchObject({
      start: { seconds: 1 },
      stop: { seconds: 2 },
      deregistration: { seconds: 3 },
    });
  });
});

describe('a file for --assume', () => {
  const read = (text: string) => assumptionsFrom(text, 'times.json', aSnapshot());

  it.each([
    ['is not JSON', '{', 'times.json is not JSON.'],
    [
      'has a field that is not known',
      '{"startSeconds": 3}',
      'times.json is no file for --assume: startSeconds is not a field that is known here.',
    ],
    [
      'has a time that cannot be',
      '{"launchSeconds": -1}',
      'times.json is no file for --assume: launchSeconds is -1: expected seconds from 0 to 172800.',
    ],
    ['is a list', '[]', 'times.json is no file for --assume: it has a list, and none is expected.'],
    [
      'has a list in it',
      '{"services": {"web": []}}',
      'times.json is no file for --assume: it has a list, and none is expected.',
    ],
    [
      'names a service as a standalone task',
      '{"standaloneTasks": {"service:web": {"runsForSeconds": 1}}}',
      'times.json assumes how long service:web runs, which is no standalone task of the snapshot.',
    ],
    [
      'has a stop that the stop timeout does not allow',
      '{"services": {"web": {"stopSeconds": 100}}}',
      'times.json assumes that a task of web stops in 100 s, and ECS ends it after its stop timeout of 30 s: give stopTimeoutSeconds as well.',
    ],
    [
      'names another service',
      '{"services": {"wbe": {}}}',
      'times.json assumes something of wbe, which the snapshot does not have.',
    ],
  ])('that %s is refused in a sentence', (_, text, sentence) => {
    expect(() => read(text)).toThrow(sentence);
  });

  it.each(['deregistrationDelaySeconds', 'requestsPerSecond'])(
    'that assumes %s of a service without a load balancer is refused in a sentence',
    (field) => {
      const text = JSON.stringify({ services: { web: { [field]: 5 } } });
      const internal = aSnapshot({ service: { targetGroups: [] } });
      expect(() => assumptionsFrom(text, 'times.json', internal)).toThrow(
        `times.json assumes ${field} of web, which is behind no load balancer.`,
      );
      expect(read(text).services).toEqual({ web: { [field]: 5 } });
    },
  );

  it('may have a longer stop together with its stop timeout', () => {
    const web = { stopSeconds: 100, stopTimeoutSeconds: 120 };
    expect(read(JSON.stringify({ services: { web } })).services).toEqual({ web });
  });

  it('may be empty', () => {
    expect(read('{}')).toEqual({ services: {}, standaloneTasks: {} });
  });
});
