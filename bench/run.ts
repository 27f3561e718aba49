import type { Invocation } from '../sandbox/region/lambda/model.ts';
import { drainsOf, stage } from '../sandbox/rehearsal.ts';
import type { DrillEvent } from '../sandbox/result.ts';
import { type Contestant, scenarioOf, type Trial } from './contest.ts';
import type { CallCounts, Run } from './figures.ts';
import { messagesOf, SWEEP, sqsRequestsFor } from './messages.ts';

/** One process of the benchmark: what its argument says, run by run, each sent to the parent as it is done. */

/** What one process has to run: the same with each seed number. */
export interface Job {
  readonly contestant: Contestant;
  readonly trial: Trial;
  readonly seeds: readonly number[];
}

/** Over when nothing has happened for so long: Lambda's own retries come sooner. */
const QUIET_SECONDS = 360;

async function measured({ contestant, trial }: Job, seed: number): Promise<Run> {
  const { drainer, params, notifiedBy } = contestant;
  const events: DrillEvent[] = [];
  const drainingAt = new Map<string, number>();
  let [held, running, throttledInvocations, customEvents, lastChange] = [0, 0, 0, 0, 0];
  const scenario = scenarioOf(trial);
  const variant = { ...scenario, params: { ...scenario.params, ...params } };
  const { region, installed, startMs, begin, close } = await stage(
    { scenario: 'fleet', variant, drainer, seed },
    (event) => {
      switch (event.kind) {
        case 'invocation':
          if (event.what === 'started') running += 1;
          else if (event.what === 'throttled') throttledInvocations += 1;
          else running -= 1;
          return;
        case 'event':
          return;
        case 'log':
          events.push(event);
          return;
        case 'task':
          events.push(event);
          break;
        case 'lifecycle':
          if (event.what === 'held') held += 1;
          break;
        case 'container-instance': {
          const { instanceId, status, second } = event;
          if (status === 'DRAINING' && !drainingAt.has(instanceId)) drainingAt.set(instanceId, second);
          break;
        }
      }
      lastChange = event.second;
    },
  );
  try {
    const { lambda } = installed;
    const second = () => (region.time.nowMs() - startMs) / 1000;
    const over = () =>
      running === 0 && second() - lastChange > QUIET_SECONDS && region.autoScaling.pendingActions().length === 0;
    const pattern = { source: [{ 'anything-but': { prefix: 'aws.' } }] };
    const target = () => {
      customEvents += 1;
    };
    region.eventBridge.putRule({ name: 'billed', pattern, target });
    begin();
    await region.time.runUntil(over);

    const drains = drainsOf(region, installed, events, startMs);
    const killedOn = new Set(region.killedTasks.map(({ ec2InstanceId }) => ec2InstanceId));
    const timedOut = new Set(drains.filter(({ outcome }) => outcome === 'timed-out').map((drain) => drain.instanceId));
    const leftToTimeout = region.autoScaling.completions.filter(({ by }) => by === 'timeout').length;
    // Sweeps come whether anything drains or not: an invocation that a sweep alone caused is no drain's, unless it found one.
    const isIdle = (invocation: Invocation) =>
      messagesOf(invocation).every(({ kind }) => kind === SWEEP) && installed.instancesOf(invocation).length === 0;
    // ECS managed draining has no function.
    const { invocations: all = [], peakConcurrency = 0, memoryMb = 0 } = lambda ?? {};
    const idle = new Set(all.filter(isIdle));
    const idleFibers = new Set([...idle].map(({ fiber }) => fiber));
    const calls = countsOf(region.calls.filter(({ fiber }) => fiber && !idleFibers.has(fiber)));
    const polls = countsOf(region.calls.filter(({ fiber, service }) => !fiber && service === 'sqs'));
    const invocations = all.filter((invocation) => !idle.has(invocation));
    const billedSeconds = invocations.reduce((sum, invocation) => sum + invocation.billedSeconds, 0);
    const made = (kind: string) => (calls[kind]?.made ?? 0) - (calls[kind]?.refused ?? 0);
    const messages = invocations.flatMap(messagesOf);
    const isRead = notifiedBy === 'sqs' || notifiedBy === 'events by way of a queue';
    const deletions =
      (polls['sqs DeleteMessage']?.made ?? 0) + (polls['sqs DeleteMessageBatch']?.made ?? 0) - idle.size;
    return {
      trial,
      contestant: contestant.name,
      drainer,
      params,
      seed,
      held,
      leftToTimeout,
      lost: held - drains.length + leftToTimeout,
      tasksKilled: region.killedTasks.length,
      tasksCutOff: region.killedTasks.filter(({ fate }) => fate === 'cut off').length,
      killedBeforeDeadline: region.killedTasks.filter(({ ec2InstanceId }) => !timedOut.has(ec2InstanceId)).length,
      drainSeconds: drains.map(({ seconds }) => thousandths(seconds)),
      slackSeconds: drains
        .filter(({ instanceId }) => !killedOn.has(instanceId))
        .map(({ slackSeconds }) => thousandths(slackSeconds)),
      allDrainingAfterSeconds:
        held === 0 || drainingAt.size < held ? null : thousandths(Math.max(...drainingAt.values())),
      invocations: invocations.length,
      throttledInvocations,
      peakConcurrency,
      billedSeconds: thousandths(billedSeconds),
      calls,
      polls,
      billed: {
        requests: invocations.length,
        gbSeconds: thousandths((billedSeconds * memoryMb) / 1024),
        customEvents,
        schedules: region.scheduler.firings,
        sqsRequests: isRead
          ? sqsRequestsFor(messages, {
              schedules: region.scheduler.firings,
              // Auto Scaling notifies a queue itself.
              sends: made('sqs SendMessage') + made('sqs SendMessageBatch') + (notifiedBy === 'sqs' ? held : 0),
              deletions,
            })
          : 0,
        snsPublishes: notifiedBy === 'sns' ? held + made('sns Publish') : 0,
      },
    };
  } finally {
    close();
  }
}

function countsOf(
  calls: readonly { readonly service: string; readonly operation: string; readonly failedWith: string | undefined }[],
): CallCounts {
  const byKind = Object.groupBy(calls, ({ service, operation }) => `${service} ${operation}`);
  const kinds = Object.entries(byKind).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(
    kinds.map(([kind, all = []]) => {
      const refused = all.filter(({ failedWith }) => failedWith !== undefined).length;
      return [kind, { made: all.length, refused }];
    }),
  );
}

function thousandths(value: number): number {
  return Math.round(value * 1000) / 1000;
}

const job: Job = JSON.parse(process.argv[2] ?? '');
for (const seed of job.seeds) process.send?.(await measured(job, seed));
process.disconnect();
