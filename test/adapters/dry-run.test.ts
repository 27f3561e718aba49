import { expect, it } from 'vitest';
import { dryContainerInstances, dryLifecycleActions } from '../../src/adapters/dry-run.ts';
import type { ContainerInstanceStatus } from '../../src/domain/observation.ts';
import type { ContainerInstances, LifecycleActions } from '../../src/domain/ports.ts';
import {
  CLUSTER,
  containerInstance,
  containerInstanceArn,
  drain,
  holdingTask,
  INSTANCE_ID,
  taskArn,
} from './samples.ts';

/** AWS that answers what the name of the call says, and takes no change: a dry run must not ask for one. */
function readOnly(statuses: readonly ContainerInstanceStatus[] = []) {
  const refuse = async (): Promise<never> => {
    throw new Error('A dry run changes something.');
  };
  const registered = statuses.map((status, i) => containerInstance(i + 1, { status }));
  const containerInstances: ContainerInstances = {
    list: async () => registered.map(({ arn }) => arn),
    describe: async (cluster, arns) =>
      registered.filter((instance) => instance.cluster === cluster && arns.includes(instance.arn)),
    setDraining: refuse,
    mark: refuse,
    marked: async () => [],
    unmark: refuse,
    setActive: refuse,
    listTasks: async () => ({ running: [taskArn()], stopped: [] }),
    describeTasks: async () => [holdingTask()],
    diagnose: async () => ({ services: [], protectedTasks: new Map(), unknown: ['nothing'] }),
    stopTask: refuse,
  };
  const lifecycleActions: LifecycleActions = {
    hooksOf: async (name) => [{ name, limits: { heartbeatTimeoutSeconds: 60, globalTimeoutSeconds: 6_000 } }],
    heldInstances: async () => [{ autoScalingGroup: 'web', instanceId: INSTANCE_ID }],
    placesOf: async () => new Map(),
    terminatingSinceMs: async () => new Map([[INSTANCE_ID, 1]]),
    recordHeartbeat: refuse,
    complete: refuse,
  };
  return { ecs: dryContainerInstances(containerInstances), autoScaling: dryLifecycleActions(lifecycleActions) };
}

const STATUSES = ['ACTIVE', 'REGISTERING', 'DRAINING', 'INACTIVE'] as const;
const arns = STATUSES.map((_, i) => containerInstanceArn(i + 1));

it('a dry run sees what is ACTIVE as DRAINING, and anything else as it is', async () => {
  const { ecs } = readOnly(STATUSES);
  const found = (['DRAINING', 'REGISTERING', 'DRAINING', 'INACTIVE'] as const).map((status, i) =>
    containerInstance(i + 1, { status }),
  );
  expect(await ecs.describe(CLUSTER, arns)).toEqual(found);
  expect(await ecs.setDraining(CLUSTER, arns)).toEqual({ found });
  expect(await ecs.describe('staging', arns)).toEqual([]);
  expect(await ecs.setDraining('staging', arns)).toEqual({ found: [] });
});

it('a dry run reads everything else as it is', async () => {
  const { ecs, autoScaling } = readOnly(STATUSES);
  expect(await ecs.list(CLUSTER, [INSTANCE_ID])).toEqual(arns);
  expect(await ecs.listTasks(containerInstance())).toEqual({ running: [taskArn()], stopped: [] });
  expect(await ecs.describeTasks(CLUSTER, [taskArn()])).toEqual([holdingTask()]);
  expect((await ecs.diagnose([])).unknown).toEqual(['nothing']);
  expect(await autoScaling.hooksOf('web')).toMatchObject([{ name: 'web' }]);
  expect(await autoScaling.terminatingSinceMs('web')).toEqual(new Map([[INSTANCE_ID, 1]]));
});

it('a dry run marks, returns and stops nothing, makes no call to Auto Scaling, and says that all of it was done', async () => {
  const { ecs, autoScaling } = readOnly();
  await expect(ecs.mark(CLUSTER, arns, { trigger: 'lifecycle-action', atMs: 0 })).resolves.toBeUndefined();
  await expect(ecs.unmark(CLUSTER, arns)).resolves.toBeUndefined();
  expect(await ecs.setActive(CLUSTER, arns)).toEqual([]);
  await expect(ecs.stopTask(holdingTask(), 'why')).resolves.toBeUndefined();
  expect(await autoScaling.recordHeartbeat(drain.action)).toBe('accepted');
  expect(await autoScaling.complete(drain.action, 'ABANDON')).toBe('accepted');
});

it('a dry run finds no lost drains: someone else drains what is held', async () => {
  expect(await readOnly().autoScaling.heldInstances([])).toEqual([]);
});
