import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { explore, linesOf, sentenceOfBreach } from './chaos/explore.ts';
import { PROPERTIES } from './chaos/properties.ts';
import { worlds } from './chaos/world.ts';
import { run, seedFrom, seedOfCommit, worldsFrom } from './command-line.ts';

/** `npm run chaos`: random worlds with random faults, and what must hold in each of them. */

const USAGE = 'npm run chaos -- [--worlds N] [--seed S|commit]';

export async function chaos(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      worlds: { type: 'string', default: '1000' },
      seed: { type: 'string', default: '1' },
    },
  });
  const most = worldsFrom(values.worlds);
  const seed = values.seed === 'commit' ? seedOfCommit(import.meta.dirname) : seedFrom(values.seed);
  const among = fc.oneof({ arbitrary: worlds('park'), weight: 2 }, { arbitrary: worlds('watch'), weight: 1 });
  let played = 0;
  const onWorld = () => {
    played += 1;
    if (played % 100 === 0 && process.stderr.isTTY) process.stderr.write(`\r${played} of ${most} worlds`);
  };
  const { tally, breach } = await explore({ among, worlds: most, seed, onWorld });
  if (process.stderr.isTTY) process.stderr.write('\r');
  console.log(`seed number ${seed}\n${linesOf(tally)}`);
  if (breach) throw new Error(sentenceOfBreach(breach));
  console.log(`In each of them:\n${PROPERTIES.map(({ name }) => `  ${name}`).join('\n')}`);
}

if (import.meta.main) await run(chaos, USAGE);
