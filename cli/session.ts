/** How a command talks with whoever runs it. */

import { createInterface } from 'node:readline/promises';
import { setTimeout } from 'node:timers/promises';
import { NO_TERMINAL, pageOf, type Stream, wrapped } from '../terminal/layout.ts';
import { type Output, UsageError } from './common.ts';

/** What a command reads from and writes to: the process's own streams, or a test's. */
export interface Streams {
  readonly stdout: Stream & { write(text: string): unknown };
  readonly stderr: Stream & { write(text: string): unknown };
  readonly stdin?: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  /** Lets time pass; a test has its own. */
  readonly sleep?: (ms: number) => Promise<unknown>;
  /** Ends what would go on until the process is interrupted. */
  readonly signal?: AbortSignal;
}

export interface Session extends Output {
  /** Undefined where no one can answer: without a terminal, or with --json. */
  readonly ask: ((question: string) => Promise<string>) | undefined;
  /** The terminal; undefined where the text goes elsewhere, or is JSON. */
  readonly terminal: Streams['stdout'] | undefined;
  readonly sleep: (ms: number) => Promise<unknown>;
  readonly signal: AbortSignal | undefined;
}

export function sessionOn(streams: Streams, json: boolean): Session {
  const { stdout, stdin, sleep = setTimeout } = streams;
  const isTerminal = stdout.isTTY === true && !json;
  const page = isTerminal ? pageOf(stdout) : NO_TERMINAL;
  return {
    page,
    print: (text) => void (json || stdout.write(`${wrapped(text, page)}\n`)),
    printJson: (value) => void (json && stdout.write(`${JSON.stringify(value, undefined, 2)}\n`)),
    ask: isTerminal && stdin?.isTTY ? (question) => answerTo(question, stdin, streams.stdout) : undefined,
    terminal: isTerminal ? stdout : undefined,
    sleep,
    signal: streams.signal,
  };
}

/** An empty answer if the terminal is closed. */
async function answerTo(question: string, stdin: NodeJS.ReadableStream, stdout: Streams['stdout']): Promise<string> {
  stdout.write(question);
  const lines = createInterface({ input: stdin });
  lines.once('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  try {
    for await (const line of lines) return line;
    return '';
  } finally {
    lines.close();
  }
}

/** @throws UsageError if no one can be asked. It is called before anything is asked of AWS. */
export function refuseWithoutConsent(command: string, yes: boolean, { ask }: Session): void {
  if (yes || ask) return;
  throw new UsageError(
    `${command} asks before it acts, and no one can be asked here: add --yes to act without a question.`,
  );
}

/** Whether the operator agrees; prints a sentence otherwise. */
export async function hasConsent(question: string, yes: boolean, { ask, print }: Session): Promise<boolean> {
  if (yes) return true;
  const answer = await ask?.(`${question} [y/N] `);
  if (/^y(es)?$/i.test(answer?.trim() ?? '')) return true;
  print('Nothing was done.');
  return false;
}
