import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { TestProject } from 'vitest/node';

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, '../..');
const CACHE = join(ROOT, 'node_modules/.cache/ecs-drain-nodes');
const OTHER_NODES = ['20', '22'];
/** What npm says where its registry cannot be reached. */
const UNREACHABLE = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH/;

declare module 'vitest' {
  interface ProvidedContext {
    /** The folder of a project that has installed the package, and what npm packed. */
    installed: { readonly folder: string; readonly files: readonly string[]; readonly unpackedBytes: number };
    /** The executables of Node by their major version. */
    nodes: readonly (readonly [version: string, path: string])[];
  }
}

/** Packs the package, installs it elsewhere, and fetches the other versions of Node. */
export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'ecs-drain-installed-'));
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: ROOT, maxBuffer: 1e8 });
  const [packed] = JSON.parse(stdout.slice(stdout.indexOf('[\n'))) as [
    { filename: string; unpackedSize: number; files: { path: string }[] },
  ];
  await writeFile(join(folder, 'package.json'), '{ "private": true }');
  await run('npm', ['install', '--offline', '--no-audit', '--no-fund', join(folder, packed.filename)], { cwd: folder });
  provide('installed', {
    folder,
    files: packed.files.map(({ path }) => path),
    unpackedBytes: packed.unpackedSize,
  });

  const others = await Promise.all(OTHER_NODES.map(async (version) => [version, await nodeOf(version)] as const));
  const found = others.flatMap(([version, path]) => (path === undefined ? [] : [[version, path] as const]));
  provide('nodes', [...found, [process.versions.node.split('.')[0] ?? '', process.execPath]]);
  return () => rm(folder, { recursive: true });
}

/** The executable of the newest Node of a major version, from npm; undefined, with the reason printed, without a registry. */
async function nodeOf(version: string): Promise<string | undefined> {
  const name = `node-${process.platform}-${process.arch}`;
  const folder = join(CACHE, version);
  try {
    await mkdir(folder, { recursive: true });
    const options = ['--prefer-offline', '--no-save', '--no-audit', '--no-fund', '--prefix', folder];
    await run('npm', ['install', ...options, `${name}@${version}`]);
    return join(folder, 'node_modules', name, 'bin/node');
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string };
    if (!UNREACHABLE.test(stderr)) throw error;
    console.warn(`Skipped: Node ${version} cannot be installed: ${UNREACHABLE.exec(stderr)?.[0]}`);
    return undefined;
  }
}
