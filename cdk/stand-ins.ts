import { createHash } from 'node:crypto';
import { Stack, Token } from 'aws-cdk-lib';
import type { Construct } from 'constructs';

/**
 * Names and ARNs that only CloudFormation knows, in a template that is computed from names and ARNs. Each token has a stand-in, which
 * the checks take for a value of its kind; then the tokens go where the stand-ins are.
 */
export interface StandIns {
  /** The value itself, or what stands in for it, made from ten hexadecimal digits that are the token's own. */
  of(value: string, standIn: (digits: string) => string): string;
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

  return {
    of: (value, standIn) => {
      if (!Token.isUnresolved(value)) return value;
      // Made from what the token refers to and not from its place in a list: a hook has its logical id from the name of its group.
      const digits = digitsOf(value);
      const text = standIn(digits);
      add(text, value, digits);
      return text;
    },
    part: (text, token) => add(text, token, digitsOf(token)),
    replacedIn,
  };
}
