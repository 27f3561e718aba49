import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { WireAnswer, WireRequest } from './message.ts';

/**
 * The wire on HTTP, on 127.0.0.1: on the given port, or on a free one; its answers are dated by the clock. What `take` takes is
 * not AWS's, and answered by it.
 */
export async function listen(
  answer: (request: WireRequest) => WireAnswer | Promise<WireAnswer>,
  port = 0,
  nowMs = () => Date.now(),
  take: (request: IncomingMessage, response: ServerResponse) => boolean = () => false,
): Promise<{ readonly url: string; close(): void }> {
  const server = createServer(async (request, response) => {
    if (take(request, response)) return;
    const body = await buffer(request).catch(() => undefined);
    if (body === undefined) return; // the client has gone away in the middle
    const [path = '/', query = ''] = (request.url ?? '/').split(/\?(.*)/s);
    const answered = await answer({
      method: request.method ?? 'GET',
      path,
      query: new URLSearchParams(query),
      headers: request.headers,
      body,
    });
    const date = new Date(nowMs()).toUTCString();
    response.writeHead(answered.status, { date, ...answered.headers }).end(answered.body);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const { port: actual } = server.address() as AddressInfo;
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${actual}`, close };
}
