#!/usr/bin/env node
import { main } from './program.ts';

/** `npx ecs-drain`: the operator's commands. */
process.exitCode = await main(process.argv.slice(2), process);
