/** The few shapes of CloudFormation that the deployment computes. */

/** A text in which CloudFormation fills in `${AWS::…}`. */
export interface Sub {
  readonly 'Fn::Sub': string;
}

/** A value that CloudFormation fills in. */
export type Intrinsic = Sub | { readonly 'Fn::GetAtt': readonly [string, string] } | { readonly Ref: string };

export interface Resource {
  readonly Type: string;
  readonly DependsOn?: readonly string[];
  readonly Properties: Readonly<Record<string, unknown>>;
}

export type Resources = Readonly<Record<string, Resource>>;

/** The ARN of a resource in the account and Region of the stack. */
export function arn(service: string, resource: string): Sub {
  return { 'Fn::Sub': `arn:\${AWS::Partition}:${service}:\${AWS::Region}:\${AWS::AccountId}:${resource}` };
}

/** The attribute `Arn` of a resource of the template. */
export function arnOf(logicalId: string): Intrinsic {
  return { 'Fn::GetAtt': [logicalId, 'Arn'] };
}

const PSEUDO_PARAMETERS: Readonly<Record<string, string>> = {
  'AWS::AccountId': '123456789012',
  'AWS::Partition': 'aws-us-gov',
  'AWS::Region': 'ap-southeast-2',
};

/** The length of a queue's URL or a role's ARN whose name CloudFormation makes of the stack's name and the logical id. */
const LONGEST_REFERENCE = 150;

/** How many bytes the value has as JSON without white space, at most: only CloudFormation knows the exact names. */
export function bytesIn(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value, (_, each) => filledIn(each)));
}

/** Stands for what CloudFormation fills in; anything else is returned as it is. */
function filledIn(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if ('Fn::Sub' in value) {
    return String(value['Fn::Sub']).replace(/\$\{([\w:]+)\}/g, (_, name) => PSEUDO_PARAMETERS[name] ?? '');
  }
  if ('Ref' in value) return PSEUDO_PARAMETERS[String(value.Ref)] ?? '-'.repeat(LONGEST_REFERENCE);
  return 'Fn::GetAtt' in value ? '-'.repeat(LONGEST_REFERENCE) : value;
}
