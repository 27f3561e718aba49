import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { unzipSync } from 'fflate';
import { DEFAULT_STAGE } from '../deploy/params.ts';
import { templateOf } from '../deploy/template.ts';
import type { HookSpec } from './region/auto-scaling/model.ts';
import type { Rule, ScheduledRule } from './region/event-bridge/model.ts';
import type { Role, Statement } from './region/iam/api.ts';
import type { MappingSpec } from './region/lambda/event-source-mapping.ts';
import type { FunctionSpec } from './region/lambda/model.ts';
import type { QueueSpec } from './region/sqs/model.ts';

const REPOSITORY = resolve(import.meta.dirname, '..');

export interface Resource {
  readonly Type: string;
  readonly DependsOn?: readonly string[];
  readonly Properties: Readonly<Record<string, unknown>>;
}

/** What `serverless package` leaves for CloudFormation; resources and outputs with their intrinsic functions filled in. */
export interface Package {
  /** The whole template, as it is uploaded. */
  readonly template: unknown;
  readonly resources: Readonly<Record<string, Resource>>;
  readonly outputs: Readonly<Record<string, { readonly Value: string }>>;
  readonly zip: Buffer;
}

export interface PackageOptions {
  /** Further words of the command line. */
  readonly args?: readonly string[];
  /** What the user changed in serverless.yml. */
  readonly edit?: (yaml: string) => string;
}

/** `npm ci` empties it. */
const KEPT = join(REPOSITORY, 'node_modules/.cache/ecs-drain');
/** All that a package is made from, beside serverless.yml and the command line. */
const SOURCES = ['deploy', 'src', 'package.json', 'package-lock.json'];

/**
 * What `serverless package` makes of this repository. It takes seconds, so what was made is kept by what it was made from:
 * the same sources, settings and words are packaged once.
 * @throws what the command printed, if it fails.
 */
export async function packaged({ args = [], edit = (yaml) => yaml }: PackageOptions): Promise<Package> {
  const yaml = edit(await readFile(join(REPOSITORY, 'serverless.yml'), 'utf8'));
  const path = join(KEPT, `${await digestOf([process.version, ...args, yaml])}.json`);
  const kept = await readFile(path, 'utf8').catch(() => undefined);
  if (kept === undefined) {
    const made = await madeOf(yaml, args);
    await mkdir(KEPT, { recursive: true });
    const unfinished = `${path}.${process.pid}`; // Others may read, or make the same.
    await writeFile(unfinished, JSON.stringify(made));
    await rename(unfinished, path);
    return packageOf(made);
  }
  return packageOf(JSON.parse(kept));
}

/** The zip of the function beside the published commands. In the repository there is none here. */
const SHIPPED_ZIP = join(import.meta.dirname, 'ecs-drain.zip');

/** The package for these params: that of the published commands, or what `serverless package` makes of the repository. */
export async function packageFor(params: Readonly<Record<string, string | number>>): Promise<Package> {
  const zip = await readFile(SHIPPED_ZIP, 'base64').catch(() => undefined);
  if (zip !== undefined) return packageOf({ template: templateOf(params, DEFAULT_STAGE), zip });
  return packaged({ args: Object.entries(params).map(([name, value]) => `--param=${name}=${value}`) });
}

/** What is kept of a package: its template and the zip in base 64. */
interface Made {
  readonly template: { readonly Resources: Package['resources']; readonly Outputs?: unknown };
  readonly zip: string;
}

function packageOf({ template, zip }: Made): Package {
  const { Resources: resources, Outputs: outputs } = filledIn(template, template.Resources) as {
    Resources: Package['resources'];
    Outputs: Package['outputs'];
  };
  return { template, resources, outputs, zip: Buffer.from(zip, 'base64') };
}

async function digestOf(words: readonly string[]): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(words));
  for (const source of SOURCES) {
    for (const file of await filesIn(join(REPOSITORY, source))) hash.update(file).update(await readFile(file));
  }
  return hash.digest('hex');
}

async function filesIn(path: string): Promise<string[]> {
  if (!(await stat(path)).isDirectory()) return [path];
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries.flatMap((entry) => (entry.isFile() ? join(entry.parentPath, entry.name) : [])).sort();
}

/**
 * Runs the command in a folder of its own: two at once would share their work folders. The environment has nothing of AWS
 * in it but the Region.
 */
async function madeOf(yaml: string, args: readonly string[]): Promise<Made> {
  const folder = await mkdtemp(join(tmpdir(), 'ecs-drain-package-'));
  try {
    for (const name of ['deploy', 'src', 'node_modules', 'package.json']) {
      await symlink(join(REPOSITORY, name), join(folder, name));
    }
    await writeFile(join(folder, 'serverless.yml'), yaml);

    const serverless = join(folder, 'node_modules/serverless/bin/serverless.js');
    // Half of its time goes into what it would find again at home: its compiled schema, and what Node has compiled.
    const home = join(KEPT, 'home');
    const env = {
      PATH: process.env['PATH'],
      HOME: home,
      TMPDIR: folder,
      NODE_COMPILE_CACHE: join(home, 'compiled'),
      AWS_REGION: REGION,
    };
    await promisify(execFile)(process.execPath, [serverless, 'package', ...args], { cwd: folder, env }).catch(
      ({ stdout, stderr }) => {
        throw new Error(`${stdout}${stderr}`);
      },
    );

    const output = join(folder, '.serverless');
    const template = JSON.parse(await readFile(join(output, 'cloudformation-template-update-stack.json'), 'utf8'));
    return { template, zip: await readFile(join(output, 'ecs-drain.zip'), 'base64') };
  } finally {
    await rm(folder, { recursive: true });
  }
}

const ACCOUNT = '123456789012';
const REGION = 'eu-west-1';

const PSEUDO_PARAMETERS: Readonly<Record<string, string>> = {
  'AWS::AccountId': ACCOUNT,
  'AWS::Partition': 'aws',
  'AWS::Region': REGION,
};

/**
 * The template as CloudFormation reads it. Another resource stands as its logical id, or as its name if it is one that has
 * `Name`, and a queue as its URL; its ARN as `<logical id>.Arn`, which `deploymentIn` resolves.
 */
function filledIn(value: unknown, resources: Package['resources']): unknown {
  const inner = (each: unknown): unknown => filledIn(each, resources);
  if (Array.isArray(value)) return value.map(inner);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value);
  const [[name, operand] = ['', undefined]] = entries;
  switch (name) {
    case 'Ref':
      return PSEUDO_PARAMETERS[operand] ?? referenceTo(operand, resources[operand]);
    case 'Fn::Sub':
      // `${!x}` is the text `${x}`.
      return operand.replace(
        /\$\{!([^}]+)\}|\$\{([\w:]+)(?:\.(\w+))?\}/g,
        (_: string, literal: string | undefined, name: string, attribute: string | undefined) => {
          if (literal !== undefined) return `\${${literal}}`;
          return inner(attribute === undefined ? { Ref: name } : { 'Fn::GetAtt': [name, attribute] });
        },
      );
    case 'Fn::GetAtt':
      return attributeOf(operand, resources);
    case 'Fn::Join':
      return operand[1].map(inner).join(operand[0]);
    default:
      return Object.fromEntries(entries.map(([key, each]) => [key, inner(each)]));
  }
}

/** What `Ref` of a resource returns (CloudFormation template reference). */
function referenceTo(id: string, resource: Resource | undefined): unknown {
  if (resource?.Type !== 'AWS::SQS::Queue') return resource?.Properties['Name'] ?? id;
  return `https://sqs.${REGION}.amazonaws.com/${ACCOUNT}/${nameOf(id, resource.Properties)}`;
}

/**
 * What `Fn::GetAtt` of a resource returns (CloudFormation template reference).
 * @throws Error for an attribute that is not known here: its name would stand for its value.
 */
function attributeOf([id, attribute]: readonly [string, string], resources: Package['resources']): string {
  if (attribute === 'Arn') return `${id}.Arn`;
  const resource = resources[id];
  if (resource?.Type === 'AWS::SQS::Queue' && attribute === 'QueueName') return nameOf(id, resource.Properties);
  throw new Error(`The template asks for ${attribute} of ${id}, which is not known here.`);
}

/** A queue of a package. */
export interface DeployedQueue extends Omit<QueueSpec, 'deadLetterQueue'> {
  readonly arn: string;
  /** The queue for what was received too often. */
  readonly deadLetterArn?: string;
}

/** What of a package the local Region plays. */
export interface Deployment {
  readonly lambda: Omit<FunctionSpec, 'load'>;
  readonly environment: Readonly<Record<string, string>>;
  /** Their addresses name what they invoke or send to. */
  readonly rules: readonly Omit<Rule, 'target' | 'deadLetterQueue'>[];
  readonly scheduledRules: readonly Omit<ScheduledRule, 'target' | 'deadLetterQueue'>[];
  readonly queues: readonly DeployedQueue[];
  /** Which queues Lambda reads for the function, and how. */
  readonly mappings: readonly { readonly queueArn: string; readonly spec: MappingSpec }[];
  readonly hooks: readonly HookSpec[];
  /** The names of EventBridge Scheduler's groups. */
  readonly scheduleGroups: readonly string[];
  /** By their names; the function's own among them. */
  readonly roles: ReadonlyMap<string, Role>;
  /** The name of the function's role. */
  readonly role: string;
}

/** The function, the queues, rules, hooks and schedule groups of a package. */
export function deploymentIn(made: Pick<Package, 'resources'>): Deployment {
  const resources = withArns(made.resources);
  // biome-ignore lint/suspicious/noExplicitAny: each type of resource has its own properties.
  const ofType = (type: string): any[] =>
    Object.values(resources).flatMap((resource) => (resource.Type === type ? [resource.Properties] : []));
  const rules = ofType('AWS::Events::Rule');
  const ruleOf = ({
    Name: name,
    Targets: [{ Id, Arn, RetryPolicy: retries, DeadLetterConfig }],
  }: (typeof rules)[number]) => ({
    name,
    address: { id: Id, arn: Arn, ...(DeadLetterConfig && { deadLetterArn: DeadLetterConfig.Arn }) },
    ...(retries && {
      retryPolicy: {
        maximumEventAgeSeconds: retries.MaximumEventAgeInSeconds,
        maximumRetryAttempts: retries.MaximumRetryAttempts,
      },
    }),
  });
  const [lambda] = ofType('AWS::Lambda::Function');
  const { RecursiveLoop: recursiveLoop, Role: roleArn } = lambda;
  return {
    lambda: {
      name: lambda.FunctionName,
      timeoutSeconds: lambda.Timeout,
      memoryMb: lambda.MemorySize,
      runtime: lambda.Runtime,
      handler: lambda.Handler,
      ...(recursiveLoop !== undefined && { recursiveLoop }),
    },
    environment: lambda.Environment.Variables,
    rules: rules.flatMap(({ EventPattern: pattern, ...rule }) => (pattern ? { pattern, ...ruleOf(rule) } : [])),
    scheduledRules: rules.flatMap(({ ScheduleExpression: rate, ...rule }) =>
      rate ? { everySeconds: secondsIn(rate), ...ruleOf(rule) } : [],
    ),
    queues: Object.entries(resources).flatMap(([id, { Type, Properties }]) =>
      Type === 'AWS::SQS::Queue' ? [queueIn(nameOf(id, Properties), Properties)] : [],
    ),
    mappings: ofType('AWS::Lambda::EventSourceMapping').map(mappingIn),
    hooks: ofType('AWS::AutoScaling::LifecycleHook').map((hook) => ({
      name: hook.LifecycleHookName,
      group: hook.AutoScalingGroupName,
      heartbeatTimeoutSeconds: hook.HeartbeatTimeout,
      defaultResult: hook.DefaultResult,
    })),
    scheduleGroups: ofType('AWS::Scheduler::ScheduleGroup').map(({ Name }) => Name),
    roles: new Map(
      Object.entries(resources).flatMap(([id, { Type, Properties }]) =>
        Type === 'AWS::IAM::Role' ? [[nameOf(id, Properties), roleIn(id, Properties, ofType('AWS::IAM::Policy'))]] : [],
      ),
    ),
    role:
      String(roleArn ?? '')
        .split('/')
        .at(-1) ?? '',
  };
}

/** Left out, SQS hides a message for 30 s, and never gives one up. */
// biome-ignore lint/suspicious/noExplicitAny: each type of resource has its own properties.
function queueIn(name: string, { VisibilityTimeout = 30, RedrivePolicy: redrive }: any): DeployedQueue {
  return {
    name,
    arn: arnOfQueue(name),
    visibilityTimeoutSeconds: VisibilityTimeout,
    maxReceiveCount: redrive?.maxReceiveCount ?? Number.POSITIVE_INFINITY,
    ...(redrive && { deadLetterArn: redrive.deadLetterTargetArn }),
  };
}

/** Left out, Lambda reads up to ten messages of a queue at a time, and waits for none (CloudFormation template reference). */
// biome-ignore lint/suspicious/noExplicitAny: each type of resource has its own properties.
function mappingIn({ EventSourceArn: queueArn, ...properties }: any): Deployment['mappings'][number] {
  const maximumConcurrency = properties.ScalingConfig?.MaximumConcurrency;
  return {
    queueArn,
    spec: {
      batchSize: properties.BatchSize ?? 10,
      windowSeconds: properties.MaximumBatchingWindowInSeconds ?? 0,
      ...(maximumConcurrency !== undefined && { maximumConcurrency }),
      reportsItemFailures: (properties.FunctionResponseTypes ?? []).includes('ReportBatchItemFailures'),
    },
  };
}

/** What the role says itself, and what policies say that others hang on it. */
function roleIn(id: string, properties: Resource['Properties'], policies: readonly Resource['Properties'][]): Role {
  const own = (properties['Policies'] ?? []) as Resource['Properties'][];
  const others = policies.filter(({ Roles }) => (Roles as string[]).includes(id));
  return {
    statements: [...own, ...others].flatMap(({ PolicyDocument }) => statementsIn(PolicyDocument)),
    trust: statementsIn(properties['AssumeRolePolicyDocument']),
  };
}

function statementsIn(document: unknown): readonly Statement[] {
  return (document as { readonly Statement: readonly Statement[] } | undefined)?.Statement ?? [];
}

/** What CloudFormation would make of the name, where the template has none. */
function nameOf(id: string, { RoleName, QueueName, FunctionName, Name }: Resource['Properties']): string {
  return String(RoleName ?? QueueName ?? FunctionName ?? Name ?? id);
}

/** How the ARN of each type of resource goes on after the account. */
const ARN_OF_TYPE: Readonly<Record<string, (name: string) => string>> = {
  'AWS::IAM::Role': (name) => `arn:aws:iam::${ACCOUNT}:role/${name}`,
  'AWS::SQS::Queue': arnOfQueue,
  'AWS::Lambda::Function': (name) => `arn:aws:lambda:${REGION}:${ACCOUNT}:function:${name}`,
  'AWS::Scheduler::ScheduleGroup': (name) => `arn:aws:scheduler:${REGION}:${ACCOUNT}:schedule-group/${name}`,
};

function arnOfQueue(name: string): string {
  return `arn:aws:sqs:${REGION}:${ACCOUNT}:${name}`;
}

/** The resources with the ARNs that they name each other by, in place of `<logical id>.Arn`. */
function withArns(resources: Package['resources']): Package['resources'] {
  const arns = new Map<string, string>(
    Object.entries(resources).flatMap(([id, { Type, Properties }]) => {
      const arn = ARN_OF_TYPE[Type]?.(nameOf(id, Properties));
      return arn === undefined ? [] : [[`${id}.Arn`, arn] as const];
    }),
  );
  return withStrings(resources, (text) => arns.get(text) ?? text) as Package['resources'];
}

function withStrings(value: unknown, replace: (text: string) => string): unknown {
  if (typeof value === 'string') return replace(value);
  if (Array.isArray(value)) return value.map((each) => withStrings(each, replace));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, withStrings(each, replace)]));
}

/** The interval of a rule's `rate(5 minutes)`. */
function secondsIn(rate: string): number {
  const minutes = Number(/^rate\((\d+) minutes?\)$/.exec(rate)?.[1]);
  if (!minutes) throw new Error(`The local Region knows no schedule expression ${rate}: only rate(… minutes).`);
  return minutes * 60;
}

/** Unpacks the zip that would be uploaded into a folder; returns the path of the function's module. */
export async function unpack({ zip }: Package, folder: string): Promise<string> {
  const files = Object.entries(unzipSync(zip));
  for (const [path, content] of files) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  return join(folder, 'src/handlers/lambda.mjs');
}
