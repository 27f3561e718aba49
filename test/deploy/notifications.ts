import * as v from 'valibot';
import type { Drain, Outcome } from '../../src/domain/drain.ts';
import type { DeadLetter, DrainEvent } from '../../src/domain/ports.ts';
import { CLUSTER, drain, holdingTask, INSTANCE_ID, noticeDrain, supervisedDrain } from '../adapters/samples.ts';

const texts = v.array(v.pipe(v.string(), v.nonEmpty()));
const text = v.pipe(v.string(), v.nonEmpty());

/** A custom notification. (Amazon Q Developer in chat applications administrator guide, "Custom notifications", event schema.) */
export const notificationSchema = v.strictObject({
  version: v.literal('1.0'),
  source: v.literal('custom'),
  id: v.optional(text),
  content: v.strictObject({
    textType: v.optional(v.literal('client-markdown')),
    title: v.optional(text),
    description: text,
    nextSteps: v.optional(texts),
    keywords: v.optional(texts),
  }),
  metadata: v.optional(
    v.strictObject({
      threadId: v.optional(text),
      summary: v.optional(text),
      eventType: v.optional(text),
      relatedResources: v.optional(texts),
      additionalContext: v.optional(v.record(v.string(), v.string())),
    }),
  ),
});

const atMs = Date.parse('2026-03-01T11:00:00Z');
const message = 'service "web"\twas unable to place a task:\nsee C:\\logs <here>';
const explanation = {
  atMs,
  blockers: [
    {
      cluster: CLUSTER,
      group: 'service:"web"',
      class: 'service',
      tasks: [holdingTask()],
      causes: [{ kind: 'no-room', atMs, message }],
    },
  ],
  unknown: [],
} as const;
export const OUTCOMES: readonly Outcome[] = [
  { kind: 'drained', lastTaskStoppedAtMs: undefined },
  { kind: 'gone', clusters: ['prod'], lastSeen: undefined },
  { kind: 'timed-out', deadlineAtMs: atMs, result: 'CONTINUE', killedTasks: [holdingTask()] },
  { kind: 'agent-lost', disconnectedSinceMs: atMs, result: 'ABANDON', killedTasks: [holdingTask()] },
  { kind: 'already-completed', lastSeen: undefined },
];

/** Every kind of event about a drain, for each kind of drain. */
export const EVENTS = [drain, supervisedDrain, noticeDrain].flatMap((about): { drain: Drain; event: DrainEvent }[] => [
  { drain: about, event: { kind: 'started', deadlineAtMs: atMs, holdingTasks: [] } },
  { drain: about, event: { kind: 'stuck', deadlineAtMs: atMs, holdingTasks: [], explanation } },
  ...OUTCOMES.map((outcome) => ({
    drain: about,
    event: { kind: 'finished', outcome, finishedAtMs: atMs, explanation } as const,
  })),
]);

const letter = { reason: message, failedAtMs: atMs, messageId: 'message-1' };

/** What is known of failed drains, as far as their events say which drain it is. */
export const LETTERS: readonly DeadLetter[] = [
  { ...letter, drainId: 'drain-1', instanceId: INSTANCE_ID },
  { ...letter, drainId: 'drain-1' },
  { ...letter, instanceId: INSTANCE_ID },
  letter,
];
