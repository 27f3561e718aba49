/**
 * EventBridge event patterns: fields are joined by AND, the values of a field by OR, and all compare as JSON does, by
 * type and case. (EventBridge user guide, "Creating event patterns"; README of aws/event-ruler, which EventBridge runs.)
 * An operator that is not known here is an error: a guess would let a test pass that AWS fails.
 */

import { wildcards } from '../patterns.ts';

/** What a field of an event is tested with; `undefined` is a field that the event does not have. */
type Test = (value: unknown, event: unknown) => boolean;

/** What a field with the given values is tested with: more than one where the event has an array. */
type LeafTest = (leaves: readonly unknown[], event: unknown) => boolean;

type ScalarTest = (leaf: unknown) => boolean;

/**
 * Whether the pattern matches the event.
 * @throws Error naming the place, if EventBridge would refuse the pattern, or this file does not know its operator or what
 * that means in this event.
 */
export function matches(pattern: unknown, event: unknown): boolean {
  return fieldsTest(pattern, [])(event, event);
}

function fieldsTest(pattern: unknown, path: readonly string[]): Test {
  if (!isObject(pattern)) throw invalid(path, 'is neither an object of fields nor a list of values');
  const tests = Object.entries(pattern).map(([name, inner]) => {
    const at = [...path, name];
    if (name.startsWith('$')) throw invalid(at, 'is not known here');
    const test = Array.isArray(inner) ? valuesTest(inner, at) : fieldsTest(inner, at);
    return (object: Record<string, unknown>, event: unknown) => test(object[name], event);
  });
  if (tests.length === 0) throw invalid(path, 'has no fields');
  // Where the event has an array of objects, one of them has to pass every test.
  return (value, event) => objectsIn(value).some((object) => tests.every((test) => test(object, event)));
}

function valuesTest(values: readonly unknown[], path: readonly string[]): Test {
  if (values.length === 0) throw invalid(path, 'is an empty list');
  const tests = values.map((value) => (isScalar(value) ? oneIs((leaf) => leaf === value) : operatorTest(value, path)));
  return (value, event) => {
    const leaves = leavesIn(value);
    return tests.some((test) => test(leaves, event));
  };
}

function operatorTest(value: unknown, path: readonly string[]): LeafTest {
  const [operator = '', operand] = onlyEntryOf(value, path);
  const at = [...path, operator];
  switch (operator) {
    case 'exists':
      if (typeof operand !== 'boolean') throw invalid(at, 'takes true or false');
      return (leaves, event) => {
        // Event Ruler's answer depends on the order of the fields' names, which is not played here.
        if (!operand && inList(path, event))
          throw invalid(at, 'is false in a list of objects, which is not known here');
        return leaves.length > 0 === operand;
      };
    case 'prefix':
    case 'suffix':
      return oneIs(affixTest(operator, operand, at));
    case 'wildcard':
      return oneIs(wildcardTest(operand, at));
    case 'anything-but':
      return oneIs(anythingButTest(operand, at));
    default:
      throw invalid(at, 'is an operator that is not known here');
  }
}

function affixTest(operator: 'prefix' | 'suffix', affix: unknown, path: readonly string[]): ScalarTest {
  if (typeof affix !== 'string') throw invalid(path, 'takes text');
  return (leaf) => typeof leaf === 'string' && (operator === 'prefix' ? leaf.startsWith(affix) : leaf.endsWith(affix));
}

/** `*` stands for any characters; a backslash takes `*` or a backslash as it is. */
function wildcardTest(operand: unknown, path: readonly string[]): ScalarTest {
  if (typeof operand !== 'string') throw invalid(path, 'takes text');
  const symbols = operand.match(/\\?[\s\S]/g) ?? [];
  if (symbols.some((symbol) => symbol.startsWith('\\') && !/^\\[*\\]$/.test(symbol))) {
    throw invalid(path, 'has a backslash before something else than * and a backslash');
  }
  if (symbols.some((symbol, i) => symbol === '*' && symbols[i + 1] === '*')) {
    throw invalid(path, 'has two wildcards beside each other');
  }
  const matches = wildcards(operand, { single: false, literal: /\\([*\\])/ });
  return (leaf) => typeof leaf === 'string' && matches(leaf);
}

function anythingButTest(operand: unknown, path: readonly string[]): ScalarTest {
  if (isObject(operand)) {
    const [operator, affix] = onlyEntryOf(operand, path);
    const at = [...path, String(operator)];
    if (operator !== 'prefix' && operator !== 'suffix') throw invalid(at, 'is an operator that is not known here');
    if (affix === '') throw invalid(at, 'takes text that is not empty');
    const excluded = affixTest(operator, affix, at);
    return (leaf) => !excluded(leaf);
  }
  const excluded = Array.isArray(operand) ? operand : [operand];
  const alike = ['string', 'number'].some((type) => excluded.every((value) => typeof value === type));
  if (excluded.length === 0 || !alike) throw invalid(path, 'takes texts, or numbers, or prefix, or suffix');
  return (leaf) => !excluded.includes(leaf);
}

function oneIs(test: ScalarTest): LeafTest {
  return (leaves) => leaves.some(test);
}

/** The values of a field: those of an array one by one, and no objects, because they are no leaves. */
function leavesIn(value: unknown): unknown[] {
  return [value].flat(Number.POSITIVE_INFINITY).filter(isScalar);
}

/** The objects of a field; without one its fields are tested as missing, and may be meant to be. */
function objectsIn(value: unknown): Record<string, unknown>[] {
  const objects = [value].flat(Number.POSITIVE_INFINITY).filter(isObject);
  return objects.length > 0 ? objects : [{}];
}

/** Whether the event has more than one object in which the path's last field may be. */
function inList(path: readonly string[], event: unknown): boolean {
  const around = path.slice(0, -1);
  return (
    around.reduce((objects, name) => objectsIn(objects.map((object) => object[name])), objectsIn(event)).length > 1
  );
}

function isScalar(value: unknown): boolean {
  return value === null || ['string', 'number', 'boolean'].includes(typeof value);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function onlyEntryOf(value: unknown, path: readonly string[]): [string, unknown] {
  const [entry, ...more] = isObject(value) ? Object.entries(value) : [];
  if (entry === undefined || more.length > 0) throw invalid(path, 'takes plain values, and objects with one operator');
  return entry;
}

function invalid(path: readonly string[], why: string): Error {
  return new Error(`The event pattern cannot be used: ${path.join('.') || 'it'} ${why}.`);
}
