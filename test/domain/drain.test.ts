import { describe, expect, it } from 'vitest';
import {
  type AgentSilence,
  closedIn,
  drainIdOf,
  holdsInstance,
  hookLimits,
  isSameDrain,
  observationOf,
  unreachable,
  withAgents,
} from '../../src/domain/drain.ts';
import { containerInstanceOf, drainOf, holdingTaskOf, START_MS } from '../fakes.ts';

describe('a task holds its instance', () => {
  it.each(['PROVISIONING', 'PENDING', 'ACTIVATING', 'RUNNING', 'DEACTIVATING', 'STOPPING', 'DEPROVISIONING'])(
    'while it is %s',
    (lastStatus) => expect(holdsInstance(lastStatus)).toBe(true),
  );

  it.each(['STOPPED', 'DELETED'])('no longer when it is %s', (lastStatus) =>
    expect(holdsInstance(lastStatus)).toBe(false),
  );

  it('while it is anything that ECS may invent', () => expect(holdsInstance('MIGRATING')).toBe(true));
});

describe('an observation', () => {
  const statusesOf = (...statuses: string[]) =>
    observationOf(
      statuses.map((status) => containerInstanceOf({ arn: status, status })),
      ['prod'],
      [],
    );

  it('is of an absent instance when no registration is alive', () => {
    expect(statusesOf()).toEqual({ kind: 'absent', clusters: ['prod'] });
    expect(statusesOf('INACTIVE', 'DEREGISTERING', 'REGISTRATION_FAILED').kind).toBe('absent');
  });

  it('is of an active instance as long as any registration takes tasks', () => {
    expect(statusesOf('DRAINING', 'ACTIVE', 'INACTIVE')).toMatchObject({
      kind: 'active',
      containerInstances: [{ arn: 'DRAINING' }, { arn: 'ACTIVE' }],
    });
  });

  it('is of a registering instance when one may still come to take tasks', () => {
    expect(statusesOf('DRAINING', 'REGISTERING')).toMatchObject({ kind: 'draining', registering: true });
    expect(statusesOf('DRAINING')).toMatchObject({ kind: 'draining', registering: false });
  });

  it('of a draining instance has the holding tasks, and when the last of the others stopped', () => {
    const tasks = [
      { kind: 'stopped', arn: 'a', stoppedAtMs: START_MS + 1 },
      holdingTaskOf(),
      { kind: 'stopped', arn: 'b', stoppedAtMs: START_MS + 3 },
      { kind: 'stopped', arn: 'c', stoppedAtMs: undefined },
    ] as const;
    expect(observationOf([containerInstanceOf()], ['prod'], tasks)).toEqual({
      kind: 'draining',
      registering: false,
      containerInstances: [containerInstanceOf()],
      holdingTasks: [holdingTaskOf()],
      lastTaskStoppedAtMs: START_MS + 3,
    });
  });
});

describe('the silence of agents', () => {
  const silent = containerInstanceOf({ arn: 'silent', agentConnected: false });
  const heard = containerInstanceOf({ arn: 'heard', agentConnected: true });
  const silenceOf = (
    containerInstances: readonly (typeof silent)[],
    taskOn: readonly string[],
    before?: AgentSilence,
  ): AgentSilence | undefined => {
    const holdingTasks = taskOn.map((containerInstanceArn) => holdingTaskOf({ containerInstanceArn }));
    const observation = {
      kind: 'draining',
      registering: false,
      containerInstances,
      holdingTasks,
      lastTaskStoppedAtMs: undefined,
    } as const;
    return withAgents(drainOf({ agentSilence: before }), observation, START_MS, 100).agentSilence;
  };

  const begun = { sinceMs: START_MS, seenLastAtMs: START_MS, containerInstances: ['silent'] };
  const forAMinute = { ...begun, sinceMs: START_MS - 60_000, seenLastAtMs: START_MS - 20_000 };

  it('counts from the first look that notices it', () => {
    expect(silenceOf([silent], ['silent'])).toEqual(begun);
    expect(silenceOf([silent], ['silent'], forAMinute)).toEqual({ ...forAMinute, seenLastAtMs: START_MS });
  });

  it('ends when the agent is heard', () => {
    expect(silenceOf([heard], ['heard'], forAMinute)).toBeUndefined();
  });

  it('counts anew when nobody looked for too long: the agent may have been heard meanwhile', () => {
    const lastSeen = (secondsAgo: number) => ({
      ...begun,
      sinceMs: START_MS - 900_000,
      seenLastAtMs: START_MS - secondsAgo * 1000,
    });
    expect(silenceOf([silent], ['silent'], lastSeen(100))?.sinceMs).toBe(START_MS - 900_000);
    expect(silenceOf([silent], ['silent'], lastSeen(100.001))).toEqual(begun);
  });

  it('of a registration that the agent left behind does not count while the new one has tasks', () => {
    expect(silenceOf([silent, heard], ['heard'])).toBeUndefined();
    expect(silenceOf([silent, heard], ['silent', 'heard'])).toBeUndefined();
  });

  it('counts when only the registration left behind has tasks', () => {
    expect(silenceOf([silent, heard], ['silent'])).toEqual(begun);
  });

  it('counts anew with another agent that is silent, and where an older version does not say whose it was', () => {
    const other = containerInstanceOf({ arn: 'other', agentConnected: false });
    expect(silenceOf([silent, other], ['silent', 'other'], forAMinute)).toEqual({
      ...begun,
      containerInstances: ['silent', 'other'],
    });
    const { containerInstances: _, ...old } = forAMinute;
    expect(silenceOf([silent], ['silent'], old)).toEqual(begun);
  });

  it('of an instance without tasks is no matter', () => {
    expect(silenceOf([silent], [])).toBeUndefined();
  });

  it('is neither begun nor ended by a look that failed', () => {
    const drain = drainOf({ agentSilence: begun });
    expect(withAgents(drain, { kind: 'unavailable', reason: '' }, START_MS + 1, 100)).toEqual(drain);
  });
});

describe('registrations that take no tasks', () => {
  const now = START_MS + 60_000;
  const seen = (arns: string[], silent: string[] = []) => ({
    kind: 'leaving' as const,
    containerInstances: arns.map((arn) => containerInstanceOf({ arn, agentConnected: !silent.includes(arn) })),
  });
  const before = { sinceMs: START_MS, containerInstances: ['a', 'b'], silent: ['b'] };

  it('are so since the first look that sees it', () => {
    expect(closedIn(seen(['a']), undefined, now)).toEqual({ sinceMs: now, containerInstances: ['a'], silent: [] });
    expect(closedIn(seen(['a', 'b'], ['b']), before, now)).toEqual(before);
    expect(closedIn(seen(['a', 'b']), before, now)).toEqual({ ...before, silent: [] });
    expect(closedIn({ kind: 'unavailable', reason: '' }, before, now)).toBe(before);
  });

  it('begin anew with one that was not seen before, and after one that takes tasks', () => {
    expect(closedIn(seen(['a', 'new']), before, now)).toMatchObject({ sinceMs: now, containerInstances: ['a', 'new'] });
    expect(closedIn({ ...seen(['a']), kind: 'active' }, before, now)).toBeUndefined();
    expect(closedIn({ ...seen(['a']), kind: 'listed' }, before, now)).toBeUndefined();
    expect(closedIn({ kind: 'absent', clusters: [] }, before, now)).toBeUndefined();
  });

  it('begin anew with an agent that falls silent: it may have registered anew, which is not listed yet', () => {
    expect(closedIn(seen(['a'], ['a']), before, now)).toMatchObject({ sinceMs: now, silent: ['a'] });
  });
});

describe('the limits of a hook', () => {
  it.each([
    [30, 3_000],
    [1_728, 172_800],
    [7_200, 172_800],
  ])(
    'facts 18 hook-timeouts: with a heartbeat timeout of %i s end the wait after %i s',
    (heartbeatTimeoutSeconds, seconds) => {
      expect(hookLimits(heartbeatTimeoutSeconds)).toEqual({ heartbeatTimeoutSeconds, globalTimeoutSeconds: seconds });
    },
  );
});

describe('two drains are the same', () => {
  const action = { autoScalingGroup: 'web', lifecycleHook: 'ecs-drain', instanceId: 'i-1', token: 'one' } as const;
  const notice = { notice: 'spot-interruption', instanceId: 'i-1', token: 'one' } as const;
  const unnamed = { ...action, token: undefined };

  it.each([
    ['the same lifecycle action', action, action, true],
    ['another action on the same instance', action, { ...action, token: 'two' }, false],
    ['an action whose event was lost, and the same', unnamed, action, true],
    ['an action, and the same whose event was lost', action, unnamed, true],
    ['another instance', unnamed, { ...unnamed, instanceId: 'i-2' }, false],
    ['another group', unnamed, { ...unnamed, autoScalingGroup: 'batch' }, false],
    ['another hook', unnamed, { ...unnamed, lifecycleHook: 'another' }, false],
    ['the same notice', notice, notice, true],
    ['another notice of the same instance', notice, { ...notice, token: 'two' }, false],
    ['a notice, and an action', notice, { ...action, token: 'two' }, false],
    ['an action, and a notice', unnamed, notice, false],
  ])('or not: %s', (_, a, b, same) => {
    expect(isSameDrain(drainOf({ action: a }), drainOf({ action: b }))).toBe(same);
  });
});

describe('the id of a drain', () => {
  const action = { autoScalingGroup: 'web', lifecycleHook: 'ecs-drain', instanceId: 'i-1', token: 'one' };

  it('is the token of its action, or its instance where the event that has it was lost', () => {
    expect(drainIdOf(drainOf({ action }))).toBe('one');
    expect(drainIdOf(drainOf({ action: { ...action, token: undefined } }))).toBe('i-1');
  });
});

it('a case that nobody thought of is an error that shows it', () => {
  expect(() => unreachable({ kind: 'new' } as never)).toThrow('Unhandled case: {"kind":"new"}');
});
