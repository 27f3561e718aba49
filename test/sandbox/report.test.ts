import { describe, expect, it } from 'vitest';
import { laneOfEach, timelineOf } from '../../sandbox/report/timeline.ts';
import { reportOf } from '../../sandbox/report.ts';
import type { DrillResult } from '../../sandbox/result.ts';
import { drillResult, instanceId } from './report-samples.ts';

const THREE = (['ecs-drain', 'none', 'book'] as const).map((drainer) => drillResult({ drainer }));

describe('the report on a drill', () => {
  const page = reportOf(THREE);
  const [ours, none, book] = THREE as [DrillResult, DrillResult, DrillResult];

  it('says in one sentence what happened, then what would have happened otherwise', () => {
    expect(textOf(page, 'h1')).toBe('6 instances were taken away. No task was killed and no request lost.');
    expect(textOf(page, 'p class="lead"')).toContain(
      `Without any drain, ${none.tasksKilled} tasks were killed and ${none.requestsLost} requests lost.`,
    );
    expect(textOf(page, 'p class="lead"')).toContain(
      `With the book’s function, ${book.tasksKilled} tasks were killed and ${book.requestsLost} requests lost.`,
    );
  });

  it('begins with what happened, and ends with its words for newcomers', () => {
    expect(all(page, 'h2').map((heading) => heading.replace(/\s+/g, ' '))).toEqual([
      'How much memory running tasks hold',
      'What happened on each instance',
      'The same with the others',
      'The drains',
      'All figures, side by side',
      'Run it yourself',
      'The words, if ECS is new to you',
    ]);
  });

  it('explains itself to newcomers only after the rest', () => {
    expect(page.split('This was a rehearsal, on a model')[0]).toContain('<h2 id="words">');
    expect(page).not.toContain('class="lead">A rehearsal');
  });

  it('draws the timelines of the others, to be compared', () => {
    const [, , ...timelines] = charts(page);
    expect(timelines.map((chart) => /with ([\w-]+)\./.exec(chart)?.[1])).toEqual(['none', 'book']);
    expect(timelines[0]?.match(/: killed at minute/g)).toHaveLength(none.tasksKilled);
  });

  it('says why tasks stayed, in the words of the log', () => {
    const line = { instanceId: instanceId(0), message: 'Stuck: 1 task of service:web has no room.', blockers: [{}] };
    const stuck = { ...ours, tasksKilled: 1, events: [...ours.events, { kind: 'log', second: 930, line } as const] };
    expect(reportOf([stuck])).toContain(`<th scope="row">15.5</th><td>${instanceId(0)}</td><td>${line.message}</td>`);
    expect(page).not.toContain('Why tasks stayed');
  });

  it('begins each card with the figure in which the runs differ', () => {
    const firstFigures = (runs: readonly DrillResult[]) =>
      [...reportOf(runs).matchAll(/<dl><div[^>]*><dt>([^<]*)<\/dt><dd>([^<]*)</g)].map(([, ...figure]) => figure);
    expect(firstFigures(THREE).map(([label]) => label)).toEqual(Array(3).fill('tasks killed'));
    const line = { instanceId: instanceId(0), message: 'Stuck.', blockers: [{}] };
    const alike = THREE.map((run) => ({
      ...run,
      tasksKilled: 5,
      requestsLost: 5,
      memoryReservation: ours.memoryReservation,
    }));
    const [first, ...others] = alike as [DrillResult, ...DrillResult[]];
    const told = { ...first, events: [...first.events, { kind: 'log', second: 900, line } as const] };
    expect(firstFigures([told, ...others])).toEqual([
      ['says why tasks stay', 'minute\u00a015'],
      ['says why tasks stay', 'never'],
      ['says why tasks stay', 'never'],
    ]);
  });

  it('draws each run’s MemoryReservation, its lowest point named', () => {
    const [chart] = charts(page);
    for (const run of THREE) {
      expect(chart).toContain(`stroke="var(--${run.drainer})"`);
      expect(chart).toContain(`${run.drainer}: lowest ${run.memoryReservation.min}\u00a0%`);
    }
  });

  it('says when MemoryReservation fell to 0 %, and how long after a termination', () => {
    const book = reportOf((['ecs-drain', 'none'] as const).map((drainer) => drillResult({ drainer, instances: 1 })));
    expect(textOf(book, 'figcaption').replaceAll('\u00a0', ' ')).toMatch(
      /^MemoryReservation never fell below 86 % with ecs-drain and fell to 0 % without any drain \(36 s after an instance was terminated\)\.$/,
    );
  });

  it('draws a row an instance, those that terminate first, and a bar a phase of each task', () => {
    const timeline = charts(page)[1] ?? '';
    const rows = [...timeline.matchAll(/>(i-0\w+)<\/text>/g)].map(([, id]) => id);
    expect(rows).toEqual([0, 1, 2, 3, 4, 5, 1000, 1001, 1002, 1003, 1004, 1005].map(instanceId));
    const phases = ['starting', 'running', 'deactivating', 'stopping'];
    const bars = phases.map((phase) => timeline.split(`fill="url(#${phase})"`).length - 1);
    const behindLoadBalancer = tasksWith(ours, 'DEACTIVATING');
    expect(bars).toEqual([24, 48, behindLoadBalancer, 24]);
    expect(timeline.indexOf('>Terminating<')).toBeLessThan(timeline.indexOf('>Staying or new<'));
  });

  it('stacks the tasks of an instance in sub-rows so that no two overlap', () => {
    for (const { tasks } of timelineOf(drillResult({ instances: 2, replicas: 12 }))) {
      const lanes = [...laneOfEach(tasks)].map(([{ stretches }, lane]) => ({
        lane,
        from: stretches[0]?.from ?? 0,
        to: stretches.at(-1)?.to ?? 0,
      }));
      for (const a of lanes) {
        const meets = lanes.filter((b) => b !== a && b.lane === a.lane && a.from < b.to && b.from < a.to);
        expect(meets).toEqual([]);
      }
    }
  });

  it('draws 24 sub-rows of an instance, and says how many tasks are left out', () => {
    const crowded = charts(reportOf([drillResult({ instances: 1, replicas: 40 })]))[1];
    expect(crowded?.match(/and 17 more tasks/g)).toHaveLength(2);
  });

  it('describes each mark, to a pointer and in a table', () => {
    const marks = [
      'hook ecs-drain held',
      'hook ecs-drain heartbeat',
      'the function hands over to its next invocation',
      'hook ecs-drain completed with CONTINUE',
      'instance terminated',
    ];
    for (const mark of marks) {
      expect(charts(page)[1]).toMatch(new RegExp(`<title>${instanceId(0)}, minute\u00a0[\\d.]+: ${mark}</title>`));
      expect(page).toContain(`<td>${mark}</td>`);
    }
  });

  it('marks each task that was killed', () => {
    const timeline = charts(reportOf([none]))[1] ?? '';
    expect(timeline.match(/: killed at minute/g)).toHaveLength(none.tasksKilled);
    expect(timeline).toContain('4 tasks killed');
    expect(charts(page)[1]).not.toContain('killed at minute');
  });

  it('lists each drain as it was', () => {
    const { instanceId: id, outcome, apiCalls, heartbeats, continuations } = ours.drains[2] as DrillResult['drains'][0];
    const cells = [outcome, '6 min 8 s', '4 s', '6 min 1 s', apiCalls, heartbeats, continuations];
    expect(page.replaceAll('\u00a0', ' ')).toContain(
      `<th scope="row">${id}</th>${cells.map((cell) => `<td>${cell}</td>`).join('')}`,
    );
  });

  it('says plainly what happens where nothing runs', () => {
    expect(page).toContain('What happened to the instances');
    expect(page).toContain('At 0 % nothing runs at all: every request fails.');
    expect(page).toContain('Without a drain');
    expect(page).not.toMatch(/befell|No drain \(none\)|who use the programs/);
  });

  it('sets the figures of all runs side by side', () => {
    const row = (name: string, values: readonly unknown[]) =>
      `<th scope="row">${name}</th>${values.map((value) => `<td>${value}</td>`).join('')}`;
    expect(page).toContain(row('Tasks killed', [0, none.tasksKilled, book.tasksKilled]));
    expect(page).toContain(row('of these cut off by the shutdown', [0, none.tasksCutOff, book.tasksCutOff]));
    expect(page).toContain(
      row('of these with a delayed SIGTERM, from the shutdown', [
        0,
        none.tasksDelayedSigterm,
        book.tasksDelayedSigterm,
      ]),
    );
    expect(page).toContain(row('Requests lost', [0, none.requestsLost, book.requestsLost]));
    const calls = ours.drains.reduce((sum, drain) => sum + drain.apiCalls, 0);
    expect(page).toContain(row('AWS calls', [calls, 0, book.drains.reduce((sum, drain) => sum + drain.apiCalls, 0)]));
  });

  it('says how to run the drill again', () => {
    expect(textOf(page, 'code')).toBe(
      'npm run drill -- --scenario rolling-update --drainer ecs-drain --seed 7 --report drill.html',
    );
  });

  it('passes on what ECS and Auto Scaling said', () => {
    const message = 'was unable to place a task because no container instance met all of its requirements.';
    const stuck = { ...ours, events: [{ kind: 'service', service: 'web', message, second: 90 } as const] };
    expect(reportOf([stuck])).toContain(`<tr><th scope="row">1.5</th><td>web</td><td>${message}</td></tr>`);
  });

  it('needs one run at least, and no others', () => {
    expect(() => reportOf([])).toThrow('at least one run');
    expect(charts(reportOf([ours]))).toHaveLength(2);
  });

  it('draws a run in which nothing happened', () => {
    const nothing = { ...ours, events: [], drains: [], virtualSeconds: 0, memoryReservation: { min: 0, series: [] } };
    expect(reportOf([nothing])).toContain('MemoryReservation was not measured with ecs-drain.');
  });
});

describe('the page', () => {
  it('has the same bytes for the same runs, however long they took', () => {
    expect(reportOf(THREE.map((run) => ({ ...run, wallSeconds: 99 }))) === reportOf(THREE)).toBe(true);
  });

  it('asks for nothing from outside, and runs no script', () => {
    const page = reportOf(THREE);
    expect(page.replaceAll(/xmlns(:\w+)?="[^"]*"/g, '')).not.toMatch(/https?:|@import|<script|<link|<img|\bon\w+="/);
    expect(page).not.toMatch(/url\((?!#)/);
  });

  it('shows what comes from the data as text, wherever it stands', () => {
    const evil = '"><script>alert(1)</script><b a=\'';
    const [first, ...rest] = drillResult().events.map((event) =>
      event.kind === 'task' ? { ...event, group: evil, instanceId: evil, taskId: evil + event.taskId } : event,
    );
    if (!first) throw new Error('no event');
    const messages = { kind: 'service', service: evil, message: evil, second: 5 } as const;
    const drain = { ...drillResult().drains[0], instanceId: evil, outcome: evil } as DrillResult['drains'][0];
    const page = reportOf([{ ...drillResult(), scenario: evil, events: [first, ...rest, messages], drains: [drain] }]);
    expect(page).toContain('alert(1)');
    expect(page.match(/<script|<b a/g)).toBeNull();
  });

  it('has headings in order, names for its charts and regions, and headers for its tables', () => {
    const page = reportOf(THREE);
    expect(page.match(/<h1/g)).toHaveLength(1);
    expect(page).not.toMatch(/<h[3-6]/);
    expect(page.match(/<svg role="img" aria-label="[^"]+"/g)).toHaveLength(4);
    const regions = page.match(/<div [^>]*class="scroll[^>]*>/g) ?? [];
    expect(regions.filter((region) => !/role="region" aria-label="[^"]+" tabindex="0"/.test(region))).toEqual([]);
    expect(page.match(/<caption>/g)).toHaveLength(page.match(/<table>/g)?.length ?? 0);
    expect(page).not.toMatch(/<th>/);
    const ids = [...page.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('stays small for a fleet: it draws 40 instances, and says so', () => {
    const fleet = reportOf([drillResult({ instances: 300, everySeconds: 0, replicas: 7 })]);
    expect(fleet).toContain('The first 40 of 600 instances are shown.');
    expect(new Set(charts(fleet)[1]?.match(/>i-0\w+<\/text>/g)).size).toBe(40);
    expect(fleet.match(/<td>drained<\/td>/g)).toHaveLength(300);
    expect(Buffer.byteLength(fleet)).toBeLessThan(1_000_000);
  });
});

function all(page: string, tag: string): string[] {
  const [name] = tag.split(' ');
  return [...page.matchAll(new RegExp(`<${tag}[^>]*>(.*?)</${name}>`, 'gs'))].map(([, inner = '']) =>
    inner.replace(/<[^>]*>/g, ''),
  );
}

function textOf(page: string, tag: string): string {
  return all(page, tag)[0] ?? '';
}

function charts(page: string): string[] {
  return page.match(/<svg role="img".*?<\/svg>/gs) ?? [];
}

function tasksWith({ events }: DrillResult, status: string): number {
  return events.filter((event) => event.kind === 'task' && event.status === status).length;
}
