import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import axe from 'axe-core';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rehearse } from '../../sandbox/rehearsal.ts';
import { reportOf } from '../../sandbox/report.ts';
import { DRAINERS, type DrillResult } from '../../sandbox/result.ts';
import { drillResult } from '../sandbox/report-samples.ts';
import { CHROMIUM, CHROMIUM_ARGS } from './chromium.ts';

const SCHEMES = ['light', 'dark'] as const;

const found = existsSync(CHROMIUM);
if (!found) console.warn(`Skipped: no browser at ${CHROMIUM} (apt-get install chromium, or set CHROMIUM).`);

describe.skipIf(!found)('the report in a browser', () => {
  let folder: string;
  let context: BrowserContext;
  let address: string;
  let page: Page;
  let real: string | undefined;
  /** What a page should not do: complain, or ask for anything but itself. */
  const faults: string[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ecs-drain-report-'));
    const file = join(folder, 'drill.html');
    const runs = (['ecs-drain', 'none', 'book'] as const).map((drainer) => drillResult({ drainer }));
    await writeFile(file, reportOf(runs));
    address = pathToFileURL(file).href;
    context = await chromium.launchPersistentContext(join(folder, 'profile'), {
      executablePath: CHROMIUM,
      args: CHROMIUM_ARGS,
      viewport: { width: 1280, height: 900 },
    });
    page = context.pages()[0] ?? (await context.newPage());
    page.on('console', (message) => faults.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => faults.push(error.message));
    page.on('request', (request) => request.url() !== address && faults.push(`request: ${request.url()}`));
    await page.goto(address);
  });

  afterAll(async () => {
    await context?.close();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  it('opens from a file, asks for nothing else and complains of nothing', async () => {
    await page.reload();
    expect(await page.title()).toBe('rolling-update with ecs-drain: ecs-drain drill report');
    expect(faults).toEqual([]);
  });

  it('shows both charts', async () => {
    const boxes = await page
      .getByRole('img')
      .evaluateAll((charts) => charts.map((chart) => chart.getBoundingClientRect()));
    expect(boxes).toHaveLength(2);
    for (const box of boxes) {
      expect(box.width).toBeGreaterThan(900);
      expect(box.height).toBeGreaterThan(300);
    }
  });

  it.each(SCHEMES)('breaks no rule of axe, contrast included, when %s', async (colorScheme) => {
    await page.emulateMedia({ colorScheme });
    await openAll(page);
    expect(await violationsIn(page)).toEqual([]);
  });

  // axe does not look into SVG.
  it.each(SCHEMES)(
    'has text and signs in its charts that stand out from what is behind them when %s',
    async (colorScheme) => {
      await page.emulateMedia({ colorScheme });
      const colors = await colorsOf(page, ['surface', 'running', 'life']);
      const painted = await page.locator('[role=img] text, [role=img] path').evaluateAll((elements) =>
        elements.map((element) => ({
          tag: element.tagName,
          onTask: element.getAttribute('fill') === 'var(--on-running)',
          fill: getComputedStyle(element).fill,
          stroke: getComputedStyle(element).stroke,
          line: element.getAttribute('stroke') ?? '',
        })),
      );
      const texts = painted.filter(({ tag }) => tag === 'text');
      expect(texts.length).toBeGreaterThan(50);
      for (const { fill, onTask } of texts) {
        expect(contrast(fill, onTask ? colors.running : colors.surface)).toBeGreaterThanOrEqual(4.5);
      }
      const drawn = painted.filter(
        ({ line }) => /--(ecs-drain|none|book|external|\w+-edge)/.test(line) && !line.includes('grid'),
      );
      expect(drawn.length).toBeGreaterThan(50);
      for (const { stroke } of drawn) {
        expect(Math.min(contrast(stroke, colors.surface), contrast(stroke, colors.life))).toBeGreaterThanOrEqual(3);
      }
    },
  );

  it('follows the system from light to dark, and is light on paper', async () => {
    await page.emulateMedia({ colorScheme: 'light' });
    const light = await colorsOf(page, ['surface', 'running', 'life']);
    await page.emulateMedia({ colorScheme: 'dark' });
    const dark = await colorsOf(page, ['surface', 'running', 'life']);
    expect(luminance(light.surface)).toBeGreaterThan(0.9);
    expect(luminance(dark.surface)).toBeLessThan(0.05);
    await page.emulateMedia({ colorScheme: 'dark', media: 'print' });
    expect(await colorsOf(page, ['surface', 'running', 'life'])).toEqual(light);
    await page.emulateMedia({ media: null });
  });

  it('is reached by Tab, all of it and in its order, and left again', async () => {
    await page.reload();
    const stops = await page
      .locator('summary, [tabindex="0"]')
      .evaluateAll((all) =>
        all
          .filter((element) => element.checkVisibility())
          .map((element) => element.getAttribute('aria-label') ?? element.textContent),
      );
    expect(stops.length).toBeGreaterThan(5);
    const reached: (string | null)[] = [];
    for (const _ of stops) {
      await page.keyboard.press('Tab');
      const { name, outline } = await page.evaluate(() => {
        const active = document.activeElement as HTMLElement;
        const { outlineStyle, outlineWidth } = getComputedStyle(active);
        return {
          name: active.getAttribute('aria-label') ?? active.textContent,
          outline: outlineStyle === 'none' ? 0 : Number.parseFloat(outlineWidth),
        };
      });
      reached.push(name);
      expect(outline).toBeGreaterThanOrEqual(2);
    }
    expect(reached).toEqual(stops);
    await page.keyboard.press('Tab');
    expect(await page.evaluate(() => document.activeElement?.tagName)).toBe('BODY');
  });

  it.each(['Enter', 'Space'])('opens and closes a data table by %s', async (key) => {
    await page.reload();
    const details = page.locator('details').first();
    await details.locator('summary').focus();
    await page.keyboard.press(key);
    expect(await details.getByRole('table').isVisible()).toBe(true);
    await page.keyboard.press(key);
    expect(await details.getByRole('table').isVisible()).toBe(false);
  });

  it('fits a page 320 pixels wide: only charts and tables scroll, within themselves, and by keyboard', async () => {
    await page.setViewportSize({ width: 320, height: 640 });
    await page.reload();
    await openAll(page);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(320);
    const chart = page.getByRole('region', { name: 'MemoryReservation of the cluster over time' });
    await chart.focus();
    await page.keyboard.press('ArrowRight');
    await expect.poll(() => chart.evaluate(({ scrollLeft }) => scrollLeft)).toBeGreaterThan(0);
    await page.setViewportSize({ width: 1280, height: 900 });
  });

  it.each(SCHEMES)('breaks no rule and complains of nothing with a real drill in it when %s', async (colorScheme) => {
    real ??= await realReport(folder);
    address = real;
    await page.emulateMedia({ colorScheme });
    await page.goto(address);
    expect(await page.title()).toBe('book with ecs-drain: ecs-drain drill report');
    await openAll(page);
    expect(await violationsIn(page)).toEqual([]);
    // The old instance with its two tasks, and the new one with theirs, each running for a while.
    expect(await page.getByRole('img').nth(1).locator('[fill="url(#running)"]').count()).toBe(4);
    expect(faults).toEqual([]);
  });
});

/** The report on `book`, by all drainers. */
async function realReport(folder: string): Promise<string> {
  const runs: DrillResult[] = [];
  for (const drainer of DRAINERS) runs.push(await rehearse({ scenario: 'book', drainer, seed: 1 }));
  const file = join(folder, 'book.html');
  await writeFile(file, reportOf(runs));
  return pathToFileURL(file).href;
}

/** What axe finds in the page. */
async function violationsIn(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: typeof import('axe-core') };
    const results = await axe.run();
    return results.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(', ')}`);
  });
}

async function openAll(page: Page): Promise<void> {
  await page.locator('details').evaluateAll((all) => {
    for (const details of all as HTMLDetailsElement[]) details.open = true;
  });
}

/** The page's colors of these names, as the browser computes them. */
async function colorsOf<Name extends string>(page: Page, names: readonly Name[]): Promise<Record<Name, string>> {
  return page.evaluate((names) => {
    const probe = document.body.appendChild(document.createElement('i'));
    const colors = names.map((name) => {
      probe.style.color = `var(--${name})`;
      return [name, getComputedStyle(probe).color];
    });
    probe.remove();
    return Object.fromEntries(colors);
  }, names);
}

/** Contrast of two `rgb(…)` colors, as WCAG has it. */
function contrast(a: string, b: string): number {
  const [dark = 0, light = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (light + 0.05) / (dark + 0.05);
}

function luminance(rgb: string): number {
  const [r = 0, g = 0, b = 0] = (rgb.match(/[\d.]+/g) ?? [])
    .map((channel) => Number(channel) / 255)
    .map((channel) => (channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
