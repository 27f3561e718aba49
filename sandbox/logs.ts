/** A structured line that a function wrote to its log. */
export type LogLine = Readonly<Record<string, unknown>>;

/**
 * Takes what the functions in this process print, as CloudWatch Logs would: a line of JSON goes to `onLine`, all else
 * to the terminal. Returns how to end it.
 */
export function captureLogs(onLine: (line: LogLine) => void): () => void {
  const streams = [process.stdout, process.stderr];
  const originals = streams.map((stream) => stream.write);
  for (const stream of streams) {
    const write = stream.write.bind(stream);
    stream.write = ((chunk: string | Uint8Array, ...rest: []) => {
      const line = jsonIn(String(chunk));
      if (!line) return write(chunk, ...rest);
      onLine(line);
      return true;
    }) as typeof stream.write;
  }
  return () => {
    streams.forEach((stream, i) => {
      stream.write = originals[i] ?? stream.write;
    });
  };
}

function jsonIn(text: string): LogLine | undefined {
  if (!text.startsWith('{')) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
