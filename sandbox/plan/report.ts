import { duration } from '../../src/adapters/duration.ts';
import { NO_CAUSE } from '../../src/adapters/present-explanation.ts';
import { PATTERNS, type Steps, stepsChart, stepsSwatchOf } from '../report/charts.ts';
import { type Html, html } from '../report/html.ts';
import { memorySection, STYLE, scrolling, tableOf, timelineSection } from '../report.ts';
import type { DrillResult } from '../result.ts';
import type { Plan } from './plan.ts';
import { presentFigures } from './verdict.ts';

/** A plan on one page of HTML that needs nothing else. */

/** More lines than these look alike. */
const MOST_LINES = 4;

/** With one rehearsal in full: the first that fails, else the first. */
export function planPage(plan: Plan, chosen: DrillResult | undefined): string {
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Plan for the group ${plan.group}</title>
<style>${STYLE}</style>
</head>
<body>
${PATTERNS}
<header>
<p class="kicker">ecs-drain plan <span>group <b>${plan.group}</b></span> <span>cluster <b>${plan.cluster}</b></span> <span>snapshot of <b>${plan.takenAt.slice(0, 16).replace('T', ' ')}</b></span></p>
<h1>${headingOf(plan.verdict)}</h1>
<p class="lead">${reasonsIn(plan.verdict)}</p>
</header>
<main>
${stuckSection(plan)}
${drainsSection(plan)}
${chosen && html`<p>The charts show one rehearsal: the first that fails, or the first if none does.</p>`}
${chosen && runningSection(plan, chosen)}
${chosen && memorySection([chosen])}
${chosen && timelineSection(chosen, 'The ids of tasks are those of the rehearsal, not of your cluster.')}
${timesSection(plan)}
${limitsSection(plan)}
</main>
</body>
</html>
`;
  return page.text;
}

/** The first words of a verdict. */
const HEADING = /^(Go|Check first|Do not go ahead yet)[:,] /;

function headingOf(verdict: string): string {
  return `${HEADING.exec(verdict)?.[1] ?? verdict}.`;
}

/** What follows the heading. */
function reasonsIn(verdict: string): string {
  return capitalised(verdict.replace(HEADING, ''));
}

function capitalised(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

function stuckSection({ stuck, trials }: Plan): Html | undefined {
  if (stuck.length === 0) return undefined;
  const items = stuck.map(({ group, instances, trials: often, causes, fix }) => {
    const where = instances.length > 3 ? `${instances.length} instances` : instances.join(', ');
    const how = often < trials ? `, in ${often} of ${trials} rehearsals` : '';
    const why = capitalised(causes.join('; ') || NO_CAUSE);
    return html`<li><b>${group} on ${where}${how}</b><p>${why}.</p><p>${withCommands(fix)}</p></li>`;
  });
  return html`<section aria-labelledby="stuck">
<h2 id="stuck">What gets stuck, and what to do</h2>
<ul class="obstacles">${items}</ul>
</section>`;
}

/** Commands of the AWS CLI stand out, and a line does not break within the name of an option. */
function withCommands(text: string): Html[] {
  return text.split(/(aws [a-z-]+ [a-z-]+(?: --[a-z-]+(?: [^\s()]*[^\s().])?)+)/).map((part, i) => {
    if (i % 2 === 0) return html`${part}`;
    const words = part.split(/(--[a-z-]+)/).map((word, j) => (j % 2 === 0 ? word : html`<span>${word}</span>`));
    return html`<code>${words}</code>`;
  });
}

function drainsSection(plan: Plan): Html {
  const rows = plan.drains.map(({ instanceId, outcomes, seconds, bound }) => [
    instanceId,
    Object.entries(outcomes)
      .map(([outcome, count]) => (count === plan.trials ? outcome : `${outcome} (${count})`))
      .join(', '),
    duration(seconds.p50),
    duration(seconds.p95),
    bound,
  ]);
  const figures = presentFigures(plan).map(([name, value]) => [capitalised(name), value]);
  return html`<section aria-labelledby="drains">
<h2 id="drains">The drains</h2>
${scrolling('Figures', tableOf('Over all rehearsals', ['What', 'Value'], figures))}
${scrolling('Drains', tableOf('Each drain', ['Instance', 'Outcome', 'Takes', '95 %', 'Bound by'], rows))}
</section>`;
}

/** The services that lose most first. */
function runningSection({ services }: Plan, drill: DrillResult): Html | undefined {
  const shown = services
    .toSorted((a, b) => a.fewestRunning / Math.max(1, a.desired) - b.fewestRunning / Math.max(1, b.desired))
    .slice(0, MOST_LINES);
  if (shown.length === 0) return undefined;
  const lines = shown.map(({ name }) => ({ name, points: runningOf(name, drill) }));
  const rows = services.map(({ name, desired, fewestRunning }) => [name, `${desired}`, `${fewestRunning}`]);
  const name = 'Running tasks of services over time';
  return html`<section aria-labelledby="running">
<h2 id="running">How many tasks run</h2>
<figure>
<figcaption>${services.length > shown.length ? `The ${shown.length} services that lose most.` : 'Each service.'}</figcaption>
<ul class="legend">${lines.map((line, i) => html`<li>${stepsSwatchOf(i)} ${line.name}</li>`)}</ul>
${scrolling(name, stepsChart(lines, drill.virtualSeconds, name), 'chart')}
</figure>
${scrolling('Services', tableOf('The fewest running tasks in any rehearsal', ['Service', 'Wants', 'Fewest running'], rows))}
</section>`;
}

/** How many tasks of a service run, each time that changes. */
function runningOf(service: string, { events }: DrillResult): Steps['points'] {
  const running = new Set<string>();
  const points = new Map<number, number>();
  for (const event of events) {
    if (event.kind !== 'task' || event.group !== `service:${service}`) continue;
    if (event.status === 'RUNNING') running.add(event.taskId);
    else running.delete(event.taskId);
    points.set(event.second, running.size);
  }
  return [...points];
}

function timesSection({ times, rates }: Plan): Html {
  const taken = times.map(({ what, seconds, source, assumed }) => [
    what,
    duration(seconds),
    `${assumed ? 'assumed: ' : ''}${source}`,
  ]);
  const requests = rates.map(({ service, perSecond, source }) => [
    `requests to ${service}`,
    `${perSecond} a second`,
    source,
  ]);
  return html`<section aria-labelledby="times">
<h2 id="times">What this rests on</h2>
${scrolling('Times', tableOf('Each with its source', ['What', 'Value', 'From'], [...taken, ...requests]))}
</section>`;
}

function limitsSection({ limits }: Plan): Html {
  const rows = limits.map(({ what, effect }) => [what, effect]);
  return html`<section aria-labelledby="limits">
<h2 id="limits">What is not modeled</h2>
${rows.length > 0 ? scrolling('Limits', tableOf('What the cluster has, and the plan does not play', ['What', 'What it may change'], rows)) : html`<p>Nothing that the snapshot has.</p>`}
</section>`;
}
