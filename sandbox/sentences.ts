import type { Benchmarked, DrillEvent, DrillResult, Judged } from './result.ts';

/** Where something happened, for a reader who scans the left edge. */
export type Where = 'ec2' | 'ecs' | 'autoscaling' | 'eventbridge' | 'lambda';

/** What happened, in a few words; undefined if it is not worth a line. */
export function sentenceOf(event: DrillEvent): { readonly where: Where; readonly what: string } | undefined {
  switch (event.kind) {
    case 'instance':
      return { where: 'autoscaling', what: `${event.instanceId} of ${event.group} is ${event.state}` };
    case 'container-instance':
      return {
        where: 'ecs',
        what: `${event.instanceId} is ${event.status}${event.agentConnected ? '' : ', its agent silent'}`,
      };
    case 'task': {
      const what = `task ${event.taskId.slice(-6)} of ${event.group} on ${event.instanceId} is ${event.status}`;
      return event.killed
        ? { where: 'ec2', what: `${what}: KILLED${event.fate ? `, ${event.fate}` : ''}` }
        : { where: 'ecs', what };
    }
    case 'service':
      return { where: 'ecs', what: event.message };
    case 'lifecycle':
      return {
        where: 'autoscaling',
        what: `${event.instanceId}: ${event.what}${event.result ? ` with ${event.result}` : ''} (hook ${event.hook})`,
      };
    case 'deployment':
      return { where: 'autoscaling', what: event.message };
    case 'event':
      return {
        where: 'eventbridge',
        what: `${event.detailType} → ${event.rules.join(', ')}${event.fate ? `, ${event.fate}` : ''}`,
      };
    case 'invocation':
      return event.message === undefined ? undefined : { where: 'lambda', what: `${event.what}: ${event.message}` };
    case 'log': {
      const { message, instanceId } = event.line;
      return typeof message === 'string'
        ? { where: 'lambda', what: `${instanceId ?? ''} ${message}`.trim() }
        : undefined;
    }
    default:
      return event satisfies never;
  }
}

/** Hours, minutes and seconds, as the Region's clock has them in logs and answers. */
export function clockFace(atMs: number): string {
  return new Date(atMs).toISOString().slice(11, 19);
}

/** What a drainer's log says of the tasks that held an instance. */
export function reportsIn({ events }: Pick<DrillResult, 'events'>) {
  return events.flatMap((event) => {
    if (event.kind !== 'log' || !Array.isArray(event.line['blockers'])) return [];
    return [{ second: event.second, instanceId: String(event.line['instanceId']), why: String(event.line['message']) }];
  });
}

/** How a drill ended, in a sentence. */
export function headlineOf({
  drainer,
  scenario,
  seed,
  instancesTerminated,
  tasksKilled,
  tasksCutOff,
  tasksDelayedSigterm,
  requestsLost,
  memoryReservation,
}: DrillResult<Benchmarked | Judged>): string {
  const by = drainer === 'none' ? 'without a drain' : `drained by ${drainer}`;
  const split = tasksKilled > 0 ? ` (${tasksCutOff} cut off, ${tasksDelayedSigterm} with a delayed SIGTERM)` : '';
  return `${scenario}, seed number ${seed}, ${by}: ${count(instancesTerminated, 'instance')} terminated, ${count(tasksKilled, 'task')} killed${split}, ${count(requestsLost, 'request')} lost, MemoryReservation down to ${memoryReservation.min} %.`;
}

function count(amount: number, noun: string): string {
  return `${amount} ${noun}${amount === 1 ? '' : 's'}`;
}

/** `in real time`, `at 60 times real time`. */
export function paceOf(speed: number): string {
  return speed === 1 ? 'in real time' : `at ${speed} times real time`;
}
