import { type Experiment, type Need, NotObservable, type World } from './experiment.ts';
import { isMissingOperation } from './experiments/look.ts';

/**
 * What came of an experiment. `open`: it answers a question that no source settles. `not observable`: the world lacks what
 * it takes. `failed`: it broke off, and so says nothing about the fact.
 */
export type Verdict = 'agrees' | 'disagrees' | 'open' | 'not observable' | 'failed';

export interface Result {
  readonly facts: readonly number[];
  readonly title: string;
  readonly verdict: Verdict;
  readonly saw: string;
  /** What could not be undone. */
  readonly leftBehind?: readonly string[];
}

/** A world without what belongs to one experiment. */
export interface Place extends Omit<World, 'defer'> {
  /** Why a resource is not there. */
  readonly absent?: Partial<Record<Need, string>>;
}

/** Makes the experiments one after the other; each is undone before the next begins, whatever comes of it. */
export async function run(
  experiments: readonly Experiment[],
  place: Place,
  onResult: (result: Result) => void = () => {},
): Promise<readonly Result[]> {
  const results: Result[] = [];
  for (const experiment of experiments) {
    if (place.signal?.aborted) break;
    const result = await resultOf(experiment, place);
    if (place.signal?.aborted && result.verdict === 'failed') break; // It was cancelled, and says nothing.
    results.push(result);
    onResult(result);
  }
  return results;
}

async function resultOf(experiment: Experiment, place: Place): Promise<Result> {
  const { facts, title, needs } = experiment;
  const missing = needs.filter((need) => !place.resources[need]);
  if (missing.length > 0) {
    const why = missing.flatMap((need) => place.absent?.[need] ?? []).map((reason) => ` (${reason})`);
    return { facts, title, verdict: 'not observable', saw: `there is no ${missing.join(', no ')}${why.join('')}` };
  }
  const undos: (() => Promise<unknown>)[] = [];
  const outcome = await outcomeOf(experiment, { ...place, defer: (undo) => undos.push(undo) });
  const leftBehind: string[] = [];
  for (const undo of undos.reverse()) {
    await undo().catch((error) => leftBehind.push(sentenceOf(error)));
  }
  return { facts, title, ...outcome, ...(leftBehind.length > 0 && { leftBehind }) };
}

async function outcomeOf(experiment: Experiment, world: World): Promise<Pick<Result, 'verdict' | 'saw'>> {
  try {
    const { saw, agrees } = await experiment.run(world);
    return { verdict: agrees === 'open' ? 'open' : agrees ? 'agrees' : 'disagrees', saw };
  } catch (error) {
    if (error instanceof NotObservable) return { verdict: 'not observable', saw: error.message };
    if (isMissingOperation(error))
      return { verdict: 'not observable', saw: `there is no such operation: ${sentenceOf(error)}` };
    return { verdict: 'failed', saw: sentenceOf(error) };
  }
}

function sentenceOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
