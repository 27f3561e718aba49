import { parameterizedTemplate } from '../deploy/parameters.ts';

/**
 * The template for a stack set. Stack sets whose permissions AWS Organizations manages take no template with a transform [CloudFormation
 * API reference, CreateStackSet, Capabilities], so it has no loop, and the hooks are created where the groups are. The code is in a
 * bucket in each Region.
 */
export function stackSetTemplate(description: string): object {
  const Code = { S3Bucket: { 'Fn::Sub': `\${CodeBucket}-\${AWS::Region}` }, S3Key: { Ref: 'CodeKey' } };
  const { Transform: _, Rules, ...whole } = parameterizedTemplate(Code, description) as Template;
  const Resources = without(whole.Resources, (id) => id.startsWith('Fn::ForEach::') || id === 'HooksReady');
  const used = (name: string, by: object) => JSON.stringify(by).includes(`"${name}"`);
  const Conditions = without(whole.Conditions, (name) => !used(name, Resources));
  const isUsed = (name: string) =>
    used(name, { Resources, Conditions }) || JSON.stringify(Resources).includes(`\${${name}}`);
  const Parameters = without(whole.Parameters, (name) => !isUsed(name));
  const known = (rule: object) =>
    Object.keys(whole.Parameters).every((name) => name in Parameters || !used(name, rule));
  const left = without(Rules, (_name, rule) => !known(rule));
  return {
    ...whole,
    Parameters: { ...CODE, ...Parameters },
    ...(Object.keys(left).length > 0 && { Rules: left }),
    Conditions,
    Resources,
  };
}

const CODE = {
  CodeBucket: {
    Type: 'String',
    AllowedPattern: '^[a-z0-9.-]{3,48}$',
    Description: 'How the names of the buckets with the code begin: in each Region there is one, CODE_BUCKET-REGION',
  },
  CodeKey: { Type: 'String', Default: 'ecs-drain.zip', Description: 'The key of the code in each bucket' },
};

type Named = Readonly<Record<string, object>>;

interface Template {
  readonly Transform: string;
  readonly Parameters: Named;
  readonly Rules: Named;
  readonly Conditions: Named;
  readonly Resources: Named;
}

function without(all: Named, isLeftOut: (name: string, value: object) => boolean): Named {
  return Object.fromEntries(Object.entries(all).filter(([name, value]) => !isLeftOut(name, value)));
}
