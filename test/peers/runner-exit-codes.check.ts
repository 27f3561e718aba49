import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { judged } from './judged.ts';
import { install, PYTHON } from './python.ts';

const missing = await install();
if (missing !== undefined) console.warn(`Skipped: boto3 cannot be installed: ${missing}`);

const RUNNER = resolve(import.meta.dirname, '../../examples/bring-your-own-drainer/run.py');
const COUNTING = resolve(import.meta.dirname, 'count_drainer.py');

/** Runs the example where `url` leads, and returns its exit code and what it complains of. */
async function ran(url: string | undefined, ...args: readonly string[]) {
  const { AWS_ENDPOINT_URL: _, ...env } = process.env;
  const python = spawn(PYTHON, [RUNNER, ...args], { env: { ...env, ...(url && { AWS_ENDPOINT_URL: url }) } });
  const [complaints, [code]] = await Promise.all([text(python.stderr), once(python, 'exit')]);
  return { code, complaints };
}

/** An address at which `serve` answers, or no one once it is closed. */
async function listening() {
  const server = createServer((_, response) => response.writeHead(404).end('Nothing is here.'));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, close: () => once(server.close(), 'close') };
}

// That it exits 0 when the Region has ended, each test with `judged` shows.
describe.skipIf(missing !== undefined)('the example that runs a drain function in Python', () => {
  it('exits 2 where the environment does not say where the Region is', async () => {
    const { code, complaints } = await ran(undefined, COUNTING);
    expect(complaints).toContain('AWS_ENDPOINT_URL is not set');
    expect(code).toBe(2);
  });

  it('exits 2 where the file of the function is not there', async () => {
    const { code, complaints } = await ran('http://127.0.0.1:1', 'nobody.py');
    expect(complaints).toContain('nobody.py is no file');
    expect(code).toBe(2);
  });

  it('exits 1 and says why where no one answers', async () => {
    const { url, close } = await listening();
    await close();
    const { code, complaints } = await ran(url, COUNTING);
    expect(complaints).toMatch(/^http:\S+ does not answer as the local Region does: .*refused/);
    expect(code).toBe(1);
  });

  it('exits 1 and says what was answered where it is not the Region that answers', async () => {
    const { url, close } = await listening();
    const { code, complaints } = await ran(url, COUNTING);
    await close();
    expect(complaints).toBe(`${url} does not answer as the local Region does: Nothing is here.\n`);
    expect(code).toBe(1);
  });

  it('exits 1 where the Region has no such queue', async () => {
    const run = judged(['--scenario', 'book', '--notify', 'sns'], [RUNNER, COUNTING, '--queue', 'missing']);
    await expect(run).rejects.toThrow(/ended with 1:\nThe Region has no queue missing: /);
  });
});
