import { malformed } from './errors.ts';
import { type ServiceModel, shapeIn } from './models.ts';

/** JSON takes null for a member that is left out, and writes an instant as seconds since the epoch. */
export function fromJson(model: ServiceModel, shape: string | undefined, value: object): Record<string, unknown> {
  const read = (name: string, value: unknown): unknown => {
    const { type, members = {}, member, value: entry } = shapeIn(model, name);
    if (type === 'timestamp' && typeof value === 'number') return new Date(value * 1000);
    if (type === 'list' && member && Array.isArray(value)) return value.map((item) => read(member.shape, item));
    if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Date) return value;
    if (type === 'map' && entry) return mapped(value, (item) => read(entry.shape, item));
    if (type !== 'structure') return value;
    const said = Object.entries(value).filter(([, item]) => item !== null && item !== undefined);
    return Object.fromEntries(
      said.map(([key, item]) => [key, Object.hasOwn(members, key) ? read(members[key]?.shape ?? '', item) : item]),
    );
  };
  return (shape === undefined ? {} : read(shape, value)) as Record<string, unknown>;
}

export function mapped(value: object, change: (item: unknown) => unknown): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, change(item)]));
}

export function parsedJson(body: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw malformed('The request body is not JSON.');
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw malformed('The request body is not a JSON object.');
}

/** How JSON.stringify writes an instant: as seconds since the epoch. */
export function epochSeconds(this: Record<string, unknown>, key: string, value: unknown): unknown {
  const original = this[key];
  return original instanceof Date ? original.getTime() / 1000 : value;
}
