/** What a client of AWS lets an extension do. */
interface ExtendedClient {
  httpHandler(): { handle(...request: never[]): Promise<{ readonly response: { readonly headers: Headers } }> };
}

type Headers = Readonly<Record<string, string>>;

export interface AwsClock {
  nowMs(): number;
  /** Set in the configuration of every client. */
  readonly extension: { configure(client: ExtendedClient): void };
}

/** An answer is dated to the second, and is on its way for a while. */
const TOLERANCE_MS = 2_000;

/**
 * The time of AWS, as all clients hear it: this machine's clock may be wrong, and a local Region has a time of its own, which may
 * run faster. Each answer sets the clock again, unless it agrees already.
 */
export function awsClock(): AwsClock {
  let offsetMs = 0;
  const nowMs = () => Date.now() + offsetMs;
  const hear = ({ date }: Headers) => {
    const atMs = Date.parse(date ?? '');
    const agrees = nowMs() >= atMs && nowMs() <= atMs + TOLERANCE_MS;
    if (!Number.isNaN(atMs) && !agrees) offsetMs = atMs - Date.now();
  };
  return {
    nowMs,
    extension: {
      configure(client) {
        const handler = client.httpHandler();
        const handle = handler.handle.bind(handler);
        handler.handle = async (...request) => {
          const answer = await handle(...request);
          hear(answer.response.headers);
          return answer;
        };
      },
    },
  };
}
