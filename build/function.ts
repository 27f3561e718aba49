import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type BuildOptions, build, type Metafile } from 'esbuild';
import { type Zippable, zipSync } from 'fflate';
import { parse } from 'yaml';
import { thirdPartyLicenses } from './third-party-licenses.ts';

/** The function as it is uploaded where the Serverless Framework does not package it. */

const HANDLER = 'src/handlers/lambda';

/** The zip with its sources. It contains the licences of what is bundled. The same commit gives the same bytes. */
export async function functionZip(root: string): Promise<{ readonly zip: Uint8Array; readonly metafile: Metafile }> {
  const { code, metafile } = await bundle(root);
  const licenses = await thirdPartyLicenses(metafile, root);
  const zip = zipped({ [`${HANDLER}.mjs`]: code, 'THIRD-PARTY-LICENSES': Buffer.from(licenses) });
  return { zip, metafile };
}

/** The function, bundled as serverless.yml has it bundled. */
async function bundle(root: string): Promise<{ readonly code: Uint8Array; readonly metafile: Metafile }> {
  const { esbuild } = parse(await readFile(join(root, 'serverless.yml'), 'utf8')).custom;
  const { exclude, outputFileExtension, ...options } = esbuild as BuildOptions & Record<string, unknown>;
  const { outputFiles, metafile } = await build({
    ...options,
    absWorkingDir: root,
    entryPoints: [`${HANDLER}.ts`],
    outdir: root,
    outbase: root,
    external: exclude as string[],
    outExtension: { '.js': outputFileExtension as string },
    metafile: true,
    write: false,
  });
  const [output] = outputFiles;
  if (!output || outputFiles.length > 1) throw new Error('The function is not one file.');
  return { code: output.contents, metafile };
}

/** A zip whose bytes depend on its files alone: they are sorted, and dated the first day that a zip can have. */
export function zipped(files: Readonly<Record<string, Uint8Array>>): Uint8Array {
  const entries = Object.entries(files).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const zippable: Zippable = Object.fromEntries(entries);
  return zipSync(zippable, { level: 9, mtime: new Date(1980, 0, 1) });
}
