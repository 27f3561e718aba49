import { describe, expect, it } from 'vitest';
import type { Template } from '../../deploy/cloudformation.ts';
import { LIMITS, type Limit, limitsExceeded } from '../../deploy/limits.ts';

const PLACE = { stackName: 'ecs-drain-main', region: 'us-east-1' };

describe('the table of what AWS allows', () => {
  it.each(Object.entries(LIMITS).flatMap(([type, limits]) => limits.map((limit) => ({ type, ...limit }))))(
    'accepts as much as AWS allows and refuses one more: $what of $type ($path)',
    ({ type, ...limit }) => {
      expect(limitsExceeded(templateWith(type, limit, limit.most), PLACE)).toEqual([]);
      expect(limitsExceeded(templateWith(type, limit, limit.most + 1), PLACE)).toEqual([
        expect.stringContaining(`has ${limit.most + 1} ${limit.unit}, and AWS allows ${limit.most} (${limit.source})`),
      ]);
    },
  );

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

  it('has the size of the template', () => {
    const sized = (characters: number) => ({ Resources: {}, Outputs: { It: 'x'.repeat(characters) } });
    expect(limitsExceeded(sized(900_000), PLACE)).toEqual([]);
    expect(limitsExceeded(sized(1_000_000), PLACE)).toEqual([
      expect.stringMatching(/^stack ecs-drain-main: the template has 10000\d\d bytes, and AWS allows 1000000 /),
    ]);
  });

  it('has the name of the stack and the number of resources', () => {
    const Resources = Object.fromEntries(
      Array.from({ length: 501 }, (_, i) => [`Rule${i}`, { Type: 'AWS::Events::Rule', Properties: {} }]),
    );
    expect(limitsExceeded({ Resources }, { ...PLACE, stackName: 'x'.repeat(129) })).toEqual([
      expect.stringContaining('has 129 characters, and AWS allows 128'),
      expect.stringContaining('the list of resources has 501 entries, and AWS allows 500'),
    ]);
  });
});

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
