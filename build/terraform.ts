import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parameterOf } from '../deploy/form.ts';
import { MOST_CLUSTERS, MOST_GROUPS, parameterizedTemplate } from '../deploy/parameters.ts';
import { paramNames } from '../deploy/params.ts';

/**
 * `npm run terraform`: what of terraform/ follows from the CloudFormation template. A variable has the default, the bounds and the
 * sentence of its parameter.
 */

const MODULE = resolve(import.meta.dirname, '../terraform');

/** Variables of the module itself. */
const OWN: readonly Variable[] = [
  {
    name: 'bucket',
    description: 'The S3 bucket that the code and the template are put into. It must be in the Region of the stack.',
    type: 'string',
  },
  {
    name: 'tags',
    description:
      'The tags of the stack, which CloudFormation puts on each resource that can have tags, and of the two objects.',
    type: 'map(string)',
    initially: '{}',
  },
];

interface Variable {
  readonly name: string;
  readonly description: string;
  readonly type: string;
  /** Its default, as it is written. */
  readonly initially?: string;
  readonly validations?: readonly { readonly condition: string; readonly message: string }[];
}

/** A parameter of the template, as far as a variable depends on it. */
interface Parameter {
  readonly Type: 'String' | 'Number' | 'CommaDelimitedList';
  readonly Default?: string;
  readonly Description: string;
  readonly AllowedValues?: readonly string[];
  readonly AllowedPattern?: string;
  readonly MinValue?: number;
  readonly MaxValue?: number;
  readonly ConstraintDescription?: string;
}

/** How many items of a list the template reads. */
const MOST: Readonly<Record<string, number>> = {
  [parameterOf('cluster')]: MOST_CLUSTERS,
  [parameterOf('autoScalingGroups')]: MOST_GROUPS,
};

/** A rule of the template, in the one shape that there is: where one parameter has a value, others must have one. */
interface Rule {
  readonly RuleCondition: Equals;
  readonly Assertions: readonly { readonly Assert: Equals; readonly AssertDescription: string }[];
}
type Equals = { readonly 'Fn::Equals': readonly [{ readonly Ref: string }, string] };

const { Parameters, Rules } = parameterizedTemplate('', '') as {
  readonly Parameters: Readonly<Record<string, Parameter>>;
  readonly Rules: Readonly<Record<string, Rule>>;
};

const VARIABLES: readonly Variable[] = [...OWN, ...Object.entries(Parameters).map(variableOf)];

/** The files of the module that are written here, by their paths; the README around its table is kept. */
export async function written(): Promise<Readonly<Record<string, string>>> {
  const readme = join(MODULE, 'README.md');
  const [before, after] = (await readFile(readme, 'utf8')).split(
    /(?<=<!-- BEGIN_TF_DOCS -->\n)[\s\S]*(?=<!-- END_TF_DOCS -->)/,
  );
  return { [join(MODULE, 'variables.tf')]: variablesTf(), [readme]: `${before}${inputs()}${after}` };
}

function variablesTf(): string {
  const names = Object.keys(Parameters);
  const width = Math.max(...names.map((name) => name.length));
  return [
    '# Written by `npm run terraform` from deploy/: change it there.\n',
    ...VARIABLES.map(hcl),
    'locals {',
    '  parameters = {',
    ...names.map((name) => `    ${name.padEnd(width)} = ${argument(name)}`),
    '  }',
    '}\n',
  ].join('\n');
}

function hcl({ name, description, type, initially, validations = [] }: Variable): string {
  return [
    `variable ${quoted(name)} {`,
    `  description = ${quoted(description)}`,
    `  type        = ${type}`,
    ...(initially === undefined ? [] : [`  default     = ${initially}`]),
    ...(initially === 'null' ? [] : ['  nullable    = false']),
    ...validations.flatMap(({ condition, message }) => [
      '',
      '  validation {',
      `    condition     = ${condition}`,
      `    error_message = ${message}`,
      '  }',
    ]),
    '}\n',
  ].join('\n');
}

/** The table of inputs, as terraform-docs writes it. */
function inputs(): string {
  const rows = VARIABLES.map(({ name, description, type, initially }) => {
    const text = description.replace(/[*|<>_]/g, '\\$&');
    const shown = initially === undefined ? 'n/a' : `\`${initially}\``;
    return `| ${name} | ${text} | \`${type}\` | ${shown} | ${initially === undefined ? 'yes' : 'no'} |`;
  });
  return ['| Name | Description | Type | Default | Required |', '|---|---|---|---|:-:|', ...rows, ''].join('\n');
}

function variableOf([name, parameter]: readonly [string, Parameter]): Variable {
  const condition = conditionOf(name, parameter);
  const bounds = condition === undefined ? [] : [{ condition, message: refusal(name, parameter) }];
  return {
    name: snake(name),
    description: sentence(inSnakeCase(parameter.Description.replace(', separated by commas', ''))),
    ...kindOf(parameter),
    validations: [...bounds, ...exclusionsOf(name)],
  };
}

/** The sentence of deploy/ for a value that is not allowed. */
function refusal(name: string, { ConstraintDescription, AllowedPattern }: Parameter): string {
  const expected = ConstraintDescription ?? `expected a text that matches ${AllowedPattern}`;
  return quoted(`${snake(name)} is `, `jsonencode(var.${snake(name)})`, `: ${expected}.`);
}

/** What the template's rules say of a parameter. */
function exclusionsOf(name: string): { readonly condition: string; readonly message: string }[] {
  const holds = ({ 'Fn::Equals': [{ Ref }, value] }: Equals) => `tostring(var.${snake(Ref)}) == ${quoted(value)}`;
  return Object.values(Rules)
    .filter(({ RuleCondition }) => RuleCondition['Fn::Equals'][0].Ref === name)
    .flatMap(({ RuleCondition, Assertions }) =>
      Assertions.map(({ Assert, AssertDescription }) => ({
        condition: `!(${holds(RuleCondition)}) || ${holds(Assert)}`,
        message: quoted(inSnakeCase(AssertDescription)),
      })),
    );
}

/** The type of a variable, and its default as it is written. A parameter whose default is `none` may be null. */
function kindOf({ Type, Default, AllowedValues }: Parameter): { readonly type: string; readonly initially?: string } {
  if (Type === 'CommaDelimitedList') {
    return { type: 'list(string)', ...(Default !== undefined && { initially: list(Default.split(',')) }) };
  }
  const type = isBoolean(AllowedValues) ? 'bool' : Type === 'Number' ? 'number' : 'string';
  if (Default === undefined) return { type };
  if (Default === 'none' && !AllowedValues) return { type, initially: 'null' };
  return { type, initially: type === 'string' ? quoted(Default) : Default };
}

function isBoolean(values: readonly string[] | undefined): boolean {
  return values?.toSorted().join() === 'false,true';
}

/** What must hold of a variable, beside its type. */
function conditionOf(name: string, parameter: Parameter): string | undefined {
  const { Type, AllowedValues, AllowedPattern, MinValue, MaxValue, ConstraintDescription } = parameter;
  const given = `var.${snake(name)}`;
  if (isBoolean(AllowedValues)) return undefined;
  if (AllowedValues) return `contains(${list(AllowedValues)}, ${given})`;
  if (Type === 'Number') {
    const bounds = `${given} >= ${MinValue} && ${given} <= ${MaxValue}`;
    // A parameter takes any number, and only the sentence says that this one is whole.
    return ConstraintDescription?.includes('whole number') ? `${bounds} && floor(${given}) == ${given}` : bounds;
  }
  if (AllowedPattern === undefined) return undefined;
  if (Type === 'CommaDelimitedList') {
    // A comma would make two items of one.
    const each = `for item in ${given} : ${matches(AllowedPattern, 'item')} && !strcontains(item, ",")`;
    const most = MOST[name] === undefined ? '' : ` && length(${given}) <= ${MOST[name]}`;
    return `length(${given}) > 0${most} && alltrue([${each}])`;
  }
  const matched = matches(AllowedPattern, given);
  return kindOf(parameter).initially === 'null' ? `${given} == null || ${matched}` : matched;
}

/** Whether a text matches a pattern. Terraform's patterns cannot look ahead. */
function matches(pattern: string, text: string): string {
  const [, not, rest] = /^\^\(\?!([^()]*)\)(.*)$/.exec(pattern) ?? [];
  const can = (each: string) => `can(regex(${quoted(each)}, ${text}))`;
  return not === undefined || rest === undefined ? can(pattern) : `!${can(`^${not}`)} && ${can(`^${rest}`)}`;
}

/** What the stack gets. */
function argument(name: string): string {
  const given = `var.${snake(name)}`;
  const parameter = Parameters[name] as Parameter;
  if (parameter.Type === 'CommaDelimitedList') return `join(",", ${given})`;
  return kindOf(parameter).initially === 'null' ? `coalesce(${given}, "none")` : `tostring(${given})`;
}

/** `DeadlineSeconds` as Terraform names it, `deadline_seconds`. */
function snake(name: string): string {
  return name.replace(/(?<=.)[A-Z]/g, (letter) => `_${letter}`).toLowerCase();
}

/** The text with each param under the name of its variable. */
function inSnakeCase(text: string): string {
  const names: readonly string[] = paramNames;
  return text.replace(/\b[a-z]+[A-Z]\w*\b/g, (name) => (names.includes(name) ? snake(parameterOf(name)) : name));
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function list(items: readonly string[]): string {
  return `[${items.map((item) => quoted(item)).join(', ')}]`;
}

/** A text in HCL; every second part is an expression in it. */
function quoted(...parts: readonly string[]): string {
  const literal = (text: string) =>
    JSON.stringify(text)
      .slice(1, -1)
      .replace(/[$%](?=\{)/g, '$&$&');
  return `"${parts.map((part, i) => (i % 2 === 0 ? literal(part) : `\${${part}}`)).join('')}"`;
}

if (import.meta.main) {
  for (const [path, text] of Object.entries(await written())) await writeFile(path, text);
}
