import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { HttpResponse } from '@smithy/core/transport';
import { ecsDrain } from '../../sandbox/drainers/ecs-drain.ts';
import { textOf } from '../../sandbox/region/wire/message.ts';
import type { Transport } from '../../sandbox/region/wire/transport.ts';
import { rehearse } from '../../sandbox/rehearsal.ts';
import type { ScenarioName } from '../../sandbox/scenarios.ts';

/**
 * The SHA-256 of all that happens in a drill with ecs-drain, and of every byte that its clients and the Region exchange:
 *
 *     node test/sandbox/digests.ts SEED SCENARIO...
 *
 * prints them as JSON. On two commits, it shows whether what lies between them changed anything.
 */
export interface Digests {
  readonly trace: string;
  readonly exchanges: string;
  readonly requests: number;
}

export async function digestsOf(scenario: ScenarioName, seed: number): Promise<Digests> {
  const trace = createHash('sha256');
  const exchanges = createHash('sha256');
  let requests = 0;
  const listening = ({ handle }: Transport): Transport => ({
    handle: async (request, options) => {
      const number = ++requests;
      const { method, path, query, headers, body } = request;
      exchanges.update(JSON.stringify([number, method, path, query, headers, textOf(body ?? '')]));
      const { response } = await handle(request, options);
      const answered = await buffer(response.body);
      const { statusCode, headers: answers } = response;
      exchanges.update(JSON.stringify([number, statusCode, answers, answered.toString('base64')]));
      return { response: new HttpResponse({ statusCode, headers: answers, body: Readable.from([answered]) }) };
    },
  });
  await rehearse({
    scenario,
    drainer: 'ecs-drain',
    seed,
    install: (region, staged) => ecsDrain({ ...region, transport: listening(region.transport) }, staged),
    onEvent: (...told) => trace.update(JSON.stringify(told)),
  });
  return { trace: trace.digest('hex'), exchanges: exchanges.digest('hex'), requests };
}

if (import.meta.main) {
  const [seed, ...scenarios] = process.argv.slice(2);
  const digests: Record<string, Digests> = {};
  for (const scenario of scenarios) digests[scenario] = await digestsOf(scenario as ScenarioName, Number(seed));
  console.log(JSON.stringify(digests, null, 2));
}
