import { regularExpression } from '../patterns.ts';
import { invalid } from './errors.ts';
import type { InstanceView } from './views.ts';

/**
 * ECS's cluster query language (facts 59 cluster-query-operators): `agentConnected == true and (attribute:stack exists
 * or runningTasksCount > 3)`. Grammar, loosest first: or, and, not, then `subject operator [argument]` or parentheses.
 */
export interface ClusterQuery {
  readonly matches: (instance: InstanceView) => boolean;
  /** The EC2 instances that can match at most, where the query names them: they cost a look each, not one at every instance. */
  readonly ec2InstanceIds: readonly string[] | undefined;
}

/** How long a query may be AWS does not say (facts 32 cluster-query): a hundred instances take half of this. */
const LONGEST_QUERY = 4_096;
/** How deep it may nest, so that reading it and asking it never exhaust the stack. */
const DEEPEST_QUERY = 100;

/** @throws AwsError if it is no query of the language. */
export function clusterQuery(text: string): ClusterQuery {
  if (text.length > LONGEST_QUERY) {
    throw invalid(
      `The local Region reads filters of ${LONGEST_QUERY} characters at most, and this has ${text.length}.`,
    );
  }
  return new Parser(text, tokensOf(text)).whole();
}

/** A quoted text, brackets and commas, an operator, or a word. */
const TOKEN =
  /\s*(?:('[^']*'|"[^"]*")|(&&|\|\||[()[\],]|==|!=|>=|<=|=~|!~|[<>])|(!in\b|!exists\b|[^\s()[\],=!<>&|'"]+)|(!))/y;

interface Token {
  readonly text: string;
  readonly quoted: boolean;
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  while (text.slice(TOKEN.lastIndex).trim() !== '') {
    const match = TOKEN.exec(text);
    if (!match) throw unreadable(text);
    const [, quoted, operator, word, not] = match;
    tokens.push({ text: quoted?.slice(1, -1) ?? operator ?? word ?? not ?? '', quoted: quoted !== undefined });
  }
  return tokens;
}

type Operator = '==' | '!=' | '>' | '>=' | '<' | '<=' | 'exists' | '!exists' | 'in' | '!in' | '=~' | '!~';

/** Each operator under all its names. */
const OPERATORS: Readonly<Record<string, Operator>> = {
  '==': '==',
  equals: '==',
  '!=': '!=',
  not_equals: '!=',
  '>': '>',
  greater_than: '>',
  '>=': '>=',
  greater_than_equal: '>=',
  '<': '<',
  less_than: '<',
  '<=': '<=',
  less_than_equal: '<=',
  exists: 'exists',
  '!exists': '!exists',
  not_exists: '!exists',
  in: 'in',
  '!in': '!in',
  not_in: '!in',
  '=~': '=~',
  matches: '=~',
  '!~': '!~',
  not_matches: '!~',
};

const EQUALITY = ['==', '!=', 'in', '!in', '=~', '!~'] as const;
const ORDER = ['==', '!=', '>', '>=', '<', '<='] as const;

/** What a query asks about. */
interface Subject {
  readonly operators: readonly Operator[];
  /** Its values on an instance: none if the instance does not have it. */
  readonly valuesOf: (instance: InstanceView) => readonly string[];
  /** A value or an argument, in a form that compares; undefined if it is of another kind. */
  readonly read: (text: string) => string | number | undefined;
}

const asText = (text: string) => text;
const asBoolean = (text: string) => (/^(true|false)$/.test(text) ? text : undefined);
const asNumber = (text: string) => (/^\d+$/.test(text) ? Number(text) : undefined);
/** A date alone begins at midnight, and a time without a zone is UTC. */
const asInstant = (text: string) => {
  const ms = Date.parse(/T[\d:.]+$/.test(text) ? `${text}Z` : text);
  return /^\d{4}-\d\d-\d\d/.test(text) && Number.isFinite(ms) ? ms : undefined;
};
const asVersion = (text: string) =>
  /^\d+(\.\d+)*$/.test(text) ? text.replace(/\d+/g, (part) => part.padStart(9, '0')) : undefined;

const SUBJECTS: Readonly<Record<string, Subject>> = {
  agentConnected: {
    operators: EQUALITY,
    valuesOf: ({ agentConnected }) => [String(agentConnected)],
    read: asBoolean,
  },
  agentVersion: { operators: ORDER, valuesOf: ({ agentVersion }) => [agentVersion], read: asVersion },
  ec2InstanceId: { operators: EQUALITY, valuesOf: ({ ec2InstanceId }) => [ec2InstanceId], read: asText },
  registeredAt: {
    operators: ORDER,
    valuesOf: ({ registeredAtMs }) => [new Date(registeredAtMs).toISOString()],
    read: asInstant,
  },
  runningTasksCount: { operators: ORDER, valuesOf: ({ tally }) => [String(tally.running)], read: asNumber },
  'task:group': {
    operators: [...EQUALITY, 'exists', '!exists'],
    valuesOf: ({ holding }) => [...holding].map(({ group }) => group),
    read: asText,
  },
};

/** `attribute:stack`. */
function attribute(name: string): Subject {
  return {
    operators: [...EQUALITY, 'exists', '!exists'],
    valuesOf: ({ attributes }) => (attributes.has(name) ? [attributes.get(name) ?? ''] : []),
    read: asText,
  };
}

class Parser {
  readonly #text: string;
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  constructor(text: string, tokens: readonly Token[]) {
    this.#text = text;
    this.#tokens = tokens;
  }

  whole(): ClusterQuery {
    const query = this.#or();
    if (this.#at < this.#tokens.length) throw unreadable(this.#text);
    return query;
  }

  #or(): ClusterQuery {
    let query = this.#and();
    while (this.#takes('or', '||')) {
      const [left, right] = [query, this.#and()];
      query = {
        matches: (instance) => left.matches(instance) || right.matches(instance),
        ec2InstanceIds: left.ec2InstanceIds &&
          right.ec2InstanceIds && [...left.ec2InstanceIds, ...right.ec2InstanceIds],
      };
    }
    return query;
  }

  #and(): ClusterQuery {
    let query = this.#not();
    while (this.#takes('and', '&&')) {
      const [left, right] = [query, this.#not()];
      query = {
        matches: (instance) => left.matches(instance) && right.matches(instance),
        ec2InstanceIds: left.ec2InstanceIds ?? right.ec2InstanceIds,
      };
    }
    return query;
  }

  #not(): ClusterQuery {
    if (++this.#depth > DEEPEST_QUERY) {
      throw invalid(`The local Region reads filters that nest ${DEEPEST_QUERY} levels deep at most.`);
    }
    const query = this.#negated();
    this.#depth--;
    return query;
  }

  #negated(): ClusterQuery {
    if (this.#takes('not', '!')) {
      const { matches } = this.#not();
      return { matches: (instance) => !matches(instance), ec2InstanceIds: undefined };
    }
    if (!this.#takes('(')) return this.#comparison();
    const query = this.#or();
    if (!this.#takes(')')) throw unreadable(this.#text);
    return query;
  }

  #comparison(): ClusterQuery {
    const name = this.#word();
    const subject = name.startsWith('attribute:') ? attribute(name.slice('attribute:'.length)) : subjectNamed(name);
    const operator = OPERATORS[this.#next().text.toLowerCase()];
    if (!subject || !operator || !subject.operators.includes(operator)) throw unreadable(this.#text);
    const args = this.#arguments(operator);
    const matches = comparison(subject, operator, args);
    if (!matches) throw unreadable(this.#text);
    const namesInstances = name === 'ec2InstanceId' && (operator === '==' || operator === 'in');
    return { matches, ec2InstanceIds: namesInstances ? args : undefined };
  }

  #arguments(operator: Operator): string[] {
    if (operator === 'exists' || operator === '!exists') return [];
    if (operator !== 'in' && operator !== '!in') return [this.#word()];
    if (!this.#takes('[')) throw unreadable(this.#text);
    const list = [this.#word()];
    while (this.#takes(',')) list.push(this.#word());
    if (!this.#takes(']')) throw unreadable(this.#text);
    return list;
  }

  /** A name or a value. */
  #word(): string {
    const { text, quoted } = this.#next();
    if (!quoted && /^([()[\],!]|&&|\|\||[=!<>]+~?)$/.test(text)) throw unreadable(this.#text);
    return text;
  }

  #takes(...texts: string[]): boolean {
    const token = this.#tokens[this.#at];
    if (!token || token.quoted || !texts.includes(token.text.toLowerCase())) return false;
    this.#at += 1;
    return true;
  }

  #next(): Token {
    const token = this.#tokens[this.#at];
    if (!token) throw unreadable(this.#text);
    this.#at += 1;
    return token;
  }
}

function subjectNamed(name: string): Subject | undefined {
  return Object.hasOwn(SUBJECTS, name) ? SUBJECTS[name] : undefined;
}

/**
 * An instance without the subject matches no comparison, not even `!=` (facts 59 cluster-query-operators). Undefined if
 * the arguments are of another kind than the subject.
 */
function comparison(
  { valuesOf, read }: Subject,
  operator: Operator,
  args: readonly string[],
): ((instance: InstanceView) => boolean) | undefined {
  const some = (test: (value: string) => boolean) => (instance: InstanceView) => valuesOf(instance).some(test);
  const every = (test: (value: string) => boolean) => (instance: InstanceView) =>
    valuesOf(instance).length > 0 && valuesOf(instance).every(test);
  if (operator === 'exists') return some(() => true);
  if (operator === '!exists') return (instance) => valuesOf(instance).length === 0;
  if (operator === '=~' || operator === '!~') {
    const matches = regularExpression(args[0] ?? '');
    if (!matches) return undefined;
    return operator === '=~' ? some(matches) : every((value) => !matches(value));
  }
  const wanted = args.flatMap((each) => read(each) ?? []);
  const [bound] = wanted;
  if (bound === undefined || wanted.length < args.length) return undefined;
  const is = (test: (value: string | number) => boolean) => (text: string) => test(read(text) ?? '');
  switch (operator) {
    case '==':
    case 'in':
      return some(is((value) => wanted.includes(value)));
    case '!=':
    case '!in':
      return every(is((value) => !wanted.includes(value)));
    case '>':
      return some(is((value) => value > bound));
    case '>=':
      return some(is((value) => value >= bound));
    case '<':
      return some(is((value) => value < bound));
    case '<=':
      return some(is((value) => value <= bound));
    default:
      return operator satisfies never;
  }
}

function unreadable(text: string) {
  return invalid(`Invalid filter: ${text}`);
}
