import { describe, expect, it } from 'vitest';
import { holdsInstance, observationOf, withAgents } from '../../src/domain/drain.ts';
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
    before?: number,
  ): number | undefined => {
    const holdingTasks = taskOn.map((containerInstanceArn) => holdingTaskOf({ containerInstanceArn }));
    const observation = {
      kind: 'draining',
      registering: false,
      containerInstances,
      holdingTasks,
      lastTaskStoppedAtMs: undefined,
    } as const;
    return withAgents(drainOf({ agentDisconnectedSinceMs: before }), observation, START_MS).agentDisconnectedSinceMs;
  };

  it('counts from the first look that notices it', () => {
    expect(silenceOf([silent], ['silent'])).toBe(START_MS);
    expect(silenceOf([silent], ['silent'], START_MS - 60_000)).toBe(START_MS - 60_000);
  });

  it('ends when the agent is heard', () => {
    expect(silenceOf([heard], ['heard'], START_MS - 60_000)).toBeUndefined();
  });

  it('of a registration that the agent left behind does not count while the new one has tasks', () => {
    expect(silenceOf([silent, heard], ['heard'])).toBeUndefined();
    expect(silenceOf([silent, heard], ['silent', 'heard'])).toBeUndefined();
  });

  it('counts when only the registration left behind has tasks', () => {
    expect(silenceOf([silent, heard], ['silent'])).toBe(START_MS);
  });

  it('is neither begun nor ended by a look that failed', () => {
    const drain = drainOf({ agentDisconnectedSinceMs: START_MS });
    expect(withAgents(drain, { kind: 'unavailable', reason: '' }, START_MS + 1)).toEqual(drain);
  });
});
