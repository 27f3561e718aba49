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
    description: 'The tags of the stack, which CloudFormation puts on each resource that can have tags.',
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
  readonly validations?: readonly Validation[];
}

interface Validation {
  readonly condition: string;
  readonly message: string;
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

/** What the template's rules say about combinations of parameters. */
interface Rule {
  readonly RuleCondition?: Test;
  readonly Assertions: readonly { readonly Assert: Test; readonly AssertDescription: string }[];
}

type Operand = readonly [{ readonly Ref: string }, string];
type Test =
  | { readonly 'Fn::Equals': Operand }
  | { readonly 'Fn::Contains': Operand }
  | { readonly 'Fn::EachMemberEquals': Operand }
  | { readonly 'Fn::Not': readonly [Test] }
  | { readonly 'Fn::And': readonly Test[] }
  | { readonly 'Fn::Or': readonly Test[] };

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
    validations: [
      ...bounds,
      ...(parameter.Type === 'CommaDelimitedList' ? [eachOnce(name)] : []),
      ...exclusionsOf(name),
    ],
  };
}

/** The template makes the logical id of a group's hook of the letters and digits of its name. */
function eachOnce(name: string): Validation {
  const given = `var.${snake(name)}`;
  const isGroups = name === parameterOf('autoScalingGroups');
  const item = isGroups ? 'replace(item, "/[^0-9A-Za-z]/", "")' : 'trimspace(item)';
  const expected = isGroups ? 'no two with the same letters and digits' : 'each name once';
  return {
    condition: `length(distinct([for item in ${given} : try(${item}, null)])) == length(${given})`,
    message: quoted(`${snake(name)} is `, `jsonencode(${given})`, `: expected ${expected}.`),
  };
}

/** The sentence of deploy/ for a value that is not allowed. */
function refusal(name: string, { ConstraintDescription, AllowedPattern }: Parameter): string {
  const expected = ConstraintDescription ?? `expected a text that matches ${AllowedPattern}`;
  return quoted(`${snake(name)} is `, `jsonencode(var.${snake(name)})`, `: ${expected}.`);
}

/** What the template's rules say about a parameter. */
function exclusionsOf(name: string): Validation[] {
  return Object.values(Rules).flatMap(({ RuleCondition, Assertions }) =>
    Assertions.filter(({ Assert }) => firstOf(RuleCondition ?? Assert) === name).map(
      ({ Assert, AssertDescription }) => ({
        condition: RuleCondition ? `!(${holds(RuleCondition)}) || ${holds(Assert)}` : holds(Assert),
        message: quoted(inSnakeCase(AssertDescription)),
      }),
    ),
  );
}

/** The parameter that a test names first. */
function firstOf(test: Test): string | undefined {
  return /"Ref":"(\w+)"/.exec(JSON.stringify(test))?.[1];
}

/** Whether a test holds, in HCL. */
function holds(test: Test): string {
  if ('Fn::Equals' in test) {
    const [{ Ref }, value] = test['Fn::Equals'];
    return `tostring(var.${snake(Ref)}) == ${quoted(value)}`;
  }
  if ('Fn::Contains' in test || 'Fn::EachMemberEquals' in test) {
    const [{ Ref }, value] = 'Fn::Contains' in test ? test['Fn::Contains'] : test['Fn::EachMemberEquals'];
    if (value !== 'none') throw new Error(`There is no rule yet about ${value} in a list.`);
    // An empty list here is the template's list of `none`, and the items cannot be that.
    return `length(var.${snake(Ref)}) == 0`;
  }
  if ('Fn::Not' in test) return `!(${holds(test['Fn::Not'][0])})`;
  const [tests, operator] = 'Fn::And' in test ? [test['Fn::And'], ' && '] : [test['Fn::Or'], ' || '];
  return `(${tests.map(holds).join(operator)})`;
}

/** The type of a variable, and its default as it is written. A parameter whose default is `none` may be null, or an empty list. */
function kindOf({ Type, Default, AllowedValues }: Parameter): { readonly type: string; readonly initially?: string } {
  if (Type === 'CommaDelimitedList') {
    const items = Default === 'none' ? [] : Default?.split(',');
    return { type: 'list(string)', ...(items && { initially: list(items) }) };
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
    // CloudFormation trims the items, and a comma would make two of one. An item that is null matches nothing.
    const each = `for item in ${given} : ${matches(AllowedPattern.replace('none|', ''), 'trimspace(item)')} && !can(regex(",", item))`;
    const most = MOST[name] === undefined ? '' : `length(${given}) <= ${MOST[name]} && `;
    const least = kindOf(parameter).initially === '[]' ? '' : `length(${given}) > 0 && `;
    return `${least}${most}alltrue([${each}])`;
  }
  const matched = matches(AllowedPattern, given);
  return kindOf(parameter).initially === 'null' ? `${given} == null || ${matched}` : matched;
}

/** Whether a text matches a pattern. Terraform's patterns cannot look ahead: what must not follow is a test of its own. */
function matches(pattern: string, text: string): string {
  const [, before, not, after] = /^(.*?)\(\?!([^()]*)\)(.*)$/.exec(pattern) ?? [];
  const can = (each: string) => `can(regex(${quoted(each)}, ${text}))`;
  if (before === undefined || not === undefined) return can(pattern);
  const [alternative = ''] = /[^(|]*$/.exec(before) ?? [];
  return `!${can(`${alternative}${not}`)} && ${can(`${before}${after}`)}`;
}

/** What the stack gets. */
function argument(name: string): string {
  const given = `var.${snake(name)}`;
  const parameter = Parameters[name] as Parameter;
  const { initially } = kindOf(parameter);
  if (initially === '[]') return `length(${given}) == 0 ? "none" : join(",", ${given})`;
  if (parameter.Type === 'CommaDelimitedList') return `join(",", ${given})`;
  return initially === 'null' ? `coalesce(${given}, "none")` : `tostring(${given})`;
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
