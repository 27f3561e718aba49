import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import type { DrillResult } from '../../sandbox/result.ts';
import { PYTHON } from './python.ts';

const ROOT = resolve(import.meta.dirname, '../..');

/** What a program in Python came to, and what the Region says of it. */
export interface Judged {
  readonly result: DrillResult<'external'>;
  readonly printed: string;
  readonly complaints: string;
}

/** Runs `npm run region -- --drainer external` in virtual time, and beside it a program in Python until the Region has ended. */
export async function judged(args: readonly string[], program: readonly string[]): Promise<Judged> {
  const server = resolve(ROOT, 'sandbox/region-server.ts');
  const region = spawn(process.execPath, [server, '--drainer', 'external', '--speed', 'virtual', '--json', ...args]);
  try {
    const told = text(region.stdout);
    const env = { ...process.env, ...environmentOf(await urlToldBy(region.stderr)), ECS_CLUSTER: 'prod' };
    const python = spawn(PYTHON, program, { cwd: ROOT, env });
    const [printed, complaints, [status]] = await Promise.all([
      text(python.stdout),
      text(python.stderr),
      once(python, 'exit'),
    ]);
    if (status !== 0) throw new Error(`${program.join(' ')} ended with ${status}:\n${complaints}`);
    return { result: JSON.parse(await told), printed, complaints };
  } finally {
    region.kill();
  }
}

function environmentOf(url: string) {
  return {
    AWS_ENDPOINT_URL: url,
    AWS_DEFAULT_REGION: 'eu-west-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
  };
}

/** Reads on, so that what the Region prints later does not stop it. */
function urlToldBy(stream: NodeJS.ReadableStream): Promise<string> {
  return new Promise((found, missing) => {
    let told = '';
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      told += chunk;
      const [url] = /http:[^, ]+(?=, in the virtual time)/.exec(told) ?? [];
      if (url !== undefined) found(url);
    });
    stream.on('end', () => missing(new Error(`The Region has ended before it listened:\n${told}`)));
  });
}
