import { open, writeFile } from 'node:fs/promises';
import { UsageError } from './command-line.ts';
import { rehearse } from './rehearsal.ts';
import { DRAINERS, type DrillResult } from './result.ts';
import type { Scenario, ScenarioName } from './scenarios.ts';

/** The report of a drill, beside what the other drainers make of the same. */

/** Before the drill, not after it. */
export async function refuseUnwritable(path: string): Promise<void> {
  try {
    await (await open(path, 'a')).close();
  } catch (error) {
    throw new UsageError(`--report ${path} cannot be written: ${error instanceof Error ? error.message : error}.`);
  }
}

/** Rehearses the same with each of the other drainers, and writes the report on them all. */
export async function writeReport(
  path: string,
  result: DrillResult,
  rehearsal: { readonly scenario: ScenarioName | 'world'; readonly variant?: Scenario; readonly seed: number },
): Promise<void> {
  const runs: DrillResult[] = [result];
  for (const drainer of DRAINERS) {
    if (drainer !== result.drainer) runs.push(await rehearse({ ...rehearsal, drainer }));
  }
  const { reportOf } = await import('./report.ts'); // the charting library takes a second to load
  await writeFile(path, reportOf(runs));
}
