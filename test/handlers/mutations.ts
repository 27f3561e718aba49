/** Changes JSON in one place. */

export type Path = readonly string[];

/** As the new value of a field: that there is no such field any more. */
export const REMOVED = Symbol('removed');

/** Where the fields of a value are, at any depth. */
export function pathsIn(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, inner]) => pathsIn(inner, [...path, key]))];
}

/** A copy with the field at the path set, or removed; also `__proto__` becomes a field of its own, as JSON.parse makes it. */
export function changed(value: unknown, [key, ...rest]: Path, to: unknown): unknown {
  if (key === undefined) return to === REMOVED ? undefined : to;
  if (Array.isArray(value)) return value.map((item, i) => (String(i) === key ? changed(item, rest, to) : item));
  const fields = (typeof value === 'object' ? (value ?? {}) : {}) as Record<string, unknown>; // text has no fields
  const others = Object.entries(fields).filter(([name]) => name !== key);
  if (rest.length === 0 && to === REMOVED) return Object.fromEntries(others);
  const inner = changed(Object.hasOwn(fields, key) ? fields[key] : undefined, rest, to);
  return Object.fromEntries([...others, [key, inner]]);
}
