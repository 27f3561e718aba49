import type { Cause, CauseKind } from '../../src/domain/diagnose.ts';

export const atMs = Date.parse('2026-03-01T10:00:00Z');
export const minutesAgo = (minutes: number) => atMs - minutes * 60_000;

type Sample<K extends CauseKind> = readonly [Extract<Cause, { kind: K }>, fields: object, sentence: string];

/** One cause of each kind, what a rule finds in an event of it, and what a person reads at `atMs`. */
export const CAUSES: { readonly [K in CauseKind]: Sample<K> } = {
  'agent-silent': [
    { kind: 'agent-silent', sinceMs: minutesAgo(20) },
    { since: '2026-03-01T09:40:00.000Z' },
    'the ECS agent of the instance has been disconnected since 2026-03-01T09:40:00Z',
  ],
  standalone: [
    { kind: 'standalone', startedBy: 'nightly' },
    { startedBy: 'nightly' },
    'draining does not stop standalone tasks (started by nightly)',
  ],
  starting: [{ kind: 'starting' }, {}, 'startup has not finished'],
  'cannot-replace': [
    { kind: 'cannot-replace', desiredCount: 4, minimumHealthyPercent: 100, maximumPercent: 110 },
    { desiredCount: 4, minimumHealthyPercent: 100, maximumPercent: 110 },
    'the service cannot be drained: with 4 tasks, minimumHealthyPercent 100 prevents stopping one first and maximumPercent 110 prevents starting one first',
  ],
  'no-room': [
    {
      kind: 'no-room',
      atMs: minutesAgo(12),
      message: '(service web) was unable to place a task. For more information, see the Troubleshooting section.',
    },
    {
      at: '2026-03-01T09:48:00.000Z',
      message: '(service web) was unable to place a task. For more information, see the Troubleshooting section.',
    },
    'ECS finds no room for a replacement (reported 12 min ago: “(service web) was unable to place a task”)',
  ],
  'replacements-fail': [
    { kind: 'replacements-fail', atMs: minutesAgo(1), message: '(service web) is unhealthy in (target-group web)' },
    { at: '2026-03-01T09:59:00.000Z', message: '(service web) is unhealthy in (target-group web)' },
    'replacements fail to start or to become healthy (reported 1 min ago: “(service web) is unhealthy in (target-group web)”)',
  ],
  'service-event': [
    { kind: 'service-event', atMs: minutesAgo(3), message: '(service web) waits for the moon.' },
    { at: '2026-03-01T09:57:00.000Z', message: '(service web) waits for the moon.' },
    'the service has an event that ecs-drain does not understand (reported 3 min ago: “(service web) waits for the moon”)',
  ],
  protected: [
    { kind: 'protected', untilMs: atMs },
    { until: '2026-03-01T10:00:00.000Z' },
    'scale-in protection is on until 2026-03-01T10:00:00Z',
  ],
  deployment: [
    { kind: 'deployment', state: 'IN_PROGRESS', sinceMs: minutesAgo(5) },
    { state: 'IN_PROGRESS', since: '2026-03-01T09:55:00.000Z' },
    'a deployment of the service is in progress (begun at 2026-03-01T09:55:00Z)',
  ],
  'daemon-last': [
    { kind: 'daemon-last' },
    {},
    'ECS stops daemon tasks after the other services’ tasks on the instance',
  ],
  deregistering: [{ kind: 'deregistering' }, {}, 'deregistration from the load balancer has not finished'],
  stopping: [{ kind: 'stopping' }, {}, 'ECS is stopping the containers, and they have not ended'],
  'stop-timeout': [
    { kind: 'stop-timeout', stopTimeoutSeconds: 900 },
    { stopTimeoutSeconds: 900 },
    'the stop timeout of 900 s ends after the deadline',
  ],
};
