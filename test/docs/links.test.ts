import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import GithubSlugger from 'github-slugger';
import { describe, expect, it } from 'vitest';
import { markdownTokens } from '../words/passages.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(resolve(ROOT, path), 'utf8');
const PAGES = globSync(['*.md', '{docs,examples,.github}/**/*.md'], { cwd: ROOT, exclude: ['**/node_modules'] }).sort();
const PROGRAMS = globSync(
  ['{src,terminal,cli,sandbox,deploy,bench,test,examples}/**/*.{ts,cjs,yml,yaml,py}', 'serverless.yml'],
  { cwd: ROOT, exclude: ['**/node_modules'] },
).sort();

/** The anchors that GitHub gives the headings of a page. */
function anchorsOf(page: string): string[] {
  const slugger = new GithubSlugger();
  const tokens = markdownTokens(page).map(({ token }) => token);
  return tokens.flatMap(({ type, children }, index) => {
    if (type !== 'inline' || tokens[index - 1]?.type !== 'heading_open') return [];
    return [slugger.slug((children ?? []).map(({ content }) => content).join(''))];
  });
}

const linksOf = (page: string) =>
  markdownTokens(page).flatMap(({ line, token }) => {
    const target = String(token.attrGet('href') ?? token.attrGet('src') ?? '');
    return target !== '' && !/^\w+:/.test(target) ? [{ line, target }] : [];
  });

/** Why a link of a page leads nowhere; undefined if it leads somewhere. */
function broken(path: string, target: string): string | undefined {
  const [file = '', anchor] = target.split('#');
  const linked = file === '' ? path : join(dirname(path), file);
  if (!existsSync(resolve(ROOT, linked))) return `there is no ${linked}`;
  if (anchor && !anchorsOf(read(linked)).includes(anchor)) return `${linked} has no heading #${anchor}`;
  return undefined;
}

describe('the links of the documents', () => {
  it.each(PAGES)('of %s lead to files and headings that exist', (path) => {
    const failures = linksOf(read(path)).flatMap(({ line, target }) => {
      const why = broken(path, target);
      return why ? [`${path}:${line} ${target}: ${why}`] : [];
    });
    expect(failures).toEqual([]);
  });

  it('would be found broken', () => {
    expect(broken('README.md', 'docs/none')).toBe('there is no docs/none');
    expect(broken('docs/operations.md', '#none')).toBe('docs/operations.md has no heading #none');
    expect(broken('README.md', 'docs/operations.md#dead-letters')).toBeUndefined();
    expect(linksOf('# A\n\nSee [b](c.md#d) and ![e](f.png) and [g](https://example.com).')).toEqual([
      { line: 3, target: 'c.md#d' },
      { line: 3, target: 'f.png' },
    ]);
  });

  it('in programs name pages that exist', () => {
    const missing = PROGRAMS.flatMap((path) => {
      const named = new Set(read(path).match(/\bdocs\/[\w/-]+\.md\b/g));
      return [...named].filter((page) => !existsSync(resolve(ROOT, page))).map((page) => `${path}: ${page}`);
    });
    expect(missing).toEqual([]);
  });

  it('that the commands print lead to pages and headings that exist', () => {
    const printed = PROGRAMS.flatMap((path) =>
      [...read(path).matchAll(/\bdocumentAt\('([^']+)'\)/g)].map(([, page = '']) => `docs/${page}`),
    );
    expect(printed).toContain('docs/operations.md#permissions');
    expect(printed.flatMap((page) => broken('README.md', page) ?? [])).toEqual([]);
  });
});
