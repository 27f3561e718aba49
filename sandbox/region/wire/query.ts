import { AwsError } from '../aws-error.ts';
import { type Member, type ServiceModel, type Shape, shapeIn } from './models.ts';

/** The parameters of a Query request, taken apart at their dots: `Tags.member.1.Key`. */
export interface QueryTree {
  text?: string;
  readonly inner: Map<string, QueryTree>;
}

/** What every request of the protocol has beside its input. */
const ENVELOPE = ['Action', 'Version'];

export function queryTree(parameters: URLSearchParams): QueryTree {
  const root: QueryTree = { inner: new Map() };
  for (const [key, text] of parameters) {
    if (ENVELOPE.includes(key)) continue;
    let place = root;
    for (const name of key.split('.')) {
      const next = place.inner.get(name) ?? { inner: new Map() };
      place.inner.set(name, next);
      place = next;
    }
    place.text = text;
  }
  return root;
}

/** The input as the model has it; text that is no number where AWS has one is left as text. */
export function queryInput(model: ServiceModel, name: string | undefined, tree: QueryTree): Record<string, unknown> {
  return (name === undefined ? {} : read(name, tree)) as Record<string, unknown>;

  function read(name: string, tree: QueryTree): unknown {
    const shape = shapeIn(model, name);
    switch (shape.type) {
      case 'structure':
        return structure(shape, tree);
      case 'list':
        return list(shape, tree);
      case 'map':
        return map(shape, tree);
      default:
        return tree.inner.size > 0 ? Object.fromEntries(tree.inner) : scalar(shape.type, tree.text ?? '');
    }
  }

  function structure({ members = {} }: Shape, { inner, text }: QueryTree): unknown {
    if (text !== undefined && inner.size === 0) return text;
    const nameOf = new Map(Object.entries(members).map(([name, member]) => [onTheWire(model, name, member), name]));
    return Object.fromEntries(
      [...inner].map(([key, tree]) => {
        const name = nameOf.get(key);
        return name === undefined ? [key, tree.text] : [name, read(members[name]?.shape ?? '', tree)];
      }),
    );
  }

  function list({ member, flattened }: Shape, tree: QueryTree): unknown {
    if (!member) return undefined;
    // A list without items is written as an empty text.
    if (tree.inner.size === 0) return tree.text === '' ? [] : tree.text;
    const isFlat = flattened || model.protocol === 'ec2';
    const items = isFlat ? tree.inner : within(tree, member.locationName ?? 'member');
    return numbered(items).map((item) => read(member.shape, item));
  }

  function map({ key, value, flattened }: Shape, tree: QueryTree): unknown {
    if (!key || !value) return undefined;
    const entries = numbered(flattened ? tree.inner : within(tree, 'entry'));
    return Object.fromEntries(
      entries.map(({ inner }) => [
        inner.get(key.locationName ?? 'key')?.text ?? '',
        read(value.shape, inner.get(value.locationName ?? 'value') ?? { inner: new Map() }),
      ]),
    );
  }
}

/** EC2 capitalizes the names of members, unless its model has a name for the query. */
function onTheWire({ protocol }: ServiceModel, name: string, { queryName, locationName }: Member): string {
  if (protocol !== 'ec2') return locationName ?? name;
  const usual = locationName ?? name;
  return queryName ?? usual.charAt(0).toUpperCase() + usual.slice(1);
}

/**
 * The items of a list or map that is written below one name, such as `member`.
 * @throws AwsError if something is written below another: left out, it would read as if nothing had been asked for.
 */
function within({ inner }: QueryTree, name: string): ReadonlyMap<string, QueryTree> {
  const other = [...inner.keys()].find((key) => key !== name);
  if (other !== undefined) throw malformedQuery('Top level element may not be treated as a list');
  return inner.get(name)?.inner ?? new Map();
}

/** @throws AwsError for a number that is none (facts 107 query-lists). */
function numbered(items: ReadonlyMap<string, QueryTree>): QueryTree[] {
  const other = [...items.keys()].find((key) => !/^[1-9]\d*$/.test(key));
  if (other !== undefined) throw malformedQuery(`${other} is not a valid index`);
  return [...items].toSorted(([a], [b]) => Number(a) - Number(b)).map(([, item]) => item);
}

function malformedQuery(message: string): AwsError {
  return new AwsError('MalformedInput', message);
}

export function scalar(type: Shape['type'], text: string): unknown {
  switch (type) {
    case 'integer':
    case 'long':
      return /^-?\d+$/.test(text) ? Number(text) : text;
    case 'float':
    case 'double':
      return text !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
    case 'boolean':
      return text === 'true' || text === 'false' ? text === 'true' : text;
    case 'timestamp': {
      const instant = new Date(/^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : text);
      return Number.isNaN(instant.getTime()) ? text : instant;
    }
    default:
      return text;
  }
}
