import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { buildCdk } from './cdk.ts';
import { functionZip } from './function.ts';
import { thirdPartyLicenses } from './third-party-licenses.ts';

/**
 * `npm run build`: the package as it is published, in dist/: the commands, the function, which plan plays and the construct deploys, and
 * the construct for the CDK. Everything that the commands need is bundled, so that `npx ecs-drain` downloads one package and runs the versions of the AWS SDK that were tested (docs/decisions/0028).
 */

const ROOT = resolve(import.meta.dirname, '..');
const DIST = join(ROOT, 'dist');

await rm(DIST, { recursive: true, force: true });
const { metafile } = await build({
  absWorkingDir: ROOT,
  entryPoints: {
    'ecs-drain': 'cli/ecs-drain.ts',
    worker: 'sandbox/plan/worker.ts', // a thread of its own, which play-all.ts starts
  },
  outdir: DIST,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  splitting: true, // a command loads only what it needs
  platform: 'node',
  format: 'esm',
  target: 'node20',
  inject: ['build/node20.ts'],
  mainFields: ['module', 'main'],
  minify: true,
  legalComments: 'none', // THIRD-PARTY-LICENSES has their full texts
  banner: {
    // CommonJS code in the bundle calls require, which ES modules do not have.
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  },
  metafile: true,
});
await cp(join(ROOT, 'sandbox/report/report.css'), join(DIST, 'report/report.css'));
await writeFile(join(DIST, 'ecs-drain.zip'), (await functionZip(ROOT)).zip);
const construct = await buildCdk(join(DIST, 'cdk'));
const outputs = { ...metafile.outputs, ...construct.outputs };
await writeFile(join(DIST, 'THIRD-PARTY-LICENSES'), await thirdPartyLicenses({ outputs }, ROOT));

const { name, version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
console.log(`Built ${name} ${version} in dist/.`);
