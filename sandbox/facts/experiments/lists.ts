import {
  DescribeContainerInstancesCommand,
  ListContainerInstancesCommand,
  type ListContainerInstancesRequest,
} from '@aws-sdk/client-ecs';
import { type Experiment, use, type World } from '../experiment.ts';
import { anInstance, drain, instancesOf, withInstances } from './cluster.ts';
import { described, refusalOf } from './look.ts';

const NOTHING = 'changes nothing';

/** What ListContainerInstances lists. */
export const lists: readonly Experiment[] = [
  {
    facts: [49],
    title: 'Does the health of a container instance on plain EC2 have a check AGENT_CONNECTIVITY?',
    open: true,
    needs: ['cluster'],
    minutes: 1,
    cents: 0,
    cleansUp: NOTHING,
    async run(world) {
      const { name: cluster } = await withInstances(world);
      const { containerInstances: [first] = [] } = await world.ecs.send(
        new DescribeContainerInstancesCommand({
          cluster,
          containerInstances: [await anInstance(world)],
          include: ['CONTAINER_INSTANCE_HEALTH'],
        }),
      );
      const checks = first?.healthStatus?.details?.map(({ type, status }) => `${type} ${status}`) ?? [];
      return {
        saw: `${first?.healthStatus?.overallStatus ?? 'no health'}; ${checks.join(', ') || 'no checks'}`,
        agrees: 'open',
      };
    },
  },
  {
    facts: [57],
    title: 'How does ECS answer an ARN of another partition?',
    open: true,
    needs: ['cluster'],
    minutes: 1,
    cents: 0,
    cleansUp: NOTHING,
    async run(world) {
      const [, , , region, account] = (await anInstance(world)).split(':');
      const cluster = `arn:aws-cn:ecs:${region}:${account}:cluster/${use(world, 'cluster').name}`;
      const refusal = await refusalOf(world.ecs.send(new ListContainerInstancesCommand({ cluster })));
      return { saw: described(refusal), agrees: 'open' };
    },
  },
  {
    facts: [14],
    title: 'The filter `ec2InstanceId == i-…` finds the one instance.',
    needs: ['cluster'],
    minutes: 1,
    cents: 0,
    cleansUp: NOTHING,
    async run(world) {
      await withInstances(world);
      const [first] = await instancesOf(world);
      const found = await list(world, { filter: `ec2InstanceId == ${first?.ec2InstanceId}` });
      return { saw: `${found.length} found`, agrees: isEqual(found, [first?.containerInstanceArn]) };
    },
  },
  {
    facts: [32],
    title: 'The cluster query language takes lists: `ec2InstanceId in [i-…, i-…]`.',
    needs: ['cluster'],
    minutes: 1,
    cents: 0,
    cleansUp: NOTHING,
    async run(world) {
      await withInstances(world);
      const [first, second] = await instancesOf(world);
      const found = await list(world, {
        filter: `ec2InstanceId in [${first?.ec2InstanceId}, ${second?.ec2InstanceId}]`,
      });
      const expected = [first?.containerInstanceArn, second?.containerInstanceArn];
      return { saw: `${found.length} of 2 found`, agrees: isEqual(found, expected) };
    },
  },
  {
    facts: [59],
    title: 'The cluster query language takes `!=`, `and`, `or` and parentheses.',
    needs: ['cluster'],
    minutes: 1,
    cents: 0,
    cleansUp: NOTHING,
    async run(world) {
      await withInstances(world);
      const [first, ...others] = await instancesOf(world);
      const id = first?.ec2InstanceId;
      const filter = `agentConnected == true and (ec2InstanceId != ${id} or runningTasksCount > 1000000)`;
      const found = await list(world, { filter });
      const expected = others.map(({ containerInstanceArn }) => containerInstanceArn);
      return { saw: `${found.length} of ${expected.length} found`, agrees: isEqual(found, expected) };
    },
  },
  {
    facts: [58],
    title: 'A nextToken that ECS did not give is refused.',
    needs: ['cluster'],
    minutes: 1,
    cents: 0,
    cleansUp: NOTHING,
    async run(world) {
      const cluster = use(world, 'cluster').name;
      const refusal = await refusalOf(
        world.ecs.send(new ListContainerInstancesCommand({ cluster, nextToken: 'facts' })),
      );
      return {
        saw: described(refusal),
        agrees: refusal?.code === 'InvalidParameterException' && refusal.message.startsWith('Invalid token'),
      };
    },
  },
  {
    facts: [57],
    title: 'An ARN of another Region is refused in the documented words.',
    needs: ['cluster'],
    minutes: 1,
    cents: 0,
    cleansUp: NOTHING,
    async run(world) {
      const cluster = `arn:aws:ecs:af-south-1:123456789012:cluster/${use(world, 'cluster').name}`;
      const refusal = await refusalOf(world.ecs.send(new ListContainerInstancesCommand({ cluster })));
      return {
        saw: described(refusal),
        agrees: refusal?.code === 'InvalidParameterException' && refusal.message === 'Invalid Region in ARN',
      };
    },
  },
  {
    facts: [14],
    title: 'Without a status, DRAINING instances are listed beside ACTIVE ones; with one, only those.',
    needs: ['cluster'],
    minutes: 6,
    cents: 0,
    cleansUp: 'sets the instance ACTIVE again',
    async run(world) {
      await withInstances(world);
      const containerInstanceArn = await anInstance(world);
      await drain(world, containerInstanceArn);
      // facts 23 eventual-consistency: what was just changed may not be in the next answer
      await world.sleepUntil(world.now() + 5_000);
      const [all, active, drained] = [
        await list(world, {}),
        await list(world, { status: 'ACTIVE' }),
        await list(world, { status: 'DRAINING' }),
      ];
      return {
        saw: `${all.length} without a status, ${active.length} ACTIVE, ${drained.length} DRAINING`,
        agrees: isEqual(drained, [containerInstanceArn]) && isEqual(all, [...active, ...drained]) && active.length > 0,
      };
    },
  },
  {
    facts: [14],
    title: 'Pages: maxResults limits one, and nextToken leads through all of them.',
    needs: ['cluster'],
    minutes: 1,
    cents: 0,
    cleansUp: NOTHING,
    async run(world) {
      await withInstances(world);
      const all = await list(world, {});
      const paged: string[] = [];
      let pages = 0;
      let nextToken: string | undefined;
      do {
        const cluster = world.resources.cluster?.name;
        const page = await world.ecs.send(new ListContainerInstancesCommand({ cluster, maxResults: 1, nextToken }));
        paged.push(...(page.containerInstanceArns ?? []));
        nextToken = page.nextToken;
        pages += 1;
      } while (nextToken && pages <= all.length);
      return {
        saw: `${paged.length} of ${all.length} in ${pages} pages of 1`,
        agrees: isEqual(paged, all) && !nextToken && pages >= all.length,
      };
    },
  },
];

async function list(world: World, request: ListContainerInstancesRequest): Promise<readonly string[]> {
  const cluster = world.resources.cluster?.name;
  const { containerInstanceArns = [] } = await world.ecs.send(
    new ListContainerInstancesCommand({ cluster, ...request }),
  );
  return containerInstanceArns;
}

/** Whether two lists have the same items, in whatever order. */
function isEqual(found: readonly string[], expected: readonly (string | undefined)[]): boolean {
  return found.length === expected.length && new Set([...found, ...expected]).size === found.length;
}
