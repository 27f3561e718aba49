import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';
import { rehearse } from '../../sandbox/rehearsal.ts';
import { reportOf } from '../../sandbox/report.ts';
import { DRAINERS, type DrillResult } from '../../sandbox/result.ts';
import type { ScenarioName } from '../../sandbox/scenarios.ts';
import { CHROMIUM, CHROMIUM_ARGS } from './chromium.ts';

/** `npm run pictures`: the pictures of docs/images, from the reports of real drills. */

const IMAGES = resolve(import.meta.dirname, '../../docs/images');
/** Wide enough for a README on a screen of two pixels a point, and small enough to load at once. */
const SCALE = 1.1;
const MARGIN = 18;

const PICTURES = [
  { file: 'book.png', scenario: 'book', figure: 0, colorScheme: 'light' },
  { file: 'book-dark.png', scenario: 'book', figure: 0, colorScheme: 'dark' },
  { file: 'timeline.png', scenario: 'rolling-update', figure: 1, colorScheme: 'light' },
] as const;

const folder = await mkdtemp(join(tmpdir(), 'ecs-drain-pictures-'));
const browser = await chromium.launch({ executablePath: CHROMIUM, args: CHROMIUM_ARGS });
try {
  await mkdir(IMAGES, { recursive: true });
  const addresses = new Map<ScenarioName, string>();
  for (const { file, scenario, figure, colorScheme } of PICTURES) {
    const address = addresses.get(scenario) ?? (await reportedAt(scenario));
    addresses.set(scenario, address);
    const page = await browser.newPage({
      viewport: { width: 1160, height: 900 },
      deviceScaleFactor: SCALE,
      colorScheme,
    });
    await page.goto(address);
    const path = join(IMAGES, file);
    const box = await page.locator('figure').nth(figure).boundingBox();
    if (!box) throw new Error(`There is no figure ${figure} in the report on ${scenario}.`);
    const { x, y, width, height } = box;
    const clip = { x: x - MARGIN, y: y - MARGIN, width: width + 2 * MARGIN, height: height + 2 * MARGIN };
    await page.screenshot({ path, fullPage: true, clip });
    await page.close();
    console.log(`${path}: ${Math.round((await stat(path)).size / 1024)} KiB`);
  }
} finally {
  await browser.close();
  await rm(folder, { recursive: true });
}

async function reportedAt(scenario: ScenarioName): Promise<string> {
  const runs: DrillResult[] = [];
  for (const drainer of DRAINERS) runs.push(await rehearse({ scenario, drainer, seed: 1 }));
  const file = join(folder, `${scenario}.html`);
  await writeFile(file, reportOf(runs));
  return pathToFileURL(file).href;
}
