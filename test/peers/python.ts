import { execFile } from 'node:child_process';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

/** Python with boto3, in a virtual environment of the versions that are pinned beside this file. */

const VENV = resolve(import.meta.dirname, '../../node_modules/.cache/peers');
export const PYTHON = join(VENV, 'bin/python');

/** Installs it, unless it is there. Returns why it cannot, if so. */
export async function install(): Promise<string | undefined> {
  const run = promisify(execFile);
  const version = await run('python3', ['-c', 'import sys; print(sys.version_info >= (3, 10))']).catch(() => undefined);
  if (version?.stdout.trim() !== 'True') return 'there is no python3 of version 3.10 or later';
  try {
    await run('python3', ['-m', 'venv', VENV]);
  } catch (error) {
    if (!/ensurepip|No module named venv/.test(String(error))) throw error;
    return 'python3 cannot create virtual environments (Debian: apt-get install python3-venv)';
  }
  try {
    const requirements = join(import.meta.dirname, 'requirements.txt');
    await run(PYTHON, ['-m', 'pip', 'install', '--quiet', '--retries', '2', '--requirement', requirements]);
  } catch (error) {
    // An index that can be reached names the versions that it does have.
    if (!/from versions: none/.test(String(error))) throw error;
    return 'PyPI cannot be reached';
  }
  return undefined;
}
