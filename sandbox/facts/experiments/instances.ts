import { DescribeInstancesCommand, TerminateInstancesCommand } from '@aws-sdk/client-ec2';
import { DeleteAttributesCommand, ListContainerInstancesCommand, PutAttributesCommand } from '@aws-sdk/client-ecs';
import type { Experiment } from '../experiment.ts';
import { anInstance, withInstances } from './cluster.ts';
import { inService } from './hooks.ts';
import { described, refusalOf, until } from './look.ts';

/** What EC2 says of instances that are no more, or never were, and what ECS lets one write on a container instance. */
export const instances: readonly Experiment[] = [
  {
    facts: [96],
    title: 'An attribute that is put on a container instance is found by `attribute:NAME exists`, until it is deleted.',
    needs: ['cluster'],
    minutes: 2,
    cents: 0,
    cleansUp: 'deletes the attribute',
    async run(world) {
      const { name: cluster } = await withInstances(world);
      const attribute = {
        name: 'facts.mark',
        targetType: 'container-instance',
        targetId: await anInstance(world),
      } as const;
      const isFound = (wanted: boolean) =>
        until(world, 30, async () => {
          const filter = `attribute:${attribute.name} exists`;
          const { containerInstanceArns = [] } = await world.ecs.send(
            new ListContainerInstancesCommand({ cluster, filter }),
          );
          return containerInstanceArns.includes(attribute.targetId) === wanted ? true : undefined;
        });
      await world.ecs.send(new PutAttributesCommand({ cluster, attributes: [{ ...attribute, value: 'a 1:2' }] }));
      const isPut = (await isFound(true)) ?? false;
      await world.ecs.send(new DeleteAttributesCommand({ cluster, attributes: [attribute] }));
      const isGone = (await isFound(false)) ?? false;
      return {
        saw: `${isPut ? 'found' : 'not found'} after PutAttributes, ${isGone ? 'not found' : 'found'} after DeleteAttributes`,
        agrees: isPut && isGone,
      };
    },
  },
  {
    facts: [84],
    title: 'An instance that is terminated is still described, and terminating it again succeeds.',
    needs: ['group'],
    minutes: 10,
    cents: 0,
    cleansUp: 'the group replaces the instance',
    async run(world) {
      const InstanceIds = [await inService(world)];
      await world.ec2.send(new TerminateInstancesCommand({ InstanceIds }));
      const terminated = await until(world, 420, async () => {
        const { Reservations = [] } = await world.ec2.send(new DescribeInstancesCommand({ InstanceIds }));
        return Reservations[0]?.Instances?.[0]?.State?.Name === 'terminated' ? true : undefined;
      });
      if (!terminated) return { saw: 'the instance is not described as terminated within 420 s', agrees: false };
      const again = await world.ec2.send(new TerminateInstancesCommand({ InstanceIds }));
      const { PreviousState, CurrentState } = again.TerminatingInstances?.[0] ?? {};
      return {
        saw: `described as terminated; terminated again: ${PreviousState?.Name}, then ${CurrentState?.Name}`,
        agrees: PreviousState?.Name === 'terminated' && CurrentState?.Name === 'terminated',
      };
    },
  },
  {
    facts: [84],
    title: 'An id that no instance can have is refused in the documented words: InvalidInstanceID.Malformed.',
    needs: [],
    minutes: 1,
    cents: 0,
    cleansUp: 'changes nothing',
    async run(world) {
      const refusal = await refusalOf(world.ec2.send(new DescribeInstancesCommand({ InstanceIds: ['i-facts'] })));
      return {
        saw: described(refusal),
        agrees: refusal?.code === 'InvalidInstanceID.Malformed' && refusal.message === 'Invalid id: "i-facts"',
      };
    },
  },
];
