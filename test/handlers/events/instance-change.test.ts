import { describe, expect, it } from 'vitest';
import { receive } from '../../../src/handlers/events/receive.ts';
import { changed } from '../mutations.ts';
import {
  CONTAINER_INSTANCE_ARN,
  INSTANCE_ID,
  instanceChange,
  type Json,
  rejectionOf,
  settings,
  watching,
} from './samples.ts';

describe('a change of a container instance that is DRAINING', () => {
  const containerInstance = { arn: CONTAINER_INSTANCE_ARN, cluster: 'prod' };

  it('wakes its drain and describes the instance', () => {
    expect(receive(instanceChange(), settings)).toEqual({
      kind: 'arrival',
      arrival: {
        kind: 'wake-up',
        containerInstance,
        reported: {
          ...containerInstance,
          ec2InstanceId: INSTANCE_ID,
          status: 'DRAINING',
          agentConnected: true,
          countedTasks: 0,
          isEmpty: true,
        },
        sentAtMs: Date.parse('2026-03-01T09:00:00Z'),
      },
    });
  });

  it('says that tasks are left where they are counted', () => {
    expect(receive(instanceChange({ runningTasksCount: 1, pendingTasksCount: 2 }), settings)).toMatchObject({
      arrival: { reported: { countedTasks: 3, isEmpty: false } },
    });
  });

  it.each(['runningTasksCount', 'pendingTasksCount'])('leaves it to ECS to describe it without a %s', (count) => {
    expect(receive(instanceChange({ [count]: undefined }), settings)).toEqual({
      kind: 'arrival',
      arrival: {
        kind: 'wake-up',
        containerInstance,
        reported: undefined,
        sentAtMs: Date.parse('2026-03-01T09:00:00Z'),
      },
    });
  });
});

describe('a change of any other container instance', () => {
  it.each([
    ['that is ACTIVE', { status: 'ACTIVE' }, 'the container instance is ACTIVE, not DRAINING'],
    [
      'of ECS Anywhere in the same cluster',
      { ec2InstanceId: 'mi-0123456789abcdef0' },
      'the container instance is no EC2 instance',
    ],
    [
      'in a cluster that is not ours',
      { clusterArn: 'arn:aws:ecs:eu-west-1:123456789012:cluster/other' },
      'the cluster other is not among ours (cluster)',
    ],
  ])('is ignored with a reason: %s', (_, changes, reason) => {
    expect(receive(instanceChange(changes), settings)).toEqual({ kind: 'ignored', reason });
  });

  it('is ignored where drains wait for no events', () => {
    expect(receive(instanceChange(), watching)).toEqual({
      kind: 'ignored',
      reason: 'no drain waits for events here (waiting)',
    });
  });

  it.each<[string, unknown, string]>([
    ['clusterArn', 'prod', 'the ARN of a cluster'],
    ['containerInstanceArn', 'one', 'the ARN of a container instance'],
    ['ec2InstanceId', 'web-1', 'an EC2 instance id'],
    ['agentConnected', 'yes', 'true or false'],
    ['status', 5, 'the status of a container instance'],
    ['runningTasksCount', -1, 'a count'],
    ['pendingTasksCount', 0.5, 'a count'],
    ['registeredResources', 'all', 'a list'],
    ['remainingResources', {}, 'a list'],
    ['registeredResources.0', 'CPU', 'an object'],
    ['registeredResources.0.name', 5, 'the name of a resource'],
    ['remainingResources.1.integerValue', 'all', 'a number'],
  ])('is rejected with the field, its value and what is expected: %s', (field, value, expected) => {
    const event = changed(instanceChange(), ['detail', ...field.split('.')], value) as Json;
    expect(rejectionOf(event)).toContain(
      `The container instance event cannot be understood: detail.${field} is ${JSON.stringify(value)}: expected ${expected}`,
    );
  });
});
