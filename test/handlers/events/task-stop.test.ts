import { describe, expect, it } from 'vitest';
import { receive } from '../../../src/handlers/events/receive.ts';
import { CONTAINER_INSTANCE_ARN, rejectionOf, settings, taskStop, watching } from './samples.ts';

describe('the stop of a task', () => {
  it('wakes the drain of its container instance, which ECS then has to describe', () => {
    expect(receive(taskStop(), settings)).toEqual({
      kind: 'arrival',
      arrival: {
        kind: 'wake-up',
        containerInstance: { arn: CONTAINER_INSTANCE_ARN, cluster: 'prod' },
        reported: undefined,
        sentAtMs: Date.parse('2026-03-01T09:00:00Z'),
      },
    });
  });

  it.each([
    [
      'in a cluster that is not ours',
      { clusterArn: 'arn:aws:ecs:eu-west-1:123456789012:cluster/other' },
      'the cluster other is not among ours (cluster)',
    ],
    ['that is still to come', { lastStatus: 'STOPPING' }, 'the task is STOPPING, not STOPPED'],
    ['on Fargate', { containerInstanceArn: undefined }, 'the task was not on a container instance'],
  ])('is ignored with a reason: %s', (_, changes, reason) => {
    expect(receive(taskStop(changes), settings)).toEqual({ kind: 'ignored', reason });
  });

  it('is ignored where drains wait for no events', () => {
    expect(receive(taskStop(), watching)).toEqual({
      kind: 'ignored',
      reason: 'no drain waits for events here (waiting)',
    });
  });

  it.each([
    'here',
    'arn:aws:ecs:eu-west-1:123456789012:container-instance/',
    'arn:aws:ecs:eu-west-1:123456789012:container-instance/prod/..',
    'arn:aws:ecs:eu-west-1:123456789012:container-instance/prod/a/b',
    'arn:aws:ecs:eu-west-1:123456789012:task/prod/one',
    'arn:aws:ecs:eu\n:123456789012:container-instance/prod/one',
  ])('is rejected if it does not name its container instance by an ARN: %j', (containerInstanceArn) => {
    expect(rejectionOf(taskStop({ containerInstanceArn }))).toBe(
      `The task event cannot be understood: detail.containerInstanceArn is ${JSON.stringify(containerInstanceArn)}: expected the ARN of a container instance.`,
    );
  });

  it('may name it by a short ARN, from before ARNs had clusters in them', () => {
    const arn = 'arn:aws-us-gov:ecs:us-gov-west-1:123456789012:container-instance/4c8ac2a4-1e9a-4e0e-b3a5-1d2f5f3f9a11';
    expect(receive(taskStop({ containerInstanceArn: arn }), settings)).toMatchObject({
      arrival: { containerInstance: { arn, cluster: 'prod' } },
    });
  });

  it.each<[string, unknown, string]>([
    ['clusterArn', 'prod', 'the ARN of a cluster'],
    ['taskArn', undefined, 'the ARN of a task'],
    ['lastStatus', '', 'a task status'],
  ])('is rejected with the field and what is expected: %s', (field, value, expected) => {
    const rejection = rejectionOf(taskStop({ [field]: value }));
    if (value === undefined) expect(rejection).toContain(`detail.${field} is missing`);
    else expect(rejection).toContain(`detail.${field} is ${JSON.stringify(value)}: expected ${expected}`);
  });
});
