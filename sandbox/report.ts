import { readFileSync } from 'node:fs';
import { lineSwatchOf, lowest, memoryChart, PATTERNS, swatchOf, timelineChart } from './report/charts.ts';
import { Html, html } from './report/html.ts';
import { type InstanceLife, MARKS, PHASES, timelineOf } from './report/timeline.ts';
import { count, duration, figure, minute, percent } from './report/words.ts';
import { type DrainResult, type DrillResult, EXTERNAL, type Judged } from './result.ts';
import { reportsIn } from './sentences.ts';

export const STYLE = new Html(readFileSync(new URL('report/report.css', import.meta.url), 'utf8'));

/** More rows than this help no one, and make a page no one can open. */
const MAX_INSTANCES = 40;
const MAX_MESSAGES = 40;

const DRAINERS: Readonly<Record<Judged, { readonly name: string; readonly how: string; readonly told: string }>> = {
  'ecs-drain': {
    name: 'ecs-drain',
    how: 'Each instance is emptied before it goes',
    told: 'With ecs-drain',
  },
  none: { name: 'Without a drain', how: 'Instances go at once, tasks and all', told: 'Without any drain' },
  book: {
    name: 'The book’s function (book)',
    how: 'Waits until ECS counts no running task',
    told: 'With the book’s function',
  },
  external: {
    name: 'Your drain program (external)',
    how: 'Connected to the Region from outside',
    told: 'With your drain program',
  },
};

const WORDS: readonly (readonly [word: string, meaning: string])[] = [
  ['Instance', 'A server. Amazon EC2 rents it out; Auto Scaling adds instances to a group and takes them away again.'],
  ['Task', 'One running copy of a program. Amazon ECS places tasks on instances; many share one instance.'],
  [
    'Service',
    'An order to keep so many copies of a program running. A daemon is a service with one copy on each instance.',
  ],
  ['Drain', 'To empty an instance before it goes: start its tasks elsewhere, then let the old ones finish and stop.'],
  ['Hook', 'What makes Auto Scaling wait before it terminates an instance, so that there is time for a drain.'],
  ['Heartbeat', '“Still at work”: it makes the hook wait longer.'],
  ['Continuation', 'A drain outlasts one run of the function that does it, which then hands over to the next run.'],
  ['Killed', 'A task whose instance was terminated before it had stopped. Whoever it was serving sees an error.'],
];

/**
 * The report on a drill: one page of HTML that needs nothing else. The first run is the one reported on; the others, of the
 * same scenario and seed number, are for comparison. The same runs give the same bytes, except for how long they took.
 */
export function reportOf(runs: readonly DrillResult[]): string {
  const [chosen, ...others] = runs;
  if (!chosen) throw new RangeError('A report needs at least one run.');
  const { scenario, seed, drainer } = chosen;
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${scenario} with ${drainer}: ecs-drain drill report</title>
<style>${STYLE}</style>
</head>
<body>
${PATTERNS}
<header>
<p class="kicker">ecs-drain drill report <span>scenario <b>${scenario}</b></span> <span>seed number <b>${seed}</b></span></p>
<h1>${capitalised(count(chosen.instancesTerminated, 'instance'))} ${chosen.instancesTerminated > 1 ? 'were' : 'was'} taken away. <span>${capitalised(harmOf(chosen))}.</span></h1>
<p class="lead">${leadOf(chosen, others)}</p>
<ul class="runs">${runs.map((run) => cardOf(run, tellingFigures(runs)))}</ul>
</header>
<main>
${memorySection(runs)}
${timelineSection(chosen)}
${othersSection(chosen, others)}
${whySection(chosen)}
${drainsSection(chosen)}
${figuresSection(runs)}
${againSection(chosen)}
${wordsSection()}
</main>
</body>
</html>
`;
  return page.text;
}

/** `no task was killed and no request lost`. */
function harmOf({ tasksKilled, requestsLost }: DrillResult): string {
  const were = tasksKilled > 1 ? 'were' : 'was';
  return `${count(tasksKilled, 'task')} ${were} killed and ${count(requestsLost, 'request')} lost`;
}

function leadOf(chosen: DrillResult, others: readonly DrillResult[]): string {
  return [chosen, ...others].map((run) => `${DRAINERS[run.drainer].told}, ${harmOf(run)}.`).join(' ');
}

/** A figure on the card of a run. */
interface Figure {
  readonly label: (run: DrillResult) => string;
  readonly value: (run: DrillResult) => number | undefined;
  readonly shown: (run: DrillResult) => string;
  readonly isBad: (run: DrillResult) => boolean;
}

const FIGURES: readonly Figure[] = [
  {
    label: ({ tasksKilled }) => (tasksKilled === 1 ? 'task killed' : 'tasks killed'),
    value: ({ tasksKilled }) => tasksKilled,
    shown: ({ tasksKilled }) => figure(tasksKilled),
    isBad: ({ tasksKilled }) => tasksKilled > 0,
  },
  {
    label: ({ requestsLost }) => (requestsLost === 1 ? 'request lost' : 'requests lost'),
    value: ({ requestsLost }) => requestsLost,
    shown: ({ requestsLost }) => figure(requestsLost),
    isBad: ({ requestsLost }) => requestsLost > 0,
  },
  {
    label: () => 'lowest reservation',
    value: (run) => lowest(run)?.percent,
    shown: (run) => percent(lowest(run)?.percent ?? 0),
    isBad: (run) => lowest(run)?.percent === 0,
  },
  {
    label: () => 'says why tasks stay',
    value: (run) => reportsIn(run)[0]?.second,
    shown: (run) => {
      const [first] = reportsIn(run);
      return first ? minute(first.second) : 'never';
    },
    isBad: (run) => run.tasksKilled > 0 && reportsIn(run).length === 0,
  },
];

/** Three figures, first those in which the runs differ. */
function tellingFigures(runs: readonly DrillResult[]): readonly Figure[] {
  const tells = ({ value }: Figure) => Number(new Set(runs.map(value)).size > 1);
  return FIGURES.toSorted((a, b) => tells(b) - tells(a)).slice(0, 3);
}

function cardOf(run: DrillResult, figures: readonly Figure[]): Html {
  const { name, how } = DRAINERS[run.drainer];
  return html`<li class="run ${run.drainer}"><p class="name">${lineSwatchOf(run.drainer)} <b>${name}</b></p><p class="how">${how}</p>
<dl>${figures.map(({ label, shown, isBad }) => html`<div${isBad(run) ? html` class="bad"` : undefined}><dt>${label(run)}</dt><dd>${shown(run)}</dd></div>`)}</dl></li>`;
}

/** Why tasks stayed, in the words of the log: nothing where all have stopped. */
function whySection(chosen: DrillResult): Html | undefined {
  const reports = reportsIn(chosen).slice(0, MAX_MESSAGES);
  if (reports.length === 0) return undefined;
  const rows = reports.map(({ second, instanceId, why }) => [figure(second / 60), instanceId, why]);
  return html`<section aria-labelledby="why">
<h2 id="why">Why tasks stayed</h2>
<p>What ${chosen.drainer} said of the tasks that held an instance: the first time while there was still time to help them. Times of day in a message are by the clock of the model, which says 00:00 at minute 0.</p>
${scrolling('Why tasks stayed', tableOf('Messages of the log', ['Minute', 'Instance', 'Message'], rows))}
</section>`;
}

/** The timelines of the other runs, no shorter than that of the chosen one. */
function othersSection(chosen: DrillResult, others: readonly DrillResult[]): Html | undefined {
  if (others.length === 0) return undefined;
  return html`<section aria-labelledby="others">
<h2 id="others">The same with the others</h2>
<p>The same change with other drainers, on the scale of the timeline above.</p>
${others.map((run) => {
  const name = `Timeline of instances and their tasks with ${run.drainer}`;
  const endSecond = Math.max(chosen.virtualSeconds, run.virtualSeconds);
  const outcomes = new Map(run.drains.map((drain) => [drain.instanceId, drain]));
  const instances = timelineOf(run).slice(0, MAX_INSTANCES);
  const chart = timelineChart(instances, endSecond, `${name}. ${capitalised(harmOf(run))}.`, (instance) =>
    detailOf(instance, outcomes.get(instance.instanceId)),
  );
  return html`<details><summary>${DRAINERS[run.drainer].told}: ${harmOf(run)}</summary>${scrolling(name, chart, 'chart')}</details>`;
})}
</section>`;
}

function wordsSection(): Html {
  return html`<section aria-labelledby="words">
<h2 id="words">The words, if ECS is new to you</h2>
<p>This was a rehearsal, on a model of Amazon’s cloud, of servers being taken away while programs run on them: the programs should move without anyone noticing.</p>
<dl class="words">${WORDS.map(([word, meaning]) => html`<div><dt>${word}</dt><dd>${meaning}</dd></div>`)}</dl>
</section>`;
}

export function memorySection(runs: readonly DrillResult[]): Html {
  const sentence = `MemoryReservation ${new Intl.ListFormat('en').format(runs.map(lowestOf))}.`;
  const minutes = [...new Set(runs.flatMap((run) => run.memoryReservation.series.map((point) => point.minute)))];
  const percents = runs.map(
    (run) => new Map(run.memoryReservation.series.map((point) => [point.minute, point.percent])),
  );
  const rows = minutes
    .sort((a, b) => a - b)
    .map((at) => [figure(at), ...percents.map((of) => (of.has(at) ? percent(of.get(at) ?? 0) : '–'))]);
  const name = 'MemoryReservation of the cluster over time';
  return html`<section aria-labelledby="memory">
<h2 id="memory">How much memory running tasks hold</h2>
<p>MemoryReservation is the share of the instances’ memory that tasks have reserved, as CloudWatch shows it by the minute. At 0 % nothing runs at all: every request fails. It may dip without harm when an empty instance joins.</p>
<figure>
<figcaption>${sentence}</figcaption>
<ul class="legend">${runs.map(({ drainer }) => html`<li>${lineSwatchOf(drainer)} ${DRAINERS[drainer].name}</li>`)}</ul>
${scrolling(name, memoryChart(runs, `${name}. ${sentence}`), 'chart')}
</figure>
${dataTable('MemoryReservation as a table', `${name}, in percent`, ['Minute', ...runs.map(({ drainer }) => drainer)], rows)}
</section>`;
}

/** `fell to 0 % without any drain (20 s after an instance was terminated)`. */
function lowestOf(run: DrillResult): string {
  const low = lowest(run);
  const told = DRAINERS[run.drainer].told.replace(/^W/, 'w');
  if (!low) return `was not measured ${told}`;
  const lowSecond = low.minute * 60;
  const death = run.events.findLast(
    (event) => event.kind === 'instance' && event.state === 'Terminated' && event.second <= lowSecond,
  );
  const after =
    death && low.percent === 0 ? ` (${duration(lowSecond - death.second)} after an instance was terminated)` : '';
  return `${low.percent === 0 ? 'fell to' : 'never fell below'} ${percent(low.percent)} ${told}${after}`;
}

/** `note` stands under the heading. */
export function timelineSection(chosen: DrillResult, note?: string): Html {
  const all = timelineOf(chosen);
  const instances = all.slice(0, MAX_INSTANCES);
  const outcomes = new Map(chosen.drains.map((drain) => [drain.instanceId, drain]));
  const leaving = all.filter(({ terminatingAt }) => terminatingAt !== undefined);
  const tasks = leaving.flatMap((instance) => instance.tasks);
  const killed = tasks.filter((task) => task.killed).length;
  const sentence = `${figure(leaving.length)} of ${count(all.length, 'instance')} terminated. ${capitalised(count(tasks.length, 'task'))} ran on ${leaving.length === 1 ? 'it' : 'them'}; ${killed ? figure(killed) : 'none'} ${killed > 1 ? 'were' : 'was'} killed.`;
  const cap =
    instances.length < all.length
      ? html` <strong>The first ${instances.length} of ${figure(all.length)} instances are shown.</strong>`
      : undefined;
  const name = `Timeline of instances and their tasks with ${chosen.drainer}`;
  const chart = timelineChart(instances, chosen.virtualSeconds, `${name}. ${sentence}`, (instance) =>
    detailOf(instance, outcomes.get(instance.instanceId)),
  );
  const rows = instances.flatMap((instance) => instance.tasks.map((task) => taskRow(instance, task)));
  const marksSeen = MARKS.filter((seen) => instances.some(({ marks }) => marks.some(({ mark }) => mark === seen)));
  const marks = instances.flatMap((instance) =>
    instance.marks.map(({ second, what }) => [instance.instanceId, figure(second / 60), what]),
  );
  return html`<section aria-labelledby="timeline">
<h2 id="timeline">What happened on each instance</h2>
<p>A row is an instance, from its start to its end; in it each bar is a task, through its phases. While the hook holds the instance (the frame along the top of a row) the drain starts the tasks’ replacements elsewhere and waits until the last of the old ones has stopped. A deactivating task still answers requests: the load balancer is taking it out of use.${note && html` ${note}`}</p>
<figure>
<figcaption>${sentence}${cap}</figcaption>
<ul class="legend">${[...PHASES, 'killed' as const, ...marksSeen].map((sign) => html`<li>${swatchOf(sign)} ${LEGEND[sign]}</li>`)}</ul>
${scrolling(name, chart, 'chart')}
</figure>
${dataTable(
  'The tasks as a table',
  'Tasks of the instances shown, with the minute at which each phase began',
  ['Task', 'Of', 'Instance', ...PHASES.map(capitalised), 'End', 'How it ended'],
  rows,
)}
${dataTable('The marks as a table', 'What happened to the instances', ['Instance', 'Minute', 'What'], marks)}
</section>`;
}

const LEGEND: Readonly<Record<Parameters<typeof swatchOf>[0], string>> = {
  starting: 'task starting',
  running: 'task running',
  deactivating: 'task deactivating',
  stopping: 'task stopping',
  killed: 'task killed',
  held: 'hook holds',
  heartbeat: 'heartbeat',
  continuation: 'continuation',
  completed: 'hook completed',
  'timed out': 'hook timed out',
  terminated: 'instance terminated',
};

/** The second line of an instance's row. */
function detailOf(instance: InstanceLife, drain: DrainResult | undefined): string {
  const killed = instance.tasks.filter((task) => task.killed).length;
  if (killed) return `${count(killed, 'task')} killed`;
  if (drain) return `${drain.outcome} in ${duration(drain.seconds)}`;
  if (instance.terminatedAt !== undefined) return `terminated at ${minute(instance.terminatedAt)}`;
  return instance.isNew ? `new at ${minute(instance.from)}` : 'stays';
}

function taskRow(instance: InstanceLife, { taskId, group, stretches, endedAt, killed }: InstanceLife['tasks'][number]) {
  const begins = PHASES.map((phase) => stretches.find((stretch) => stretch.phase === phase)?.from);
  const minutes = [...begins, endedAt].map((second) => (second === undefined ? '–' : figure(second / 60)));
  const end = killed ? 'killed' : endedAt === undefined ? 'still there at the end' : 'stopped';
  return [taskId, group, instance.instanceId, ...minutes, end];
}

function drainsSection({ drains, drainer, events }: DrillResult): Html {
  const rows = drains.map((drain) => [
    drain.instanceId,
    drain.notice === undefined ? drain.outcome : `${drain.outcome}, on a ${drain.notice}`,
    duration(drain.seconds),
    duration(drain.slackSeconds),
    duration(drain.billedSeconds),
    figure(drain.apiCalls),
    figure(drain.heartbeats),
    figure(drain.continuations),
  ]);
  const head = ['Instance', 'Outcome', 'Took', 'Slack', 'Lambda billed', 'AWS calls', 'Heartbeats', 'Continuations'];
  const said = events.flatMap((event) =>
    event.kind === 'service' || event.kind === 'deployment'
      ? [[figure(event.second / 60), event.kind === 'service' ? event.service : event.group, event.message]]
      : [],
  );
  const messages = said.slice(0, MAX_MESSAGES);
  return html`<section aria-labelledby="drains">
<h2 id="drains">The drains</h2>
<p>Slack is the time from the last task’s stop to the end of the drain: short is good.</p>
${drains.length ? scrolling('Drains', tableOf(`The drains by ${drainer}, one by one`, head, rows)) : html`<p>Nothing drained.</p>`}
${
  messages.length
    ? dataTable(
        'What ECS and Auto Scaling said',
        `Messages of services and groups${messages.length < said.length ? `: the first ${messages.length} of ${figure(said.length)}` : ''}`,
        ['Minute', 'Of', 'Message'],
        messages,
      )
    : undefined
}
</section>`;
}

/** Every run beside the others. Not their wall time: it would make two pages of the same drill differ. */
function figuresSection(runs: readonly DrillResult[]): Html {
  const total = (field: 'billedSeconds' | 'apiCalls' | 'heartbeats' | 'continuations') => (run: DrillResult) =>
    run.drains.reduce((sum, drain) => sum + drain[field], 0);
  const rowsOf: readonly (readonly [string, (run: DrillResult) => string])[] = [
    ['Instances terminated', (run) => figure(run.instancesTerminated)],
    ['Tasks killed', (run) => figure(run.tasksKilled)],
    ['of these cut off by the shutdown', (run) => figure(run.tasksCutOff)],
    ['of these with a delayed SIGTERM, from the shutdown', (run) => figure(run.tasksDelayedSigterm)],
    ['Requests lost', (run) => figure(run.requestsLost)],
    ['Lowest MemoryReservation', (run) => percent(run.memoryReservation.min)],
    ['Drains', (run) => figure(run.drains.length)],
    ['Longest drain', (run) => duration(Math.max(0, ...run.drains.map((drain) => drain.seconds)))],
    ['Longest slack', (run) => duration(Math.max(0, ...run.drains.map((drain) => drain.slackSeconds)))],
    ['Lambda billed', (run) => duration(total('billedSeconds')(run))],
    ['AWS calls', (run) => figure(total('apiCalls')(run))],
    ['Heartbeats', (run) => figure(total('heartbeats')(run))],
    ['Continuations', (run) => figure(total('continuations')(run))],
    ['The drill took, in virtual time', (run) => duration(run.virtualSeconds)],
  ];
  const head = ['Figure', ...runs.map(({ drainer }) => drainer)];
  const rows = rowsOf.map(([name, of]) => [name, ...runs.map(of)]);
  return html`<section aria-labelledby="figures">
<h2 id="figures">All figures, side by side</h2>
${scrolling('Figures', tableOf('The same scenario and seed number, by drainer', head, rows))}
</section>`;
}

function againSection({ scenario, drainer, seed }: DrillResult): Html {
  const what = scenario === 'world' ? '--world world.json' : `--scenario ${scenario}`;
  return html`<section aria-labelledby="again">
<h2 id="again">Run it yourself</h2>
<p>The drill needs no AWS account, and the same seed number gives the same result again.</p>
<pre><code>${drainer === EXTERNAL ? 'npm run region' : 'npm run drill'} -- ${what} --drainer ${drainer} --seed ${seed} --report drill.html</code></pre>
</section>`;
}

/** A region that scrolls by itself when the page is narrower than what is in it; the keyboard reaches it. */
export function scrolling(name: string, content: Html, kind = 'table'): Html {
  return html`<div class="scroll ${kind}" role="region" aria-label="${name}" tabindex="0">${content}</div>`;
}

export function dataTable(
  summary: string,
  caption: string,
  head: readonly string[],
  rows: readonly (readonly string[])[],
): Html {
  return html`<details><summary>${summary}</summary>${scrolling(summary, tableOf(caption, head, rows))}</details>`;
}

/** The first cell of each row is its header. */
export function tableOf(caption: string, head: readonly string[], rows: readonly (readonly string[])[]): Html {
  return html`<table>
<caption>${caption}</caption>
<thead><tr>${head.map((cell) => html`<th scope="col">${cell}</th>`)}</tr></thead>
<tbody>${rows.map(([first = '', ...cells]) => html`<tr><th scope="row">${first}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`)}</tbody>
</table>`;
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
