import {
  GetFunctionConfigurationCommand,
  InvokeCommand,
  type InvokeCommandInput,
  type InvokeCommandOutput,
} from '@aws-sdk/client-lambda';
import { type Experiment, use, type World } from '../experiment.ts';
import { described, receive, refusalOf, seconds } from './look.ts';

const NOTHING = 'changes nothing';

/** The record of an asynchronous invocation that failed permanently. */
interface FailureRecord {
  readonly requestContext: { readonly condition: string; readonly approximateInvokeCount: number };
  readonly requestPayload: { readonly experiment?: string };
}

/** What the functions return, and what Lambda returns where one throws. */
interface Returned {
  readonly experiment?: unknown;
  readonly errorType?: unknown;
  readonly errorMessage?: unknown;
}

/** How Lambda answers an invocation, and what it does with one that no one waits for. */
export const lambda: readonly Experiment[] = [
  {
    facts: [7],
    title: 'An asynchronous invocation that fails is tried twice more, after 1 and 2 minutes.',
    needs: ['function'],
    minutes: 8,
    cents: 0,
    cleansUp: NOTHING,
    async run(world) {
      const { name, queueUrl } = use(world, 'function');
      const experiment = `retries-${Math.round(world.now())}`;
      const { StatusCode } = await invoke(world, name, { experiment }, 'Event');
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
  {
    facts: [85],
    title: 'A synchronous invocation returns what the function returns, HTTP 200.',
    needs: ['echo'],
    minutes: 1,
    cents: 0,
    cleansUp: NOTHING,
    async run(world) {
      const answer = await invoke(world, use(world, 'echo').name, { experiment: 'answer' });
      return {
        saw: shown(answer),
        agrees:
          answer.StatusCode === 200 && answer.FunctionError === undefined && returnedBy(answer).experiment === 'answer',
      };
    },
  },
  {
    facts: [85],
    title:
      'A synchronous invocation returns HTTP 200 although the function throws, with FunctionError and what was thrown.',
    needs: ['function'],
    minutes: 1,
    cents: 0,
    cleansUp: NOTHING,
    async run(world) {
      const answer = await invoke(world, use(world, 'function').name, {});
      const { errorType, errorMessage } = returnedBy(answer);
      return {
        saw: `HTTP ${answer.StatusCode}; FunctionError ${answer.FunctionError}; ${errorType}: ${errorMessage}`,
        agrees:
          answer.StatusCode === 200 &&
          answer.FunctionError === 'Unhandled' &&
          errorType === 'Error' &&
          errorMessage === 'facts',
      };
    },
  },
  {
    facts: [85],
    title: 'An asynchronous invocation returns HTTP 202, and a dry run 204, both without a body.',
    needs: ['echo'],
    minutes: 1,
    cents: 0,
    cleansUp: NOTHING,
    async run(world) {
      const { name } = use(world, 'echo');
      const asynchronous = await invoke(world, name, {}, 'Event');
      const dry = await invoke(world, name, {}, 'DryRun');
      const isBare = (answer: InvokeCommandOutput, status: number) =>
        answer.StatusCode === status && payloadOf(answer) === '';
      return {
        saw: `Event: ${shown(asynchronous)}; DryRun: ${shown(dry)}`,
        agrees: isBare(asynchronous, 202) && isBare(dry, 204),
      };
    },
  },
  {
    facts: [85],
    title: 'A function in another Region is refused in the documented words: ResourceNotFoundException.',
    needs: ['echo'],
    minutes: 1,
    cents: 0,
    cleansUp: NOTHING,
    async run(world) {
      const asked = new GetFunctionConfigurationCommand({ FunctionName: use(world, 'echo').name });
      const { FunctionArn = '' } = await world.lambda.send(asked);
      const here = FunctionArn.split(':')[3];
      const elsewhere = here === 'us-east-1' ? 'eu-west-1' : 'us-east-1';
      const refusal = await refusalOf(invoke(world, FunctionArn.replace(`:${here}:`, `:${elsewhere}:`), {}));
      return {
        saw: described(refusal),
        agrees:
          refusal?.code === 'ResourceNotFoundException' &&
          refusal.message === `Functions from '${elsewhere}' are not reachable in this region ('${here}')`,
      };
    },
  },
];

/** Invokes a function, and waits for its answer unless another type is asked for. */
export async function invoke(
  world: World,
  FunctionName: string,
  event: object,
  InvocationType: InvokeCommandInput['InvocationType'] = 'RequestResponse',
): Promise<InvokeCommandOutput> {
  const Payload = new TextEncoder().encode(JSON.stringify(event));
  return world.lambda.send(new InvokeCommand({ FunctionName, InvocationType, Payload }));
}

function payloadOf({ Payload }: InvokeCommandOutput): string {
  return Payload?.transformToString() ?? '';
}

/** The members of a payload: none if it is not JSON. */
function returnedBy(answer: InvokeCommandOutput): Returned {
  try {
    return Object(JSON.parse(payloadOf(answer)));
  } catch {
    return {};
  }
}

function shown(answer: InvokeCommandOutput): string {
  return `HTTP ${answer.StatusCode}, ${payloadOf(answer) || 'no body'}`;
}
