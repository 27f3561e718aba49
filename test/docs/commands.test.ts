import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const FILES = ['*.md', 'docs/**/*.md', 'examples/**/*.md', '.github/**/*.{md,yml}', '.ci/run'];

const { scripts } = JSON.parse(readFileSync(resolve(ROOT, 'package.json'), 'utf8'));

it('every npm script that the docs, the workflows and .ci/run name is there', () => {
  const named = globSync(FILES, { cwd: ROOT }).flatMap((file) =>
    [...readFileSync(resolve(ROOT, file), 'utf8').matchAll(/npm run ([a-z][\w:-]*)/g)].map(([, name = '']) => ({
      file,
      name,
    })),
  );
  expect(named.length).toBeGreaterThan(50);
  expect(named.filter(({ name }) => !Object.hasOwn(scripts, name))).toEqual([]);
});
