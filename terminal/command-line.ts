/** What every command line here has in common: each option once, and a sentence for each mistake. */

import type { Command } from 'commander';

/** A mistake on the command line. The message says what to type instead, and the exit status is 2. */
export class UsageError extends Error {}

/** Commander takes the last of two, and which of two stages or deadlines is meant must not be guessed. */
export function refuseRepeated(command: Command): void {
  const typed = new Set<string>();
  for (const option of command.options) {
    if (option.variadic) continue;
    command.on(`option:${option.name()}`, () => {
      if (typed.has(option.name())) throw new UsageError(`--${option.name()} is repeated: name it once.`);
      typed.add(option.name());
    });
  }
}

/** Commander's complaint as sentences; the last one, `hint`, says where to look. */
export function sentenceOnComplaint(complaint: string, hint: string): string {
  const [words = '', suggestion] = complaint.replace(/^error: /, '').split(/\s*\n\s*/);
  const sentences = [
    `${words.charAt(0).toUpperCase()}${words.slice(1)}`,
    suggestion?.replace(/^\((.*)\)$/, '$1'),
    hint,
  ];
  return sentences.flatMap((each) => (each ? each.replace(/([^.?])$/, '$1.') : [])).join(' ');
}
