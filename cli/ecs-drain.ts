#!/usr/bin/env node
import { main } from './program.ts';

/** `npx ecs-drain`: the operator's commands. */

// The reader has closed the pipe, as `head` does.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});
process.exitCode = await main(process.argv.slice(2), process);
