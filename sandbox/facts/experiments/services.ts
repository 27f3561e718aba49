import {
  DeregisterContainerInstanceCommand,
  DescribeCapacityProvidersCommand,
  DescribeServicesCommand,
  ListTasksCommand,
  RunTaskCommand,
  UpdateServiceCommand,
} from '@aws-sdk/client-ecs';
import { type Experiment, use } from '../experiment.ts';
import { atRest, instancesOf, placed, withInstances } from './cluster.ts';
import { described, refusalOf, undo, until } from './look.ts';

/** Of a service whose maximumPercent is 100, and how ECS words the refusal. */
const REFUSED_PERCENTS = [
  [{ minimumHealthyPercent: 101 }, 'minimumHealthyPercent must be at most 100'],
  [{ maximumPercent: 99 }, 'maximumPercent must be at least 100'],
  [{ minimumHealthyPercent: 100 }, 'Both maximumPercent and minimumHealthyPercent cannot be 100'],
] as const;

/** What services say of themselves, and how much ECS lets itself be asked. */
export const services: readonly Experiment[] = [
  {
    facts: [41],
    title: 'A service that ECS deploys by rolling update has a rolloutState.',
    needs: ['cluster'],
    minutes: 1,
    cents: 0,
    cleansUp: 'changes nothing',
    async run(world) {
      const { name: cluster, services } = await atRest(world);
      const { services: [web] = [] } = await world.ecs.send(
        new DescribeServicesCommand({ cluster, services: [services.web] }),
      );
      const states = web?.deployments?.map(({ rolloutState }) => rolloutState).join(', ');
      return { saw: `rolloutState ${states}`, agrees: states === 'COMPLETED' };
    },
  },
  {
    facts: [62],
    title: 'RunTask answers 200 with a failure RESOURCE:MEMORY where no instance has room for the task.',
    needs: ['cluster'],
    minutes: 1,
    cents: 0,
    cleansUp: 'changes nothing',
    async run(world) {
      const { name: cluster, largeJob: taskDefinition } = await withInstances(world);
      const { tasks = [], failures = [] } = await world.ecs.send(new RunTaskCommand({ cluster, taskDefinition }));
      const reasons = [...new Set(failures.map(({ reason }) => reason))].join(', ');
      const instances = (await instancesOf(world)).length;
      return {
        saw: `${tasks.length} tasks; failures of ${failures.length} of ${instances} instances: ${reasons || 'none'}`,
        agrees: tasks.length === 0 && reasons === 'RESOURCE:MEMORY',
      };
    },
  },
  {
    facts: [62],
    title: 'DeregisterContainerInstance without force is refused while tasks run.',
    needs: ['cluster'],
    minutes: 1,
    cents: 0,
    cleansUp: 'changes nothing; the group replaces the instance, should it be deregistered',
    async run(world) {
      const { name: cluster, services } = await atRest(world);
      const { containerInstanceArn: containerInstance } = await placed(world, services.web);
      const command = new DeregisterContainerInstanceCommand({ cluster, containerInstance });
      const refusal = await refusalOf(world.ecs.send(command));
      return {
        saw: described(refusal),
        agrees:
          refusal?.code === 'InvalidParameterException' && refusal.message === 'Found running tasks on the instance.',
      };
    },
  },
  {
    facts: [63],
    title: 'FARGATE and FARGATE_SPOT are capacity providers that exist in every account.',
    needs: ['cluster'],
    minutes: 1,
    cents: 0,
    cleansUp: 'changes nothing',
    async run(world) {
      const { capacityProviders = [] } = await world.ecs.send(new DescribeCapacityProvidersCommand({}));
      const active = capacityProviders.filter(({ status }) => status === 'ACTIVE').map(({ name }) => name);
      return {
        saw: active.join(', ') || 'none',
        agrees: active.includes('FARGATE') && active.includes('FARGATE_SPOT'),
      };
    },
  },
  {
    facts: [60],
    title:
      'UpdateService refuses a service that does not exist, and a desired count for a daemon, in the documented words.',
    needs: ['cluster'],
    minutes: 1,
    cents: 0,
    cleansUp: 'changes nothing',
    async run(world) {
      const { name: cluster, services } = use(world, 'cluster');
      const update = (service: string) =>
        world.ecs.send(new UpdateServiceCommand({ cluster, service, desiredCount: 1 }));
      const absent = await refusalOf(update('facts-absent'));
      const daemon = await refusalOf(update(services.daemon));
      return {
        saw: `${described(absent)}; ${described(daemon)}`,
        agrees:
          absent?.code === 'ServiceNotFoundException' &&
          absent.message === 'Service not found.' &&
          daemon?.code === 'InvalidParameterException' &&
          daemon.message.startsWith('The daemon scheduling strategy does not support a desired count for services.'),
      };
    },
  },
  {
    facts: [105],
    title: 'UpdateService refuses percentages that are out of bounds, and 100 for both, in the documented words.',
    needs: ['cluster'],
    minutes: 1,
    cents: 0,
    cleansUp: 'changes nothing',
    async run(world) {
      const { name: cluster, services } = use(world, 'cluster');
      const refusals = await Promise.all(
        REFUSED_PERCENTS.map(([deploymentConfiguration]) =>
          refusalOf(
            world.ecs.send(new UpdateServiceCommand({ cluster, service: services.fixed, deploymentConfiguration })),
          ),
        ),
      );
      return {
        saw: refusals.map(described).join('; '),
        agrees: refusals.every(
          (refusal, i) =>
            refusal?.code === 'InvalidParameterException' &&
            refusal.message.startsWith(REFUSED_PERCENTS[i]?.[1] ?? ' '),
        ),
      };
    },
  },
  {
    facts: [38],
    title: 'A service whose task fits on no instance says so in the documented words.',
    needs: ['cluster'],
    minutes: 6,
    cents: 0,
    cleansUp: 'sets the desired count of the service back to 0',
    async run(world) {
      const { name: cluster, services } = await atRest(world);
      const setDesiredCount = (desiredCount: number) =>
        world.ecs.send(new UpdateServiceCommand({ cluster, service: services.large, desiredCount }));
      world.defer(() => undo(setDesiredCount(0)));
      await setDesiredCount(1);
      const words = 'was unable to place a task because no container instance met all of its requirements.';
      const message = await until(world, 180, async () => {
        const answer = await world.ecs.send(new DescribeServicesCommand({ cluster, services: [services.large] }));
        const events = answer.services?.[0]?.events ?? [];
        return events.find(({ message = '' }) => message.includes('unable to place'))?.message;
      });
      return {
        saw: message?.replace(/container-instance \w+/, 'container-instance ID') ?? 'no such event within 180 s',
        agrees: message?.startsWith(`(service ${services.large}) ${words}`) === true,
      };
    },
  },
  {
    facts: [102],
    title: 'A circuit breaker fails a deployment whose tasks find no room, and the deployment before is PRIMARY again.',
    needs: ['cluster'],
    minutes: 25,
    cents: 0,
    cleansUp: 'switches the circuit breaker of the service off again, and sets its task definition back',
    async run(world) {
      const { name: cluster, services, largeJob } = await atRest(world);
      const service = services.web;
      const look = async () => {
        const { services: [found] = [] } = await world.ecs.send(
          new DescribeServicesCommand({ cluster, services: [service] }),
        );
        return found;
      };
      const before = (await look())?.deployments?.[0];
      const update = (taskDefinition = '', enable = true) =>
        world.ecs.send(
          new UpdateServiceCommand({
            cluster,
            service,
            taskDefinition,
            deploymentConfiguration: {
              minimumHealthyPercent: 100,
              maximumPercent: 200,
              deploymentCircuitBreaker: { enable, rollback: true, thresholdConfiguration: { type: 'COUNT', value: 1 } },
            },
          }),
        );
      world.defer(() => undo(update(before?.taskDefinition, false)));
      const { service: updated } = await update(largeJob);
      const failing = updated?.deployments?.find(({ status }) => status === 'PRIMARY');
      const sentences = [
        `(service ${service}) (deployment ${failing?.id}) deployment failed: tasks failed to start.`,
        `(service ${service}) rolling back to deployment ${before?.id}.`,
      ];
      const seen = await until(world, 1_200, async () => {
        const { events = [], deployments = [] } = (await look()) ?? {};
        const said = sentences.filter((sentence) => events.some(({ message }) => message === sentence));
        return said.length > 0 ? { said, primary: deployments.find(({ status }) => status === 'PRIMARY') } : undefined;
      });
      const isBack = before !== undefined && seen?.primary?.id === before.id;
      const which = isBack ? 'the deployment before' : 'another deployment';
      return {
        saw: seen ? `${seen.said.length} of 2 events; ${which} is PRIMARY` : 'no such event within 1,200 s',
        agrees: isBack && seen?.said.length === sentences.length,
      };
    },
  },
  {
    facts: [17],
    title: 'ECS throttles reads of cluster resources: ThrottlingException, Rate exceeded, HTTP 400.',
    needs: ['cluster'],
    minutes: 1,
    cents: 0,
    disturbs: 'ECS throttles other reads of this account in the Region for some seconds',
    cleansUp: 'changes nothing',
    async run(world) {
      const { name: cluster } = await atRest(world);
      const burst = Array.from({ length: 250 }, () =>
        refusalOf(world.ecsWithoutRetries.send(new ListTasksCommand({ cluster }))),
      );
      const refusals = (await Promise.all(burst)).filter((refusal) => refusal !== undefined);
      const [first] = refusals;
      return {
        saw: `${refusals.length} of 250 calls at once refused; ${described(first)}`,
        agrees: first?.code === 'ThrottlingException' && first.status === 400 && first.message === 'Rate exceeded',
      };
    },
  },
];
