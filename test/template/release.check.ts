import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { unzipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { release } from '../../build/release.ts';
import { packaged, unpack } from '../../sandbox/packaging.ts';
import { pythonLinters } from './tools.ts';

const linters = await pythonLinters();

let folder: string;
const read = (name: string) => readFile(join(folder, 'release', name));

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ecs-drain-release-'));
  await release(join(folder, 'release'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe('a release', () => {
  it('has the same bytes when it is made again, in another time zone', async () => {
    const script = `await (await import(${JSON.stringify(join(import.meta.dirname, '../../build/release.ts'))})).release(${JSON.stringify(join(folder, 'again'))})`;
    await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], {
      env: { ...process.env, TZ: 'Asia/Tokyo' },
    });
    const names = await readdir(join(folder, 'release'));
    expect(names.toSorted()).toEqual(
      [
        'SHA256SUMS',
        'THIRD-PARTY-LICENSES',
        'ecs-drain-terraform.zip',
        'ecs-drain.zip',
        'sbom.cdx.json',
        'stack-set.yaml',
        'template.yaml',
      ].toSorted(),
    );
    for (const name of names) expect(await readFile(join(folder, 'again', name)), name).toEqual(await read(name));
  });

  it('has the sums of its other files', async () => {
    const sums = new Map(
      (await read('SHA256SUMS'))
        .toString()
        .trimEnd()
        .split('\n')
        .map((line) => line.split('  ').toReversed() as [string, string]),
    );
    expect(sums.size).toBe(6);
    for (const [name, sum] of sums) {
      expect(
        createHash('sha256')
          .update(await read(name))
          .digest('hex'),
        name,
      ).toBe(sum);
    }
  });

  it('has the code that serverless packages, byte for byte, and the licenses beside it', async () => {
    const zip = unzipSync(await read('ecs-drain.zip'));
    expect(Object.keys(zip)).toEqual(['THIRD-PARTY-LICENSES', 'src/handlers/lambda.mjs']);
    const module = await unpack(
      await packaged({ args: ['--param=cluster=prod', '--param=autoScalingGroups=web'] }),
      join(folder, 'function'),
    );
    expect(Buffer.from(zip['src/handlers/lambda.mjs'] ?? []).equals(await readFile(module))).toBe(true);
  });

  it('has a bill of materials of the packages whose licenses it has', async () => {
    const bom = JSON.parse((await read('sbom.cdx.json')).toString());
    expect(bom).toMatchObject({ bomFormat: 'CycloneDX', metadata: { component: { name: 'ecs-drain' } } });
    const licenses = (await read('THIRD-PARTY-LICENSES')).toString();
    const licensed = [...licenses.matchAll(/^(\S+) (\d+\.\d+\.\d+\S*) \([^)]+\)$/gm)].map(
      ([, name, version]) => `${name}@${version}`,
    );
    expect(licensed).toContainEqual(expect.stringMatching(/^valibot@/));
    const listed = bom.components.map((component: { 'bom-ref': string }) => component['bom-ref']);
    expect(listed.toSorted()).toEqual(licensed.toSorted());
    expect(new Set(bom.components.map(({ scope }: { scope: string }) => scope))).toEqual(new Set(['required']));
  });

  it('has a Terraform module whose README links to pages of this version, or to what is beside it', async () => {
    const { version } = JSON.parse(await readFile(join(import.meta.dirname, '../../package.json'), 'utf8'));
    const zip = unzipSync(await read('ecs-drain-terraform.zip'));
    const readme = Buffer.from(zip['README.md'] ?? []).toString();
    const links = [...readme.matchAll(/\]\(([^)]+)\)/g)].map(([, to = '']) => to);
    const pages = `https://github.com/ecs-drain/ecs-drain/blob/v${version}/`;
    expect(links).toContain(`${pages}docs/settings.md`);
    for (const to of links.filter((link) => !link.startsWith(pages))) {
      expect(
        Object.keys(zip).some((path) => path.startsWith(`${to}/`)),
        to,
      ).toBe(true);
    }
  });

  it('has a template for stack sets without a transform, with the same resources except for the hooks', async () => {
    const [template, stackSet] = await Promise.all(
      ['template.yaml', 'stack-set.yaml'].map(async (name) => parse((await read(name)).toString())),
    );
    const ids = Object.keys(template.Resources).filter((id) => !/^(Fn::ForEach::|HooksReady$)/.test(id));
    const withoutCode = ({ Resources }: { Resources: Record<string, { Properties: object }> }) =>
      ids.map((id) => [id, { ...Resources[id], Properties: { ...Resources[id]?.Properties, Code: undefined } }]);
    expect(Object.keys(stackSet.Resources)).toEqual(ids);
    expect(withoutCode(stackSet)).toEqual(withoutCode(template));
    expect(stackSet).not.toHaveProperty('Transform');
    expect(JSON.stringify(stackSet)).not.toContain('ForEach');
  });

  it.skipIf(!linters).each(['template.yaml', 'stack-set.yaml'])(
    'has %s, in which cfn-lint finds nothing',
    async (name) => {
      // W3002: the path of the zip is there for `aws cloudformation package`.
      const args = ['--ignore-checks', 'W3002', '--', join(folder, 'release', name)];
      const { stdout } = await promisify(execFile)(join(linters ?? '', 'cfn-lint'), args).catch((error) => error);
      expect(stdout).toBe('');
    },
  );
});
