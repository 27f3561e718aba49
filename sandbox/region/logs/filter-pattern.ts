import { AwsError } from '../aws-error.ts';
import { wildcards } from '../patterns.ts';

/** Whether a log event matches. */
export type LogTest = (message: string) => boolean;

/**
 * Reads a filter pattern of CloudWatch Logs (facts 86 filter-patterns): terms, or the properties of a message that is
 * JSON.
 * @throws AwsError for what CloudWatch refuses, and for what it knows and the Region lacks.
 */
export function logTest(pattern: string): LogTest {
  const trimmed = pattern.trim();
  if (trimmed === '') return () => true;
  if (trimmed.startsWith('[')) throw unknownHere('space-delimited fields, [a, b]');
  return trimmed.startsWith('{') ? jsonTest(trimmed) : termsTest(trimmed);
}

// --- Terms -----------------------------------------------------------------------------------------------------------

/** All terms have to be there, and none that has a `-`; of those that have a `?`, one. */
function termsTest(pattern: string): LogTest {
  const terms = [...pattern.matchAll(/\s*([-?]?)(?:"((?:[^"\\]|\\.)*)"|(\S+))/gy)].map(([, sign, quoted, bare]) => {
    if (bare !== undefined) refuseBareTerm(bare);
    return { sign, text: quoted?.replace(/\\(.)/g, '$1') ?? bare ?? '' };
  });
  const ofSign = (wanted: string) => terms.filter(({ sign }) => sign === wanted).map(({ text }) => text);
  const [required, excluded, optional] = [ofSign(''), ofSign('-'), ofSign('?')];
  // CloudWatch ignores optional terms beside terms that are required.
  const either = required.length > 0 || excluded.length > 0 ? [] : optional;
  return (message) =>
    required.every((text) => message.includes(text)) &&
    !excluded.some((text) => message.includes(text)) &&
    (either.length === 0 || either.some((text) => message.includes(text)));
}

/** Other characters have to be in quotes. */
function refuseBareTerm(term: string): void {
  if (/^%.*%$/.test(term)) throw unknownHere('regular expressions, %…%');
  const wrong = /[^\p{L}\p{N}_]/u.exec(term)?.[0];
  if (wrong !== undefined) throw invalid(`Invalid character(s) in term '${wrong}'`);
}

// --- JSON ------------------------------------------------------------------------------------------------------------

type Test = (event: unknown) => boolean;

const TOKENS =
  /\s*(?:(&&|\|\||!=|<=|>=|[=<>(){}])|"((?:[^"\\]|\\.)*)"|(\$(?:\.[\w-]+|\[\d+\])+)|([^\s"&|!<>=(){}]+))/gy;

interface Token {
  readonly kind: 'sign' | 'quoted' | 'selector' | 'word' | 'end';
  readonly text: string;
}

function jsonTest(pattern: string): LogTest {
  const test = new JsonPattern(tokensOf(pattern)).read();
  return (message) => {
    let event: unknown;
    try {
      event = JSON.parse(message);
    } catch {
      return false;
    }
    return typeof event === 'object' && event !== null && test(event);
  };
}

function tokensOf(pattern: string): Token[] {
  const tokens: Token[] = [];
  let end = 0;
  for (const match of pattern.matchAll(TOKENS)) {
    const [all, sign, quoted, selector, word] = match;
    end = match.index + all.length;
    if (sign !== undefined) tokens.push({ kind: 'sign', text: sign });
    else if (quoted !== undefined) tokens.push({ kind: 'quoted', text: quoted.replace(/\\(.)/g, '$1') });
    else if (selector !== undefined) tokens.push({ kind: 'selector', text: selector });
    else tokens.push({ kind: 'word', text: word ?? '' });
  }
  const rest = pattern.slice(end).trim();
  if (rest !== '') throw invalid(`Invalid character(s) in term '${rest}'`);
  return tokens;
}

/** Deeper patterns do not fit into the 1,024 characters that a pattern may have, except for mere parentheses. */
const DEEPEST = 100;

/** Reads `{ a || b && (c) }`: `&&` binds more closely than `||`. */
class JsonPattern {
  readonly #tokens: readonly Token[];
  #place = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  read(): Test {
    this.#expect('{');
    const test = this.#either();
    this.#expect('}');
    if (this.#next.kind !== 'end') throw this.#unexpected();
    return test;
  }

  #either(): Test {
    const tests = [this.#both()];
    while (this.#takes('||')) tests.push(this.#both());
    return (event) => tests.some((test) => test(event));
  }

  #both(): Test {
    const tests = [this.#one()];
    while (this.#takes('&&')) tests.push(this.#one());
    return (event) => tests.every((test) => test(event));
  }

  #one(): Test {
    if (!this.#takes('(')) return this.#comparison();
    this.#depth += 1;
    if (this.#depth > DEEPEST) throw invalid('Invalid filter pattern: too many parentheses');
    const test = this.#either();
    this.#expect(')');
    return test;
  }

  #comparison(): Test {
    const path = pathIn(this.#take('selector'));
    if (this.#takesWord('NOT')) {
      if (!this.#takesWord('EXISTS')) throw this.#unexpected();
      return (event) => valueAt(event, path) === undefined;
    }
    if (this.#takesWord('EXISTS')) return (event) => valueAt(event, path) !== undefined;
    if (this.#takesWord('IS')) {
      const wanted = this.#take('word').toUpperCase();
      if (!['NULL', 'TRUE', 'FALSE'].includes(wanted)) throw invalid(`Invalid filter pattern: IS ${wanted}`);
      return (event) => valueAt(event, path) === JSON.parse(wanted.toLowerCase());
    }
    const operator = this.#take('sign');
    const { kind, text } = this.#next;
    this.#take(kind === 'quoted' ? 'quoted' : 'word');
    if (kind === 'word' && /^%.*%$/.test(text)) throw unknownHere('regular expressions, %…%');
    return comparing(path, operator, text, kind === 'word' && NUMBER.test(text));
  }

  get #next(): Token {
    return this.#tokens[this.#place] ?? { kind: 'end', text: 'the end' };
  }

  #take(kind: Token['kind']): string {
    if (this.#next.kind !== kind) throw this.#unexpected();
    const { text } = this.#next;
    this.#place += 1;
    return text;
  }

  #takes(sign: string): boolean {
    const found = this.#next.kind === 'sign' && this.#next.text === sign;
    if (found) this.#place += 1;
    return found;
  }

  #takesWord(word: string): boolean {
    const found = this.#next.kind === 'word' && this.#next.text.toUpperCase() === word;
    if (found) this.#place += 1;
    return found;
  }

  #expect(sign: string): void {
    if (!this.#takes(sign)) throw this.#unexpected();
  }

  #unexpected(): AwsError {
    return invalid(`Invalid filter pattern: '${this.#next.text}' was not expected there`);
  }
}

const NUMBER = /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i;

/** Texts are compared with `*` for what may be there, numbers as numbers. A property that is not there matches nothing. */
function comparing(path: readonly (string | number)[], operator: string, wanted: string, isNumber: boolean): Test {
  if (operator === '=' || operator === '!=') {
    const matches = wildcards(wanted, { single: false });
    const equals = (value: unknown) =>
      isNumber && typeof value === 'number' ? value === Number(wanted) : matches(String(value));
    return (event) => {
      const value = valueAt(event, path);
      return isScalar(value) && equals(value) === (operator === '=');
    };
  }
  const order = ORDERS[operator];
  if (!order) throw invalid(`Invalid filter pattern: '${operator}' was not expected there`);
  if (!isNumber) throw invalid(`Invalid filter pattern: '${operator}' compares numbers, and '${wanted}' is none`);
  return (event) => {
    const value = valueAt(event, path);
    return typeof value === 'number' && order(value, Number(wanted));
  };
}

const ORDERS: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
};

function isScalar(value: unknown): boolean {
  return value !== undefined && value !== null && typeof value !== 'object';
}

/** The names and places in `$.a.b[0]`. */
function pathIn(selector: string): (string | number)[] {
  return [...selector.matchAll(/\.([\w-]+)|\[(\d+)\]/g)].map(([, name, place]) => name ?? Number(place));
}

function valueAt(event: unknown, path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>((value, step) => {
    const isThere = typeof value === 'object' && value !== null && Object.hasOwn(value, step);
    return isThere ? (value as Record<string | number, unknown>)[step] : undefined;
  }, event);
}

function invalid(message: string): AwsError {
  return new AwsError('InvalidParameterException', message);
}

function unknownHere(what: string): AwsError {
  return invalid(`The local Region does not know filter patterns with ${what}.`);
}
