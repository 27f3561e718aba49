import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';

/** A client of the Region's clock, as a drain program would have it. */
export interface ClockClient {
  readonly id: string;
  /** Returns when the sleep is over, in the Region's time. */
  sleep(body: { readonly seconds?: number; readonly until?: string }): Promise<string>;
  /** Closes its connection. */
  end(): void;
}

/** A plugin of an SDK client: its calls are those of a client of the clock. */
export function callsOf(id: string) {
  const named = (next: (args: object) => unknown) => (args: object) => {
    const { request } = args as { readonly request: { readonly headers: Record<string, string> } };
    request.headers['x-region-client'] = id;
    return next(args);
  };
  // biome-ignore lint/suspicious/noExplicitAny: each client's stack has types of its own.
  return { applyToStack: (stack: any) => stack.add(named, { step: 'build' }) };
}

export async function registered(url: string, instanceId?: string): Promise<ClockClient> {
  const connection = request(`${url}/_clock/clients`, { method: 'POST' });
  connection.on('error', () => {}); // The Region may close first.
  connection.end(JSON.stringify(instanceId === undefined ? {} : { instanceId }));
  const [response] = (await once(connection, 'response')) as [IncomingMessage];
  response.on('error', () => {});
  const [line] = await once(response, 'data');
  const { client: id } = JSON.parse(String(line));
  return {
    id,
    sleep: async (body) => {
      const headers = { 'x-region-client': id };
      const answered = await fetch(`${url}/_clock/sleep`, { method: 'POST', headers, body: JSON.stringify(body) });
      const { now } = (await answered.json()) as { now: string };
      return now;
    },
    end: () => connection.destroy(),
  };
}
