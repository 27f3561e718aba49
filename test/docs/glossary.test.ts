import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const page = readFileSync(resolve(ROOT, 'docs/glossary.md'), 'utf8');
const declared = globSync('src/**/*.ts', { cwd: ROOT })
  .map((path) => readFileSync(resolve(ROOT, path), 'utf8'))
  .join('\n');

const ROWS = page
  .split('\n')
  .filter((line) => /^\| (?!term|-)/.test(line))
  .map((line) => line.split('|').map((cell) => cell.trim()));

describe('the glossary', () => {
  it('names what the code declares', () => {
    const names = ROWS.flatMap(([, , , cell = '']) => [...cell.matchAll(/`(\w+)`/g)].map(([, name = '']) => name));
    expect(names.length).toBeGreaterThan(25);
    const isDeclared = (name: string) =>
      new RegExp(`\\b(type|interface|function|const|class) ${name}\\b`).test(declared);
    expect(names.filter((name) => !isDeclared(name))).toEqual([]);
  });

  it('explains each term once', () => {
    const terms = ROWS.map(([, term]) => term);
    expect(terms.length).toBeGreaterThan(30);
    expect(terms.filter((term, index) => terms.indexOf(term) !== index)).toEqual([]);
  });
});
