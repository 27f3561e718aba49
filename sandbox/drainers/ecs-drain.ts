import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Context } from 'aws-lambda';
import { CONTINUATION_VERSION } from '../../src/adapters/event-bridge.ts';
import { type Deployment, deploymentIn, type Package, packaged, unpack } from '../packaging.ts';
import type { FunctionSpec, LambdaModel } from '../region/lambda/model.ts';
import type { Region } from '../region/region.ts';
import { textOf } from '../region/wire/message.ts';
import { type Transport, UNSIGNED } from '../region/wire/transport.ts';
import { CLUSTER, GROUP, type Params } from '../scenarios.ts';
import type { Install } from './drainer.ts';

type Bundle = typeof import('../../src/handlers/lambda.ts');

/** What a deployment with these params comes to, and the code of it. */
export type Build = (
  params: Params,
) => Promise<{ readonly deployment: Deployment; readonly createDrainHandler: Bundle['createDrainHandler'] }>;

/** This service, as `serverless deploy` would install it: the packaged bundle, by the template's own rules and settings. */
export const ecsDrain = installedFrom(async (params) => {
  const uploaded = await packagedOnce(params);
  const deployment = deploymentIn(uploaded);
  const { createDrainHandler } = await bundleIn(uploaded, deployment.environment);
  return { deployment, createDrainHandler };
});

/** Installs what was built in a Region; a later release replaces the code and its settings, and leaves the rest alone. */
export function installedFrom(build: Build): Install {
  return async (region, { params, releases = [] }) => {
    const deadLetters = region.createQueue({
      name: DEAD_LETTER_QUEUE,
      visibilityTimeoutSeconds: 30,
      maxReceiveCount: Infinity,
    });
    const specOf = async (more: Params, continuationVersion = CONTINUATION_VERSION) => {
      const { deployment, createDrainHandler } = await build({ cluster: CLUSTER, autoScalingGroups: GROUP, ...more });
      const { environment } = deployment;
      const sdk = { requestHandler: writingVersion(continuationVersion, region.transport), signer: UNSIGNED };
      const spec: FunctionSpec = {
        ...deployment.lambda,
        environment,
        roleArn: `arn:aws:iam::123456789012:role/${deployment.role}`,
        onFailure: {
          arn: environment['DEAD_LETTER_QUEUE_ARN'] ?? '',
          send: (record) => deadLetters.send(JSON.stringify(record)),
        },
        load: (clock) => {
          const handler = createDrainHandler(environment, { clock, sdk });
          return (event: unknown, context: Context) => handler(event, context);
        },
      };
      return { deployment, spec };
    };
    const { deployment, spec } = await specOf(params);
    for (const [name, role] of deployment.roles) region.roles.set(name, role);
    const lambda = region.deploy(spec);
    for (const release of releases) {
      const { spec } = await specOf({ ...params, ...release.params }, release.continuationVersion);
      region.time.after(release.atSecond, () => lambda.update(spec));
    }
    putEverythingElse(region, deployment, lambda, deadLetters);
    measureByTheMinute(region, () => lambda.deadLetters.length + region.eventBridge.deadLetters.length);
    return { lambda, instanceOf: (event) => instanceOf(event, region) };
  };
}

function putEverythingElse(
  region: Region,
  deployment: Deployment,
  lambda: LambdaModel,
  deadLetters: ReturnType<Region['createQueue']>,
): void {
  for (const { deadLettered, ...rule } of deployment.rules) {
    region.eventBridge.putRule({
      ...rule,
      target: (event) => lambda.invokeAsync(event),
      ...(deadLettered && {
        deadLetterQueue: (event, attributes) => deadLetters.send(JSON.stringify(event), 0, attributes),
      }),
    });
  }
  for (const rule of deployment.scheduledRules) {
    region.eventBridge.putScheduledRule({ ...rule, target: (event) => lambda.invokeAsync(event) });
  }
  for (const Name of deployment.scheduleGroups) region.scheduler.operations.CreateScheduleGroup({ Name });
  for (const hook of deployment.hooks) region.autoScaling.putLifecycleHook(hook);
}

/** Lets a function write the continuations of another version; one of the future has a field that nobody here knows. */
function writingVersion(version: number, transport: Transport): Transport {
  if (version === CONTINUATION_VERSION) return transport;
  // Inside the JSON of a request the detail is text, whose quotes are escaped.
  const head = (version: number, novelty = '') => String.raw`{\"version\":${version},\"drain\":{${novelty}`;
  const theirs = head(version, version > CONTINUATION_VERSION ? String.raw`\"novelty\":true,` : '');
  return {
    handle: (request, options) => {
      const body = textOf(request.body).replace(head(CONTINUATION_VERSION), theirs);
      return transport.handle(Object.assign(request, { body }), options);
    },
  };
}

/** The logical id: CloudFormation names the queue. */
const DEAD_LETTER_QUEUE = 'DeadLetterQueue';

/** What SQS tells of the dead-letter queue, which here is where each service keeps what it gave up. */
function measureByTheMinute({ time, measure }: Region, deadLetters: () => number): void {
  const name = 'ApproximateNumberOfMessagesVisible';
  const dimensions = { QueueName: 'DeadLetterQueue.QueueName' }; // as packaging.ts fills it in
  const sample = () => {
    measure({ namespace: 'AWS/SQS', name, dimensions, unit: 'Count', value: deadLetters(), atMs: time.nowMs() });
    time.toBackground(time.after(60, sample));
  };
  // Half a minute after ECS, which reports at the full ones: a drill may end with either.
  time.toBackground(time.after(30, sample));
}

/** From the detail of a lifecycle event, of a continuation, or of a task's change of state. */
function instanceOf(event: unknown, { ecs }: Region): string | undefined {
  const { detail } = event as {
    detail?: {
      EC2InstanceId?: string;
      drain?: { action: { instanceId: string } };
      containerInstanceArn?: string;
    };
  };
  const registration = detail?.containerInstanceArn?.split('/').at(-1) ?? '';
  const registered = () => [...ecs.clusters.values()].find(({ instances }) => instances.has(registration));
  return (
    detail?.EC2InstanceId ??
    detail?.drain?.action.instanceId ??
    registered()?.instances.get(registration)?.ec2InstanceId
  );
}

const packages = new Map<string, Promise<Package>>();

export function packagedOnce(params: Params): Promise<Package> {
  const args = Object.entries(params).map(([name, value]) => `--param=${name}=${value}`);
  const key = args.join(' ');
  const made = packages.get(key) ?? packaged({ args });
  packages.set(key, made);
  return made;
}

/** Loads the zip's own module, with the environment that Lambda would give it. */
async function bundleIn(uploaded: Package, environment: Readonly<Record<string, string>>): Promise<Bundle> {
  Object.assign(process.env, environment);
  const folder = await mkdtemp(join(tmpdir(), 'ecs-drain-drill-'));
  try {
    return await import(await unpack(uploaded, folder));
  } finally {
    await rm(folder, { recursive: true });
  }
}
