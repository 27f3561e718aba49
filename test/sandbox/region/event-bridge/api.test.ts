import {
  DescribeRuleCommand,
  EventBridgeClient,
  ListRulesCommand,
  ListTargetsByRuleCommand,
} from '@aws-sdk/client-eventbridge';
import { CreateScheduleGroupCommand, ListScheduleGroupsCommand, SchedulerClient } from '@aws-sdk/client-scheduler';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Region } from '../../../../sandbox/region/region.ts';
import { clientOf, pass, regionOfTest } from '../clients.ts';

let region: Region;
let events: EventBridgeClient;
beforeEach(() => {
  region = regionOfTest();
  events = new EventBridgeClient(clientOf(region));
});

describe('the rules of the default bus', () => {
  beforeEach(() => {
    region.eventBridge.putRule({
      name: 'drain-termination',
      pattern: { source: ['aws.autoscaling'] },
      target: () => {},
      address: { id: 'target', arn: 'arn:aws:lambda:eu-west-1:123456789012:function:drain', deadLetterArn: 'arn:dead' },
      retryPolicy: { maximumEventAgeSeconds: 7_200, maximumRetryAttempts: 3 },
    });
    region.eventBridge.putScheduledRule({ name: 'drain-sweep', everySeconds: 300, target: () => {} });
    region.eventBridge.putRule({ name: 'other', pattern: { source: ['x'] }, target: () => {} });
  });

  it('are listed by their names, in pages', async () => {
    const list = (input: object) => events.send(new ListRulesCommand(input));
    expect((await list({ NamePrefix: 'drain-' })).Rules).toMatchObject([
      { Name: 'drain-sweep', ScheduleExpression: 'rate(5 minutes)', State: 'ENABLED', EventBusName: 'default' },
      { Name: 'drain-termination', EventPattern: '{"source":["aws.autoscaling"]}' },
    ]);
    const { Rules, NextToken } = await list({ Limit: 2 });
    expect(Rules).toHaveLength(2);
    const rest = await list({ Limit: 2, NextToken });
    expect([rest.Rules?.map(({ Name }) => Name), rest.NextToken]).toEqual([['other'], undefined]);
    await expect(list({ NextToken: 'none' })).rejects.toMatchObject({ name: 'ValidationException' });
  });

  it('have their target, its retries and its dead-letter queue', async () => {
    const targets = async (Rule: string) => (await events.send(new ListTargetsByRuleCommand({ Rule }))).Targets;
    expect(await targets('drain-termination')).toEqual([
      {
        Id: 'target',
        Arn: 'arn:aws:lambda:eu-west-1:123456789012:function:drain',
        RetryPolicy: { MaximumEventAgeInSeconds: 7_200, MaximumRetryAttempts: 3 },
        DeadLetterConfig: { Arn: 'arn:dead' },
      },
    ]);
    expect(await targets('other')).toEqual([]);
    await expect(targets('none')).rejects.toThrow('Rule none does not exist on EventBus default.');
  });

  it('are on no other bus', async () => {
    for (const command of [
      new ListRulesCommand({ EventBusName: 'mine' }),
      new DescribeRuleCommand({ Name: 'other', EventBusName: 'mine' }),
      new ListTargetsByRuleCommand({ Rule: 'other', EventBusName: 'mine' }),
    ]) {
      await expect(events.send(command as ListRulesCommand)).rejects.toMatchObject({
        name: 'ResourceNotFoundException',
        message: 'Event bus mine does not exist.',
      });
    }
  });

  it('are each there once, however often a schedule has come', async () => {
    await pass(region, 1_000);
    expect((await events.send(new ListRulesCommand({ NamePrefix: 'drain-sweep' }))).Rules).toHaveLength(1);
  });
});

describe('the groups of Scheduler', () => {
  it('are listed by their names, in pages', async () => {
    const scheduler = new SchedulerClient(clientOf(region));
    for (const Name of ['ours-b', 'ours-a']) await scheduler.send(new CreateScheduleGroupCommand({ Name }));
    const list = (input: object) => scheduler.send(new ListScheduleGroupsCommand(input));
    const { ScheduleGroups, NextToken } = await list({ NamePrefix: 'ours', MaxResults: 1 });
    expect(ScheduleGroups).toMatchObject([{ Name: 'ours-a', State: 'ACTIVE' }]);
    const rest = await list({ NamePrefix: 'ours', MaxResults: 1, NextToken });
    expect([rest.ScheduleGroups?.map(({ Name }) => Name), rest.NextToken]).toEqual([['ours-b'], undefined]);
    expect((await list({})).ScheduleGroups?.map(({ Name }) => Name)).toEqual(['default', 'ours-a', 'ours-b']);
    await expect(list({ NextToken: 'none' })).rejects.toMatchObject({ name: 'ValidationException' });
  });
});
