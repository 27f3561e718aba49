import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { type BuildOptions, build, type Metafile } from 'esbuild';

/** The construct for the CDK as it is published: `import { EcsDrain } from 'ecs-drain/cdk'`, and the same by `require`. */

const ROOT = resolve(import.meta.dirname, '..');

const OPTIONS = {
  absWorkingDir: ROOT,
  entryPoints: ['cdk/ecs-drain.ts'],
  bundle: true,
  platform: 'node',
  target: 'node20',
  mainFields: ['module', 'main'],
  external: ['aws-cdk-lib', 'constructs'], // provided by the app that uses the construct
  legalComments: 'none',
  metafile: true,
} satisfies BuildOptions;

/** Writes it into the folder. The zip of the function is expected beside the folder. */
export async function buildCdk(folder: string): Promise<Metafile> {
  await mkdir(folder, { recursive: true });
  const [{ metafile }] = await Promise.all([
    build({ ...OPTIONS, format: 'esm', outfile: join(folder, 'ecs-drain.mjs') }),
    build({
      ...OPTIONS,
      format: 'cjs',
      outfile: join(folder, 'ecs-drain.cjs'),
      define: { 'import.meta.dirname': '__dirname' },
    }),
    writeTypes(folder),
  ]);
  return metafile;
}

/** The types, once for each module system. The sources annotate all that they export, so the types of the CDK are not needed. */
async function writeTypes(folder: string): Promise<void> {
  const outDir = await mkdtemp(join(tmpdir(), 'ecs-drain-types-'));
  try {
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    const emit = ['--noCheck', '--noEmit', 'false', '--rootDir', ROOT, '--declaration', '--emitDeclarationOnly'];
    await promisify(execFile)(process.execPath, [tsc, '-p', join(ROOT, 'cdk'), ...emit, '--outDir', outDir]);
    for (const name of ['ecs-drain', 'props']) {
      const types = await readFile(join(outDir, 'cdk', `${name}.d.ts`), 'utf8');
      for (const kind of ['m', 'c']) {
        await writeFile(join(folder, `${name}.d.${kind}ts`), types.replaceAll("'./props.ts'", `'./props.${kind}js'`));
      }
    }
  } finally {
    await rm(outDir, { recursive: true });
  }
}
