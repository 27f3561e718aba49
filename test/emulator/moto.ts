import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { vi } from 'vitest';
import { freePort, installed } from './ministack.ts';

/** moto, a mock of AWS, as a server. */

const REQUIREMENTS = 'requirements-moto.txt';

/** Installs the pinned version in a virtual environment, unless it is there. Returns why it cannot, if so. */
export function installMoto(): Promise<string | undefined> {
  return installed('moto', REQUIREMENTS);
}

/** Starts it on a free port of 127.0.0.1. */
export async function startMoto(): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const port = await freePort();
  const server = join(import.meta.dirname, '../../node_modules/.cache/moto/bin/moto_server');
  const child = spawn(server, ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
  const ended = once(child, 'close');
  const url = `http://127.0.0.1:${port}`;
  await vi.waitFor(() => fetch(`${url}/moto-api/`), { timeout: 60_000, interval: 200 });
  return {
    url,
    stop: async () => {
      child.kill();
      await ended;
    },
  };
}
