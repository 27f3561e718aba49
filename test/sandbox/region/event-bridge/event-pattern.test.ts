import { describe, expect, it } from 'vitest';
import { matches } from '../../../../sandbox/region/event-bridge/event-pattern.ts';

/** The event of the EventBridge user guide and of aws/event-ruler's README. */
const event = {
  version: '0',
  id: 'ddddd4-aaaa-7777-4444-345dd43cc333',
  'detail-type': 'EC2 Instance State-change Notification',
  source: 'aws.ec2',
  account: '123456789012',
  time: '2017-10-02T16:24:49Z',
  region: 'us-east-1',
  resources: ['arn:aws:ec2:us-east-1:123456789012:instance/i-000000aaaaaa00000', 'arn:aws:ec2:another'],
  detail: {
    'c-count': 5,
    'x-limit': 301.8,
    state: 'running',
    spot: false,
    reason: null,
    tags: [],
    'd-count': { d1: 1 },
  },
};

describe('an event pattern', () => {
  it.each([
    ['a value that is in the list', { source: ['aws.ec2', 'aws.ecs'] }],
    ['a number', { detail: { 'c-count': [5] } }],
    ['a boolean', { detail: { spot: [false] } }],
    ['null', { detail: { reason: [null] } }],
    ['every field of several', { source: ['aws.ec2'], detail: { state: ['running'], 'c-count': [5] } }],
    ['a prefix', { time: [{ prefix: '2017-10-02' }] }],
    ['a wildcard', { source: [{ wildcard: 'a*.e*' }] }],
    ['a wildcard that stands for nothing', { source: [{ wildcard: 'aws*.ec2' }] }],
    ['a suffix', { source: [{ suffix: 'ec2' }] }],
    ['anything but another text', { detail: { state: [{ 'anything-but': 'initializing' }] } }],
    ['anything but a list of texts', { detail: { state: [{ 'anything-but': ['stopped', 'overloaded'] }] } }],
    ['anything but a list of numbers', { detail: { 'x-limit': [{ 'anything-but': [100, 200, 300] }] } }],
    ['anything but a prefix', { detail: { state: [{ 'anything-but': { prefix: 'init' } }] } }],
    ['a field that exists', { detail: { 'c-count': [{ exists: true }] } }],
    ['a field that exists and is null', { detail: { reason: [{ exists: true }] } }],
    ['a field that does not exist', { detail: { 'e-count': [{ exists: false }] } }],
    ['a field without an object around it, that does not exist', { details: { 'e-count': [{ exists: false }] } }],
    ['a field that is an object, and so no leaf, as not existing', { detail: { 'd-count': [{ exists: false }] } }],
    ['an empty list as not existing', { detail: { tags: [{ exists: false }] } }],
    ['one of an operator and a value', { detail: { state: [{ exists: false }, 'running'] } }],
    ['one element of a list in the event', { resources: [{ suffix: 'another' }] }],
  ])('matches %s', (_, pattern) => {
    expect(matches(pattern, event)).toBe(true);
  });

  it.each([
    ['another value', { source: ['aws.ecs'] }],
    ['a part of the value', { source: ['aws'] }],
    ['another case', { detail: { state: ['Running'] } }],
    ['a number written as text', { detail: { 'c-count': ['5'] } }],
    ['one field of two', { source: ['aws.ec2'], detail: { state: ['stopped'] } }],
    ['a missing field', { detail: { 'e-count': [5] } }],
    ['another prefix', { time: [{ prefix: '2018' }] }],
    ['another wildcard', { source: [{ wildcard: 'aws.*3' }] }],
    ['a wildcard that is only a character', { source: [{ wildcard: 'aws\\*' }] }],
    ['a wildcard of what is no text', { detail: { 'c-count': [{ wildcard: '*' }] } }],
    ['a prefix of what is no text', { detail: { 'c-count': [{ prefix: '5' }] } }],
    ['anything but this text', { detail: { state: [{ 'anything-but': 'running' }] } }],
    ['anything but a list with this text', { detail: { state: [{ 'anything-but': ['stopped', 'running'] }] } }],
    ['anything but its prefix', { detail: { state: [{ 'anything-but': { prefix: 'run' } }] } }],
    ['anything but something, of a missing field', { detail: { 'e-count': [{ 'anything-but': 'x' }] } }],
    ['a field that is there, as not existing', { detail: { state: [{ exists: false }] } }],
    ['a field that is missing, as existing', { detail: { 'e-count': [{ exists: true }] } }],
    ['no element of a list in the event', { resources: ['arn:aws:ec2:a-third'] }],
    ['fields below a value that is no object', { source: { name: ['aws.ec2'] } }],
  ])('refuses %s', (_, pattern) => {
    expect(matches(pattern, event)).toBe(false);
  });

  it('has all its fields met by the same element of a list', () => {
    const employees = [{ firstName: 'Anna', lastName: 'Smith' }, [{ firstName: 'Peter', lastName: 'Jones' }]];
    expect(matches({ employees: { firstName: ['Peter'], lastName: ['Jones'] } }, { employees })).toBe(true);
    expect(matches({ employees: { firstName: ['Anna'], lastName: ['Jones'] } }, { employees })).toBe(false);
  });

  it('does not guess what is missing in a list of objects', () => {
    const pattern = { detail: { employees: { lastName: [{ exists: false }] } } };
    expect(() => matches(pattern, { detail: { employees: [{ lastName: 'Smith' }, {}] } })).toThrow(
      'detail.employees.lastName.exists is false in a list of objects, which is not known here',
    );
    expect(matches(pattern, { detail: { employees: [{ firstName: 'Anna' }] } })).toBe(true);
  });

  it.each([
    [
      { detail: { 'c-count': [{ numeric: ['>', 0] }] } },
      'detail.c-count.numeric is an operator that is not known here',
    ],
    [{ detail: { a: [{ 'anything-but': { wildcard: '*' } }] } }, 'detail.a.anything-but.wildcard is an operator that'],
    [{ $or: [{ source: ['aws.ec2'] }] }, '$or is not known here'],
    [{ source: 'aws.ec2' }, 'source is neither an object of fields nor a list of values'],
    [{ source: [] }, 'source is an empty list'],
    [{ source: [{ prefix: 'a', suffix: 'b' }] }, 'source takes plain values, and objects with one operator'],
    [{ source: [{ prefix: 5 }] }, 'source.prefix takes text'],
    [{ source: [{ wildcard: 5 }] }, 'source.wildcard takes text'],
    [{ source: [{ wildcard: 'a**' }] }, 'source.wildcard has two wildcards beside each other'],
    [{ source: [{ wildcard: 'a\\b' }] }, 'source.wildcard has a backslash before something else'],
    [{ source: [{ 'anything-but': { prefix: '' } }] }, 'source.anything-but.prefix takes text that is not empty'],
    [{ source: [{ exists: 'true' }] }, 'source.exists takes true or false'],
    [{ source: [{ 'anything-but': ['a', 5] }] }, 'source.anything-but takes texts, or numbers'],
    [{ detail: {} }, 'detail has no fields'],
    [[], 'it is neither an object'],
  ])('is refused as a whole if a part cannot be used: %j', (pattern, sentence) => {
    expect(() => matches(pattern, {})).toThrow(sentence);
  });
});
