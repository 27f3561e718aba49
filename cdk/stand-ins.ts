import { createHash } from 'node:crypto';
import { Stack, Token, Tokenization } from 'aws-cdk-lib';
import type { Construct } from 'constructs';

/**
 * Names and ARNs that only CloudFormation knows, in a template that is computed from names and ARNs. Each token has a stand-in, which
 * the checks take for a value of its kind; then the tokens go where the stand-ins are.
 */
export interface StandIns {
  /** The value itself, or what stands in for it, made from ten hexadecimal digits that are the token's own. */
  of(value: string, standIn: (digits: string) => string): string;
  /** The text with a name in place of each token: what is between the tokens is read as it is. */
  inText(text: string): string;
  /** An ARN whose known parts are kept, because the checks read them; if the whole of it is a token, what stands in for that. */
  arn(value: string, standIn: (digits: string) => string): string;
  /** A part of a stand-in that the template has alone as well, and the token of that part. */
  part(text: string, token: string): void;
  /** The template with the tokens in place of the stand-ins. */
  replacedIn(template: unknown): unknown;
}

export function standInsIn(scope: Construct): StandIns {
  const tokens = new Map<string, { readonly token: string; readonly variable: string }>();
  const add = (text: string, token: string, digits: string) => tokens.set(text, { token, variable: `Token${digits}` });
  const digitsOf = (token: string) =>
    createHash('sha256')
      .update(JSON.stringify(Stack.of(scope).resolve(token)))
      .digest('hex')
      .slice(0, 10);

  const replaced = (text: string): string =>
    [...tokens].reduce((all, [standIn, { token }]) => all.replaceAll(standIn, token), text);

  /** A text of `Fn::Sub` must be a literal: the tokens are variables there. */
  const substituted = (text: string): unknown => {
    const used = [...tokens].filter(([standIn]) => text.includes(standIn));
    if (used.length === 0) return text;
    const literal = used.reduce((all, [standIn, { variable }]) => all.replaceAll(standIn, `\${${variable}}`), text);
    return [literal, Object.fromEntries(used.map(([, { token, variable }]) => [variable, token]))];
  };

  const replacedIn = (value: unknown): unknown => {
    if (typeof value === 'string') return replaced(value);
    if (Array.isArray(value)) return value.map(replacedIn);
    if (typeof value !== 'object' || value === null) return value;
    const inner = ([key, each]: [string, unknown]) =>
      key === 'Fn::Sub' && typeof each === 'string' ? [key, substituted(each)] : [key, replacedIn(each)];
    return Object.fromEntries(Object.entries(value).map(inner));
  };

  const of: StandIns['of'] = (value, standIn) => {
    if (!Token.isUnresolved(value)) return value;
    // Made from what the token refers to and not from its place in a list: a hook has its logical id from the name of its group.
    const digits = digitsOf(value);
    const text = standIn(digits);
    add(text, value, digits);
    return text;
  };

  return {
    of,
    inText: (text) => eachToken(text, (token) => of(token, (digits) => `token-${digits}`)),
    arn: (value, standIn) =>
      of(value, (digits) => {
        const fields = eachToken(value, (token) => `token-${digitsOf(token)}`).split(':');
        return fields.length < ARN_FIELDS ? standIn(digits) : fields.map(fitting).join(':');
      }),
    part: (text, token) => add(text, token, digitsOf(token)),
    replacedIn,
  };
}

/** The text with something else for each token in it. */
function eachToken(text: string, of: (token: string) => string): string {
  return Tokenization.reverseString(text)
    .mapTokens({ mapToken: (token) => of(Token.asString(token)) as never })
    .join({ join: (before = '', after = '') => `${before}${after}` });
}

const ARN_FIELDS = 6;

/** A field of an ARN, or one that the checks take in place of a token: any text is a Region to them, and part of a name. */
function fitting(field: string, index: number): string {
  if (!field.startsWith('token-')) return field;
  if (index === 1) return 'aws';
  return index === 4
    ? String(Number.parseInt(field.slice(6), 16))
        .padStart(12, '0')
        .slice(-12)
    : field;
}
