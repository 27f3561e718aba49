import { Token } from 'aws-cdk-lib';
import { sentenceOnUnknown, TAG } from '../deploy/params.ts';
import { shown } from '../src/adapters/schemas.ts';
import { InvalidSettings } from '../src/handlers/settings.ts';
import type { EcsDrainProps } from './props.ts';

/**
 * What TypeScript refuses, for whoever writes JavaScript: a property that does not exist, or a value of another kind. A construct is known
 * by the attribute that is read of it. What a value may be, deploy/params.ts checks.
 */

interface Kind {
  readonly expected: string;
  fits(value: unknown): boolean;
}

const cluster = either(text(), having('clusterName', 'the name of a cluster, or a construct that has clusterName'));
const namedGroup = having('autoScalingGroupName', 'a construct that has autoScalingGroupName');
const group = either(text(), {
  ...namedGroup,
  expected: `the name of a group or a pattern, or ${namedGroup.expected}`,
});
const groupInCluster: Kind = {
  expected: `${group.expected}, or { group, cluster } with a construct and its cluster`,
  fits: (value) => group.fits(value) || (namedGroup.fits(part(value, 'group')) && cluster.fits(part(value, 'cluster'))),
};
const duration = having('toSeconds', 'a Duration, such as Duration.minutes(5)');
const key = having('keyArn', 'a construct that has keyArn, such as Key.fromKeyArn(this, "Key", arn)');

/** Undefined where deploy/params.ts takes any kind of value, and says what it expects. */
const KINDS: Readonly<Record<keyof EcsDrainProps, Kind | undefined>> = {
  stage: text(),
  clusters: listOf(cluster),
  autoScalingGroups: listOf(groupInCluster),
  lifecycleHook: either(text(), listOf(text()), 'the name of a hook, or a list of names'),
  createLifecycleHooks: either(
    { expected: '', fits: (value) => typeof value === 'boolean' },
    listOf(group),
    'true, false, or a list of the groups that get a hook',
  ),
  heartbeatTimeout: duration,
  hookDefaultResult: undefined,
  deadline: duration,
  deadlineResult: undefined,
  superviseManagedDraining: undefined,
  managedDrainingDeadline: undefined,
  stuckFraction: undefined,
  stopStragglers: undefined,
  deregistrationDelay: duration,
  containerStopTimeout: duration,
  agentGrace: duration,
  heartbeatFraction: undefined,
  waiting: undefined,
  maximumConcurrency: undefined,
  pollMin: duration,
  pollMax: duration,
  margin: duration,
  functionTimeout: duration,
  spotInterruptions: undefined,
  rebalanceRecommendations: undefined,
  dryRun: undefined,
  logLevel: undefined,
  sweep: duration,
  alarmTopic: having('topicArn', 'a construct that has topicArn, such as Topic.fromTopicArn(this, "Topic", arn)'),
  permissionsBoundary: having(
    'managedPolicyArn',
    'a construct that has managedPolicyArn, such as ManagedPolicy.fromManagedPolicyArn(this, "Boundary", arn)',
  ),
  roleNamePrefix: undefined,
  rolePath: undefined,
  tags: {
    expected:
      'an object of texts, such as { team: "web" }, that have letters, digits, spaces and _ . : / + @ - only. A value may have =, a key does not begin with aws:, and there is no space at an end',
    fits: (value) => isObject(value) && !Array.isArray(value) && Object.entries(value).every(isTag),
  },
  logRetention: undefined,
  logKmsKey: key,
  queueKmsKey: key,
  vpc: having('selectSubnets', 'a VPC, such as Vpc.fromLookup(this, "Vpc", { vpcId })'),
  vpcSubnets: { expected: 'a selection, such as { subnetType: SubnetType.PRIVATE_WITH_EGRESS }', fits: isObject },
  securityGroups: listOf(having('securityGroupId', 'a construct that has securityGroupId')),
  deadLetterQueue: having(
    'queueArn',
    'a construct that has queueArn, such as Queue.fromQueueArn(this, "Letters", arn)',
  ),
  eventBus: having(
    'eventBusArn',
    'a construct that has eventBusArn, such as EventBus.fromEventBusArn(this, "Bus", arn)',
  ),
};

/** @throws InvalidSettings with a sentence for each property that does not exist or has a value of another kind. */
export function refuseWrongKinds(props: EcsDrainProps): void {
  if (!isObject(props)) throw new InvalidSettings('There are no properties: expected { clusters, autoScalingGroups }.');
  const sentences = Object.entries(props).flatMap(([name, value]) => {
    if (value === undefined || value === null) return [];
    if (!Object.hasOwn(KINDS, name)) return unknownProperty(name);
    const kind = KINDS[name as keyof EcsDrainProps];
    if (kind && Array.isArray(value) && Token.isUnresolved(value)) {
      return `${name} is a list that only CloudFormation knows: expected ${kind.expected}.`;
    }
    return kind === undefined || kind.fits(value) ? [] : `${name} is ${shown(value)}: expected ${kind.expected}.`;
  });
  if (props.vpcSubnets && !props.vpc) sentences.push('vpcSubnets needs vpc: set vpc, or remove vpcSubnets.');
  for (const name of ['alarmTopic', 'deadLetterQueue'] as const) {
    if (props[name]?.fifo) sentences.push(`${name} is a FIFO one: expected a standard one.`);
  }
  if (sentences.length > 0) throw new InvalidSettings(sentences.join(' '));
}

/** A param is a property whose name says less: `deadlineSeconds` is `deadline`, `alarmTopicArn` is `alarmTopic`. */
function unknownProperty(name: string): string {
  const names = Object.keys(KINDS);
  const ofParam = names.find((property) => /^(Seconds|Minutes|Days|Arn)$/.test(name.replace(property, '')));
  return ofParam === undefined
    ? sentenceOnUnknown('property', name, names)
    : `There is no property ${name}: did you mean ${ofParam}?`;
}

/** The param `tags` is a text in which a comma ends a tag, and `=` its key. */
function isTag([key, value]: readonly [string, unknown]): boolean {
  const tag = `${key}=${value}`;
  return typeof value === 'string' && !key.includes('=') && tag.trim() === tag && TAG.test(tag);
}

function text(): Kind {
  return { expected: 'a text', fits: (value) => typeof value === 'string' };
}

/** A construct with an attribute, or another object with a method. */
function having(attribute: string, expected: string): Kind {
  return { expected, fits: (value) => ['string', 'function'].includes(typeof part(value, attribute)) };
}

function listOf({ fits, expected }: Kind): Kind {
  return { expected: `a list, each ${expected}`, fits: (value) => Array.isArray(value) && value.every(fits) };
}

function either(one: Kind, other: Kind, expected = other.expected): Kind {
  return { expected, fits: (value) => one.fits(value) || other.fits(value) };
}

function part(value: unknown, name: string): unknown {
  return isObject(value) ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
