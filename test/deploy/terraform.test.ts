import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { written } from '../../build/terraform.ts';

it('the Terraform module has the variables that deploy/ defines', async () => {
  for (const [path, text] of Object.entries(await written())) {
    expect(await readFile(path, 'utf8'), 'npm run terraform').toBe(text);
  }
});
