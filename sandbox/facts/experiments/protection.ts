import { GetTaskProtectionCommand, UpdateTaskProtectionCommand } from '@aws-sdk/client-ecs';
import type { Experiment, World } from '../experiment.ts';
import { atRest, placed, runJob } from './cluster.ts';
import { described, refusalOf, sleep, undo } from './look.ts';

const CLEANS_UP = 'switches the protection off';

/** What scale-in protection of tasks is. */
export const protection: readonly Experiment[] = [
  {
    facts: [39],
    title: 'Protection lasts two hours unless another duration is asked for.',
    needs: ['cluster'],
    minutes: 1,
    cents: 0,
    cleansUp: CLEANS_UP,
    async run(world) {
      const { protectedTasks: [task] = [] } = await protect(world, {});
      const minutes = Math.round(((task?.expirationDate?.getTime() ?? 0) - world.now()) / 60_000);
      return { saw: `protected for ${minutes} minutes`, agrees: minutes === 120 };
    },
  },
  {
    facts: [39],
    title: 'A duration above 2,880 minutes is refused.',
    needs: ['cluster'],
    minutes: 1,
    cents: 0,
    cleansUp: CLEANS_UP,
    async run(world) {
      const refusal = await refusalOf(protect(world, { expiresInMinutes: 2_881 }));
      return { saw: described(refusal), agrees: refusal?.code === 'InvalidParameterException' };
    },
  },
  {
    facts: [39],
    title: 'Protection of a minute ends by itself.',
    needs: ['cluster'],
    minutes: 3,
    cents: 0,
    cleansUp: CLEANS_UP,
    async run(world) {
      const { protectedTasks: [task] = [] } = await protect(world, { expiresInMinutes: 1 });
      const cluster = world.resources.cluster?.name;
      const isProtected = async () => {
        const asked = new GetTaskProtectionCommand({ cluster, tasks: [task?.taskArn ?? ''] });
        return (await world.ecs.send(asked)).protectedTasks?.[0]?.protectionEnabled;
      };
      const atFirst = await isProtected();
      await sleep(world, 75);
      const later = await isProtected();
      return {
        saw: `protected: ${atFirst}, 75 s later: ${later}`,
        agrees: atFirst === true && later === false,
      };
    },
  },
  {
    facts: [39],
    title: 'A standalone task cannot be protected: it is a failure, TASK_NOT_VALID.',
    needs: ['cluster'],
    minutes: 4,
    cents: 0,
    cleansUp: 'stops the task',
    async run(world) {
      const { name: cluster } = await atRest(world);
      const { taskArn } = await runJob(world);
      const { failures: [failure] = [] } = await world.ecs.send(
        new UpdateTaskProtectionCommand({ cluster, tasks: [taskArn], protectionEnabled: true }),
      );
      return { saw: failure?.reason ?? 'no failure', agrees: failure?.reason === 'TASK_NOT_VALID' };
    },
  },
];

/** Protects a task of the service `web` until the experiment is over. */
async function protect(world: World, more: { readonly expiresInMinutes?: number }) {
  const { name: cluster, services } = await atRest(world);
  const tasks = [(await placed(world, services.web)).taskArn];
  const update = (protectionEnabled: boolean, more = {}) =>
    world.ecs.send(new UpdateTaskProtectionCommand({ cluster, tasks, protectionEnabled, ...more }));
  world.defer(() => undo(update(false)));
  return update(true, more);
}
