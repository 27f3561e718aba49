import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createRegion } from '../../../sandbox/region/region.ts';
import { START_MS } from '../start.ts';

const PAGE = join(import.meta.dirname, '../../../docs/rehearsal.md');

/** The tables of docs/rehearsal.md that say what each operation does: a head with a service, and a row for each operation. */
async function documented(): Promise<ReadonlyMap<string, string>> {
  const [, section = ''] = (await readFile(PAGE, 'utf8')).split('\n## What it answers\n');
  const [tables = ''] = section.split('\n## ');
  const rows = [...tables.matchAll(/^\| `(\w+)` \| (.+) \|$/gm)].map(([, name = '', text = '']): [string, string] => [
    name,
    text,
  ]);
  expect(new Set(rows.map(([name]) => name)).size).toBe(rows.length);
  return new Map(rows);
}

describe('the table of operations in docs/rehearsal.md', () => {
  it('has every operation that the Region answers, and no other', async () => {
    const { services } = createRegion({ startMs: START_MS, seed: 1 });
    const answered = [...services.values()].flatMap(({ operations }) => Object.keys(operations));
    expect([...(await documented()).keys()].toSorted()).toEqual(answered.toSorted());
  });

  it('says of each what it does, in a sentence', async () => {
    for (const [name, text] of await documented())
      expect([name, text]).toEqual([name, expect.stringMatching(/^[A-Z`0-9].{5,}\.$/)]);
  });
});
