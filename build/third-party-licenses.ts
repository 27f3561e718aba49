import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Metafile } from 'esbuild';

/** The licences and notices of bundled packages in one text, as their owners require. */

const PACKAGE = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//;
const TEXTS = /^(licen[cs]e|copying|notice)/i;

/**
 * The licences of the packages in a bundle, each text once. The same bundle gives the same text.
 * @throws Error for a package whose licence has no text: it must not be shipped.
 */
export async function thirdPartyLicenses({ outputs }: Pick<Metafile, 'outputs'>, root: string): Promise<string> {
  const bundled = Object.values(outputs).flatMap(({ inputs }) => Object.keys(inputs));
  const folders = new Set(bundled.flatMap((path) => PACKAGE.exec(path)?.[1] ?? []));
  const found = await Promise.all([...folders].map((folder) => licenseIn(join(root, folder))));
  // Some packages name one of these two and come without its text. The text of Apache's names no owner; MIT's is our own, too.
  const apache = found.find(({ license, text }) => license === 'Apache-2.0' && text !== '')?.text;
  const [, mit = ''] = (await readFile(join(root, 'LICENSE'), 'utf8')).split(/(?=Permission is hereby granted)/);
  const byText = Map.groupBy(found, ({ name, license, author, text }) => {
    if (text !== '') return text;
    if (license === 'Apache-2.0' && apache !== undefined) return apache;
    if (license === 'MIT' && author !== '') return `Copyright (c) ${author}\n\n${mit.trim()}`;
    if (license === 'MIT-0') return 'MIT No Attribution: this licence asks for no notice.';
    throw new Error(`${name} has no text of its licence, ${license}: leave it out of the bundle.`);
  });
  const sections = [...byText].map(([text, packages]) => {
    const names = new Set(packages.map(({ name, license }) => `${name} (${license})`));
    return `${[...names].toSorted().join('\n')}\n\n${text}\n`;
  });
  const rule = `\n${'-'.repeat(80)}\n\n`;
  return ['This bundle has code of the following packages.\n', ...sections.toSorted()].join(rule);
}

async function licenseIn(folder: string) {
  const { name, version, license, author = '' } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .filter((path) => TEXTS.test(path));
  const texts = await Promise.all(paths.toSorted().map((path) => readFile(join(folder, path), 'utf8')));
  return {
    name: `${name} ${version}`,
    license: String(license),
    author: String(author.name ?? author),
    text: texts.map((text) => text.trim()).join('\n\n'),
  };
}
