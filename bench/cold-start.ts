import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { deploymentIn, packaged, unpack } from '../sandbox/packaging.ts';
import { percentile } from '../sandbox/prices.ts';

/** What a cold start of the packaged function costs, beside the same code unbundled and beside the book's imports. */

const RUNS = 15;
const SOURCE = resolve(import.meta.dirname, '../src/handlers/lambda.ts');

/** Milliseconds of import and initialization, each in a fresh process. */
export interface Start {
  readonly medianMs: number;
  readonly leastMs: number;
  /** Of the processor, which other work on the machine disturbs less. */
  readonly medianCpuMs: number;
}

export interface ColdStart {
  readonly runs: number;
  readonly zipBytes: number;
  readonly bundled: Start;
  /** Of it, Node's own modules that it imports, such as node:https, which every bundle needs. */
  readonly builtins: Start;
  /** The same with V8's code of an earlier run at hand, which Lambda lacks: the difference is what compiling costs. */
  readonly precompiled: Start;
  readonly unbundled: Start;
  /** The book's: boto3 and its three clients; undefined where python3 or boto3 is missing. */
  readonly book: Start | undefined;
}

interface Sample {
  readonly ms: number;
  readonly cpuMs: number;
}

type Sampler = () => Promise<Sample>;

/** Measures it all, in turn, so that a machine that slows down slows each; the first of each warms the file cache. */
export async function measureColdStart(): Promise<ColdStart> {
  const uploaded = await packaged({ args: ['--param=cluster=prod', '--param=autoScalingGroups=web,workers'] });
  const environment = { ...deploymentIn(uploaded).environment, AWS_REGION: 'eu-west-1' };
  const folder = await mkdtemp(join(tmpdir(), 'ecs-drain-bench-'));
  try {
    const bundle = await unpack(uploaded, folder);
    const builtins = join(folder, 'builtins.mjs');
    await writeFile(builtins, builtinsOf(await readFile(bundle, 'utf8')));
    const cache = { NODE_COMPILE_CACHE: join(folder, 'compiled') };
    const samplers: Record<string, Sampler> = {
      bundled: () => inNode(bundle, environment),
      builtins: () => inNode(builtins, environment),
      precompiled: () => inNode(bundle, { ...environment, ...cache }),
      unbundled: () => inNode(SOURCE, environment),
      ...((await hasBoto3()) && { book: inPython }),
    };
    const samples: Record<string, Sample[]> = Object.fromEntries(Object.keys(samplers).map((name) => [name, []]));
    for (let run = 0; run <= RUNS; run++) {
      for (const [name, sampler] of Object.entries(samplers)) {
        const sample = await sampler();
        if (run > 0) samples[name]?.push(sample);
      }
    }
    return {
      runs: RUNS,
      zipBytes: uploaded.zip.length,
      bundled: startOf(samples['bundled']),
      builtins: startOf(samples['builtins']),
      precompiled: startOf(samples['precompiled']),
      unbundled: startOf(samples['unbundled']),
      book: samples['book'] && startOf(samples['book']),
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** A module that imports what another one does of Node's own. */
function builtinsOf(code: string): string {
  const named = [...code.matchAll(/(?:from\s*|require\(|import\()"([\w:/]+)"/g)].map(([, name = '']) => name);
  return [...new Set(named.filter(isBuiltin))].map((name) => `import '${name}';`).join('\n');
}

async function inNode(module: string, env: NodeJS.ProcessEnv): Promise<Sample> {
  return sampleOf(process.execPath, ['--input-type=module', '--eval', IN_NODE, module], env);
}

const IN_NODE = `
const [from, before] = [performance.now(), process.cpuUsage()];
await import(process.argv[1]);
const { user, system } = process.cpuUsage(before);
console.log(JSON.stringify({ ms: performance.now() - from, cpuMs: (user + system) / 1000 }));`;

/** The region is all that boto3 needs to make a client. */
const inPython: Sampler = () =>
  sampleOf('python3', ['-c', IN_PYTHON], { ...process.env, AWS_DEFAULT_REGION: 'eu-west-1' });

const IN_PYTHON = `
import time
start, before = time.perf_counter(), time.process_time()
import os, json, boto3
for service in ('ecs', 'sns', 'autoscaling'):
    boto3.client(service)
elapsed, cpu = time.perf_counter() - start, time.process_time() - before
print(json.dumps({'ms': elapsed * 1000, 'cpuMs': cpu * 1000}))`;

async function sampleOf(command: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<Sample> {
  const { stdout } = await promisify(execFile)(command, args, { env });
  return JSON.parse(stdout);
}

async function hasBoto3(): Promise<boolean> {
  return promisify(execFile)('python3', ['-c', 'import boto3']).then(
    () => true,
    () => false,
  );
}

function startOf(samples: readonly Sample[] = []): Start {
  const ms = samples.map((sample) => sample.ms);
  return {
    medianMs: percentile(ms, 50),
    leastMs: percentile(ms, 0),
    medianCpuMs: percentile(
      samples.map(({ cpuMs }) => cpuMs),
      50,
    ),
  };
}
