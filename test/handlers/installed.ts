import type { Context } from 'aws-lambda';
import { roleFor } from '../../sandbox/region/iam/api.ts';
import type { FunctionSpec, LambdaModel } from '../../sandbox/region/lambda/model.ts';
import type { Region } from '../../sandbox/region/region.ts';
import type { QueueModel } from '../../sandbox/region/sqs/model.ts';
import { createDrainHandler, type Seams } from '../../src/handlers/drain-handler.ts';
import { DEAD_LETTER_QUEUE, EVENT_QUEUE, EVENT_SOURCE, SCHEDULE_GROUP } from './environment.ts';

/** The function with its queues and its rules, as serverless.yml puts them into a Region. */
export interface Installed {
  readonly lambda: LambdaModel;
  readonly queue: QueueModel;
  readonly deadLetters: QueueModel;
  /** What became of drains, round after round. */
  readonly results: { readonly instanceId: string; readonly kind: string }[];
  /** Deploys the function again, with other settings. */
  update(environment: Readonly<Record<string, string>>, more?: Partial<FunctionSpec>): void;
}

export interface InstallOptions {
  readonly environment: Readonly<Record<string, string>>;
  readonly sdk?: Seams['sdk'];
  readonly timeoutSeconds?: number;
  /** Hears each event that a rule matches, and says whether it is brought; all are unless set. */
  readonly brings?: (event: unknown) => boolean;
}

type Rule = Pick<Parameters<Region['eventBridge']['putRule']>[0], 'name' | 'pattern'>;

const zeroOrNone = [0, { exists: false }];

export const RULES: readonly Rule[] = [
  {
    name: 'termination',
    pattern: { source: ['aws.autoscaling'], 'detail-type': ['EC2 Instance-terminate Lifecycle Action'] },
  },
  { name: 'continuation', pattern: { source: [EVENT_SOURCE], 'detail-type': ['ECS Drain Continuation'] } },
  {
    name: 'task-stopped',
    pattern: {
      source: ['aws.ecs'],
      'detail-type': ['ECS Task State Change'],
      detail: { lastStatus: ['STOPPED'], containerInstanceArn: [{ exists: true }] },
    },
  },
  {
    name: 'instance-emptied',
    pattern: {
      source: ['aws.ecs'],
      'detail-type': ['ECS Container Instance State Change'],
      detail: { status: ['DRAINING'], runningTasksCount: zeroOrNone, pendingTasksCount: zeroOrNone },
    },
  },
];

export function installIn(
  region: Region,
  { environment, sdk, timeoutSeconds = 60, brings = () => true }: InstallOptions,
): Installed {
  const results: { instanceId: string; kind: string }[] = [];
  const deadLetters = region.createQueue({
    name: DEAD_LETTER_QUEUE,
    visibilityTimeoutSeconds: 30,
    maxReceiveCount: Number.POSITIVE_INFINITY,
  });
  const queue = region.createQueue({
    name: EVENT_QUEUE,
    visibilityTimeoutSeconds: 60,
    maxReceiveCount: 1_000,
    deadLetterQueue: deadLetters,
  });
  const specOf = (settings: Readonly<Record<string, string>>, more: Partial<FunctionSpec> = {}): FunctionSpec => ({
    name: 'ecs-drain',
    timeoutSeconds,
    recursiveLoop: 'Allow',
    load: (clock) => {
      const onResult: Seams['onResult'] = (instanceId, kind) => results.push({ instanceId, kind });
      const handler = createDrainHandler(settings, { clock, onResult, ...(sdk && { sdk }) });
      return (event: unknown, context: Context) => handler(event, context);
    },
    ...more,
  });
  const lambda = region.deploy(specOf(environment));
  region.mapQueue(queue, lambda, {
    batchSize: 500,
    windowSeconds: 1,
    maximumConcurrency: 5,
    reportsItemFailures: true,
  });
  for (const rule of RULES) {
    const target = (event: unknown) => {
      if (brings(event)) queue.send(JSON.stringify(event));
    };
    region.eventBridge.putRule({ ...rule, target });
  }
  region.scheduler.operations.CreateScheduleGroup({ Name: SCHEDULE_GROUP });
  region.roles.set('parking', roleFor('scheduler.amazonaws.com', [{ Effect: 'Allow', Action: '*', Resource: '*' }]));
  return { lambda, queue, deadLetters, results, update: (...changes) => lambda.update(specOf(...changes)) };
}

/** The messages of the dead-letter queue, which stay there. */
export function deadLettersIn({ deadLetters }: Installed) {
  const messages = deadLetters.receive(100, 0);
  return messages.map(({ body, attributes }) => ({
    body,
    code: attributes['ERROR_CODE']?.StringValue,
    sentence: attributes['ERROR_MESSAGE']?.StringValue,
  }));
}
