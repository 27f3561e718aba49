import { currentFiber } from './region/time/virtual-time.ts';

/** A structured line that a function wrote to its log. */
export type LogLine = Readonly<Record<string, unknown>>;

/**
 * Takes what functions of a Region print, as CloudWatch Logs would, and leaves the terminal to everyone else. Returns
 * how to end it.
 */
export function captureLogs(onLine: (line: LogLine, text: string) => void): () => void {
  const streams = [process.stdout, process.stderr];
  const originals = streams.map((stream) => stream.write);
  for (const stream of streams) {
    const write = stream.write.bind(stream);
    stream.write = ((chunk: string | Uint8Array, ...rest: []) => {
      if (!currentFiber.getStore()) return write(chunk, ...rest);
      for (const text of String(chunk).split('\n').filter(Boolean)) onLine(lineIn(text), text);
      return true;
    }) as typeof stream.write;
  }
  return () => {
    streams.forEach((stream, i) => {
      stream.write = originals[i] ?? stream.write;
    });
  };
}

function lineIn(text: string): LogLine {
  try {
    return JSON.parse(text);
  } catch {
    return { message: text };
  }
}
