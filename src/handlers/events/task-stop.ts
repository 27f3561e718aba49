import * as v from 'valibot';
import { clusterArn, containerInstanceArn, name, nameInArn, taskArn } from '../../adapters/schemas.ts';
import type { Settings } from '../settings.ts';
import { type Envelope, ignored, parsed, type Received } from './event.ts';
import { whyNotAwaited } from './ours.ts';

/** The detail of a task's change of state, as far as it matters here (facts 4 task-event). */
const taskChange = v.looseObject({
  clusterArn,
  taskArn,
  lastStatus: name('a task status'),
  containerInstanceArn: v.optional(containerInstanceArn),
});

/** ECS Task State Change: wakes the drain that may have waited for this task to stop. */
export function receiveTaskStop({ detail, sentAtMs }: Envelope, settings: Settings): Received {
  const task = parsed(taskChange, detail, 'The task event', 'detail');
  const cluster = nameInArn(task.clusterArn);
  const notAwaited = whyNotAwaited(cluster, settings);
  if (notAwaited) return ignored(notAwaited);
  if (task.lastStatus !== 'STOPPED') return ignored(`the task is ${task.lastStatus}, not STOPPED`);
  if (task.containerInstanceArn === undefined) return ignored('the task was not on a container instance');
  const containerInstance = { arn: task.containerInstanceArn, cluster };
  return { kind: 'arrival', arrival: { kind: 'wake-up', containerInstance, reported: undefined, sentAtMs } };
}
