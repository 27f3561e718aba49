import { beforeAll, describe, expect, it } from 'vitest';
import type { Template } from '../../deploy/cloudformation.ts';
import { LIMITS, type Limit, limitsExceeded } from '../../deploy/limits.ts';
import { type Package, packaged } from '../../sandbox/packaging.ts';
import { LARGEST, TYPED } from './deployed.ts';

const PLACE = { stackName: 'ecs-drain-dev', region: 'us-east-1' };

let typical: Package;
let largest: Package;

beforeAll(async () => {
  [typical, largest] = await Promise.all([packaged({ args: TYPED }), packaged({ args: LARGEST })]);
});

const templateOf = ({ template }: Package) => template as Template;

describe('the table of what AWS allows', () => {
  it('has every type of resource of the packaged templates, so that none is forgotten', () => {
    const types = [typical, largest].flatMap((from) => Object.values(from.resources).map(({ Type }) => Type));
    expect([...new Set(types)].toSorted()).toEqual(Object.keys(LIMITS).toSorted());
  });

  it('has a limit for every name and description in them', () => {
    for (const from of [typical, largest]) {
      for (const { Type, Properties } of Object.values(from.resources)) {
        const named = Object.keys(Properties).filter((property) => /(?<!Function)Name$|Description$/.test(property));
        const own = named.filter((property) => !REFERENCES.includes(`${Type}.${property}`));
        expect(LIMITS[Type]?.map(({ path }) => path)).toEqual(expect.arrayContaining(own));
      }
    }
  });

  it.each(Object.entries(LIMITS).flatMap(([type, limits]) => limits.map((limit) => ({ type, ...limit }))))(
    'accepts as much as AWS allows and refuses one more: $what of $type ($path)',
    ({ type, ...limit }) => {
      expect(limitsExceeded(templateWith(type, limit, limit.most), PLACE)).toEqual([]);
      expect(limitsExceeded(templateWith(type, limit, limit.most + 1), PLACE)).toEqual([
        expect.stringContaining(`has ${limit.most + 1} ${limit.unit}, and AWS allows ${limit.most} (${limit.source})`),
      ]);
    },
  );

  it('accepts the packaged templates', () => {
    for (const from of [typical, largest]) expect(limitsExceeded(templateOf(from), PLACE)).toEqual([]);
  });

  it('counts a policy that another resource puts on a role', () => {
    const role = { Type: 'AWS::IAM::Role', Properties: { Policies: [{ PolicyDocument: 'x'.repeat(10_000) }] } };
    const policy = {
      Type: 'AWS::IAM::Policy',
      Properties: { Roles: [{ Ref: 'Role' }], PolicyDocument: 'x'.repeat(1_000) },
    };
    expect(limitsExceeded({ Resources: { Role: role } }, PLACE)).toEqual([]);
    expect(limitsExceeded({ Resources: { Role: role, Policy: policy } }, PLACE)).toEqual([
      expect.stringContaining('AWS::IAM::Role Role: the sum of the inline policies has 11004 characters'),
    ]);
  });

  it('counts names as long as CloudFormation may make them', () => {
    const Resources = {
      EventQueue: { Type: 'AWS::SQS::Queue', Properties: {} },
      Role: { Type: 'AWS::IAM::Role', Properties: { RoleName: { 'Fn::Sub': `\${EventQueue.QueueName}` } } },
    };
    expect(limitsExceeded({ Resources }, { ...PLACE, stackName: `s${'x'.repeat(99)}` })).toEqual([
      expect.stringContaining('has 80 characters'),
    ]);
  });

  it('has the name of the stack, the size of the template and its number of resources', () => {
    const Resources = Object.fromEntries(
      Array.from({ length: 501 }, (_, i) => [`Rule${i}`, { Type: 'AWS::Events::Rule', Properties: {} }]),
    );
    expect(limitsExceeded({ Resources }, { ...PLACE, stackName: 'x'.repeat(129) })).toEqual([
      expect.stringContaining('has 129 characters, and AWS allows 128'),
      expect.stringContaining('the list of resources has 501 entries, and AWS allows 500'),
    ]);
  });
});

describe('the command', () => {
  it('refuses, with all sentences at once, a long stage in a long Region and more groups than fit', async () => {
    const groups = Array.from({ length: 40 }, (_, i) => `${`g${i}`.padEnd(30, '-')}@${`c${i}`.padEnd(28, '-')}`);
    const failure = await packaged({
      args: [
        ...['--stage=feature-JIRA-12345-drain-spot-nodes', '--region=ap-southeast-2'],
        `--param=autoScalingGroups=${groups}`,
      ],
    }).catch((error) => error.message);
    for (const sentence of [
      'the name ecs-drain-feature-JIRA-12345-drain-spot-nodes-ap-southeast-2-lambdaRole has 71 characters, and AWS allows 64 (IAM user guide, IAM and STS quotas): choose a shorter stage.',
      'the id of a target ecs-drain-feature-JIRA-12345-drain-spot-nodes-continuation-target has 65 characters, and AWS allows 64',
      'AWS::Lambda::Function DrainLambdaFunction: the environment has ',
      'AWS::IAM::Role IamRoleLambdaExecution: the sum of the inline policies has ',
      'AWS::Events::Rule TaskStoppedRule: the event pattern has ',
      'AWS::Events::Rule InstanceEmptiedRule: the event pattern has ',
    ]) {
      expect(failure).toContain(sentence);
    }
    expect(failure).not.toMatch(/^ +at /m);
  });
});

/** Names of other resources. */
const REFERENCES = ['AWS::CloudWatch::Alarm.MetricName'];

/** A template whose one resource has so much of what is limited. */
function templateWith(type: string, limit: Limit, size: number): Template {
  const steps = limit.path.split('.');
  return { Resources: { It: { Type: type, Properties: at(steps, sized(limit, size)) as Record<string, unknown> } } };
}

function at([step, ...rest]: readonly string[], value: unknown): unknown {
  if (step === undefined) return value;
  return step === '*' ? [at(rest, value)] : { [step]: at(rest, value) };
}

function sized({ path, unit }: Limit, size: number): unknown {
  if (unit === 'entries') return Array.from({ length: size }, () => ({}));
  // With the quotes of JSON.
  if (path === 'Policies') return [{ PolicyDocument: 'x'.repeat(size - 2) }];
  return 'x'.repeat(size);
}
