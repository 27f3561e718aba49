import { styleText } from 'node:util';
import Table from 'cli-table3';
import { createLogUpdate } from 'log-update';
import type { DrillEvent, DrillResult } from './result.ts';
import { clockFace, headlineOf, sentenceOf, type Where } from './sentences.ts';

/** Shows a drill as it goes on. */
export interface View {
  show(event: DrillEvent): void;
  end(): void;
}

type Write = (text: string) => unknown;

const COLOURS = { ec2: 'red', ecs: 'cyan', autoscaling: 'yellow', eventbridge: 'magenta', lambda: 'green' } as const;
const FRAME_MS = 50;
const LAST_LINES = 12;
const SHOWN_INSTANCES = 20;

/** One line for each thing worth one. */
export function plainView(write: Write): View {
  return {
    show: (event) => {
      const line = lineOf(event);
      if (line !== undefined) write(`${line}\n`);
    },
    end: () => {},
  };
}

/** A screen that redraws itself: every instance with its tasks, and what happened last. */
export function liveView(stream: NodeJS.WriteStream): View {
  const update = createLogUpdate(stream);
  const instances = new Map<string, { state: string; status: string; tasks: Map<string, string> }>();
  const last: string[] = [];
  let drawnAtMs = 0;

  const of = (instanceId: string) => {
    const known = instances.get(instanceId) ?? { state: 'InService', status: '', tasks: new Map() };
    instances.set(instanceId, known);
    return known;
  };
  const draw = (second: number) => {
    const table = new Table({ head: ['instance', 'Auto Scaling', 'ECS', 'tasks'] });
    const shown = [...instances].filter(([, { state }]) => state !== 'Terminated').slice(-SHOWN_INSTANCES);
    for (const [instanceId, { state, status, tasks }] of shown) {
      const counts = Object.entries(Object.groupBy(tasks.values(), (each) => each));
      table.push([instanceId, state, status, counts.map(([each, all]) => `${all?.length} ${each}`).join(', ')]);
    }
    const hidden = instances.size - shown.length;
    update(
      `${styleText('bold', clockFace(second))}   ${hidden} terminated or not shown\n${table.toString()}\n${last.join('\n')}`,
    );
  };

  return {
    show: (event) => {
      if (event.kind === 'instance') of(event.instanceId).state = event.state;
      if (event.kind === 'container-instance') of(event.instanceId).status = event.status;
      if (event.kind === 'task') {
        const { tasks } = of(event.instanceId);
        if (event.status === 'STOPPED') tasks.delete(event.taskId);
        else tasks.set(event.taskId, event.status);
      }
      const line = lineOf(event);
      if (line !== undefined) last.push(line);
      if (last.length > LAST_LINES) last.shift();
      if (performance.now() - drawnAtMs < FRAME_MS) return;
      drawnAtMs = performance.now();
      draw(event.second);
    },
    end: () => update.done(),
  };
}

/** What came of it: the headline, and a row for each drain. */
export function summaryOf(result: DrillResult): string {
  const { drains } = result;
  const table = new Table({
    head: ['instance', 'outcome', 'seconds', 'slack', 'billed', 'AWS calls', 'heartbeats', 'continuations'],
  });
  for (const drain of drains.slice(0, SHOWN_INSTANCES)) {
    const { instanceId, outcome, seconds, slackSeconds, billedSeconds, apiCalls, heartbeats, continuations } = drain;
    const figures = [seconds, slackSeconds, billedSeconds].map((figure) => figure.toFixed(1));
    table.push([instanceId, outcome, ...figures, apiCalls, heartbeats, continuations]);
  }
  const more =
    drains.length > SHOWN_INSTANCES ? `\nand ${drains.length - SHOWN_INSTANCES} more drains: --json has them all` : '';
  return [
    headlineOf(result),
    ...(drains.length > 0 ? [`${table.toString()}${more}`] : []),
    `${clockFace(result.virtualSeconds)} of virtual time in ${result.wallSeconds.toFixed(1)} s`,
  ].join('\n');
}

function lineOf(event: DrillEvent): string | undefined {
  const told = sentenceOf(event);
  return told && `${clockFace(event.second)}  ${coloured(told.where)} ${told.what}`;
}

function coloured(where: Where): string {
  return styleText(COLOURS[where], where.padEnd(11));
}
