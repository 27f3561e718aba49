import type { Obstacle, Plan } from '../sandbox/plan/plan.ts';
import { presentFigures } from '../sandbox/plan/verdict.ts';
import { duration } from '../src/adapters/duration.ts';
import { NO_CAUSE } from '../src/adapters/present-explanation.ts';
import { NO_TERMINAL, type Page, tableOf } from '../terminal/layout.ts';

/** A plan as the terminal shows it. */

const MOST_ROWS = 20;

export function presentPlan(plan: Plan, page: Page = NO_TERMINAL): string {
  const parts = [
    plan.verdict,
    figuresOf(plan),
    drainTable(plan, page),
    serviceTable(plan, page),
    list(
      plan.drainsAll ? 'What gets stuck for a while' : 'What gets stuck',
      plan.stuck.map((each) => presentObstacle(each, plan)),
    ),
    list(
      'Times that the plan rests on',
      plan.times.map(
        ({ what, seconds, source, assumed }) => `${what}: ${assumed ? 'assumed ' : ''}${duration(seconds)} (${source})`,
      ),
    ),
    list(
      'Requests that the plan rests on',
      plan.rates.map(({ service, perSecond, source }) => `${perSecond} a second to ${service} (${source})`),
    ),
    list(
      'Not modeled',
      plan.limits.map(({ what, effect }) => `${what} ${effect}`),
    ),
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}

function figuresOf(plan: Plan): string {
  const rows = presentFigures(plan);
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n');
}

function drainTable({ drains, trials }: Plan, page: Page): string {
  if (drains.length === 0) return '';
  const rows = drains.slice(0, MOST_ROWS).map(({ instanceId, seconds, outcomes, bound }) => {
    const each = Object.entries(outcomes).map(([outcome, count]) =>
      count === trials ? outcome : `${outcome} (${count})`,
    );
    return [instanceId, each.join(', '), duration(seconds.p50), duration(seconds.p95), bound];
  });
  const more = drains.length > MOST_ROWS ? `\nand ${drains.length - MOST_ROWS} more: --json has them all` : '';
  return `${tableOf(['instance', 'outcome', 'drain', '95 %', 'bound by'], rows, page)}${more}`;
}

/** Those that fall below what they want first. */
function serviceTable({ services }: Plan, page: Page): string {
  const short = services.filter(({ desired, fewestRunning }) => fewestRunning < desired);
  if (short.length === 0)
    return services.length > 0 ? 'No service has fewer running tasks than it wants at any time.' : '';
  const rows = short
    .toSorted((a, b) => a.fewestRunning / a.desired - b.fewestRunning / b.desired)
    .slice(0, MOST_ROWS)
    .map(({ name, desired, fewestRunning }) => [name, `${desired}`, `${fewestRunning}`]);
  const more = short.length > MOST_ROWS ? [`and ${short.length - MOST_ROWS} more: --json has them all`] : [];
  const others =
    short.length < services.length ? ['The other services never have fewer running tasks than they want.'] : [];
  return [tableOf(['service', 'wants', 'fewest running'], rows, page), ...more, ...others].join('\n');
}

function presentObstacle({ group, instances, trials, causes, fix }: Obstacle, plan: Plan): string {
  const where = instances.length > 3 ? `${instances.length} instances` : instances.join(', ');
  const how = trials === plan.trials ? '' : ` in ${trials} of ${plan.trials} rehearsals`;
  const why = causes.join('; ') || NO_CAUSE;
  return `${group} on ${where}${how}: ${why}.\n    ${fix}`;
}

function list(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : `${title}:\n${lines.map((line) => `- ${line}`).join('\n')}`;
}
