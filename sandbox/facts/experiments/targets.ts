import { DescribeServicesCommand, UpdateServiceCommand } from '@aws-sdk/client-ecs';
import {
  DescribeTargetHealthCommand,
  type TargetDescription,
  type TargetHealthDescription,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import { type Experiment, use, type World } from '../experiment.ts';
import { withInstances } from './cluster.ts';
import { seconds, until } from './look.ts';

/** How the load balancer speaks of the tasks behind it. */
export const targets: readonly Experiment[] = [
  {
    facts: [88],
    title:
      'A target is initial, healthy, draining until its deregistration delay has passed, and unused when it is not registered.',
    needs: ['cluster', 'loadBalancer'],
    minutes: 16,
    cents: 0,
    cleansUp: 'sets the desired count of the service to 0 again',
    run: howTargetsAre,
  },
];

const DOCUMENTED = [
  'initial (Elb.RegistrationInProgress)',
  'healthy',
  'draining (Target.DeregistrationInProgress)',
  'unused (Target.NotRegistered)',
];

async function howTargetsAre(world: World) {
  await withInstances(world);
  const { deregistrationDelaySeconds } = use(world, 'loadBalancer');
  const { TargetGroupArn } = await scale(world, 0);
  const states: string[] = [];
  /** Looks at one target every second until it is as it should be, and says when that was. */
  const lookUntil = async (wanted: string, target?: TargetDescription) => {
    let found: TargetDescription | undefined;
    await until(
      world,
      300,
      async () => {
        const asked = new DescribeTargetHealthCommand({ TargetGroupArn, ...(target && { Targets: [target] }) });
        const { TargetHealthDescriptions: [first] = [] } = await world.elasticLoadBalancing.send(asked);
        if (!first) return undefined;
        const state = stateIn(first);
        if (states.at(-1) !== state) states.push(state);
        found = first.Target;
        return state.startsWith(wanted) ? true : undefined;
      },
      1,
    );
    return { target: found, atMs: world.now() };
  };
  world.defer(() => scale(world, 0));
  await scale(world, 1);
  const { target } = await lookUntil('healthy');
  await scale(world, 0);
  const draining = await lookUntil('draining', target);
  const unused = await lookUntil('unused', target);
  const drainedMs = unused.atMs - draining.atMs;
  const delayMs = deregistrationDelaySeconds * 1000;
  return {
    saw: `${states.join(', ') || 'no target'}; draining for ${seconds(drainedMs)}, of ${deregistrationDelaySeconds} s`,
    agrees: states.join() === DOCUMENTED.join() && drainedMs > delayMs - 5_000 && drainedMs < delayMs + 60_000,
  };
}

function stateIn({ TargetHealth: { State, Reason } = {} }: TargetHealthDescription): string {
  return Reason ? `${State} (${Reason})` : `${State}`;
}

/** Sets the desired count of the service behind the load balancer, and returns where its targets are. */
async function scale(world: World, desiredCount: number) {
  const { name: cluster } = use(world, 'cluster');
  const { service } = use(world, 'loadBalancer');
  await world.ecs.send(new UpdateServiceCommand({ cluster, service, desiredCount }));
  const { services: [described] = [] } = await world.ecs.send(
    new DescribeServicesCommand({ cluster, services: [service] }),
  );
  return { TargetGroupArn: described?.loadBalancers?.[0]?.targetGroupArn };
}
