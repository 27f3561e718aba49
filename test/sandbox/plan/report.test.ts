import { describe, expect, it } from 'vitest';
import { planPage } from '../../../sandbox/plan/report.ts';
import { presentFigures } from '../../../sandbox/plan/verdict.ts';
import { drillResult } from '../report-samples.ts';
import { aPlan } from './samples.ts';

const DRILL = drillResult({ drainer: 'ecs-drain' });
const page = planPage(aPlan(), DRILL);

describe('the page of a plan', () => {
  it('begins with the verdict, and what gets stuck with its fix', () => {
    expect(page).toContain('<h1>Do not go ahead yet.</h1>');
    expect(page).toContain('<p class="lead">During a scale-in by 2, 1 of 2 drains may end as timed-out.</p>');
    expect(page).toContain(
      '<p>ECS finds no room for a replacement.</p><p>Add an instance, or free resources on the others.</p>',
    );
    expect(page.indexOf('id="stuck"')).toBeLessThan(page.indexOf('id="drains"'));
  });

  it('says above all to check first', () => {
    const checked = planPage(aPlan({ verdict: 'Check first: a scale-in by 2 drains both instances.' }), undefined);
    expect(checked).toContain('<h1>Check first.</h1>');
    expect(checked).toContain('<p class="lead">A scale-in by 2 drains both instances.</p>');
  });

  it('has a reservation of its verdict in the first sentence', () => {
    const verdict = 'Go, but the drain itself stops 1 task before its deadline (1 of service:web): a scale-in …';
    expect(planPage(aPlan({ go: true, verdict }), undefined)).toContain(
      '<p class="lead">But the drain itself stops 1 task before its deadline (1 of service:web): a scale-in …</p>',
    );
  });

  it('sets off the commands of a fix, and breaks no line within the name of an option', () => {
    const { stuck } = aPlan();
    const fix = 'Run fewer (aws ecs update-service --cluster prod --desired-count N), or <b>wait</b>.';
    expect(planPage(aPlan({ stuck: stuck.map((each) => ({ ...each, fix })) }), undefined)).toContain(
      '<p>Run fewer (<code>aws ecs update-service <span>--cluster</span> prod <span>--desired-count</span> N</code>), or &#60;b&#62;wait&#60;/b&#62;.</p>',
    );
  });

  it('has the drains, running tasks, reservation, timeline, times and limits', () => {
    for (const id of ['drains', 'running', 'memory', 'timeline', 'times', 'limits'])
      expect(page).toContain(`id="${id}"`);
    expect(page).toContain('<td>drained (3), timed-out (17)</td>');
    expect(page).toContain('<td>assumed: no start is known</td>');
    expect(page).toContain('The service web rebalances Availability Zones.');
  });

  it('has the figures that the terminal has', () => {
    for (const [name, value] of presentFigures(aPlan())) {
      const row = `<th scope="row">${name.charAt(0).toUpperCase()}${name.slice(1)}</th><td>${value}</td>`;
      expect(page).toContain(row);
    }
  });

  it('says that the ids of its tasks are not those of the cluster', () => {
    expect(page).toContain('The ids of tasks are those of the rehearsal, not of your cluster.');
  });

  it('has names as text, whatever is in them, and no script', () => {
    expect(page).toContain('service:&#60;b&#62;');
    expect(page).not.toMatch(/<script|<b>-|href=/);
  });

  it('is the same for the same plan', () => {
    expect(planPage(aPlan(), DRILL)).toBe(page);
  });

  it('says so where nothing is stuck or left out', () => {
    const plain = planPage(aPlan({ stuck: [], limits: [], drainsAll: true }), undefined);
    expect(plain).not.toContain('id="stuck"');
    expect(plain).toContain('Nothing that the snapshot has.');
  });
});
