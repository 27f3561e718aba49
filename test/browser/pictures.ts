import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';
import { scenarioCases } from '../../bench/plan/cases.ts';
import { prove } from '../../bench/plan/prove.ts';
import { packaged } from '../../sandbox/packaging.ts';
import { planPage } from '../../sandbox/plan/report.ts';
import { rehearse } from '../../sandbox/rehearsal.ts';
import { dashboardOf } from '../../sandbox/report/dashboard.ts';
import { reportOf } from '../../sandbox/report.ts';
import { DRAINERS, type DrillResult } from '../../sandbox/result.ts';
import { CLUSTER, GROUP, SCENARIOS, type Scenario, type ScenarioName } from '../../sandbox/scenarios.ts';
import { hear } from '../../sandbox/watching.ts';
import { CHROMIUM, CHROMIUM_ARGS } from './chromium.ts';

/** `npm run pictures`: the pictures of docs/images, from the reports of real drills and what CloudWatch hears of one. */

const IMAGES = resolve(import.meta.dirname, '../../docs/images');
/** Wide enough for a README on a screen of two pixels a point, and small enough to load at once. */
const SCALE = 1.1;
const MARGIN = 18;

/** The parts of reports that are pictures: the cards of the drainers, or a figure. */
const PICTURES = [
  { file: 'cards.png', scenario: 'book', part: 'ul.runs', colorScheme: 'light' },
  { file: 'cards-dark.png', scenario: 'book', part: 'ul.runs', colorScheme: 'dark' },
  { file: 'book.png', scenario: 'book', part: 'figure >> nth=0', colorScheme: 'light' },
  { file: 'book-dark.png', scenario: 'book', part: 'figure >> nth=0', colorScheme: 'dark' },
  { file: 'timeline.png', scenario: 'rolling-update', part: 'figure >> nth=1', colorScheme: 'light' },
] as const;

/** A rolling update whose last instance has a job that outlasts the deadline of half an hour. */
const WATCHED: Scenario = {
  ...SCENARIOS['rolling-update'],
  jobs: [{ name: 'import', on: 5, memoryMiB: 1_024, cpuUnits: 256, runsForSeconds: 36_000, stopTimeoutSeconds: 30 }],
  params: { deadlineSeconds: 1_800 },
};
/** Until a minute after the deadline, when two alarms are on. */
const WATCHED_SECONDS = 3_780;

const folder = await mkdtemp(join(tmpdir(), 'ecs-drain-pictures-'));
const browser = await chromium.launch({ executablePath: CHROMIUM, args: CHROMIUM_ARGS });
try {
  await mkdir(IMAGES, { recursive: true });
  await drawDashboard(join(IMAGES, 'dashboard.svg'));
  await drawPlan(join(IMAGES, 'plan.png'));
  const addresses = new Map<ScenarioName, string>();
  for (const { file, scenario, part, colorScheme } of PICTURES) {
    const address = addresses.get(scenario) ?? (await reportedAt(scenario));
    addresses.set(scenario, address);
    const page = await browser.newPage({
      viewport: { width: 1160, height: 900 },
      deviceScaleFactor: SCALE,
      colorScheme,
    });
    await page.goto(address);
    const path = join(IMAGES, file);
    const box = await page.locator(part).boundingBox();
    if (!box) throw new Error(`There is no ${part} in the report on ${scenario}.`);
    const { x, y, width, height } = box;
    const clip = { x: x - MARGIN, y: y - MARGIN, width: width + 2 * MARGIN, height: height + 2 * MARGIN };
    await page.screenshot({ path, fullPage: true, clip });
    await page.close();
    await tell(path);
  }
} finally {
  await browser.close();
  await rm(folder, { recursive: true });
}

async function drawDashboard(path: string): Promise<void> {
  const { resources } = await packaged({ args: [`--param=cluster=${CLUSTER}`, `--param=autoScalingGroups=${GROUP}`] });
  const heard = await hear({ scenario: 'rolling-update', variant: WATCHED, seed: 1 }, WATCHED_SECONDS);
  await writeFile(path, dashboardOf(resources, heard, 'The dashboard at the end of a drill'));
  await tell(path);
}

/** The plan of the scenario that gets stuck: what the page begins with. */
async function drawPlan(path: string): Promise<void> {
  const stuck = scenarioCases(1).find(({ name }) => name === 'stuck');
  if (!stuck) throw new Error('There is no scenario stuck.');
  const { plan, drills } = await prove(stuck, 5);
  const file = join(folder, 'plan.html');
  await writeFile(file, planPage(plan, drills[0]));
  const page = await browser.newPage({ viewport: { width: 1160, height: 900 }, deviceScaleFactor: SCALE });
  await page.goto(pathToFileURL(file).href);
  const box = await page.locator('section').nth(2).boundingBox();
  if (!box) throw new Error('The plan has no third section.');
  await page.screenshot({
    path,
    fullPage: true,
    clip: { x: 0, y: 0, width: 1160, height: box.y + box.height + MARGIN },
  });
  await page.close();
  await tell(path);
}

async function tell(path: string): Promise<void> {
  console.log(`${path}: ${Math.round((await stat(path)).size / 1024)} KiB`);
}

async function reportedAt(scenario: ScenarioName): Promise<string> {
  const runs: DrillResult[] = [];
  for (const drainer of DRAINERS) runs.push(await rehearse({ scenario, drainer, seed: 1 }));
  const file = join(folder, `${scenario}.html`);
  await writeFile(file, reportOf(runs));
  return pathToFileURL(file).href;
}
