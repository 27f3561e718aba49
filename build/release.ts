import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { glob, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Metafile } from 'esbuild';
import { Document, isScalar, visit } from 'yaml';
import { parameterizedTemplate } from '../deploy/parameters.ts';
import { functionZip, zipped } from './function.ts';
import { stackSetTemplate } from './stack-set.ts';
import { thirdPartyLicenses } from './third-party-licenses.ts';

/**
 * `npm run release`: what a release is beside the npm package, in release/. That is the function's zip, the template for the two
 * commands of CloudFormation, the one for a stack set, the Terraform module with both, the licences and the bill of materials of what is in the zip, and
 * the sums of all. The same commit gives the same bytes.
 */

const ROOT = resolve(import.meta.dirname, '..');
const ZIP = 'ecs-drain.zip';
const TEMPLATE = 'template.yaml';
const TERRAFORM = 'ecs-drain-terraform.zip';

/** Writes the files of a release into a folder, which is emptied first. */
export async function release(folder: string): Promise<void> {
  const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  const { zip, metafile } = await functionZip(ROOT);
  const licenses = await thirdPartyLicenses(metafile, ROOT);
  const what = `ecs-drain ${version} drains Amazon ECS container instances before EC2 Auto Scaling terminates them.`;
  const pages = `https://github.com/ecs-drain/ecs-drain/blob/v${version}/`;
  const deployment = `${pages}docs/deployment.md#with-cloudformation-alone`;
  const template = templateYaml(
    parameterizedTemplate(ZIP, `${what} What this template cannot check: ${deployment}`),
    `Deploy it with the zip beside it: ${pages}README.md#deploy`,
  );
  const stackSet = templateYaml(stackSetTemplate(what), `For a stack set: ${pages}docs/accounts.md`);
  const module = await terraformModule({ [ZIP]: zip, [TEMPLATE]: template }, pages);
  const files: Readonly<Record<string, Uint8Array>> = {
    [ZIP]: zip,
    [TEMPLATE]: template,
    'stack-set.yaml': stackSet,
    [TERRAFORM]: zipped(module),
    'THIRD-PARTY-LICENSES': Buffer.from(licenses),
    'sbom.cdx.json': Buffer.from(await billOfMaterials(metafile)),
  };
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const sums = Object.entries(files).map(([name, content]) => `${sumOf(content)}  ${name}\n`);
  await writeFile(join(folder, 'SHA256SUMS'), sums.join(''));
  await Promise.all(Object.entries(files).map(([name, content]) => writeFile(join(folder, name), content)));
}

/** The Terraform module, with what it deploys. Its README links to the `pages` of the release in place of files that are not beside it. */
async function terraformModule(
  deployed: Readonly<Record<string, Uint8Array>>,
  pages: string,
): Promise<Record<string, Uint8Array>> {
  const module = join(ROOT, 'terraform');
  const paths = await Array.fromAsync(glob(['*.tf', 'examples/*/*.tf'], { cwd: module }));
  const own = paths.map(async (path) => [path, new Uint8Array(await readFile(join(module, path)))] as const);
  const readme = (await readFile(join(module, 'README.md'), 'utf8')).replaceAll('](../', `](${pages}`);
  return { ...Object.fromEntries(await Promise.all(own)), 'README.md': Buffer.from(readme), ...deployed };
}

/** A template as YAML. `aws cloudformation package` puts the place of the zip in S3 where its path is. */
function templateYaml(template: object, use: string): Uint8Array {
  // CloudFormation reads YAML 1.1, to which more texts look like dates and numbers.
  const yaml = new Document(template, { version: '1.1', aliasDuplicateObjects: false });
  visit(yaml, {
    Map(_, node) {
      const [first] = node.items;
      if (!isScalar(first?.key) || !/^(Ref|Fn::(?!ForEach))/.test(String(first.key.value))) return;
      // A function on one line, because they are nested deeply; some parsers take no bare colon in a key there.
      node.flow = true;
      first.key.type = 'QUOTE_SINGLE';
    },
  });
  yaml.commentBefore = ` Made by \`npm run release\` from deploy/. ${use}`;
  return Buffer.from(yaml.toString({ lineWidth: 0, directives: false }));
}

/** The packages whose code is in the bundle, from npm's list of what is installed. */
async function billOfMaterials({ outputs }: Metafile): Promise<string> {
  const npm = await promisify(execFile)('npm', ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only'], {
    cwd: ROOT,
    maxBuffer: Number.POSITIVE_INFINITY,
  });
  const { name, version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  const { metadata, components, dependencies, ...bom } = JSON.parse(npm.stdout) as Bom;
  const root = metadata.component['bom-ref'];
  const bundled = await packagesIn(Object.values(outputs).flatMap(({ inputs }) => Object.keys(inputs)));
  const there = new Set([...bundled, root]);
  const bill = {
    ...bom,
    serialNumber: uuidOf(JSON.stringify(Object.values(outputs).map(({ inputs: parts }) => parts))),
    metadata: {
      timestamp: await committedAt(),
      component: { ...metadata.component, type: 'application', name, version },
    },
    components: components
      .filter((component) => there.has(component['bom-ref']))
      // npm counts a bundled package as one for development only.
      .map(({ properties, ...component }) => ({ ...component, scope: 'required' })),
    dependencies: dependencies
      .filter(({ ref }) => there.has(ref))
      .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((other) => there.has(other)) })),
  };
  const missing = bundled.filter((ref) => !bill.components.some((component) => component['bom-ref'] === ref));
  if (missing.length > 0) throw new Error(`npm does not know ${missing.join(', ')}, which the bundle has: run npm ci.`);
  return `${JSON.stringify(bill, null, 2)}\n`;
}

/** What is used of a bill of materials of CycloneDX. */
interface Bom {
  readonly metadata: { readonly component: { readonly 'bom-ref': string } };
  readonly components: readonly { readonly 'bom-ref': string; readonly properties?: unknown }[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

/** `name@version` of every package that one of the files belongs to. */
async function packagesIn(paths: readonly string[]): Promise<string[]> {
  const folders = new Set(paths.flatMap((path) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? []));
  const manifests = await Promise.all([...folders].map((path) => readFile(join(ROOT, path, 'package.json'), 'utf8')));
  return manifests.map((manifest) => JSON.parse(manifest)).map(({ name, version }) => `${name}@${version}`);
}

/** When the commit was made, or what SOURCE_DATE_EPOCH says where there is no repository. */
async function committedAt(): Promise<string> {
  const epoch = process.env['SOURCE_DATE_EPOCH'];
  const seconds = epoch ?? (await promisify(execFile)('git', ['log', '-1', '--format=%ct'], { cwd: ROOT })).stdout;
  return new Date(Number(seconds) * 1000).toISOString();
}

function sumOf(content: Uint8Array | string): string {
  return createHash('sha256').update(content).digest('hex');
}

/** An identifier that depends on the content alone, in the form of a UUID of version 8 (RFC 9562). */
function uuidOf(content: string): string {
  const [, a, b, c, d, e] = /^(.{8})(.{4}).(.{3}).(.{3})(.{12})/.exec(sumOf(content)) ?? [];
  return `urn:uuid:${a}-${b}-8${c}-8${d}-${e}`;
}

if (import.meta.main) {
  const folder = join(ROOT, 'release');
  await release(folder);
  console.log(`The release is in ${folder}.`);
}
