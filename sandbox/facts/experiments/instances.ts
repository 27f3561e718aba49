import { DescribeInstancesCommand, TerminateInstancesCommand } from '@aws-sdk/client-ec2';
import type { Experiment } from '../experiment.ts';
import { inService } from './hooks.ts';
import { described, refusalOf, until } from './look.ts';

/** What EC2 says of instances that are no more, or never were. */
export const instances: readonly Experiment[] = [
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
