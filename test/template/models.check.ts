import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SERVICES, textOf, trimmed } from '../../sandbox/region/wire/trim-models.ts';
import { publishedModels } from './tools.ts';

const data = await publishedModels();

describe.skipIf(data === undefined)('the models by which the local Region checks requests', () => {
  it.each(SERVICES)('are those that AWS publishes: %s', async (service) => {
    const committed = await readFile(
      join(import.meta.dirname, `../../sandbox/region/wire/models/${service}.json`),
      'utf8',
    );
    expect(committed).toBe(textOf(await trimmed(data ?? '', service)));
  });
});
