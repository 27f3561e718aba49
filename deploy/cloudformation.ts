/** The few shapes of CloudFormation that the deployment computes, and what CloudFormation makes of them. */

/** A text in which CloudFormation fills in `${AWS::…}`. */
export interface Sub {
  readonly 'Fn::Sub': string;
}

/** A value that CloudFormation fills in. */
export type Intrinsic = Sub | { readonly 'Fn::GetAtt': readonly [string, string] } | { readonly Ref: string };

export interface Resource {
  readonly Type: string;
  readonly DependsOn?: readonly string[];
  /** The condition of the template under which the resource exists. */
  readonly Condition?: string;
  readonly Properties: Readonly<Record<string, unknown>>;
}

export type Resources = Readonly<Record<string, Resource>>;

export interface Template {
  readonly Description?: string | undefined;
  readonly Resources: Resources;
  readonly Outputs?: Readonly<Record<string, unknown>>;
}

/** The ARN of a resource in the account and Region of the stack, for `Fn::Sub`. */
export function arn(service: string, resource: string): string {
  return `arn:\${AWS::Partition}:${service}:\${AWS::Region}:\${AWS::AccountId}:${resource}`;
}

/** The attribute `Arn` of a resource of the template. */
export function arnOf(logicalId: string): Intrinsic {
  return { 'Fn::GetAtt': [logicalId, 'Arn'] };
}

/** Where a template is deployed: both become part of names. */
export interface Place {
  readonly stackName: string;
  readonly region: string;
}

/** The properties in which resources have their names. */
const NAMES = ['RoleName', 'FunctionName', 'QueueName', 'BucketName', 'Name'];

/** CloudFormation makes a name of the stack's name, the logical id and as many random characters, and cuts it. */
const RANDOM_CHARACTERS = 13;
const LONGEST_GENERATED_NAME = 80;

/** Stands for any account. */
const ACCOUNT = '123456789012';

/** The value with what CloudFormation fills in; where only CloudFormation knows it, a text at least as long. */
export function filledIn(value: unknown, template: Template, place: Place): unknown {
  const inner = (each: unknown): unknown => filledIn(each, template, place);
  if (Array.isArray(value)) return value.map(inner);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value);
  const [[key, operand] = ['', undefined]] = entries;
  switch (key) {
    case 'Ref':
      return pseudoParameters(place)[operand] ?? reference(operand, template, place);
    case 'Fn::GetAtt':
      return attribute([operand].flat().join('.'), template, place);
    case 'Fn::Join':
      return operand[1].map(inner).join(operand[0]);
    case 'Fn::Sub':
      return String(operand).replace(/\$\{(!?)([^}]+)\}/g, (_, isLiteral, name) => {
        if (isLiteral) return `\${${name}}`;
        return String(name.includes('.') ? attribute(name, template, place) : inner({ Ref: name }));
      });
    default:
      return Object.fromEntries(entries.map(([name, each]) => [name, inner(each)]));
  }
}

function pseudoParameters({ stackName, region }: Place): Readonly<Record<string, string>> {
  return {
    'AWS::AccountId': ACCOUNT,
    'AWS::Partition': partitionOf(region),
    'AWS::Region': region,
    'AWS::StackName': stackName,
    'AWS::URLSuffix': region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com',
  };
}

function partitionOf(region: string): string {
  if (region.startsWith('cn-')) return 'aws-cn';
  // No other partition has a longer name than the one of us-gov.
  return /^(us-gov|eusc|[a-z]+-iso)/.test(region) ? 'aws-us-gov' : 'aws';
}

/** What `Ref` of a resource is: the URL of a queue, else a name (CloudFormation template reference). */
function reference(id: string, template: Template, place: Place): string {
  const name = nameOf(id, template, place);
  if (template.Resources[id]?.Type !== 'AWS::SQS::Queue') return name;
  return `https://sqs.${place.region}.${pseudoParameters(place)['AWS::URLSuffix']}/${ACCOUNT}/${name}`;
}

function attribute(path: string, template: Template, place: Place): string {
  const [id = '', attributeName] = path.split('.');
  const name = nameOf(id, template, place);
  if (attributeName !== 'Arn') return name;
  const { Type = '', Properties = {} } = template.Resources[id] ?? {};
  const service = Type.split('::')[1]?.toLowerCase();
  const rolePath = String(Properties['Path'] ?? '/');
  return `arn:${partitionOf(place.region)}:${service}:${place.region}:${ACCOUNT}:schedule-group${rolePath}${name}`;
}

function nameOf(id: string, template: Template, place: Place): string {
  const { Properties = {} } = template.Resources[id] ?? {};
  const given = NAMES.map((property) => Properties[property]).find((name) => name !== undefined);
  if (given !== undefined) return String(filledIn(given, template, place));
  const generated = `${place.stackName}-${id}-${'X'.repeat(RANDOM_CHARACTERS)}`;
  return generated.slice(0, LONGEST_GENERATED_NAME);
}
