import * as autoScaling from '@aws-sdk/client-auto-scaling';
import * as ecs from '@aws-sdk/client-ecs';
import * as events from '@aws-sdk/client-eventbridge';
import { NormalizedSchema } from '@smithy/core/schema';

/** AWS's own models of its services, as the SDK's packages ship them. */
const MODELS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = { ecs, autoScaling, events };

/** The static schema of an operation: kind, namespace, name, traits, input and output. */
type OperationSchema = readonly [number, string, string, unknown, () => never, () => never];

/**
 * What in a value does not fit AWS's model of an operation's input or output: each field that AWS does not have, and each
 * value of another type. Empty if all is well.
 * @throws Error if AWS has no such operation.
 */
export function misfits(service: string, operation: string, side: 'input' | 'output', value: unknown): string[] {
  const schema = MODELS[service]?.[`${operation}$`] as OperationSchema | undefined;
  if (!schema) throw new Error(`AWS has no operation ${operation} in ${service}.`);
  return misfitsIn(NormalizedSchema.of(schema[side === 'input' ? 4 : 5]), value, `${operation} ${side}`);
}

function misfitsIn(schema: NormalizedSchema, value: unknown, path: string): string[] {
  if (value === undefined) return [];
  if (schema.isUnitSchema())
    return Object.keys(value as object).map((name) => `${path}.${name} is not a field that AWS has`);
  if (schema.isStructSchema()) {
    if (typeof value !== 'object' || value === null) return [`${path} is ${typeof value}, not a structure`];
    const members = new Map(schema.structIterator());
    return Object.entries(value).flatMap(([name, inner]) => {
      const member = members.get(name);
      return member ? misfitsIn(member, inner, `${path}.${name}`) : [`${path}.${name} is not a field that AWS has`];
    });
  }
  if (schema.isListSchema()) {
    if (!Array.isArray(value)) return [`${path} is ${typeof value}, not a list`];
    return value.flatMap((item, i) => misfitsIn(schema.getValueSchema(), item, `${path}[${i}]`));
  }
  if (schema.isMapSchema()) {
    return Object.entries(value as object).flatMap(([key, item]) =>
      misfitsIn(schema.getValueSchema(), item, `${path}.${key}`),
    );
  }
  const fits =
    (schema.isTimestampSchema() && value instanceof Date) ||
    (schema.isBooleanSchema() && typeof value === 'boolean') ||
    (schema.isNumericSchema() && typeof value === 'number') ||
    (schema.isStringSchema() && typeof value === 'string');
  return fits ? [] : [`${path} is ${value instanceof Date ? 'a date' : typeof value}, not what AWS has there`];
}
