import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const DOMAIN = resolve(import.meta.dirname, '../../src/domain');

describe('the domain', () => {
  it('uses no random numbers and reads no clock: the linter has no rule for these globals of JavaScript', async () => {
    for (const file of (await readdir(DOMAIN)).filter((name) => name.endsWith('.ts'))) {
      const source = await readFile(join(DOMAIN, file), 'utf8');
      expect([file, source.match(/\b(Math\.random|Date|performance|crypto|globalThis|Intl)\b/)]).toEqual([file, null]);
    }
  });
});
