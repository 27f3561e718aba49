import { describe, expect, it } from 'vitest';
import {
  type AgentSilence,
  activeIn,
  agentSilenceIn,
  type Closed,
  CONTAINER_INSTANCE_STATUSES,
  type ContainerInstance,
  closedIn,
  fingerprintOf,
  hasYetToStart,
  holdsInstance,
  isEnding,
  isLeaving,
  isLive,
  isRegistering,
  knownFrom,
  type Observation,
  STAGES,
} from '../../src/domain/observation.ts';
import { at, containerInstanceOf, holdingTaskOf, START_MS, seenOf } from './samples.ts';

const THROTTLED: Observation = { kind: 'unavailable', reason: 'throttled' };
const ABSENT: Observation = { kind: 'absent', clusters: ['prod'] };

const HOLDING_STATUSES = [...STAGES, 'UNKNOWN'] as const;
const tasksWhere = (matches: (task: ReturnType<typeof holdingTaskOf>) => boolean) =>
  HOLDING_STATUSES.filter((lastStatus) => matches(holdingTaskOf({ lastStatus })));

describe('a task', () => {
  it('holds its instance until it is STOPPED or DELETED, facts 13 counting-trap', () => {
    const statuses = [...STAGES, 'STOPPED', 'DELETED', 'ONE_THAT_ECS_MAY_INVENT'];
    expect(statuses.filter((lastStatus) => !holdsInstance(lastStatus))).toEqual(['STOPPED', 'DELETED']);
  });

  it('has yet to start before it is RUNNING', () => {
    expect(tasksWhere(hasYetToStart)).toEqual(['PROVISIONING', 'PENDING', 'ACTIVATING']);
  });

  it('is leaving once its load balancer deregisters it, and ending once its containers are being stopped', () => {
    expect(tasksWhere(isLeaving)).toEqual(['DEACTIVATING', 'STOPPING', 'DEPROVISIONING']);
    expect(tasksWhere(isEnding)).toEqual(['STOPPING', 'DEPROVISIONING']);
  });
});

describe('a registration', () => {
  const STATUSES = [...CONTAINER_INSTANCE_STATUSES, 'UNKNOWN'] as const;

  it('counts while it is in its cluster or on its way there, or in a status that ECS has introduced since', () => {
    expect(STATUSES.filter((status) => isLive({ status }))).toEqual(['REGISTERING', 'ACTIVE', 'DRAINING', 'UNKNOWN']);
  });

  it('takes tasks while it is ACTIVE, and may take some after it was REGISTERING', () => {
    const containerInstances = STATUSES.map((status) => containerInstanceOf({ status }));
    const seen = seenOf([], { containerInstances });
    expect(activeIn(seen)).toEqual([containerInstanceOf({ status: 'ACTIVE' })]);
    expect(isRegistering(seen)).toBe(true);
    expect(isRegistering(seenOf())).toBe(false);
  });
});

describe('registrations that take no tasks', () => {
  const nowMs = at(60);
  const one = containerInstanceOf({ arn: 'one' });
  const two = containerInstanceOf({ arn: 'two', agentConnected: false });
  const before: Closed = { sinceMs: START_MS, containerInstances: ['one', 'two'], silent: ['two'] };
  const closedWith = (containerInstances: readonly ContainerInstance[], since: Closed | undefined = before) =>
    closedIn(seenOf([], { containerInstances }), since, nowMs);

  it('are so since the first look that sees it', () => {
    expect(closedIn(seenOf([], { containerInstances: [one] }), undefined, nowMs)).toEqual({
      sinceMs: nowMs,
      containerInstances: ['one'],
      silent: [],
    });
    expect(closedWith([one, two])).toEqual(before);
    expect(closedWith([one])).toEqual({ sinceMs: START_MS, containerInstances: ['one'], silent: [] });
    expect(closedIn(THROTTLED, before, nowMs)).toBe(before);
  });

  it('begin again with one that was not seen before, and after one that takes tasks', () => {
    const late = containerInstanceOf({ arn: 'late' });
    expect(closedWith([one, late])).toEqual({ sinceMs: nowMs, containerInstances: ['one', 'late'], silent: [] });
    expect(closedWith([one, containerInstanceOf({ status: 'ACTIVE' })])).toBeUndefined();
    expect(closedIn(ABSENT, before, nowMs)).toBeUndefined();
  });

  it('begin again with one that was still registering: it may have taken tasks since', () => {
    const registering = closedWith([one, containerInstanceOf({ arn: 'late', status: 'REGISTERING' })]);
    expect(registering).toEqual({ sinceMs: START_MS, containerInstances: ['one'], silent: [] });
    const both = [one, containerInstanceOf({ arn: 'late' })];
    expect(closedIn(seenOf([], { containerInstances: both }), registering, nowMs)?.sinceMs).toBe(nowMs);
  });

  it('begin again with an agent that disconnects: it may have registered again, which is not listed yet', () => {
    expect(closedWith([{ ...one, agentConnected: false }])).toMatchObject({ sinceMs: nowMs, silent: ['one'] });
  });
});

describe('the silence of agents', () => {
  const silent = containerInstanceOf({ arn: 'silent', agentConnected: false });
  const heard = containerInstanceOf({ arn: 'heard', agentConnected: true });
  const silenceOf = (
    containerInstances: readonly ContainerInstance[],
    hosts: readonly string[],
    before?: AgentSilence,
  ) => {
    const holding = hosts.map((containerInstanceArn) => holdingTaskOf({ containerInstanceArn }));
    return agentSilenceIn(seenOf(holding, { containerInstances }), before, START_MS, 100);
  };

  const begun: AgentSilence = { sinceMs: START_MS, seenLastAtMs: START_MS, containerInstances: ['silent'] };
  const forAMinute: AgentSilence = { ...begun, sinceMs: at(-60), seenLastAtMs: at(-20) };

  it('counts from the first look that notices it', () => {
    expect(silenceOf([silent], ['silent'])).toEqual(begun);
    expect(silenceOf([silent], ['silent'], forAMinute)).toEqual({ ...forAMinute, seenLastAtMs: START_MS });
  });

  it('ends when an agent is heard', () => {
    expect(silenceOf([heard], ['heard'], forAMinute)).toBeUndefined();
    expect(silenceOf([silent, heard], ['silent', 'heard'], forAMinute)).toBeUndefined();
  });

  it('counts again when no one looked for too long: the agent may have been heard meanwhile', () => {
    const seenLast = (secondsAgo: number) => ({ ...begun, sinceMs: at(-900), seenLastAtMs: at(-secondsAgo) });
    expect(silenceOf([silent], ['silent'], seenLast(100))?.sinceMs).toBe(at(-900));
    expect(silenceOf([silent], ['silent'], seenLast(100.001))).toEqual(begun);
  });

  it('counts only where the agents of all registrations with tasks are silent', () => {
    expect(silenceOf([silent, heard], ['heard'])).toBeUndefined();
    expect(silenceOf([silent, heard], ['silent'])).toEqual(begun);
    expect(silenceOf([silent], [])).toBeUndefined();
  });

  it('counts again with another agent that is silent, and where an older version does not say whose it was', () => {
    const other = containerInstanceOf({ arn: 'other', agentConnected: false });
    const both = { ...begun, containerInstances: ['silent', 'other'] };
    expect(silenceOf([silent, other], ['silent', 'other'], forAMinute)).toEqual(both);
    const { containerInstances: _, ...old } = forAMinute;
    expect(silenceOf([silent], ['silent'], old)).toEqual(begun);
  });

  it('stays as it was where the tasks were not listed', () => {
    const unlisted = seenOf([], { containerInstances: [heard], tasks: undefined });
    expect(agentSilenceIn(unlisted, forAMinute, START_MS, 100)).toBe(forAMinute);
    expect(agentSilenceIn(THROTTLED, forAMinute, START_MS, 100)).toBe(forAMinute);
  });

  it('counts for the known tasks where ECS refuses to list the others', () => {
    const partly = (containerInstances: readonly ContainerInstance[]) => {
      const partial = seenOf([holdingTaskOf({ containerInstanceArn: 'silent' })], { containerInstances });
      return agentSilenceIn({ ...THROTTLED, partial }, forAMinute, START_MS, 100);
    };
    expect(partly([silent])).toEqual({ ...forAMinute, seenLastAtMs: START_MS });
    expect(partly([{ ...silent, agentConnected: true }])).toBeUndefined();
  });
});

describe('what is known after an observation', () => {
  const refs = { containerInstances: [{ arn: containerInstanceOf().arn, cluster: 'prod' }] };
  const tasks = {
    holding: [{ arn: holdingTaskOf().arn, cluster: 'prod' }],
    listedAtMs: START_MS,
    seenAtMs: START_MS + 7,
  };

  it('is which registrations and tasks to look at next', () => {
    expect(knownFrom(seenOf(), undefined, START_MS + 7)).toEqual({ ...refs, tasks });
  });

  it('begins with the registration that was known first: it names the drain’s schedule', () => {
    const [one, two] = [containerInstanceOf({ arn: 'one' }), containerInstanceOf({ arn: 'two' })];
    const arnsAfter = (...before: string[]) =>
      knownFrom(
        seenOf([], { containerInstances: [one, two] }),
        { containerInstances: before.map((arn) => ({ arn, cluster: 'prod' })) },
        START_MS,
      ).containerInstances.map(({ arn }) => arn);
    expect(arnsAfter('two', 'one')).toEqual(['two', 'one']);
    expect(arnsAfter('one')).toEqual(['one', 'two']);
    expect(arnsAfter('gone')).toEqual(['one', 'two']);
  });

  it('is what was known before of tasks that were not listed', () => {
    const unlisted = seenOf([], { tasks: undefined });
    expect(knownFrom(unlisted, { containerInstances: [], tasks }, START_MS + 9)).toEqual({ ...refs, tasks });
    expect(knownFrom(unlisted, undefined, START_MS)).toEqual({ ...refs, tasks: undefined });
  });
});

describe('the fingerprint of an observation', () => {
  const web = holdingTaskOf({ arn: 'web' });
  const job = holdingTaskOf({ arn: 'job', lastStatus: 'STOPPING' });

  it('is the tasks and their statuses in any order', () => {
    expect(fingerprintOf(seenOf([web, job]))).toBe('job STOPPING,web RUNNING');
    expect(fingerprintOf(seenOf([job, web]))).toBe(fingerprintOf(seenOf([web, job])));
  });

  it('is none where no tasks were listed', () => {
    for (const observation of [undefined, THROTTLED, ABSENT, seenOf([], { tasks: undefined })]) {
      expect(fingerprintOf(observation)).toBeUndefined();
    }
  });
});
