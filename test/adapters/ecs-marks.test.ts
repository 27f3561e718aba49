import { ECSClient } from '@aws-sdk/client-ecs';
import { describe, expect, it } from 'vitest';
import { ecsContainerInstances } from '../../src/adapters/ecs.ts';
import { ClusterMissing, type ContainerInstances } from '../../src/domain/ports.ts';
import { CLUSTER, containerInstanceArn, recordedInstance } from './samples.ts';
import { type AwsEndpoint, accessDenied, aws, fault, type Script, throttled } from './wire.ts';

const NAME = 'ecs-drain.test';
const MARK = { trigger: 'rebalance-recommendation', atMs: Date.UTC(2026, 2, 1, 9) } as const;
const VALUE = 'rebalance-recommendation 2026-03-01T09:00:00.000Z';

type Marks = Pick<ContainerInstances, 'mark' | 'marked' | 'unmark' | 'setActive'>;

const marksAt = ({ config }: AwsEndpoint): Marks =>
  ecsContainerInstances(new ECSClient(config), {
    readStopTimeouts: false,
    containerStopTimeoutSeconds: 30,
    markName: NAME,
  })(new AbortController().signal);

const arns = Array.from({ length: 12 }, (_, i) => containerInstanceArn(i + 1));

describe('marking container instances', () => {
  it('puts our attribute on ten at once, with what made us drain them and when', async () => {
    const endpoint = await aws({ PutAttributes: { attributes: [] } });
    await marksAt(endpoint).mark(CLUSTER, arns, MARK);
    const inputs = endpoint.inputsOf('PutAttributes');
    expect(inputs.map(({ attributes = [] }) => attributes.length)).toEqual([10, 2]);
    expect(inputs[1]).toEqual({
      cluster: CLUSTER,
      attributes: arns
        .slice(10)
        .map((targetId) => ({ name: NAME, value: VALUE, targetType: 'container-instance', targetId })),
    });
  });

  it('marks the others of its call without one that cannot be marked, and says which that is', async () => {
    type Input = ReturnType<typeof endpoint.inputsOf<'PutAttributes'>>[number];
    const targetsOf = ({ attributes = [] }: Input) => attributes.map(({ targetId }) => targetId);
    const full = fault('AttributeLimitExceededException', 'It has ten attributes.');
    const endpoint = await aws({
      PutAttributes: (input) => (targetsOf(input).includes(arns[3]) ? full : { attributes: [] }),
    });
    await expect(marksAt(endpoint).mark(CLUSTER, arns, MARK)).rejects.toThrow(`mark ${arns[3]} with`);
    const marked = endpoint.inputsOf('PutAttributes').map(targetsOf);
    const taken = marked.filter((targets) => !targets.includes(arns[3])).flat();
    expect(taken.toSorted()).toEqual(arns.filter((arn) => arn !== arns[3]).toSorted());
  });

  it('is not tried for each where the role may mark none', async () => {
    const endpoint = await aws({ PutAttributes: accessDenied('ecs:PutAttributes') });
    await expect(marksAt(endpoint).mark(CLUSTER, arns, MARK)).rejects.toMatchObject({ code: 'AccessDeniedException' });
    expect(endpoint.inputsOf('PutAttributes')).toHaveLength(1);
  });

  it('is undone without naming the value', async () => {
    const endpoint = await aws({ DeleteAttributes: { attributes: [] } });
    await marksAt(endpoint).unmark(CLUSTER, arns.slice(0, 1));
    expect(endpoint.inputsOf('DeleteAttributes')).toEqual([
      { cluster: CLUSTER, attributes: [{ name: NAME, targetType: 'container-instance', targetId: arns[0] }] },
    ]);
  });
});

describe('finding marked container instances', () => {
  const found = async (attributes: readonly { readonly name: string; readonly value?: string }[]) => {
    const endpoint = await aws({
      ListContainerInstances: { containerInstanceArns: [containerInstanceArn()] },
      DescribeContainerInstances: { containerInstances: [recordedInstance({ attributes, status: 'DRAINING' })] },
    });
    return { endpoint, marked: await marksAt(endpoint).marked(CLUSTER) };
  };

  it('asks for our attribute on those whose agent is connected, and reads it', async () => {
    const { endpoint, marked } = await found([
      { name: 'stack', value: 'x' },
      { name: NAME, value: VALUE },
    ]);
    expect(endpoint.inputsOf('ListContainerInstances')).toEqual([
      { cluster: CLUSTER, filter: `attribute:${NAME} exists and agentConnected == true`, maxResults: 100 },
    ]);
    expect(marked).toMatchObject([{ arn: containerInstanceArn(), cluster: CLUSTER, status: 'DRAINING', mark: MARK }]);
  });

  it.each([
    ['without a value', { name: NAME }],
    ['of another kind', { name: NAME, value: 'maintenance 2026-03-01T09:00:00.000Z' }],
    ['without an instant', { name: NAME, value: 'lifecycle-action' }],
    ['with no instant that can be', { name: NAME, value: 'lifecycle-action tomorrow' }],
    ['under another name', { name: `${NAME}2`, value: VALUE }],
  ])('leaves alone what we have not written: a mark %s', async (_, attribute) => {
    expect((await found([attribute])).marked).toEqual([]);
  });

  it('is one call where there is none', async () => {
    const endpoint = await aws({ ListContainerInstances: { containerInstanceArns: [] } });
    expect(await marksAt(endpoint).marked(CLUSTER)).toEqual([]);
    expect(endpoint.actions).toEqual(['ListContainerInstances']);
  });

  it('says that there is no such cluster', async () => {
    const endpoint = await aws({ ListContainerInstances: fault('ClusterNotFoundException', 'Cluster not found.') });
    await expect(marksAt(endpoint).marked(CLUSTER)).rejects.toThrow(ClusterMissing);
  });
});

describe('setting container instances to ACTIVE', () => {
  it('answers those that ECS has set, ten in a call: another is not DRAINING any more, or gone', async () => {
    const endpoint = await aws({
      UpdateContainerInstancesState: ({ containerInstances = [] }) => ({
        containerInstances: containerInstances
          .slice(1)
          .map((containerInstanceArn) => recordedInstance({ containerInstanceArn })),
        failures: [{ arn: containerInstances[0] ?? '', reason: 'ACTIVE' }],
      }),
    });
    expect(await marksAt(endpoint).setActive(CLUSTER, arns)).toEqual(arns.filter((_, i) => i % 10 !== 0));
    expect(endpoint.inputsOf('UpdateContainerInstancesState').map(({ status }) => status)).toEqual([
      'ACTIVE',
      'ACTIVE',
    ]);
  });
});

const one = [containerInstanceArn()];
const calls: [keyof Script, (marks: Marks) => Promise<unknown>, attempted: string][] = [
  ['PutAttributes', (marks) => marks.mark(CLUSTER, one, MARK), `mark ${one} with the attribute ${NAME}`],
  ['DeleteAttributes', (marks) => marks.unmark(CLUSTER, one), `remove the attribute ${NAME} from ${one}`],
  [
    'ListContainerInstances',
    (marks) => marks.marked(CLUSTER),
    `find the instances that ${NAME} marks in cluster ${CLUSTER}`,
  ],
  ['UpdateContainerInstancesState', (marks) => marks.setActive(CLUSTER, one), `set ${one} to ACTIVE`],
];

describe('each of these calls', () => {
  it.each(calls)('says what was attempted, and which permission is missing: %s', async (action, request, attempted) => {
    const endpoint = await aws({ [action]: accessDenied(`ecs:${action}`) });
    await expect(request(marksAt(endpoint))).rejects.toMatchObject({ attempted, code: 'AccessDeniedException' });
  });

  it.each(calls)('is tried again, then unavailable, when throttled: %s', async (action, request) => {
    const endpoint = await aws({ [action]: throttled });
    await expect(request(marksAt(endpoint))).rejects.toMatchObject({ name: 'Unavailable' });
    expect(endpoint.actions).toEqual(Array(4).fill(action));
  });
});
