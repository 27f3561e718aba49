import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import axe from 'axe-core';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { planPage } from '../../sandbox/plan/report.ts';
import { aPlan } from '../sandbox/plan/samples.ts';
import { drillResult } from '../sandbox/report-samples.ts';
import { CHROMIUM, CHROMIUM_ARGS } from './chromium.ts';

const found = existsSync(CHROMIUM);
if (!found) console.warn(`Skipped: no browser at ${CHROMIUM} (apt-get install chromium, or set CHROMIUM).`);

describe.skipIf(!found)('the page of a plan in a browser', () => {
  let folder: string;
  let browser: Browser;
  let page: Page;
  /** What a page should not do: complain, or ask for anything but itself. */
  const faults: string[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ecs-drain-plan-page-'));
    const file = join(folder, 'plan.html');
    const drills = (['ecs-drain', 'none'] as const).map((drainer) => drillResult({ drainer }));
    await writeFile(file, planPage(aPlan(), drills[0]));
    const address = pathToFileURL(file).href;
    browser = await chromium.launch({ executablePath: CHROMIUM, args: CHROMIUM_ARGS });
    page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    page.on('console', (message) => faults.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => faults.push(error.message));
    page.on('request', (request) => request.url() !== address && faults.push(`request: ${request.url()}`));
    await page.goto(address);
  });

  afterAll(async () => {
    await browser?.close();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  it('opens from a file, asks for nothing else and complains of nothing', async () => {
    expect(await page.title()).toBe('Plan for the group web');
    expect(faults).toEqual([]);
  });

  it('shows its three charts', async () => {
    const boxes = await page
      .getByRole('img')
      .evaluateAll((charts) => charts.map((chart) => chart.getBoundingClientRect()));
    expect(boxes).toHaveLength(3);
    for (const { width } of boxes) expect(width).toBeGreaterThan(900);
  });

  it.each(['light', 'dark'] as const)('breaks no rule of axe, contrast included, when %s', async (colorScheme) => {
    await page.emulateMedia({ colorScheme });
    await page.evaluate(axe.source);
    const violations = await page.evaluate(async () => {
      const { axe } = globalThis as unknown as { axe: typeof import('axe-core') };
      return (await axe.run()).violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(', ')}`);
    });
    expect(violations).toEqual([]);
  });
});
