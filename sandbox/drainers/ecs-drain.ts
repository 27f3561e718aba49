import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { Context } from 'aws-lambda';
import { CONTINUATION_VERSION, encode } from '../../src/adapters/continuation.ts';
import type { Drain } from '../../src/domain/drain.ts';
import { type DeployedQueue, type Deployment, deploymentIn, type Package, packageFor, unpack } from '../packaging.ts';
import type { Rule } from '../region/event-bridge/model.ts';
import type { FunctionSpec, LambdaModel } from '../region/lambda/model.ts';
import type { Region } from '../region/region.ts';
import type { QueueModel } from '../region/sqs/model.ts';
import { currentFiber, type Fiber } from '../region/time/virtual-time.ts';
import { textOf } from '../region/wire/message.ts';
import { type Transport, UNSIGNED } from '../region/wire/transport.ts';
import type { Params } from '../scenarios.ts';
import type { Install } from './drainer.ts';

type Bundle = typeof import('../../src/handlers/lambda.ts');

/** The resources of a deployment with these params, and its code. */
export type Build = (
  params: Params,
) => Promise<{ readonly deployment: Deployment; readonly createDrainHandler: Bundle['createDrainHandler'] }>;

/** This service, as `serverless deploy` would install it: the packaged bundle, by the template's own rules and settings. */
export const fromPackage: Build = async (params) => {
  const uploaded = await packagedOnce(params);
  const deployment = deploymentIn(uploaded);
  const { createDrainHandler } = await bundleIn(uploaded, deployment.environment);
  return { deployment, createDrainHandler };
};

export const ecsDrain = installedFrom(fromPackage);

/** One group, as the setting autoScalingGroups has it: its name is no pattern, and no list. */
export function groupsSetting(name: string): string {
  return name.replace(/[\\*@,]/g, '\\$&');
}

/** Installs what was built in a Region; a later release replaces the code and its settings, and leaves the rest alone. */
export function installedFrom(build: Build): Install {
  return async (region, { group, params, releases = [] }) => {
    const results = new WeakMap<Fiber, Map<string, string>>();
    const onResult = (instanceId: string, kind: string) => {
      const fiber = currentFiber.getStore();
      if (fiber) results.set(fiber, (results.get(fiber) ?? new Map()).set(instanceId, kind));
    };
    const specOf = async (more: Params, continuationVersion = CONTINUATION_VERSION) => {
      const { deployment, createDrainHandler } = await build({
        cluster: group.cluster,
        autoScalingGroups: groupsSetting(group.name),
        ...more,
      });
      const { environment } = deployment;
      const requestHandler = writingVersion(continuationVersion, region.transport);
      // SQS answers with a checksum of what is written, which is not what the SDK has sent.
      const unchecked = continuationVersion !== CONTINUATION_VERSION && { md5: false };
      const sdk = { requestHandler, signer: UNSIGNED, ...unchecked };
      const spec: FunctionSpec = {
        ...deployment.lambda,
        environment,
        roleArn: `arn:aws:iam::123456789012:role/${deployment.role}`,
        load: (clock) => {
          const handler = createDrainHandler(environment, { clock, sdk, onResult });
          return (event: unknown, context: Context) => handler(readingVersion(continuationVersion, event), context);
        },
      };
      return { deployment, spec };
    };
    const { deployment, spec } = await specOf(params);
    for (const [name, role] of deployment.roles) region.roles.set(name, role);
    const lambda = region.deploy(spec);
    const upgrades: Deployment[] = [];
    for (const release of releases) {
      const upgrade = await specOf({ ...params, ...release.params }, release.continuationVersion);
      upgrades.push(upgrade.deployment);
      region.time.after(release.atSecond, () => lambda.update(upgrade.spec));
    }
    const queues = queuesOf(region, withPatientQueues(deployment, upgrades));
    putEverythingElse(region, deployment, lambda, queues);
    const resultsOf = (fiber: Fiber): ReadonlyMap<string, string> => results.get(fiber) ?? new Map();
    return {
      lambda,
      resultsOf,
      deadLetters: () =>
        new Set(deployment.queues.flatMap(({ deadLetterArn }) => deadLetterArn ?? []))
          .values()
          .reduce((sum, arn) => sum + (queues.get(arn)?.counts.visible ?? 0), 0),
      // A sweep finds drains that its event does not name, and most events are about instances that are not drained.
      instancesOf: ({ event, fiber }) => {
        const worked = resultsOf(fiber);
        return [...(worked.size > 0 ? worked.keys() : new Set(instancesIn(event, region)))];
      },
    };
  };
}

/** A queue here keeps its settings, so each hides a message from the start for as long as any later release needs. */
function withPatientQueues(first: Deployment, upgrades: readonly Deployment[]): Deployment {
  const longest = (arn: string) =>
    [first, ...upgrades]
      .flatMap(({ queues }) => queues.filter((queue) => queue.arn === arn))
      .reduce((most, { visibilityTimeoutSeconds }) => Math.max(most, visibilityTimeoutSeconds), 0);
  const queues = first.queues.map((queue) => ({ ...queue, visibilityTimeoutSeconds: longest(queue.arn) }));
  return { ...first, queues };
}

function putEverythingElse(
  region: Region,
  deployment: Deployment,
  lambda: LambdaModel,
  queues: ReadonlyMap<string, QueueModel>,
): void {
  for (const { queueArn, spec } of deployment.mappings) {
    const queue = queues.get(queueArn);
    if (!queue) throw new Error(`The package has no queue ${queueArn}, which its event source mapping reads.`);
    region.mapQueue(queue, lambda, spec);
  }
  /** A queue, or the function itself. */
  const targetOf = ({ address }: Pick<Rule, 'address'>) => {
    const queue = queues.get(address?.arn ?? '');
    const deadLetters = queues.get(address?.deadLetterArn ?? '');
    return {
      target: (event: unknown) => {
        if (queue) queue.send(JSON.stringify(event));
        else lambda.invokeAsync(event);
      },
      ...(deadLetters && {
        deadLetterQueue: (event: unknown, attributes: Readonly<Record<string, string>>) =>
          void deadLetters.send(JSON.stringify(event), 0, attributes),
      }),
    };
  };
  for (const rule of deployment.rules) region.eventBridge.putRule({ ...rule, ...targetOf(rule) });
  for (const rule of deployment.scheduledRules) region.eventBridge.putScheduledRule({ ...rule, ...targetOf(rule) });
  for (const Name of deployment.scheduleGroups) region.scheduler.operations.CreateScheduleGroup({ Name });
  for (const hook of deployment.hooks) region.autoScaling.putLifecycleHook(hook);
}

/** Creates the queues, those that take what others give up before the others. */
function queuesOf(region: Region, { queues: specs }: Deployment): ReadonlyMap<string, QueueModel> {
  const queues = new Map<string, QueueModel>();
  const givesUp = ({ deadLetterArn }: DeployedQueue) => Number(deadLetterArn !== undefined);
  for (const { arn, deadLetterArn = '', ...spec } of specs.toSorted((a, b) => givesUp(a) - givesUp(b))) {
    const deadLetterQueue = queues.get(deadLetterArn);
    const queue = region.createQueue({ ...spec, ...(deadLetterQueue && { deadLetterQueue }) });
    queues.set(arn, queue);
  }
  return queues;
}

/** A field of a drain that a later version may have, and that no one here knows. */
const NOVELTY = { novelty: true };

/** How the continuations of a version begin, as text in the JSON of a request or of an event: its quotes are escaped. */
function headOf(version: number): string {
  const novelty = version > CONTINUATION_VERSION ? JSON.stringify(NOVELTY).slice(1, -1).concat(',') : '';
  return JSON.stringify(`{"version":${version},"drain":{${novelty}`).slice(1, -1);
}

/** The wire of a function that writes its continuations as another version does, in messages, schedules and events. */
function writingVersion(version: number, transport: Transport): Transport {
  if (version === CONTINUATION_VERSION) return transport;
  if (version < CONTINUATION_VERSION) {
    return {
      handle: (request, options) =>
        transport.handle(Object.assign(request, { body: earlier(textOf(request.body)) }), options),
    };
  }
  return {
    handle: async (request, options) => {
      const body = renamed(textOf(request.body), CONTINUATION_VERSION, version);
      const { response } = await transport.handle(Object.assign(request, { body }), options);
      const answer = Buffer.concat(await response.body.toArray()).toString();
      response.body = Readable.from([Buffer.from(renamed(answer, version, CONTINUATION_VERSION))]);
      return { response };
    },
  };
}

/** What a function receives that writes this version: it can read what it wrote, which this repository's cannot. */
function readingVersion(version: number, event: unknown): unknown {
  if (version <= CONTINUATION_VERSION) return event;
  return JSON.parse(renamed(JSON.stringify(event), version, CONTINUATION_VERSION));
}

function renamed(text: string, from: number, to: number): string {
  return text.replaceAll(headOf(from), headOf(to));
}

/** The JSON of a request with the continuations of the version before. */
function earlier(body: string): string {
  if (!body.includes(headOf(CONTINUATION_VERSION))) return body;
  const isOurs = (text: string) => JSON.stringify(text).slice(1, -1).startsWith(headOf(CONTINUATION_VERSION));
  return JSON.stringify(
    JSON.parse(body, (_, value) => (typeof value === 'string' && isOurs(value) ? version4(JSON.parse(value)) : value)),
  );
}

/** Version 4 named the schedules of parked drains otherwise: the continuations of those stay as they are. */
function version4({ drain }: { readonly drain: Drain }): string {
  if (drain.parked) return encode(drain);
  const { kind: _, known: __, emptiedAtMs: ___, ...state } = drain;
  if (!('notice' in state)) return JSON.stringify({ version: 4, drain: state });
  const { notice, ...others } = state;
  const action = { ...notice, notice: notice.kind, kind: undefined };
  return JSON.stringify({
    version: 4,
    drain: { ...others, action, lastHeartbeatAtMs: drain.startedAtMs, heartbeats: 0 },
  });
}

/** What a drain is about. */
interface Subject {
  readonly instanceId: string;
}

/** What an event, or a continuation that came straight to the queue, may say about its instance. */
interface Told {
  readonly drain?: { readonly action?: Subject; readonly notice?: Subject };
  /** Of a lifecycle action. */
  readonly EC2InstanceId?: string;
  /** Of a notice of EC2. */
  readonly 'instance-id'?: string;
  /** Of a container instance. */
  readonly ec2InstanceId?: string;
  /** Of a task. */
  readonly containerInstanceArn?: string;
}

/** The EC2 instances that a batch of messages, or an event by itself, is about. */
function instancesIn(event: unknown, region: Region): string[] {
  const { Records } = event as { readonly Records?: readonly { readonly body: string }[] };
  const messages: unknown[] = Records?.map(({ body }) => JSON.parse(body)) ?? [event];
  return messages.flatMap((message) => instanceIn(message, region) ?? []);
}

function instanceIn(message: unknown, { ecs }: Region): string | undefined {
  const { detail: told = message as Told } = message as { readonly detail?: Told };
  const registration = told.containerInstanceArn?.split('/').at(-1) ?? '';
  const registered = () => ecs.clusters.values().find(({ instances }) => instances.has(registration));
  return (
    told.drain?.action?.instanceId ??
    told.drain?.notice?.instanceId ??
    told.EC2InstanceId ??
    told['instance-id'] ??
    told.ec2InstanceId ??
    registered()?.instances.get(registration)?.ec2InstanceId
  );
}

const packages = new Map<string, Promise<Package>>();

export function packagedOnce(params: Params): Promise<Package> {
  const key = JSON.stringify(params);
  const made = packages.get(key) ?? packageFor(params);
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
