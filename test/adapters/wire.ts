/** A scripted AWS on 127.0.0.1: the real SDK clients talk to it, and it answers what AWS was recorded to answer. */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type {
  DeleteAttributesRequest,
  DeleteAttributesResponse,
  DescribeCapacityProvidersRequest,
  DescribeCapacityProvidersResponse,
  DescribeContainerInstancesRequest,
  DescribeContainerInstancesResponse,
  DescribeServicesRequest,
  DescribeServicesResponse,
  DescribeTaskDefinitionRequest,
  DescribeTaskDefinitionResponse,
  DescribeTasksRequest,
  DescribeTasksResponse,
  GetTaskProtectionRequest,
  GetTaskProtectionResponse,
  ListContainerInstancesRequest,
  ListContainerInstancesResponse,
  ListServicesRequest,
  ListServicesResponse,
  ListTasksRequest,
  ListTasksResponse,
  PutAttributesRequest,
  PutAttributesResponse,
  StopTaskRequest,
  StopTaskResponse,
  UpdateContainerInstancesStateRequest,
  UpdateContainerInstancesStateResponse,
} from '@aws-sdk/client-ecs';
import type { PutEventsRequest, PutEventsResponse } from '@aws-sdk/client-eventbridge';
import type {
  SendMessageBatchRequest,
  SendMessageBatchResult,
  SendMessageRequest,
  SendMessageResult,
} from '@aws-sdk/client-sqs';
import { ConfiguredRetryStrategy } from '@smithy/core/retry';
import { onTestFinished } from 'vitest';
import { SDK_BOUNDS } from '../../src/adapters/aws-call.ts';

/** A value of the SDK as JSON 1.1 carries it: an instant is a number of epoch seconds. */
export type Wire<T> = T extends Date
  ? number
  : T extends readonly (infer E)[]
    ? readonly Wire<E>[]
    : T extends object
      ? { readonly [K in keyof T]: Wire<T[K]> }
      : T;

/** A Query answer is the whole XML document, and its input the form's fields. */
type Query = [input: Readonly<Record<string, string>>, output: string];

/** The actions that the service sends, and the SDK's own types of what goes over the wire. */
interface Actions {
  DescribeCapacityProviders: [DescribeCapacityProvidersRequest, DescribeCapacityProvidersResponse];
  ListServices: [ListServicesRequest, ListServicesResponse];
  DeleteAttributes: [DeleteAttributesRequest, DeleteAttributesResponse];
  DescribeContainerInstances: [DescribeContainerInstancesRequest, DescribeContainerInstancesResponse];
  DescribeServices: [DescribeServicesRequest, DescribeServicesResponse];
  DescribeTaskDefinition: [DescribeTaskDefinitionRequest, DescribeTaskDefinitionResponse];
  DescribeTasks: [DescribeTasksRequest, DescribeTasksResponse];
  GetTaskProtection: [GetTaskProtectionRequest, GetTaskProtectionResponse];
  ListContainerInstances: [ListContainerInstancesRequest, ListContainerInstancesResponse];
  ListTasks: [ListTasksRequest, ListTasksResponse];
  PutAttributes: [PutAttributesRequest, PutAttributesResponse];
  StopTask: [StopTaskRequest, StopTaskResponse];
  UpdateContainerInstancesState: [UpdateContainerInstancesStateRequest, UpdateContainerInstancesStateResponse];
  PutEvents: [PutEventsRequest, PutEventsResponse];
  SendMessage: [SendMessageRequest, SendMessageResult];
  SendMessageBatch: [SendMessageBatchRequest, SendMessageBatchResult];
  CompleteLifecycleAction: Query;
  DescribeAutoScalingGroups: Query;
  DescribeAutoScalingInstances: Query;
  DescribeLifecycleHooks: Query;
  DescribeScalingActivities: Query;
  RecordLifecycleActionHeartbeat: Query;
}

export type Action = keyof Actions;
type Input<A extends Action> = Wire<Actions[A][0]>;
type Reply<A extends Action> = Wire<Actions[A][1]> | Fault;

/** For each action: one answer for every request, answers to be used up in order, or a function of the input. */
export type Script = {
  readonly [A in Action]?: Reply<A> | readonly Reply<A>[] | ((input: Input<A>) => Reply<A>);
};

/** Anything but a 200. */
export class Fault {
  readonly answer: (response: ServerResponse, isQuery: boolean) => void;

  constructor(answer: (response: ServerResponse, isQuery: boolean) => void) {
    this.answer = answer;
  }
}

/** An error as the service's protocol words it. */
export function fault(code: string, message: string, status = 400): Fault {
  return new Fault((response, isQuery) => {
    if (isQuery) send(response, status, 'text/xml', errorDocument(code, message, status));
    else send(response, status, 'application/x-amz-json-1.1', JSON.stringify({ __type: code, message }));
  });
}

/** Facts 17 ecs-throttling and 20 no-active-action: ECS and EventBridge, then Auto Scaling. */
export const throttled = fault('ThrottlingException', 'Rate exceeded');
export const throttledQuery = fault('Throttling', 'Rate exceeded');

/** What IAM answers in front of a service: it spells `Message` its own way in JSON, and Query gets a 403. */
export function accessDenied(permission: string): Fault {
  const message = `User: arn:aws:sts::123456789012:assumed-role/ecs-drain/ecs-drain is not authorized to perform: ${permission} because no identity-based policy allows the ${permission} action`;
  return new Fault((response, isQuery) => {
    if (isQuery) send(response, 403, 'text/xml', errorDocument('AccessDenied', message, 403));
    else
      send(
        response,
        400,
        'application/x-amz-json-1.1',
        JSON.stringify({ __type: 'AccessDeniedException', Message: message }),
      );
  });
}

/** What the load balancer in front of a service answers when no one behind it does. */
export const badGateway = new Fault((response) =>
  send(response, 503, 'text/html', '<html><body><h1>503 Service Temporarily Unavailable</h1></body></html>'),
);

/** The connection breaks before the answer. */
export const reset = new Fault((response) => response.destroy());

/** No answer ever comes. */
export const hang = new Fault(() => {});

/** The answer begins and never ends. */
export const stall = new Fault((response) => {
  response.writeHead(200, { 'content-type': 'application/x-amz-json-1.1', 'content-length': '1000' });
  response.write('{');
});

/** The endpoint of one test. */
export interface AwsEndpoint {
  /** Makes an SDK client talk to the endpoint as the service's own clients talk to AWS, but without waiting to retry. */
  readonly config: typeof SDK_BOUNDS & {
    readonly endpoint: string;
    readonly region: string;
    readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
    readonly retryStrategy: ConfiguredRetryStrategy;
  };
  /** The actions received so far, in order. */
  readonly actions: readonly string[];
  /** The inputs that one action was sent so far, in order. */
  inputsOf<A extends Action>(action: A): Input<A>[];
}

/** Starts an endpoint that ends with the test. What the script does not foresee is answered with an error that says so. */
export async function aws(script: Script): Promise<AwsEndpoint> {
  const received: { action: string; input: unknown }[] = [];
  const answerOf = reader(script);
  const server = createServer(async (request, response) => {
    const { action, input, isQuery } = await read(request);
    received.push({ action, input });
    const reply = answerOf(action, input);
    if (reply instanceof Fault) reply.answer(response, isQuery);
    else if (typeof reply === 'string') send(response, 200, 'text/xml', reply);
    else send(response, 200, 'application/x-amz-json-1.1', JSON.stringify(reply));
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });

  return {
    config: {
      ...SDK_BOUNDS,
      endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      region: 'eu-west-1',
      credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'example' },
      retryStrategy: new ConfiguredRetryStrategy(SDK_BOUNDS.maxAttempts, () => 1),
    },
    get actions() {
      return received.map(({ action }) => action);
    },
    inputsOf<A extends Action>(wanted: A) {
      return received.flatMap(({ action, input }) => (action === wanted ? [input as Input<A>] : []));
    },
  };
}

/** Takes the script's answers, one after the other. */
function reader(script: Script) {
  const given = new Map<string, number>();
  return (action: string, input: unknown): unknown => {
    const scripted: unknown = script[action as Action];
    const index = given.get(action) ?? 0;
    given.set(action, index + 1);
    const reply =
      typeof scripted === 'function' ? scripted(input) : Array.isArray(scripted) ? scripted[index] : scripted;
    return reply ?? fault('Unscripted', `the test has no answer to request ${index + 1} of ${action}`);
  };
}

/** JSON 1.1 names its action in a header, Query in a field of its form. */
async function read(request: IncomingMessage) {
  const body = await text(request);
  const target = request.headers['x-amz-target'];
  if (typeof target === 'string') {
    return { action: target.split('.').at(-1) ?? '', input: JSON.parse(body) as unknown, isQuery: false };
  }
  const { Action: action = '', Version: _, ...input } = Object.fromEntries(new URLSearchParams(body));
  return { action, input, isQuery: true };
}

function send(response: ServerResponse, status: number, contentType: string, body: string) {
  response.writeHead(status, { 'content-type': contentType, 'x-amzn-requestid': REQUEST_ID }).end(body);
}

const REQUEST_ID = '7c6e177f-f082-11e1-ac58-3714bEXAMPLE';

function errorDocument(code: string, message: string, status: number) {
  const type = status < 500 ? 'Sender' : 'Receiver';
  return `<ErrorResponse xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/">
  <Error>
    <Type>${type}</Type>
    <Code>${code}</Code>
    <Message>${message}</Message>
  </Error>
  <RequestId>${REQUEST_ID}</RequestId>
</ErrorResponse>`;
}
