/** What CloudFormation makes of a template with parameters, as its reference describes it: conditions, loops and functions. */

// biome-ignore lint/suspicious/noExplicitAny: a template is any JSON.
type Json = any;

const NOTHING = Symbol('AWS::NoValue');

/** The resources of a template for these parameters; what only CloudFormation knows stays as it is. */
export function resourcesOf(template: Json, given: Readonly<Record<string, string>>): Record<string, Json> {
  const parameters = parametersOf(template, given);
  const evaluate = (value: Json): Json => evaluated(value, { parameters, conditions: template.Conditions });
  const loops = Object.entries<Json>(template.Resources).flatMap(([id, resource]): [string, Json][] => {
    if (!id.startsWith('Fn::ForEach::')) return [[id, resource]];
    const [variable, collection, outputs] = resource;
    return evaluate(collection).flatMap((item: string) =>
      Object.entries(outputs).map(([key, each]): [string, Json] => [
        key.replace(`&{${variable}}`, item.replace(/[^A-Za-z0-9]/g, '')),
        JSON.parse(JSON.stringify(each).replaceAll(`{"Ref":"${variable}"}`, JSON.stringify(item))),
      ]),
    );
  });
  if (new Set(loops.map(([id]) => id)).size < loops.length) throw new Error('Two resources have one logical id.');
  const there = loops.filter(
    ([, { Condition }]) =>
      Condition === undefined || holds({ Condition }, { parameters, conditions: template.Conditions }),
  );
  const ids = new Set(there.map(([id]) => id));
  return Object.fromEntries(
    there.map(([id, { Condition, DependsOn, ...resource }]) => [
      id,
      evaluate({ ...resource, ...(DependsOn && { DependsOn: DependsOn.filter((other: string) => ids.has(other)) }) }),
    ]),
  );
}

/** The values of the parameters. Lists are split and trimmed. @throws Error for what a constraint or a rule refuses. */
function parametersOf(template: Json, given: Readonly<Record<string, string>>): Record<string, Json> {
  const unknown = Object.keys(given).filter((name) => !(name in template.Parameters));
  if (unknown.length > 0) throw new Error(`Parameters: [${unknown}] do not exist in the template`);
  const values = Object.fromEntries(
    Object.entries<Json>(template.Parameters).map(([name, parameter]) => {
      const text = given[name] ?? parameter.Default;
      if (text === undefined) throw new Error(`Parameters: [${name}] must have values`);
      const items =
        parameter.Type === 'CommaDelimitedList' ? text.split(',').map((item: string) => item.trim()) : [text];
      if (items.some((item: string) => !isAllowed(item, parameter))) throw new Error(`Parameter ${name} is ${text}`);
      return [name, parameter.Type === 'CommaDelimitedList' ? items : text];
    }),
  );
  for (const { RuleCondition, Assertions } of Object.values<Json>(template.Rules)) {
    const context = { parameters: values, conditions: {} };
    if (RuleCondition !== undefined && !holds(RuleCondition, context)) continue;
    for (const { Assert, AssertDescription } of Assertions)
      if (!holds(Assert, context)) throw new Error(AssertDescription);
  }
  return values;
}

function isAllowed(text: string, { AllowedValues, AllowedPattern, MinValue, MaxValue, Type }: Json): boolean {
  if (AllowedValues && !AllowedValues.includes(text)) return false;
  if (AllowedPattern && !new RegExp(AllowedPattern, 'u').test(text)) return false;
  return Type !== 'Number' || (Number(text) >= MinValue && Number(text) <= MaxValue);
}

interface Context {
  readonly parameters: Readonly<Record<string, Json>>;
  readonly conditions: Readonly<Record<string, Json>>;
}

function holds(condition: Json, context: Context): boolean {
  const [[name, operand] = ['', undefined]] = Object.entries<Json>(condition);
  switch (name) {
    case 'Condition':
      return holds(context.conditions[operand], context);
    case 'Fn::Equals': {
      const [one, other] = operand.map((value: Json) => evaluated(value, context));
      return one === other;
    }
    case 'Fn::Contains':
      return evaluated(operand[0], context).includes(operand[1]);
    case 'Fn::EachMemberEquals':
      return evaluated(operand[0], context).every((item: string) => item === operand[1]);
    case 'Fn::Not':
      return !holds(operand[0], context);
    case 'Fn::And':
      return operand.every((each: Json) => holds(each, context));
    case 'Fn::Or':
      return operand.some((each: Json) => holds(each, context));
    default:
      throw new Error(`No condition: ${name}`);
  }
}

function evaluated(value: Json, context: Context): Json {
  const inner = (each: Json): Json => evaluated(each, context);
  if (Array.isArray(value)) return value.map(inner).filter((each) => each !== NOTHING);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries<Json>(value);
  const [[name, operand] = ['', undefined]] = entries;
  switch (name) {
    case 'Ref':
      return operand === 'AWS::NoValue' ? NOTHING : (context.parameters[operand] ?? value);
    case 'Fn::If':
      return inner(holds({ Condition: operand[0] }, context) ? operand[1] : operand[2]);
    case 'Fn::Join':
      return inner(operand[1]).join(operand[0]);
    case 'Fn::Split':
      return inner(operand[1]).split(operand[0]);
    case 'Fn::Select': {
      const item = inner(operand[1])[operand[0]];
      if (item === undefined) throw new Error(`Fn::Select cannot select nonexistent value at index ${operand[0]}`);
      return item;
    }
    case 'Fn::Sub': {
      const [text, values = {}] = [operand].flat();
      return substituted(text, { ...context.parameters, ...(inner(values) as object) });
    }
    default:
      return Object.fromEntries(
        entries.map(([key, each]) => [key, inner(each)]).filter(([, each]) => each !== NOTHING),
      );
  }
}

/** A text if nothing is left for CloudFormation to fill in. */
function substituted(text: string, values: Readonly<Record<string, Json>>): Json {
  const filled = text.replace(/\$\{(\w+(?:\.\w+)?)\}/g, (whole, name) => {
    const value = values[name];
    if (value === undefined) return whole;
    if (typeof value !== 'object') return value;
    const [operand] = Object.values<Json>(value);
    return `\${${[operand].flat().join('.')}}`;
  });
  return filled.includes('${') ? { 'Fn::Sub': filled } : filled;
}
