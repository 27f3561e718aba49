import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { HttpResponse } from '@smithy/core/transport';
import { fromSource } from '../../sandbox/chaos/play.ts';
import type { Build } from '../../sandbox/drainers/ecs-drain.ts';
import { textOf } from '../../sandbox/region/wire/message.ts';
import type { Transport } from '../../sandbox/region/wire/transport.ts';

type Request = Parameters<Transport['handle']>[0];

/** A request, and what would come of it. */
export interface Call {
  readonly operation: string;
  readonly request: Request;
  readonly carry: () => Promise<{ status: number; body: string }>;
}

/** This service with a bug: what it asks of AWS, or what it hears, is another than it should be. */
export function withBug(tamper: (call: Call) => Promise<{ status: number; body: string }>): Build {
  return async (params) => {
    const { deployment, createDrainHandler } = await fromSource(params);
    return {
      deployment,
      createDrainHandler: (env, { sdk, ...seams } = {}) => {
        const transport = sdk?.requestHandler as Transport;
        const handle: Transport['handle'] = async (request, options) => {
          let headers = {};
          const carry = async () => {
            const { response } = await transport.handle(request, options);
            headers = response.headers;
            return { status: response.statusCode, body: await text(response.body) };
          };
          const { status, body } = await tamper({ operation: operationOf(request), request, carry });
          return {
            response: new HttpResponse({ statusCode: status, headers, body: Readable.from([Buffer.from(body)]) }),
          };
        };
        return createDrainHandler(env, { ...seams, sdk: { ...sdk, requestHandler: { handle } } });
      },
    };
  };
}

function operationOf({ headers, body, method, path }: Request): string {
  const target = headers['x-amz-target']?.split('.').at(-1);
  return target ?? new URLSearchParams(textOf(body)).get('Action') ?? `${method} ${path}`;
}
