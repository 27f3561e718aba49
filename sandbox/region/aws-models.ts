import * as autoScaling from '@aws-sdk/client-auto-scaling';
import * as ecs from '@aws-sdk/client-ecs';
import * as events from '@aws-sdk/client-eventbridge';
import { NormalizedSchema } from '@smithy/core/schema';

/** AWS's own models of its services, as the SDK's packages ship them. */
const MODELS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = { ecs, autoScaling, events };

/** The static schema of an operation: kind, namespace, name, traits, input and output. */
type OperationSchema = readonly [number, string, string, unknown, () => never, () => never];

/** A value that does not fit: a field that AWS does not have, or a value of another type than AWS has there. */
export interface Misfit {
  readonly kind: 'unknown field' | 'other type';
  readonly sentence: string;
}

/**
 * What in a value does not fit AWS's model of an operation's input or output; empty if all is well.
 * @throws Error if AWS has no such operation.
 */
export function misfits(service: string, operation: string, side: 'input' | 'output', value: unknown): Misfit[] {
  const schema = MODELS[service]?.[`${operation}$`] as OperationSchema | undefined;
  if (!schema) throw new Error(`AWS has no operation ${operation} in ${service}.`);
  return misfitsIn(NormalizedSchema.of(schema[side === 'input' ? 4 : 5]), value, `${operation} ${side}`);
}

function misfitsIn(schema: NormalizedSchema, value: unknown, path: string): Misfit[] {
  if (value === undefined || value === null) return []; // JSON 1.1 takes null for a field that is left out
  if (schema.isUnitSchema() || schema.isStructSchema()) {
    if (typeof value !== 'object' || Array.isArray(value)) return [otherType(path, value)];
    const members = schema.isUnitSchema() ? new Map<string, NormalizedSchema>() : new Map(schema.structIterator());
    return Object.entries(value).flatMap(([name, inner]): Misfit[] => {
      const member = members.get(name);
      if (member) return misfitsIn(member, inner, `${path}.${name}`);
      return [{ kind: 'unknown field', sentence: `${path}.${name} is not a field that AWS has` }];
    });
  }
  if (schema.isListSchema()) {
    if (!Array.isArray(value)) return [otherType(path, value)];
    return value.flatMap((item, i) => misfitsIn(schema.getValueSchema(), item, `${path}[${i}]`));
  }
  if (schema.isMapSchema()) {
    if (typeof value !== 'object') return [otherType(path, value)];
    return Object.entries(value).flatMap(([key, item]) => misfitsIn(schema.getValueSchema(), item, `${path}.${key}`));
  }
  const fits =
    (schema.isTimestampSchema() && value instanceof Date) ||
    (schema.isBooleanSchema() && typeof value === 'boolean') ||
    (schema.isNumericSchema() && typeof value === 'number') ||
    (schema.isStringSchema() && typeof value === 'string');
  return fits ? [] : [otherType(path, value)];
}

function otherType(path: string, value: unknown): Misfit {
  const type = value instanceof Date ? 'a date' : Array.isArray(value) ? 'a list' : typeof value;
  return { kind: 'other type', sentence: `${path} is ${type}, not what AWS has there` };
}
