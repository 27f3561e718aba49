import { appendFile, writeFile } from 'node:fs/promises';
import { createLogUpdate } from 'log-update';
import * as v from 'valibot';
import { blueprintOf, sizesOf } from '../sandbox/plan/build.ts';
import { type Change, refuseImpossible } from '../sandbox/plan/change.ts';
import { concluded } from '../sandbox/plan/conclude.ts';
import { assumptionsFrom, estimatesOf } from '../sandbox/plan/estimates.ts';
import { overruled, prerequisitesOf, rehearsedParams } from '../sandbox/plan/hooks.ts';
import { otherChoices } from '../sandbox/plan/leaving.ts';
import { limitsOf } from '../sandbox/plan/limits.ts';
import { playAll } from '../sandbox/plan/play-all.ts';
import { BadSnapshot, type Snapshot, snapshotFrom } from '../sandbox/plan/snapshot.ts';
import { troublesOf } from '../sandbox/plan/troubles.ts';
import { sentenceOf } from '../src/adapters/schemas.ts';
import { settingsEntries } from '../src/handlers/settings.ts';
import { documentAt, type Output, type Target, UsageError } from './common.ts';
import { presentPlan } from './present-plan.ts';
import { takeSnapshot } from './snapshot.ts';
import { CHANGES } from './stray-options.ts';
import { textIn } from './typed.ts';

/** What is typed after `ecs-drain plan`. */
export interface PlanOptions extends SnapshotSource {
  readonly change: string;
  readonly minInService?: string;
  readonly maxBatchSize: string;
  readonly pause: string;
  readonly signals: boolean;
  readonly minHealthyPercent?: string;
  readonly maxHealthyPercent?: string;
  readonly warmup?: string;
  readonly count: string;
  readonly instance?: readonly string[];
  readonly decrement?: boolean;
  readonly param?: readonly string[];
  readonly assume?: string;
  readonly trials: string;
  readonly seed: string;
  readonly report?: string;
}

/** Where a snapshot comes from: a group to be read now, or a file. */
export interface SnapshotSource {
  readonly group?: string;
  readonly cluster?: string;
  readonly snapshot?: string;
  readonly maxCalls?: string;
}

/** `ecs-drain plan`: rehearses a change of the own group in the local Region, and says what it will do. */
export async function plan(options: PlanOptions, target: Target, { print, printJson, page }: Output): Promise<number> {
  try {
    if (options.report !== undefined) await refuseUnwritable(options.report);
    const snapshot = await snapshotFor(options, target);
    const change = changeFrom(options, snapshot);
    refuseImpossible(change, snapshot);
    const given = paramsFrom(snapshot, options.param);
    const params = rehearsedParams(snapshot, given);
    const trials = wholeNumber('--trials', options.trials, 1, 1_000);
    const firstSeed = wholeNumber('--seed', options.seed, 0, 999_999_999);
    const estimates = estimatesOf(snapshot, await assumptionsFor(options, snapshot));
    const limits = limitsOf(snapshot, change, { estimates, params });
    const prerequisites = prerequisitesOf(snapshot, given);
    const troubles = troublesOf(snapshot, params);
    const progress = progressOn(process.stderr);
    const played = await playAll({
      blueprint: blueprintOf(snapshot, estimates, params),
      change,
      others: otherChoices(snapshot, change),
      params,
      seeds: Array.from({ length: trials }, (_, i) => firstSeed + i),
      reports: options.report !== undefined,
      onProgress: progress.show,
    }).finally(progress.end);
    const found = concluded({ snapshot, change, params, estimates, limits, prerequisites, troubles, ...played });
    printJson(found);
    print(presentPlan(found, page));
    if (options.report !== undefined) {
      const { planPage } = await import('../sandbox/plan/report.ts'); // the charting library takes a second to load
      await writeFile(options.report, planPage(found, played.drill));
      print(`\nThe report is in ${options.report}.`);
    }
    return found.go ? 0 : 1;
  } catch (error) {
    if (error instanceof BadSnapshot) throw new UsageError(error.message, { cause: error });
    throw error;
  }
}

// --- What was typed ---------------------------------------------------------------------------------------------------

/** The snapshot in the file, or a new one of the group. */
export async function snapshotFor(options: SnapshotSource, target: Target): Promise<Snapshot> {
  const { group, cluster, snapshot: path, maxCalls } = options;
  if (path !== undefined) return snapshotFrom(await textIn(path, '--snapshot'), path);
  if (group === undefined) {
    throw new UsageError('Name a group with --group, or with --snapshot a file that npx ecs-drain snapshot wrote.');
  }
  const request = {
    group,
    ...(cluster !== undefined && { cluster }),
    ...(maxCalls !== undefined && { maxCalls }),
  };
  return (await takeSnapshot(request, target)).snapshot;
}

async function assumptionsFor({ assume }: PlanOptions, snapshot: Snapshot) {
  return assume === undefined ? {} : assumptionsFrom(await textIn(assume, '--assume'), assume, snapshot);
}

function changeFrom(options: PlanOptions, snapshot: Snapshot): Change {
  const { change, minInService, warmup, instance = [], decrement = false } = options;
  const { desiredCapacity, maxSize } = sizesOf(snapshot);
  switch (change) {
    case 'rolling-update':
      return {
        kind: change,
        minInService:
          minInService === undefined
            ? Math.min(desiredCapacity, maxSize - 1)
            : wholeNumber('--min-in-service', minInService, 0, 10_000),
        maxBatchSize: wholeNumber('--max-batch-size', options.maxBatchSize, 1, 100),
        pauseSeconds: secondsFrom('--pause', options.pause),
        waitsForSignals: options.signals,
      };
    case 'instance-refresh':
      return {
        kind: change,
        ...healthyPercentsFrom(options, snapshot.group),
        warmupSeconds: warmup === undefined ? undefined : secondsFrom('--warmup', warmup),
      };
    case 'scale-in':
      return { kind: change, count: wholeNumber('--count', options.count, 1, Math.max(1, desiredCapacity)) };
    case 'terminate':
      if (instance.length === 0) throw new UsageError('Name the instances to terminate with --instance.');
      return { kind: change, instanceIds: [...new Set(instance)], shrinks: decrement };
    default:
      throw new UsageError(`There is no change ${change}; there are ${CHANGES.join(', ')}.`);
  }
}

/** What is typed counts, then the instance maintenance policy of the group, then Auto Scaling's defaults. */
function healthyPercentsFrom(options: PlanOptions, { maintenance }: Snapshot['group']) {
  const { minHealthyPercent = String(maintenance?.minHealthyPercent ?? 90) } = options;
  const { maxHealthyPercent = String(maintenance?.maxHealthyPercent ?? 100) } = options;
  return {
    minHealthyPercent: wholeNumber('--min-healthy-percent', minHealthyPercent, 0, 100),
    maxHealthyPercent: wholeNumber('--max-healthy-percent', maxHealthyPercent, 100, 200),
  };
}

/** The settings of the deployed stack, or none, which stands for the defaults, with what was typed. */
function paramsFrom(snapshot: Snapshot, param: readonly string[] = []): Record<string, string> {
  const names = new Set<string>();
  const typed = param.map((text): [string, string] => {
    const [, name = '', value = ''] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
    if (name === 'cluster' || name === 'autoScalingGroups') {
      throw new UsageError(`--param ${text}: ${name} is taken from the snapshot. Leave it out.`);
    }
    const schema = Object.hasOwn(settingsEntries, name)
      ? settingsEntries[name as keyof typeof settingsEntries]
      : undefined;
    if (!schema) {
      throw new UsageError(
        `--param ${text} does not set anything: write NAME=VALUE, with a name of ${documentAt('settings.md')}.`,
      );
    }
    const result = v.safeParse(schema as v.GenericSchema, value);
    if (!result.success) throw new UsageError(`--param: ${sentenceOf(result.issues, name)}`);
    if (names.has(name)) throw new UsageError(`--param ${name} is repeated: name it once.`);
    names.add(name);
    return [name, value];
  });
  const params = { ...snapshot.drain?.params, ...Object.fromEntries(typed) };
  for (const [name, value] of typed) {
    const why = overruled(name, snapshot, params);
    if (why !== undefined) throw new UsageError(`--param ${name}=${value} changes nothing: ${why}. Leave it out.`);
  }
  return params;
}

/** Seconds, or a duration as CloudFormation writes it, such as PT5M. */
function secondsFrom(option: string, value: string): number {
  const [, hours = 0, minutes = 0, seconds = 0] = /^PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?$/.exec(value) ?? [];
  if (/^PT./.test(value) && /^PT(\d+H)?(\d+M)?(\d+S)?$/.test(value)) {
    return Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds);
  }
  return wholeNumber(option, value, 0, 172_800, 'seconds, or a duration such as PT5M,');
}

function wholeNumber(option: string, value: string, min: number, max: number, what = 'a whole number'): number {
  if (/^\d{1,9}$/.test(value) && Number(value) >= min && Number(value) <= max) return Number(value);
  throw new UsageError(`${option} ${value} is not ${what} from ${min} to ${max}.`);
}

/** Before the rehearsals, not after them. */
async function refuseUnwritable(path: string): Promise<void> {
  try {
    await appendFile(path, '');
  } catch (error) {
    throw new UsageError(`--report ${path} cannot be written: ${(error as Error).message}.`);
  }
}

// --- Progress ---------------------------------------------------------------------------------------------------------

const BAR_WIDTH = 40;

/** A bar, in a terminal. */
function progressOn(stream: NodeJS.WriteStream) {
  if (!stream.isTTY) return { show: () => {}, end: () => {} };
  const update = createLogUpdate(stream);
  update('The function is being packaged …');
  return {
    show: (done: number, all: number) => {
      const filled = Math.round((BAR_WIDTH * done) / all);
      update(`${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)} ${done} of ${all} rehearsals`);
    },
    end: () => {
      update.clear();
      update.done();
    },
  };
}
