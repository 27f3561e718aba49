import { execFile, spawn } from 'node:child_process';
import { basename, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

/** The tools of other languages: pinned beside their tests, installed into a cache that goes with node_modules. */

const HERE = import.meta.dirname;
const CACHE = resolve(HERE, '../../node_modules/.cache/ecs-drain-template');

/** What pip and Maven say where their registry cannot be reached; a version that does not exist reads otherwise. */
const UNREACHABLE =
  /connection broken|unknown host|unreachable|name or service|name resolution|connection refused|connect timed out|no such host/i;
/** What Debian's python3 says without python3-venv. */
const NO_VENV = /ensurepip is not available/;

/**
 * The folder of the commands of the Python linters that the folder's requirements.txt pins; undefined, with the reason printed,
 * where they cannot be had.
 */
export async function pythonLinters(folder = HERE): Promise<string | undefined> {
  const venv = join(CACHE, `${basename(folder)}-venv`);
  const commands = join(venv, 'bin');
  const here = await installed('the linters', [
    ['python3', '-m', 'venv', venv],
    [join(commands, 'python'), '-m', 'pip', 'install', '--quiet', '--requirement', join(folder, 'requirements.txt')],
  ]);
  return here ? commands : undefined;
}

/** Builds the Go program of a folder; returns where it is, or undefined, with the reason printed, where it cannot be had. */
export async function goProgram(folder: string, needed: readonly string[] = []): Promise<string | undefined> {
  const program = join(CACHE, 'go', basename(folder));
  const steps = needed.map((command): [string, string] => [command, 'version']);
  const here = await installed(folder, [...steps, ['go', 'build', '-C', folder, '-o', program, '.']]);
  return here ? program : undefined;
}

/** A command of a Go module, `path@version`; undefined, with the reason printed, where it cannot be had. */
export async function goCommand(module: string): Promise<string | undefined> {
  const bin = join(CACHE, 'go');
  const here = await installed(module, [['env', `GOBIN=${bin}`, 'go', 'install', module]]);
  return here ? join(bin, basename(module).replace(/@.*/, '')) : undefined;
}

/** The version of botocore that `npm run models` read the models from: a newer one may add operations and members. */
const BOTOCORE = 'botocore==1.44.8';

/** The folder of the models that AWS publishes; undefined, with the reason printed, where they cannot be had. */
export async function publishedModels(): Promise<string | undefined> {
  const target = join(CACHE, BOTOCORE);
  const pip = ['python3', '-m', 'pip', 'install', '--quiet', '--no-deps', '--upgrade', '--target', target] as const;
  return (await installed("AWS's models", [[...pip, BOTOCORE]])) ? join(target, 'botocore/data') : undefined;
}

/** AWS's own matcher of event patterns, in a Java process of its own. */
export interface EventRuler {
  /** @throws Error with its sentence, if it refuses the pattern. */
  matches(pattern: unknown, event: unknown): Promise<boolean>;
  end(): void;
}

/** Starts it; undefined, with the reason printed, where it cannot be had. */
export async function eventRuler(): Promise<EventRuler | undefined> {
  const jars = join(CACHE, 'jars');
  // By its whole name: of a plugin's short one Maven does not say why it cannot be had.
  const copy = 'org.apache.maven.plugins:maven-dependency-plugin:copy-dependencies';
  const here = await installed("AWS's matcher", [
    ['javac', '-version'],
    ['mvn', '-B', '-q', '-f', join(HERE, 'pom.xml'), copy, `-DoutputDirectory=${jars}`],
  ]);
  if (!here) return undefined;

  const java = spawn('java', ['-cp', join(jars, '*'), join(HERE, 'RulerMatches.java')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const answers = createInterface({ input: java.stdout })[Symbol.asyncIterator]();
  return {
    async matches(pattern, event) {
      java.stdin.write(`${JSON.stringify({ pattern, event })}\n`);
      const { value, done } = await answers.next();
      if (done) throw new Error('RulerMatches.java has ended before its answer.');
      const answer: boolean | string = JSON.parse(value);
      if (typeof answer === 'string') throw new Error(answer);
      return answer;
    },
    end: () => java.stdin.end(),
  };
}

/** Whether every step went well; a command or a registry that is not there is a reason to skip, and no failure. */
async function installed(what: string, steps: readonly (readonly [string, ...string[]])[]): Promise<boolean> {
  for (const [command, ...args] of steps) {
    try {
      await promisify(execFile)(command, args);
    } catch (error) {
      const { code, stdout = '', stderr = '' } = error as { code?: unknown; stdout?: string; stderr?: string };
      const lines = `${stdout}\n${stderr}`.split('\n');
      const reason =
        code === 'ENOENT'
          ? `there is no ${command}`
          : lines.find((line) => UNREACHABLE.test(line) || NO_VENV.test(line))?.trim();
      if (reason === undefined) throw error;
      console.warn(`Skipped: ${what} cannot be installed: ${reason}`);
      return false;
    }
  }
  return true;
}
