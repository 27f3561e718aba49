import { type ServiceModel, type Shape, shapeIn } from './models.ts';

/** Which of AWS's demands a value does not meet. */
export interface Violation {
  readonly kind: 'required' | 'type' | 'enum' | 'length' | 'pattern' | 'range' | 'unknown';
  /** As AWS writes it, such as `entries.1.member.source`; the members of the input itself have no dot. */
  readonly path: string;
  /** Of a member of a structure: its name as the model has it. */
  readonly member: string;
  /** A sentence without a full stop, as AWS's framework writes it where it has one. */
  readonly sentence: string;
}

type At = Pick<Violation, 'path' | 'member'>;

const INTEGERS = { integer: 2 ** 31, long: 2 ** 63 };

/**
 * How a value violates the shape that AWS's model has for it, in the words of AWS's framework; empty if it fits.
 * Instants are `Date`s, binary data is text. Constraints are of requests: what AWS answers does not always meet its own.
 */
export function violationsOf(model: ServiceModel, shape: string, value: unknown, constrained = true): Violation[] {
  const found: Violation[] = [];
  visit(shape, value, { path: '', member: '' });
  return found;

  function visit(name: string, value: unknown, at: At): void {
    const shape = shapeIn(model, name);
    if (!hasType(shape, value)) {
      found.push({ kind: 'type', ...at, sentence: `${typeWords(shape, value)} (at '${at.path}')` });
      return;
    }
    if (constrained) for (const each of unmet(shape, value)) found.push(failing(at, value, each));
    if (shape.type === 'structure') visitMembers(shape, value as Record<string, unknown>, at);
    const { member, value: entry } = shape;
    if (member) for (const [i, item] of (value as unknown[]).entries()) visit(member.shape, item, inList(at, i));
    if (entry) for (const [key, item] of Object.entries(value as object)) visit(entry.shape, item, inMap(at, key));
  }

  function visitMembers({ members = {}, required = [] }: Shape, value: Record<string, unknown>, at: At): void {
    const pathOf = (name: string) => (at.path === '' ? lowerFirst(name) : `${at.path}.${lowerFirst(name)}`);
    for (const name of constrained ? required : []) {
      const missing = { kind: 'required', words: 'Member must not be null' } as const;
      if (value[name] === undefined) found.push(failing({ path: pathOf(name), member: name }, undefined, missing));
    }
    for (const [name, item] of Object.entries(value)) {
      const member = Object.hasOwn(members, name) ? members[name] : undefined;
      const here = { path: pathOf(name), member: name };
      if (!member) found.push({ kind: 'unknown', ...here, sentence: `AWS has no member '${here.path}' there` });
      else if (item !== undefined) visit(member.shape, item, here);
    }
  }
}

/** What a value that has the right type does not meet. */
function unmet({ type, enum: values, min, max, pattern }: Shape, value: unknown) {
  const failures: { readonly kind: Violation['kind']; readonly words: string }[] = [];
  if (type === 'string') {
    const text = value as string;
    if (values && !values.includes(text)) {
      failures.push({ kind: 'enum', words: `Member must satisfy enum value set: [${values.join(', ')}]` });
    }
    if (pattern !== undefined && !matching(pattern).test(text)) {
      failures.push({ kind: 'pattern', words: `Member must satisfy regular expression pattern: ${pattern}` });
    }
  }
  const size = sizeOf(type, value);
  const [kind, what] = typeof value === 'number' ? (['range', 'value'] as const) : (['length', 'length'] as const);
  if (size !== undefined && min !== undefined && size < min) {
    failures.push({ kind, words: `Member must have ${what} greater than or equal to ${min}` });
  }
  if (size !== undefined && max !== undefined && size > max) {
    failures.push({ kind, words: `Member must have ${what} less than or equal to ${max}` });
  }
  return failures;
}

/** What bounds are about: a number itself, and the length of what has one. */
function sizeOf(type: Shape['type'], value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value === 'string') return type === 'blob' ? Buffer.byteLength(value) : value.length;
  if (Array.isArray(value)) return value.length;
  return type === 'map' ? Object.keys(value as object).length : undefined;
}

const compiled = new Map<string, RegExp>();

/** A pattern is of the whole text. AWS writes some of them with code points, and some with escapes that those forbid. */
export function matching(pattern: string): RegExp {
  const made = compiled.get(pattern) ?? (compiledAs(pattern, 'u') || new RegExp(`^(?:${pattern})$`));
  compiled.set(pattern, made);
  return made;
}

function compiledAs(pattern: string, flags: string): RegExp | undefined {
  try {
    return new RegExp(`^(?:${pattern})$`, flags);
  } catch {
    return undefined;
  }
}

function hasType({ type }: Shape, value: unknown): boolean {
  switch (type) {
    case 'structure':
    case 'map':
      return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
    case 'list':
      return Array.isArray(value);
    case 'integer':
    case 'long':
      return Number.isInteger(value) && Math.abs(value as number) <= INTEGERS[type];
    case 'float':
    case 'double':
      return typeof value === 'number';
    case 'boolean':
      return typeof value === 'boolean';
    case 'timestamp':
      return value instanceof Date && !Number.isNaN(value.getTime());
    default:
      return typeof value === 'string';
  }
}

/** As AWS's JSON parser words it; it does not say where. */
function typeWords({ type }: Shape, value: unknown): string {
  if (type === 'list') return 'Expected list or null';
  if (type === 'structure' || type === 'map') return 'Expected map or null';
  if (Array.isArray(value)) return 'Start of list found where not expected';
  if (typeof value === 'object' && value !== null) return 'Start of structure or map found where not expected';
  const wanted = { integer: 'an Integer', long: 'a Long', float: 'a Float', double: 'a Double', boolean: 'a Boolean' };
  const target =
    type === 'timestamp' ? 'a Timestamp' : type === 'blob' || type === 'string' ? 'a String' : wanted[type];
  return `${value === null ? 'NULL' : (typeof value).toUpperCase()}_VALUE can not be converted to ${target}`;
}

function failing(at: At, value: unknown, { kind, words }: { kind: Violation['kind']; words: string }): Violation {
  const shown = value === undefined ? 'null' : `'${shortened(textOf(value))}'`;
  return { kind, ...at, sentence: `Value ${shown} at '${at.path}' failed to satisfy constraint: ${words}` };
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(textOf).join(', ')}]`;
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

const SHOWN_CHARACTERS = 256;

function shortened(text: string): string {
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
}

function inList({ path, member }: At, i: number): At {
  return { path: `${path}.${i + 1}.member`, member };
}

function inMap({ path, member }: At, key: string): At {
  return { path: `${path}.${key}.member`, member };
}

function lowerFirst(name: string): string {
  return name.charAt(0).toLowerCase() + name.slice(1);
}
