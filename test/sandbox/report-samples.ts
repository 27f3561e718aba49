/** Drills to report on, made up quickly: a rolling update, one instance after the other. */

import type { Drainer, DrillEvent, DrillResult } from '../../sandbox/result.ts';

const SERVICES = ['web', 'web', 'api', 'worker', 'web', 'api'];
const DEREGISTRATION_SECONDS = 300;
const BEHIND_LOAD_BALANCER = new Set(['web', 'api']);

/** How long an instance is held, and from when on (if at all) each drainer leaves its tasks to die. */
const HOLDS: Record<Drainer, { holdSeconds: number; patient: boolean }> = {
  'ecs-drain': { holdSeconds: 368, patient: true },
  none: { holdSeconds: 0, patient: false },
  book: { holdSeconds: 62, patient: false },
};

/** A drill of `instances`, three replicas and a daemon on each; `everySeconds` the next is replaced. */
export function drillResult({
  drainer = 'ecs-drain' as Drainer,
  scenario = 'rolling-update',
  instances = 6,
  everySeconds = 400,
  replicas = 3,
} = {}): DrillResult {
  const { holdSeconds, patient } = HOLDS[drainer];
  const events: DrillEvent[] = [];
  const drains: DrillResult['drains'][number][] = [];
  let tasksKilled = 0;
  const task = (
    instanceId: string,
    taskId: string,
    group: string,
    moments: readonly (readonly [status: string, second: number])[],
    deathSecond = Number.POSITIVE_INFINITY,
  ) => {
    const common = { kind: 'task', instanceId, taskId, group } as const;
    for (const [status, second] of moments) {
      if (second < deathSecond) events.push({ ...common, status, second });
    }
    const stopped = moments.some(([status, second]) => status === 'STOPPED' && second < deathSecond);
    if (stopped || deathSecond === Number.POSITIVE_INFINITY) return;
    tasksKilled++;
    events.push({ ...common, status: 'STOPPED', killed: true, second: deathSecond });
  };
  const starting = (second: number) =>
    [
      ['PROVISIONING', second],
      ['PENDING', second + 2],
      ['RUNNING', second + 28],
    ] as const;
  const instance = (instanceId: string, state: Extract<DrillEvent, { kind: 'instance' }>['state'], second: number) =>
    events.push({ kind: 'instance', instanceId, group: 'web', state, second });

  for (let i = 0; i < instances; i++) {
    const oldId = instanceId(i);
    const newId = instanceId(1000 + i);
    const heldAt = 140 + i * everySeconds;
    const endAt = heldAt + holdSeconds;
    const deathAt = endAt + 4;
    instance(oldId, 'InService', 0);
    instance(newId, 'Pending', heldAt - 100);
    instance(newId, 'InService', heldAt - 10);
    instance(oldId, holdSeconds ? 'Terminating:Wait' : 'Terminating', heldAt);
    const lifecycle = { kind: 'lifecycle', instanceId: oldId, hook: 'ecs-drain' } as const;
    if (holdSeconds) {
      events.push({ ...lifecycle, what: 'held', second: heldAt });
      if (patient) {
        events.push({ ...lifecycle, what: 'heartbeat', second: heldAt + 180 });
        const line = { decision: 'hand-over', instanceId: oldId };
        events.push({ kind: 'log', line, second: heldAt + 280 });
      }
      events.push({ ...lifecycle, what: 'completed', result: 'CONTINUE', second: endAt });
    }
    instance(oldId, 'Terminated', deathAt);

    for (let k = 0; k < replicas; k++) {
      const service = SERVICES[(i + k) % SERVICES.length] ?? 'web';
      const group = `service:${service}`;
      const stopAt = heldAt + 33 + k * 3;
      const stoppingAt = BEHIND_LOAD_BALANCER.has(service) ? stopAt + DEREGISTRATION_SECONDS : stopAt;
      const leaving =
        holdSeconds === 0
          ? ([] as const)
          : ([
              ...(stoppingAt > stopAt ? ([['DEACTIVATING', stopAt]] as const) : []),
              ['STOPPING', stoppingAt],
              ['STOPPED', stoppingAt + (service === 'worker' ? 25 : 8)],
            ] as const);
      task(oldId, taskId(i, k), group, [...starting(-60), ...leaving], deathAt);
      task(newId, taskId(1000 + i, k), group, starting(patient ? heldAt + 2 + k * 3 : deathAt + 75));
    }
    const daemonStopAt = heldAt + (patient ? 352 : 40);
    const daemonLeaving =
      holdSeconds === 0
        ? ([] as const)
        : ([
            ['STOPPING', daemonStopAt],
            ['STOPPED', daemonStopAt + 12],
          ] as const);
    task(oldId, taskId(i, 99), 'service:logger', [...starting(-60), ...daemonLeaving], deathAt);
    task(newId, taskId(1000 + i, 99), 'service:logger', starting(patient ? heldAt - 8 : deathAt + 70));
    drains.push({
      instanceId: oldId,
      outcome: patient ? 'drained' : holdSeconds ? 'CONTINUE' : 'terminated',
      seconds: holdSeconds,
      slackSeconds: patient ? 3.5 + i / 4 : 0,
      billedSeconds: holdSeconds * 0.98,
      apiCalls: Math.ceil(holdSeconds / 4.3),
      heartbeats: patient ? 1 : 0,
      continuations: patient ? 1 : 0,
    });
  }
  // What was there when the drill began is reported at its first second.
  const told = events
    .map((event) => ({ ...event, second: Math.max(0, event.second) }))
    .sort((a, b) => a.second - b.second);
  const virtualSeconds = (told.at(-1)?.second ?? 0) + 120;
  const series = memorySeries(told, virtualSeconds, replicas + 1);
  return {
    scenario,
    seed: 7,
    drainer,
    instancesTerminated: instances,
    tasksKilled,
    tasksCutOff: Math.floor(tasksKilled / 2),
    tasksDelayedSigterm: Math.ceil(tasksKilled / 2),
    requestsLost: tasksKilled * 41,
    memoryReservation: { min: Math.min(...series.map(({ percent }) => percent)), series },
    drains: holdSeconds ? drains : [],
    events: told,
    virtualSeconds,
    wallSeconds: 1.25,
  };
}

export function instanceId(n: number): string {
  return `i-0${(n * 0x9e3779b1 + 0xabcdef12345).toString(16).padStart(16, '4').slice(-16)}`;
}

function taskId(instance: number, task: number): string {
  return ((instance * 100 + task) * 0x85ebca6b + 0x123456789ab).toString(16).padStart(32, 'e');
}

function memorySeries(events: readonly DrillEvent[], virtualSeconds: number, tasksPerInstance: number) {
  const inService = new Set<string>();
  const reserving = new Set<string>();
  const series: { minute: number; percent: number }[] = [];
  let next = 0;
  for (let minute = 1; minute <= virtualSeconds / 60; minute++) {
    for (let event = events[next]; event && event.second <= minute * 60; event = events[++next]) {
      if (event.kind === 'instance' && event.state === 'InService') inService.add(event.instanceId);
      if (event.kind === 'instance' && event.state === 'Terminated') inService.delete(event.instanceId);
      if (event.kind === 'task' && event.status === 'STOPPED') reserving.delete(event.taskId);
      else if (event.kind === 'task') reserving.add(event.taskId);
    }
    const percent = inService.size ? (reserving.size / (inService.size * tasksPerInstance)) * 86 : 0;
    series.push({ minute, percent: Math.round(percent * 10) / 10 });
  }
  return series;
}
