import * as v from 'valibot';
import { toContainerInstance } from '../../adapters/ecs.ts';
import {
  clusterArn,
  containerInstanceArn,
  count,
  externalInstanceId,
  instanceId,
  name,
  nameInArn,
} from '../../adapters/schemas.ts';
import type { Settings } from '../settings.ts';
import { type Envelope, ignored, parsed, type Received } from './event.ts';
import { whyNotAwaited } from './ours.ts';

const resource = v.looseObject(
  {
    name: v.optional(v.string('expected the name of a resource')),
    integerValue: v.optional(v.number('expected a number')),
  },
  'expected an object',
);
const resources = v.optional(v.array(resource, 'expected a list'));

/** The detail of a container instance's change of state; the counts are optional (facts 5 container-instance-event). */
const instanceChange = v.looseObject({
  clusterArn,
  containerInstanceArn,
  ec2InstanceId: instanceId,
  agentConnected: v.boolean('expected true or false'),
  status: name('the status of a container instance'),
  runningTasksCount: v.optional(count),
  pendingTasksCount: v.optional(count),
  registeredResources: resources,
  remainingResources: resources,
});

/** ECS Container Instance State Change: wakes the drain of an instance that may have become empty. */
export function receiveInstanceChange({ detail, sentAtMs }: Envelope, settings: Settings): Received {
  if (v.is(externalInstanceId, detail['ec2InstanceId'])) return ignored('the container instance is no EC2 instance');
  const instance = parsed(instanceChange, detail, 'The container instance event', 'detail');
  const cluster = nameInArn(instance.clusterArn);
  const notAwaited = whyNotAwaited(cluster, settings);
  if (notAwaited) return ignored(notAwaited);
  if (instance.status !== 'DRAINING') return ignored(`the container instance is ${instance.status}, not DRAINING`);
  const containerInstance = { arn: instance.containerInstanceArn, cluster };
  // An event without its counts does not say whether the instance is empty: ECS is asked.
  const hasCounts = instance.runningTasksCount !== undefined && instance.pendingTasksCount !== undefined;
  const reported = hasCounts
    ? toContainerInstance(cluster, instance as Parameters<typeof toContainerInstance>[1])
    : undefined;
  return { kind: 'arrival', arrival: { kind: 'wake-up', containerInstance, reported, sentAtMs } };
}
