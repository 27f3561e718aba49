import { describe, expect, it } from 'vitest';
import type { Drain } from '../../src/domain/drain.ts';
import { workOn } from '../../src/domain/evolve.ts';
import type { Scope } from '../../src/domain/observation.ts';
import { type Ask, observe } from '../../src/domain/observe.ts';
import { ClusterMissing, type Ports, Unavailable } from '../../src/domain/ports.ts';
import { type FakeInstance, type FakeTask, fakeAws, type World } from '../fakes.ts';
import { ACTION, at, containerInstanceOf, drainOf, INSTANCE_ID, knownOf, noticeDrainOf } from './samples.ts';

const [OTHER, THIRD] = ['i-00000000000000001', 'i-00000000000000002'] as const;
const arnOf = (id: string) => containerInstanceOf().arn.replace('one', id);
const refTo = (id: string, cluster = 'prod') => ({ arn: arnOf(id), cluster });

const drainOn = (instanceId: string, overrides: Parameters<typeof drainOf>[0] = {}) =>
  drainOf({ action: { ...ACTION, instanceId }, ...overrides });

/** A drain that has seen these tasks on these registrations. */
const seenBefore = (registrations: readonly string[], tasks: readonly string[] = [], instanceId = INSTANCE_ID) =>
  drainOn(instanceId, {
    known: {
      containerInstances: registrations.map((id) => refTo(id)),
      tasks: { holding: tasks.map((arn) => ({ arn, cluster: 'prod' })), listedAtMs: at(-50) },
    },
  });

const setDraining = (drain: Drain): Ask => ({ work: workOn(drain), decision: { kind: 'set-draining' } });

const look = (drain: Drain, scope: Partial<Scope> = {}): Ask => ({
  work: workOn(drain),
  decision: { kind: 'look', scope: { registrations: 'known', tasks: 'known', ...scope } },
});

type Aws = ReturnType<typeof fakeAws>;

/** The answers, in the order of the asks. */
async function observed(
  aws: Aws,
  asks: readonly Ask[],
  {
    clusters = ['prod'],
    ports = (given: Ports) => given,
  }: { clusters?: string[]; ports?: (given: Ports) => Ports } = {},
) {
  const answers = await aws.inInvocation((given) => observe(asks, clusters, ports(given)));
  return asks.map(({ work }) => answers.get(work));
}

/** The ports, where ECS answers differently. */
const withEcs =
  (change: (ecs: Ports['containerInstances']) => Partial<Ports['containerInstances']>) =>
  (ports: Ports): Ports => ({
    ...ports,
    containerInstances: { ...ports.containerInstances, ...change(ports.containerInstances) },
  });

/** One call for each hundred drains. */
const hundreds = (names: readonly string[], count: number) =>
  names.flatMap((name) => Array<string>(Math.ceil(count / 100)).fill(name));
const namesOf = (aws: Aws) => aws.calls.map(({ name }) => name);
const clustersListed = (aws: Aws) => aws.callsNamed('list').map(({ args: [cluster] }) => cluster);

function fleetOf(count: number): World & { readonly instances: FakeInstance[]; readonly tasks: FakeTask[] } {
  const numbers = Array.from({ length: count }, (_, i) => i);
  return {
    instances: numbers.map((i) => ({ id: `ci${i}`, ec2InstanceId: `i-${i}` })),
    tasks: numbers.map((i) => ({ id: `task${i}`, on: `ci${i}`, stopsAtSeconds: 100 })),
  };
}

describe('setting instances to DRAINING', () => {
  it.each([3, 150])(
    'takes one search and one change in each cluster for each hundred, for %i drains',
    async (count) => {
      const world = fleetOf(count);
      const aws = fakeAws(world);
      const answers = await observed(
        aws,
        world.instances.map(({ ec2InstanceId = '' }) => setDraining(drainOn(ec2InstanceId))),
      );
      expect(namesOf(aws)).toEqual(hundreds(['list', 'setDraining'], count));
      expect(answers).toMatchObject(
        world.instances.map(({ id }) => ({
          kind: 'observed',
          observation: {
            kind: 'seen',
            containerInstances: [{ arn: arnOf(id), status: 'DRAINING' }],
            tasks: undefined,
            searchedAtMs: at(0),
          },
        })),
      );
      for (const answer of answers) expect(answer).toHaveProperty('observation.containerInstances.length', 1);
    },
  );

  it('asks once for an instance that two drains are about', async () => {
    const aws = fakeAws();
    await observed(aws, [setDraining(drainOf()), setDraining(noticeDrainOf())]);
    expect(aws.callsNamed('list').map(({ args }) => args)).toEqual([['prod', [INSTANCE_ID]]]);
  });

  it('covers every registration that the agent left', async () => {
    const aws = fakeAws({ instances: [{ id: 'old', silences: [[0, 99]] }, { id: 'new' }] });
    const [answer] = await observed(aws, [setDraining(drainOf())]);
    expect(answer).toMatchObject({
      observation: { containerInstances: [{ status: 'DRAINING' }, { status: 'DRAINING' }] },
    });
  });

  it('is refused where ECS leaves a registration ACTIVE, and names those', async () => {
    const aws = fakeAws({ instances: [{ id: 'stays' }, { id: 'also' }, { id: 'done', status: 'DRAINING' }] });
    const describing = withEcs((ecs) => ({
      setDraining: async (...given) => ({ found: await ecs.describe(...given) }),
    }));
    expect(await observed(aws, [setDraining(drainOf())], { ports: describing })).toEqual([
      {
        kind: 'refused',
        reason: `ECS did not set ${arnOf('stays')}, ${arnOf('also')} of ${INSTANCE_ID} to DRAINING.`,
      },
    ]);
  });

  it('lists no tasks: ECS’s lists have yet to settle', async () => {
    const aws = fakeAws({ instances: [{ id: 'one', status: 'DRAINING' }], tasks: [{ id: 'a', stopsAtSeconds: 9 }] });
    const [answer] = await observed(aws, [setDraining(seenBefore(['one'], ['a']))]);
    expect(answer).toMatchObject({ observation: { tasks: undefined } });
    expect(namesOf(aws)).toEqual(['list', 'setDraining']);
  });

  it.each(['INACTIVE', 'DEREGISTERING', 'REGISTRATION_FAILED'] as const)(
    'finds no instance whose only registration is %s, nor one that has none',
    async (status) => {
      const aws = fakeAws({ instances: [{ id: 'one', status }] });
      const absent = { kind: 'observed', observation: { kind: 'absent', clusters: ['prod'] } };
      expect(await observed(aws, [setDraining(drainOf()), setDraining(drainOn(OTHER))])).toEqual([absent, absent]);
    },
  );
});

describe('a search', () => {
  const clusters = ['prod', 'batch', 'edge'];
  const there = { id: 'one', cluster: 'batch' };
  const searchFor = (aws: Aws, drain = drainOf({ namedCluster: 'batch' })) =>
    observed(aws, [setDraining(drain)], { clusters });

  it('is in every cluster where none is named', async () => {
    const aws = fakeAws({ instances: [there] });
    expect(await searchFor(aws, drainOf())).toMatchObject([
      { observation: { containerInstances: [refTo('one', 'batch')] } },
    ]);
    expect(clustersListed(aws)).toEqual(clusters);
  });

  it('stays in the named cluster if that has a registration whose agent is connected', async () => {
    const aws = fakeAws({ instances: [there] });
    expect(await searchFor(aws)).toMatchObject([{ observation: { kind: 'seen' } }]);
    expect(clustersListed(aws)).toEqual(['batch']);
  });

  const silent: FakeInstance = { ...there, silences: [[0, 99]] };
  it.each<[string, FakeInstance[], FakeTask[]]>([
    ['none', [], []],
    ['only one that is being deregistered', [{ ...there, status: 'DEREGISTERING' }], []],
    ['only one whose agent is silent: it may have joined another', [silent], []],
    [
      'only one whose agent is silent, with tasks: it may have joined another',
      [silent],
      [{ id: 'a', stopsAtSeconds: 50 }],
    ],
  ])('goes on beyond the named cluster if that has %s', async (_, instances, tasks) => {
    const aws = fakeAws({ instances: [...instances, { id: 'two', cluster: 'edge' }], tasks });
    const [answer] = await searchFor(aws);
    expect(clustersListed(aws)).toEqual(['batch', 'prod', 'edge']);
    const live = instances.filter(({ status }) => !status).map(({ id }) => refTo(id, 'batch'));
    expect(answer).toMatchObject({ observation: { containerInstances: [...live, refTo('two', 'edge')] } });
  });

  it('asks the others only for the instances that were not found', async () => {
    const aws = fakeAws({ instances: [there, { id: 'two', cluster: 'edge', ec2InstanceId: OTHER }] });
    const drains = [INSTANCE_ID, OTHER].map((id) => drainOn(id, { namedCluster: 'batch' }));
    await observed(aws, drains.map(setDraining), { clusters });
    expect(aws.callsNamed('list').map(({ args }) => args)).toEqual([
      ['batch', [INSTANCE_ID, OTHER]],
      ['prod', [OTHER]],
      ['edge', [OTHER]],
    ]);
  });

  it.each([['prod'], ['batch'], ['edge']])('ignores that cluster %s does not exist', async (missing) => {
    const instances = [{ id: 'one', cluster: missing === 'edge' ? 'prod' : 'edge' }];
    const aws = fakeAws({ instances, missingClusters: [missing] });
    expect(await searchFor(aws)).toMatchObject([{ observation: { kind: 'seen' } }]);
    expect(await searchFor(aws, drainOn(OTHER))).toEqual([
      { kind: 'observed', observation: { kind: 'absent', clusters } },
    ]);
  });

  it('fails where none of the clusters exists', async () => {
    const aws = fakeAws({ missingClusters: clusters });
    expect(await searchFor(aws)).toEqual([{ kind: 'failed', error: expect.any(ClusterMissing) }]);
  });

  it.each(['prod', 'edge'])(
    'is without an answer where cluster %s gives none, whatever the others say',
    async (silent) => {
      const fault: World['fault'] = ({ args: [cluster] }) =>
        cluster === silent ? new Unavailable('throttled') : undefined;
      const refused = { kind: 'refused', reason: 'throttled' };
      const missingClusters = ['batch'];
      expect(await searchFor(fakeAws({ instances: [{ id: 'one', cluster: 'prod' }], fault, missingClusters }))).toEqual(
        [refused],
      );
      expect(await searchFor(fakeAws({ instances: [{ id: 'one', cluster: 'edge' }], fault }))).toEqual([refused]);
      expect(await searchFor(fakeAws({ instances: [], fault }))).toEqual([refused]);
      expect(await searchFor(fakeAws({ instances: [there], fault }))).toMatchObject([{ kind: 'observed' }]);
    },
  );

  it('ends at the named cluster where that gives no answer', async () => {
    const aws = fakeAws({ instances: [{ id: 'one', cluster: 'prod' }], fault: () => new Unavailable('throttled') });
    expect(await searchFor(aws)).toEqual([{ kind: 'refused', reason: 'throttled' }]);
    expect(clustersListed(aws)).toEqual(['batch']);
  });

  it('fails with an error that does not pass', async () => {
    const error = new Error('not authorized');
    expect(await searchFor(fakeAws({ fault: () => error }))).toEqual([{ kind: 'failed', error }]);
    const broken = withEcs(() => ({ list: () => Promise.reject('broken') }));
    expect(await observed(fakeAws(), [setDraining(drainOf())], { ports: broken })).toEqual([
      { kind: 'failed', error: new Error('broken') },
    ]);
  });

  it('is without an answer where ECS lists a registration that it does not describe, except for what was set to DRAINING', async () => {
    const aws = fakeAws({ instances: [there, { id: 'two', cluster: 'batch' }] });
    const ports = withEcs((ecs) => ({
      setDraining: async (cluster, arns) => ({ found: (await ecs.setDraining(cluster, arns)).found.slice(1) }),
    }));
    const others = setDraining(drainOn(OTHER, { namedCluster: 'batch' }));
    expect(
      await observed(aws, [setDraining(drainOf({ namedCluster: 'batch' })), others], { clusters, ports }),
    ).toMatchObject([
      { observation: { containerInstances: [{ status: 'DRAINING' }], searchedAtMs: undefined } },
      { kind: 'refused', reason: 'ECS lists 2 registrations in cluster batch and describes 1.' },
    ]);
  });

  it('keeps only the drain of the instance waiting of which ECS lists a registration that it does not describe', async () => {
    const { instances } = fleetOf(60);
    const aws = fakeAws({ instances: instances.map((each) => ({ ...each, status: 'DRAINING' })) });
    const unknown = containerInstanceOf().arn.replace('one', 'unknown');
    const ports = withEcs((ecs) => ({
      list: async (cluster, ids) => [...(await ecs.list(cluster, ids)), ...(ids.includes('i-17') ? [unknown] : [])],
    }));
    const answers = await observed(
      aws,
      instances.map(({ ec2InstanceId }) => look(drainOn(ec2InstanceId ?? ''), { registrations: 'search' })),
      { ports },
    );
    const waiting = instances.filter((_, i) => answers[i]?.kind !== 'observed');
    expect(waiting.map(({ ec2InstanceId }) => ec2InstanceId)).toEqual(['i-17']);
    expect(answers[17]).toEqual({
      kind: 'refused',
      reason: 'ECS lists 2 registrations in cluster prod and describes 1.',
    });
    expect(aws.callsNamed('list').length).toBeLessThanOrEqual(1 + 2 * Math.ceil(Math.log2(60)));
  });

  it('searches no part again where ECS describes none of many: that would take more calls than a retry', async () => {
    const { instances } = fleetOf(60);
    const aws = fakeAws({ instances: instances.map((each) => ({ ...each, status: 'DRAINING' })) });
    const ports = withEcs((ecs) => ({ describe: async (cluster, arns) => ecs.describe(cluster, arns.slice(5)) }));
    const asks = instances.map(({ ec2InstanceId = '' }) => look(drainOn(ec2InstanceId), { registrations: 'search' }));
    const answers = await observed(aws, asks, { ports });
    expect(new Set(answers.map((answer) => answer?.kind))).toEqual(new Set(['refused']));
    expect(aws.callsNamed('list')).toHaveLength(1);
  });

  it.each(['lifecycle-action', undefined] as const)(
    'says why a part of the instances could not be set to DRAINING (mark: %s)',
    async (mark) => {
      const aws = fakeAws({ instances: [there, { id: 'two', cluster: 'batch' }] });
      const ports = withEcs((ecs) => ({
        setDraining: async (cluster, arns) => ({
          found: (await ecs.setDraining(cluster, arns)).found.slice(1),
          error: new Unavailable('throttled'),
        }),
      }));
      const asks = [drainOf({ namedCluster: 'batch' }), drainOn(OTHER, { namedCluster: 'batch' })].map(
        (drain): Ask => ({ work: workOn(drain), decision: { kind: 'set-draining', mark } }),
      );
      expect(await observed(aws, asks, { clusters, ports })).toMatchObject([
        { observation: { containerInstances: [{ status: 'DRAINING' }] } },
        { kind: 'refused', reason: 'throttled' },
      ]);
    },
  );
});

describe('a look at what is known', () => {
  const draining = { id: 'one', status: 'DRAINING' } as const;

  it.each([3, 150])(
    'takes one call for the registrations and one for the tasks of a cluster for each hundred, for %i drains',
    async (count) => {
      const world = fleetOf(count);
      const aws = fakeAws({ ...world, instances: world.instances.map((each) => ({ ...each, status: 'DRAINING' })) });
      const asks = world.instances.map(({ id, ec2InstanceId }, i) =>
        look(seenBefore([id], [`task${i}`], ec2InstanceId)),
      );
      const answers = await observed(aws, asks);
      expect(namesOf(aws).sort()).toEqual(hundreds(['describe', 'describeTasks'], count));
      expect(answers).toMatchObject(
        world.instances.map(({ id }, i) => ({
          kind: 'observed',
          observation: {
            kind: 'seen',
            containerInstances: [{ arn: arnOf(id) }],
            tasks: { holding: [{ arn: `task${i}` }], listedAtMs: at(-50), lastStoppedAtMs: undefined },
            searchedAtMs: undefined,
          },
        })),
      );
    },
  );

  it('says when the last of the tasks stopped', async () => {
    const tasks = [5, 9, 7, 99].map((stopsAtSeconds, i) => ({ id: `task${i}`, stopsAtSeconds }));
    const aws = fakeAws({ instances: [draining], tasks });
    await aws.waitUntil(20);
    const [answer] = await observed(aws, [
      look(
        seenBefore(
          ['one'],
          tasks.map(({ id }) => id),
        ),
      ),
    ]);
    expect(answer).toMatchObject({ observation: { tasks: { holding: [{ arn: 'task3' }], lastStoppedAtMs: at(9) } } });
  });

  it('does not know when a task stopped if ECS gives no time', async () => {
    const aws = fakeAws({ instances: [draining] });
    const stopped = { kind: 'stopped', arn: 'a', containerInstanceArn: arnOf('one'), stoppedAtMs: undefined } as const;
    const ports = withEcs(() => ({ describeTasks: async () => [stopped] }));
    const [answer] = await observed(aws, [look(seenBefore(['one'], ['a']))], { ports });
    expect(answer).toMatchObject({ observation: { tasks: { holding: [], lastStoppedAtMs: undefined } } });
  });

  it.each([
    ['an agent is silent', [{ ...draining, silences: [[0, 99]] as const }]],
    [
      'a registration is gone',
      [
        { ...draining, goneAtSeconds: 0 },
        { id: 'two', status: 'DRAINING' as const },
      ],
    ],
    ['a registration has left', [{ ...draining, status: 'INACTIVE' as const }]],
  ])('becomes a search where %s: the agent may have registered again', async (_, instances) => {
    const aws = fakeAws({ instances });
    const [answer] = await observed(aws, [look(seenBefore(['one']))]);
    expect(clustersListed(aws)).toEqual(['prod']);
    if (instances[0]?.status === 'INACTIVE') expect(answer).toMatchObject({ observation: { kind: 'absent' } });
    else expect(answer).toMatchObject({ observation: { searchedAtMs: at(0) } });
  });

  it('becomes a search for the drains in doubt alone', async () => {
    const aws = fakeAws({ instances: [draining, { id: 'two', ec2InstanceId: OTHER, status: 'INACTIVE' }] });
    await observed(aws, [look(seenBefore(['one'])), look(seenBefore(['two'], [], OTHER))]);
    expect(aws.callsNamed('list').map(({ args }) => args)).toEqual([['prod', [OTHER]]]);
  });

  it('becomes a search where the cluster is gone', async () => {
    const aws = fakeAws({ instances: [{ ...draining, cluster: 'batch' }], missingClusters: ['prod'] });
    const [answer] = await observed(aws, [look(seenBefore(['one']), { tasks: 'list' })], {
      clusters: ['prod', 'batch'],
    });
    expect(answer).toMatchObject({ observation: { containerInstances: [{ cluster: 'batch' }] } });
  });

  it('takes the tasks of a deleted cluster for gone, and goes on with those of the others', async () => {
    const aws = fakeAws({
      instances: [draining],
      tasks: [{ id: 'a', stopsAtSeconds: 50 }],
      missingClusters: ['batch'],
    });
    const known = {
      containerInstances: [refTo('one'), refTo('two', 'batch')],
      tasks: {
        holding: [
          { arn: 'a', cluster: 'prod' },
          { arn: 'b', cluster: 'batch' },
        ],
        listedAtMs: at(-50),
      },
    };
    const [answer] = await observed(aws, [look(drainOf({ known }))], { clusters: ['prod', 'batch'] });
    expect(answer).toMatchObject({ observation: { kind: 'seen', tasks: { holding: [{ arn: 'a' }] } } });
  });

  it('is refused for the drains of a cluster that does not answer, and for no others', async () => {
    for (const call of ['describe', 'describeTasks']) {
      const fault: World['fault'] = ({ name, args: [cluster] }) =>
        name === call && cluster === 'prod' ? new Unavailable('throttled') : undefined;
      const aws = fakeAws({ instances: [draining, { ...draining, id: 'two', cluster: 'batch' }], fault });
      const known = {
        ...knownOf(),
        containerInstances: [refTo('two', 'batch')],
        tasks: { holding: [], listedAtMs: 0 },
      };
      const asks = [look(seenBefore(['one'], ['a'])), look(drainOf({ known }))];
      expect(await observed(aws, asks, { clusters: ['prod', 'batch'] })).toMatchObject([
        { kind: 'refused', reason: 'throttled' },
        { kind: 'observed', observation: { kind: 'seen' } },
      ]);
      expect(clustersListed(aws)).toEqual([]);
    }
  });

  it.each(['list', 'setDraining', 'describe', 'describeTasks'])(
    'is refused for the hundred drains that a throttled %s was about, and for no others of their cluster',
    async (call) => {
      const { instances, tasks } = fleetOf(150);
      let calls = 0;
      const fault: World['fault'] = ({ name }) =>
        name === call && ++calls === 1 ? new Unavailable('throttled') : undefined;
      const isLook = call.startsWith('describe');
      const aws = fakeAws({
        instances: instances.map((each) => (isLook ? { ...each, status: 'DRAINING' } : each)),
        tasks,
        fault,
      });
      const asks = instances.map(({ id, ec2InstanceId = '' }, i) =>
        isLook ? look(seenBefore([id], [`task${i}`], ec2InstanceId)) : setDraining(drainOn(ec2InstanceId)),
      );
      const kinds = (await observed(aws, asks)).map((answer) => answer?.kind);
      expect(kinds).toEqual([...Array(100).fill('refused'), ...Array(50).fill('observed')]);
    },
  );

  it('fails where a call is denied', async () => {
    const broken = withEcs(() => ({ describe: () => Promise.reject('broken') }));
    expect(await observed(fakeAws(), [look(seenBefore(['one']))], { ports: broken })).toEqual([
      { kind: 'failed', error: new Error('broken') },
    ]);
  });

  it('searches again where it must, and describes no registration that an event has just described', async () => {
    const aws = fakeAws({ instances: [draining, { ...draining, id: 'two' }] });
    const reported = containerInstanceOf({ arn: arnOf('one'), countedTasks: 7 });
    const scope = { registrations: 'search', tasks: 'known' } as const;
    const work = workOn(seenBefore(['one', 'two']), { reported: [reported] });
    const [answer] = await observed(aws, [{ work, decision: { kind: 'look', scope } }]);
    expect(aws.callsNamed('describe').map(({ args }) => args)).toEqual([['prod', [arnOf('two')]]]);
    expect(answer).toMatchObject({ kind: 'refused' }); // It counts seven tasks and lists none.

    const woken = workOn(seenBefore(['one', 'two']), { reported: ['one', 'two'].map(aws.containerInstance) });
    await observed(aws, [{ work: woken, decision: { kind: 'look', scope } }]);
    expect(aws.callsNamed('describe')).toHaveLength(1);
  });
});

describe('the tasks', () => {
  const draining = { id: 'one', status: 'DRAINING' } as const;
  const a: FakeTask = { id: 'a', stopsAtSeconds: 100 };

  it('of an instance that may be given some are not listed', async () => {
    const aws = fakeAws({ instances: [draining, { id: 'two' }], tasks: [a] });
    const [answer] = await observed(aws, [look(seenBefore(['one', 'two']), { tasks: 'list' })]);
    expect(answer).toMatchObject({ observation: { kind: 'seen', tasks: undefined } });
    expect(aws.callsNamed('listTasks')).toEqual([]);
  });

  it('are listed on each live registration, and described in one call for each cluster', async () => {
    const instances = [draining, { ...draining, id: 'left', status: 'INACTIVE' as const }, { ...draining, id: 'two' }];
    const other = { ...draining, id: 'three', ec2InstanceId: OTHER };
    const tasks = [a, { ...a, id: 'b', on: 'two' }, { ...a, id: 'c', on: 'three', deactivatesAtSeconds: 0 }];
    const aws = fakeAws({ instances: [...instances, other], tasks });
    const answers = await observed(aws, [
      look(seenBefore(['one', 'left', 'two']), { tasks: 'list' }),
      look(seenBefore(['three'], [], OTHER), { tasks: 'list' }),
    ]);
    expect(aws.callsNamed('listTasks').map(({ args }) => args)).toEqual([
      [arnOf('one')],
      [arnOf('two')],
      [arnOf('three')],
    ]);
    expect(aws.callsNamed('describeTasks').map(({ args }) => args)).toEqual([['prod', ['a', 'b', 'c']]]);
    expect(answers).toMatchObject([
      { observation: { tasks: { holding: [{ arn: 'a' }, { arn: 'b' }], listedAtMs: at(0) } } },
      { observation: { tasks: { holding: [{ arn: 'c', lastStatus: 'DEACTIVATING' }], listedAtMs: at(0) } } },
    ]);
  });

  it.each<[string, Drain, FakeInstance[]]>([
    ['they were never listed', drainOf({ known: { containerInstances: [refTo('one')] } }), [draining]],
    [
      'a registration is new',
      seenBefore(['one'], ['a']),
      [
        { ...draining, silences: [[0, 9]] },
        { ...draining, id: 'two' },
      ],
    ],
    ['ECS counts some though all that are known have stopped', seenBefore(['one'], ['gone']), [draining]],
  ])('are listed where they are only to be looked at again, but %s', async (_, drain, instances) => {
    const aws = fakeAws({ instances, tasks: [a] });
    const [answer] = await observed(aws, [look(drain)]);
    expect(aws.callsNamed('listTasks')).toHaveLength(instances.length);
    expect(answer).toMatchObject({ observation: { tasks: { holding: [{ arn: 'a' }], listedAtMs: at(0) } } });
  });

  it.each([
    [59, 1, false],
    [60, 1, true],
    [60, 0, false],
  ])(
    'that were listed %i s ago, and besides which ECS counts %i, are listed again: %s',
    async (ago, others, isListed) => {
      const tasks = [a, { ...a, id: 'stopping', deactivatesAtSeconds: 0 }, { ...a, id: 'b' }].slice(0, 2 + others);
      const aws = fakeAws({ instances: [draining], tasks });
      const { known, ...drain } = seenBefore(['one'], ['a', 'stopping']);
      const holding = known?.tasks?.holding ?? [];
      const listed = { containerInstances: [refTo('one')], tasks: { holding, listedAtMs: at(-ago) } };
      await observed(aws, [look({ ...drain, known: listed })]);
      expect(aws.callsNamed('listTasks')).toHaveLength(isListed ? 1 : 0);
    },
  );

  it('that are known and hold the instance come with the refusal to list the others', async () => {
    const tasks = [a, { ...a, id: 'b' }];
    const aws = fakeAws({ instances: [draining], tasks });
    const ports = withEcs(() => ({ listTasks: () => Promise.reject(new Unavailable('throttled')) }));
    const knows = (arn: string, tasks: Scope['tasks'] = 'known') => {
      const { known, ...drain } = seenBefore(['one'], [arn]);
      const holding = known?.tasks?.holding ?? [];
      const seen = { containerInstances: [refTo('one')], tasks: { holding, listedAtMs: at(-60) } };
      return look({ ...drain, known: seen }, { tasks });
    };
    expect(await observed(aws, [knows('a')], { ports })).toMatchObject([
      {
        kind: 'refused',
        reason: 'throttled',
        partial: { containerInstances: [{ countedTasks: 2 }], tasks: { holding: [{ arn: 'a' }] } },
      },
    ]);
    // Also where they would not have been asked about, because all are listed again.
    const refused = { kind: 'refused', partial: { tasks: { holding: [{ arn: 'a' }] } } };
    expect(await observed(aws, [knows('a', 'list')], { ports })).toMatchObject([refused]);
    // None of the known ones is left.
    expect(await observed(aws, [knows('forgotten')], { ports })).toEqual([{ kind: 'refused', reason: 'throttled' }]);
  });

  it('that ECS lists as running and does not describe may hold the instance', async () => {
    const aws = fakeAws({ instances: [draining], tasks: [a, { ...a, id: 'b' }, { ...a, id: 'c' }] });
    const ports = withEcs((ecs) => ({
      describeTasks: async (...given) => (await ecs.describeTasks(...given)).slice(0, 1),
    }));
    expect(await observed(aws, [look(seenBefore(['one']), { tasks: 'list' })], { ports })).toEqual([
      { kind: 'refused', reason: 'ECS lists b, c but does not describe them.' },
    ]);
  });

  it('that ECS lists as stopped and does not describe have stopped', async () => {
    const aws = fakeAws({ instances: [draining], tasks: [{ ...a, deactivatesAtSeconds: 0 }] });
    const ports = withEcs(() => ({ describeTasks: async () => [] }));
    const [answer] = await observed(aws, [look(seenBefore(['one']), { tasks: 'list' })], { ports });
    expect(answer).toMatchObject({ observation: { tasks: { holding: [], lastStoppedAtMs: undefined } } });
  });

  it('of which ECS counts some and lists none may hold the instance', async () => {
    const aws = fakeAws({ instances: [draining, { ...draining, id: 'two' }], tasks: [a] });
    const ports = withEcs(() => ({ listTasks: async () => ({ running: [], stopped: [] }) }));
    expect(await observed(aws, [look(seenBefore(['one', 'two']), { tasks: 'list' })], { ports })).toEqual([
      {
        kind: 'refused',
        reason:
          'ECS counts tasks on the instance and lists none: its lists lag behind (facts 23 eventual-consistency).',
      },
    ]);
  });

  it('that cannot be listed on one registration fail the look of its own drain, and no other', async () => {
    for (const error of [new Unavailable('throttled'), 'broken']) {
      const instances = [draining, { ...draining, id: 'two', ec2InstanceId: OTHER }];
      const aws = fakeAws({ instances, tasks: [a, { ...a, id: 'b', on: 'two' }] });
      const ports = withEcs((ecs) => ({
        listTasks: async (each) => (each.arn === arnOf('one') ? Promise.reject(error) : ecs.listTasks(each)),
      }));
      const asks = [
        look(seenBefore(['one']), { tasks: 'list' }),
        look(seenBefore(['two'], [], OTHER), { tasks: 'list' }),
      ];
      expect(await observed(aws, asks, { ports })).toMatchObject([
        error === 'broken' ? { kind: 'failed', error: new Error('broken') } : { kind: 'refused', reason: 'throttled' },
        { observation: { tasks: { holding: [{ arn: 'b' }] } } },
      ]);
    }
  });

  it('of drains in different clusters are described separately', async () => {
    const instances = [draining, { ...draining, id: 'two', cluster: 'batch', ec2InstanceId: THIRD }];
    const aws = fakeAws({ instances, tasks: [a, { ...a, id: 'b', on: 'two' }] });
    const known = { containerInstances: [refTo('two', 'batch')] };
    const asks = [look(seenBefore(['one']), { tasks: 'list' }), look(drainOn(THIRD, { known }))];
    await observed(aws, asks, { clusters: ['prod', 'batch'] });
    expect(aws.callsNamed('describeTasks').map(({ args }) => args)).toEqual([
      ['prod', ['a']],
      ['batch', ['b']],
    ]);
  });
});
