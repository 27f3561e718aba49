import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { deploymentIn, packaged, unpack } from '../sandbox/packaging.ts';

/** `npm run bench`: what a cold start of the packaged function costs, beside the same code unbundled. */

const RUNS = 15;
const SOURCE = resolve(import.meta.dirname, '../src/handlers/lambda.ts');

/** Milliseconds of one import and initialisation, each in a process of its own. */
async function coldStartMs(module: string, environment: Readonly<Record<string, string>>): Promise<number> {
  const script = `const from = performance.now(); await import(${JSON.stringify(module)}); console.log(performance.now() - from);`;
  const env = { ...environment, AWS_REGION: 'eu-west-1' };
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], { env });
  return Number(stdout);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

const uploaded = await packaged({ args: ['--param=cluster=prod', '--param=autoScalingGroups=web,workers'] });
const { environment } = deploymentIn(uploaded);
const folder = await mkdtemp(join(tmpdir(), 'ecs-drain-bench-'));
try {
  const bundle = await unpack(uploaded, folder);
  const bundled: number[] = [];
  const unbundled: number[] = [];
  // In turn, so that a machine that slows down slows both; the first of each warms the file cache.
  for (let run = 0; run <= RUNS; run++) {
    const [first, second] = [await coldStartMs(bundle, environment), await coldStartMs(SOURCE, environment)];
    if (run > 0) bundled.push(first);
    if (run > 0) unbundled.push(second);
  }
  const figures = {
    node: process.version,
    zipBytes: uploaded.zip.length,
    runs: RUNS,
    bundledMedianMs: Math.round(median(bundled)),
    unbundledMedianMs: Math.round(median(unbundled)),
    ratio: Number((median(bundled) / median(unbundled)).toFixed(2)),
  };
  console.table(figures);
} finally {
  await rm(folder, { recursive: true });
}
