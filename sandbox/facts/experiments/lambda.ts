import { InvokeCommand } from '@aws-sdk/client-lambda';
import { type Experiment, use } from '../experiment.ts';
import { receive, seconds } from './look.ts';

/** The record of an asynchronous invocation that failed for good. */
interface FailureRecord {
  readonly requestContext: { readonly condition: string; readonly approximateInvokeCount: number };
  readonly requestPayload: { readonly experiment?: string };
}

/** What Lambda does with asynchronous invocations. */
export const lambda: readonly Experiment[] = [
  {
    facts: [7],
    title: 'An asynchronous invocation that fails is tried twice more, after 1 and 2 minutes.',
    needs: ['function'],
    minutes: 8,
    cents: 0,
    cleansUp: 'changes nothing',
    async run(world) {
      const { name, queueUrl } = use(world, 'function');
      const experiment = `retries-${Math.round(world.now())}`;
      const Payload = new TextEncoder().encode(JSON.stringify({ experiment }));
      const { StatusCode } = await world.lambda.send(
        new InvokeCommand({ FunctionName: name, InvocationType: 'Event', Payload }),
      );
      const invokedAtMs = world.now();
      const isOurs = ({ requestPayload }: FailureRecord) => requestPayload?.experiment === experiment;
      const [record] = await receive(world, queueUrl, 420, isOurs);
      if (!record) return { saw: `HTTP ${StatusCode}; no record of a failure within 420 s`, agrees: false };
      const { condition, approximateInvokeCount } = record.requestContext;
      const afterMs = world.now() - invokedAtMs;
      return {
        saw: `HTTP ${StatusCode}; ${condition} after ${approximateInvokeCount} invocations and ${seconds(afterMs)}`,
        agrees: condition === 'RetriesExhausted' && approximateInvokeCount === 3 && afterMs > 170_000,
      };
    },
  },
];
