import { beforeAll, describe, expect, it } from 'vitest';
import { clusterQuery } from '../../../../sandbox/region/ecs/cluster-query.ts';
import { EcsModel } from '../../../../sandbox/region/ecs/model.ts';
import { Random } from '../../../../sandbox/region/time/random.ts';
import { VirtualTime } from '../../../../sandbox/region/time/virtual-time.ts';
import { START_MS } from '../../start.ts';

const cluster = 'prod';
const time = new VirtualTime(START_MS);
const ecs = new EcsModel({
  time,
  place: { region: 'eu-west-1', account: '123456789012', newId: () => 'id' },
  random: new Random(1),
  trace: () => {},
  publish: () => {},
});

/**
 * `i-a` and `i-b` have registered on the first of January 2026 at midnight, `i-c` on the second; the agent of `i-b` is silent.
 * Two tasks run on `i-a`, one on `i-c`. `i-a` has `stack=prod`, `i-b` has `stack=test`.
 */
beforeAll(async () => {
  const size = { memoryMiB: 1_024, cpuUnits: 1_024 };
  const job = { cluster, memoryMiB: 64, cpuUnits: 64, runsForSeconds: 1_000_000, stopTimeoutSeconds: 30 };
  ecs.createCluster(cluster);
  ecs.registerInstance({ cluster, ec2InstanceId: 'i-a', ...size, attributes: { stack: 'prod' } });
  ecs.registerInstance({ cluster, ec2InstanceId: 'i-b', ...size, attributes: { stack: 'test', 'my.flag': '' } });
  ecs.runTask({ ...job, name: 'import', ec2InstanceId: 'i-a' });
  ecs.runTask({ ...job, name: 'report', ec2InstanceId: 'i-a' });
  const nextDayMs = START_MS + 86_400_000;
  time.after(86_400, () => {});
  await time.runUntil(() => time.nowMs() >= nextDayMs);
  ecs.setAgentConnected('i-b', false);
  ecs.registerInstance({ cluster, ec2InstanceId: 'i-c', ...size });
  ecs.runTask({ ...job, name: 'report', ec2InstanceId: 'i-c' });
  time.after(60, () => {});
  await time.runUntil(() => time.nowMs() >= nextDayMs + 60_000);
});

const found = (query: string) => {
  const { matches } = clusterQuery(query);
  const instances = [...(ecs.clusters.get(cluster)?.registered ?? [])];
  return instances
    .filter(matches)
    .map(({ ec2InstanceId }) => ec2InstanceId.slice(2))
    .join('');
};

describe('facts 59 cluster-query-operators: the cluster query language', () => {
  it.each([
    ['ec2InstanceId == i-a', 'a'],
    ['ec2InstanceId==i-a', 'a'],
    ["ec2InstanceId equals 'i-a'", 'a'],
    ['ec2InstanceId != i-a', 'bc'],
    ['ec2InstanceId in [i-a, "i-c"]', 'ac'],
    ['ec2InstanceId in [i-a,i-b]', 'ab'],
    ['ec2InstanceId !in [i-a, i-b]', 'c'],
    ['ec2InstanceId not_in [i-a]', 'bc'],
    ['ec2InstanceId =~ i-.*', 'abc'],
    ['ec2InstanceId =~ "i-[ab]"', 'ab'],
    ['ec2InstanceId matches "[ab]"', ''],
    ['ec2InstanceId !~ "i-[ab]"', 'c'],
    ['agentConnected == true', 'ac'],
    ['agentConnected != true', 'b'],
    ['agentConnected in [false]', 'b'],
    ['agentVersion == 1.90.0', 'abc'],
    ['agentVersion > 1.9.0', 'abc'],
    ['agentVersion less_than 1.100.0', 'abc'],
    ['agentVersion < 1.90.0', ''],
    ['runningTasksCount == 0', 'b'],
    ['runningTasksCount >= 1', 'ac'],
    ['runningTasksCount > 1', 'a'],
    ['runningTasksCount <= 1', 'bc'],
    ['registeredAt < 2026-01-02', 'ab'],
    ['registeredAt >= 2026-01-02T00:00:00', 'c'],
    ['registeredAt == 2026-01-01T00:00:00Z', 'ab'],
    ['registeredAt < 2026-01-02T01:00:00+02:00', 'ab'],
    ['attribute:stack == prod', 'a'],
    ['attribute:stack in [prod, test]', 'ab'],
    ['attribute:stack exists', 'ab'],
    ['attribute:stack !exists', 'c'],
    ['attribute:my.flag exists', 'b'],
    ['task:group == family:report', 'ac'],
    ['task:group != family:report', ''],
    ['task:group == family:import', 'a'],
    ['task:group not_exists', 'b'],
  ])('“%s” finds %s', (query, expected) => {
    expect(found(query)).toBe(expected);
  });

  it('an instance without an attribute matches no comparison with it, not even that it is not equal', () => {
    expect(found('attribute:stack != prod')).toBe('b');
    expect(found('attribute:stack !in [prod]')).toBe('b');
  });

  it.each([
    ['agentConnected == true and runningTasksCount > 1', 'a'],
    ['runningTasksCount > 1 || agentConnected == false', 'ab'],
    ['runningTasksCount > 1 OR agentConnected == false', 'ab'],
    ['not agentConnected == true', 'b'],
    ['!agentConnected == true', 'b'],
    ['! (ec2InstanceId == i-a or ec2InstanceId == i-b)', 'c'],
    ['!(ec2InstanceId == i-a) && !(ec2InstanceId == i-b)', 'c'],
    ['ec2InstanceId == i-a or ec2InstanceId == i-b and agentConnected == true', 'a'],
    ['(ec2InstanceId == i-a or ec2InstanceId == i-b) and agentConnected == false', 'b'],
    ['ec2InstanceId == "and" or ec2InstanceId == i-c', 'c'],
  ])('“%s” finds %s: and binds tighter than or, not tighter than both', (query, expected) => {
    expect(found(query)).toBe(expected);
  });

  it.each([
    'color == blue',
    'constructor == 1',
    'pendingTasksCount == 0',
    'ec2InstanceId',
    'ec2InstanceId ==',
    'ec2InstanceId =! i-1',
    'ec2InstanceId > i-a',
    'ec2InstanceId in i-a',
    'ec2InstanceId in []',
    'ec2InstanceId in [i-a',
    'ec2InstanceId == i-a i-b',
    'ec2InstanceId == i-a and',
    'ec2InstanceId =~ "["',
    '(ec2InstanceId == i-a',
    'ec2InstanceId == i-a)',
    'agentConnected == maybe',
    'agentConnected == ',
    'agentVersion == new',
    'runningTasksCount > many',
    'runningTasksCount exists',
    'registeredAt > yesterday',
    "ec2InstanceId == 'i-a",
    '==',
  ])('“%s” is refused', (query) => {
    expect(() => clusterQuery(query)).toThrow(expect.objectContaining({ code: 'InvalidParameterException' }));
  });

  it('a query that names EC2 instances says which can match at most', () => {
    expect(clusterQuery('ec2InstanceId == i-a and agentConnected == true').ec2InstanceIds).toEqual(['i-a']);
    expect(clusterQuery('agentConnected == true and ec2InstanceId in [i-a, i-b]').ec2InstanceIds).toEqual([
      'i-a',
      'i-b',
    ]);
    expect(clusterQuery('ec2InstanceId == i-a or ec2InstanceId == i-b').ec2InstanceIds).toEqual(['i-a', 'i-b']);
    expect(clusterQuery('ec2InstanceId == i-a or agentConnected == true').ec2InstanceIds).toBeUndefined();
    expect(clusterQuery('!(ec2InstanceId == i-a)').ec2InstanceIds).toBeUndefined();
    expect(clusterQuery('ec2InstanceId != i-a').ec2InstanceIds).toBeUndefined();
  });
});
