import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BadSnapshot,
  checkedSnapshot,
  type Snapshot,
  snapshotFrom,
  withoutAccount,
  withoutArns,
} from '../../../sandbox/plan/snapshot.ts';
import { START_MS } from '../start.ts';
import { aSnapshot } from './samples.ts';

/** What the reader says of a snapshot that was changed by hand. */
function complaintAbout(edit: (snapshot: Edited) => unknown): string {
  const edited = structuredClone(aSnapshot()) as unknown as Edited;
  edit(edited);
  try {
    checkedSnapshot(edited, 'web.json');
  } catch (error) {
    if (error instanceof BadSnapshot) return error.message;
    throw error;
  }
  return '';
}

// biome-ignore lint/suspicious/noExplicitAny: what is edited need not be a snapshot any more.
type Edited = any;

const STOPPED = { group: 'service:web', taskDefinition: 'web:1', createdAtMs: START_MS };

describe('a snapshot', () => {
  it('is read as it was written', () => {
    const snapshot = aSnapshot();
    expect(snapshotFrom(JSON.stringify(snapshot), 'web.json')).toEqual(snapshot);
  });

  it('of another version is refused with what to do', () => {
    expect(complaintAbout((it) => Object.assign(it, { version: 2, novelty: true }))).toBe(
      'web.json is a snapshot of version 2, and this ecs-drain reads version 1. Take it again with npx ecs-drain snapshot.',
    );
  });

  it('that was cut off is refused with what to do', () => {
    const text = JSON.stringify(aSnapshot());
    expect(() => snapshotFrom(text.slice(0, -100), 'web.json')).toThrow(
      'web.json is not whole JSON: it may have been cut off. Take it again with npx ecs-drain snapshot.',
    );
  });

  it.each<[string, (snapshot: Edited) => unknown, RegExp]>([
    [
      'a count that is none',
      (it) => (it.cluster.services[0].desiredCount = -1),
      /cluster\.services\.0\.desiredCount is -1: expected a count/,
    ],
    ['a field that is missing', (it) => delete it.group.maxSize, /group\.maxSize is missing/],
    ['a field with a wrong name', (it) => (it.group.maxsize = 3), /group\.maxsize is not a field that is known here/],
    [
      'sizes that contradict each other',
      (it) => (it.group.maxSize = 1),
      /^web\.json contradicts itself: the group web has a desired capacity of 2, which is not between its minimum of 0 and its maximum of 1\./,
    ],
    [
      'a service that is there twice',
      (it) => it.cluster.services.push(it.cluster.services[0]),
      /: web is in it twice\./,
    ],
    [
      'a task on an instance that is not there',
      (it) => it.cluster.instances.shift(),
      /is on i-\w+, which is not an instance of the cluster\./,
    ],
    [
      'a container instance that is there twice',
      (it) => it.cluster.instances.push({ ...it.cluster.instances[0] }),
      /^web\.json contradicts itself: i-0000000000000000a, registered at 2\S+Z, is in it twice\./,
    ],
    [
      'a task that is there twice',
      (it) => it.cluster.tasks.push({ ...it.cluster.tasks[0], lastStatus: 'PENDING' }),
      /: 0a is in it twice\./,
    ],
    ...['taskDefinitions', 'targetGroups'].map((what): [string, (snapshot: Edited) => unknown, RegExp] => [
      `${what} with the same name`,
      (it) => it.cluster[what].push({ ...it.cluster[what][0] }),
      /: web(:1)? is in it twice\./,
    ]),
    [
      'a task that started after the snapshot was taken',
      (it) => (it.cluster.tasks[0].startedAtMs = it.takenAtMs + 301_000),
      /: the task 0a started at 2\S+Z, after the snapshot was taken \(2\S+Z\)\. Take it again/,
    ],
    [
      'a task that started before it was created',
      (it) => (it.cluster.tasks[0].startedAtMs = it.cluster.tasks[0].createdAtMs - 1),
      /: the task 0a started at 2\S+Z, before it was created \(2\S+Z\)\./,
    ],
    [
      'a stopped task that stopped in the future',
      (it) => it.cluster.stoppedTasks.push({ ...STOPPED, executionStoppedAtMs: it.takenAtMs + 1e9 }),
      /: a stopped task of service:web stopped at 2\S+Z, after the snapshot was taken/,
    ],
    [
      'an instance that was registered in the future',
      (it) => (it.cluster.instances[0].registeredAtMs = it.takenAtMs + 1e9),
      /: i-0000000000000000a was registered at 2\S+Z, after the snapshot was taken/,
    ],
    [
      'more than the Region can play',
      (it) => (it.cluster.services[0].desiredCount = 1e9),
      /expected a count up to 20000/,
    ],
  ])('edited by hand is refused for %s', (_, edit, sentence) => {
    expect(complaintAbout(edit)).toMatch(sentence);
  });

  it('is read, or refused in a sentence, whatever is in the file', () => {
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), changedSnapshots()), (json) => {
        const text = JSON.stringify(json);
        try {
          expect(snapshotFrom(text, 'web.json').version).toBe(1);
        } catch (error) {
          expect(error).toBeInstanceOf(BadSnapshot);
          expect((error as Error).message).toMatch(/^web\.json .*\.$/);
        }
      }),
    );
  });

  it('may have an instance whose agent has registered again, and clocks that differ by seconds', () => {
    const [first] = aSnapshot().cluster.instances;
    expect(
      complaintAbout((it) => {
        it.cluster.instances.push({ ...first, registeredAtMs: it.takenAtMs + 2_000 });
        it.cluster.tasks[0].startedAtMs = it.takenAtMs + 2_000;
      }),
    ).toBe('');
  });

  it('may have a group that can grow to more instances than a snapshot has', () => {
    const warmPool = { minSize: 3_000, maxGroupPreparedCapacity: 5_000, poolState: 'Stopped', reuseOnScaleIn: false };
    expect(complaintAbout((it) => Object.assign(it.group, { maxSize: 5_000, warmPool }))).toBe('');
  });

  it('has another account number where names have the own one', () => {
    const snapshot = aSnapshot();
    const named = { ...snapshot, cluster: { ...snapshot.cluster, name: 'prod-210987654321' } };
    expect(withoutAccount(named, '210987654321').cluster.name).toBe('prod-123456789012');
    expect(withoutAccount(named, '')).toEqual(named);
  });

  it('has no ARN, and a constraint still equals the attribute that it asks for', () => {
    const arn = 'arn:aws:outposts:eu-west-1:123456789012:outpost/op-01';
    const { cluster } = aSnapshot({
      service: { placementConstraints: [{ type: 'memberOf', expression: `attribute:ecs.outpost-arn in [${arn}]` }] },
    });
    const instances = cluster.instances.map((each) => ({ ...each, attributes: { 'ecs.outpost-arn': arn } }));
    const named = withoutArns({ ...aSnapshot(), cluster: { ...cluster, instances } });
    expect(JSON.stringify(named)).not.toContain('arn:aws');
    expect(named.cluster.instances[0]?.attributes).toEqual({ 'ecs.outpost-arn': 'op-01' });
    expect(named.cluster.services[0]?.placementConstraints).toEqual([
      { type: 'memberOf', expression: 'attribute:ecs.outpost-arn in [op-01]' },
    ]);
    expect(withoutArns(aSnapshot())).toEqual(aSnapshot());
  });
});

/** A snapshot with one value, anywhere in it, replaced by another. */
function changedSnapshots(): fc.Arbitrary<unknown> {
  const paths = pathsIn(aSnapshot());
  return fc.tuple(fc.constantFrom(...paths), fc.jsonValue()).map(([path, value]) => {
    const changed = structuredClone(aSnapshot()) as Edited;
    const parent = path.slice(0, -1).reduce((at: Edited, key) => at[key], changed);
    parent[path.at(-1) ?? ''] = value;
    return changed;
  });
}

function pathsIn(value: Snapshot | unknown, at: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [at];
  return Object.entries(value).flatMap(([key, child]) => [[...at, key], ...pathsIn(child, [...at, key])]);
}
