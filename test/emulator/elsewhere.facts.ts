import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runOnEndpoint } from '../../sandbox/facts/endpoint.ts';
import { EXPERIMENTS } from '../../sandbox/facts/experiments/all.ts';
import { comparisonOf } from '../../sandbox/facts/report.ts';
import type { Result } from '../../sandbox/facts/run.ts';
import { install, start } from './ministack.ts';
import { installMoto, startMoto } from './moto.ts';

/**
 * The experiments about AWS, made on emulators of it: docs/facts-elsewhere.md says who disagrees with what. With `-u` the page is
 * written again.
 */

const missing = (await install()) ?? (await installMoto());
if (missing) console.warn(`Skipped: ${missing}.`);

describe.skipIf(missing)('the page of what emulators do otherwise than AWS', () => {
  it('is what the experiments see on MiniStack and moto', async () => {
    // Each is stopped before a failure of the other ends the test.
    const made = await Promise.allSettled([onMiniStack(), onMoto()]);
    const failures = made.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []));
    if (failures.length > 0) throw new AggregateError(failures, failures.join('\n'));
    const [ministack = [], moto = []] = made.map((each) => (each.status === 'fulfilled' ? each.value : []));
    for (const results of [ministack, moto]) {
      expect(results.filter(({ verdict }) => verdict === 'agrees').length).toBeGreaterThan(2);
    }
    const columns = [
      [`MiniStack ${await versionIn('requirements.txt', 'ministack')}`, ministack],
      [`moto ${await versionIn('requirements-moto.txt', 'moto')}`, moto],
    ] as const;
    await expect(comparisonOf(columns)).toMatchFileSnapshot('../../docs/facts-elsewhere.md');
  });
});

async function onMiniStack(): Promise<readonly Result[]> {
  const { env, stop } = await start({}, { asItIs: true });
  try {
    return await runOnEndpoint(EXPERIMENTS, env.AWS_ENDPOINT_URL);
  } finally {
    await stop();
  }
}

async function onMoto(): Promise<readonly Result[]> {
  const { url, stop } = await startMoto();
  try {
    return await runOnEndpoint(EXPERIMENTS, url);
  } finally {
    await stop();
  }
}

async function versionIn(file: string, name: string): Promise<string | undefined> {
  const requirements = await readFile(join(import.meta.dirname, file), 'utf8');
  return new RegExp(`^${name}(?:\\[.*\\])?==(.*)$`, 'm').exec(requirements)?.[1];
}
