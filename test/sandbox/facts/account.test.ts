import { describe, expect, it } from 'vitest';
import { listingOf, runOnAccount } from '../../../sandbox/facts/account.ts';
import type { Experiment } from '../../../sandbox/facts/experiment.ts';
import { EXPERIMENTS } from '../../../sandbox/facts/experiments/all.ts';
import { fakeAccount, OUTPUTS } from './fake-account.ts';

const experiment = (run: Experiment['run']): Experiment => ({
  facts: [1],
  title: 'A fact.',
  needs: ['cluster', 'group', 'events', 'schedules', 'function', 'echo', 'loadBalancer', 'queue', 'topic'],
  minutes: 1,
  cents: 0,
  cleansUp: 'changes nothing',
  run,
});
const agreeing = experiment(async () => ({ saw: 'it', agrees: true }));

const CREATED = 'CreateStackCommand ecs-drain-facts-20261128120000';
const DELETED = 'DeleteStackCommand arn:stack';

describe('a run on an account', () => {
  it('creates a stack, makes the experiments with what the stack has, and deletes the stack', async () => {
    const { account, calls } = fakeAccount();
    const seen: unknown[] = [];
    const looking = experiment(async ({ resources }) => {
      seen.push(resources.cluster?.name, resources.cluster?.services.daemon, resources.group?.hook);
      seen.push(resources.events?.queueUrl, resources.schedules?.roleArn, resources.function?.name, [...calls]);
      return { saw: 'it', agrees: true };
    });
    expect(await runOnAccount([looking], account)).toMatchObject([{ verdict: 'agrees' }]);
    const names = ['Cluster', 'Daemon', 'Hook', 'Events', 'SchedulerRole', 'Failing'].map((name) => `the ${name}`);
    expect(seen).toEqual([...names, [CREATED]]);
    expect(calls).toEqual([CREATED, DELETED]);
  });

  it('deletes the stack when an experiment breaks off, and goes on with the next before that', async () => {
    const { account, calls } = fakeAccount();
    const broken = experiment(() => Promise.reject(new Error('no task')));
    expect(await runOnAccount([broken, agreeing], account)).toMatchObject([
      { verdict: 'failed' },
      { verdict: 'agrees' },
    ]);
    expect(calls).toEqual([CREATED, DELETED]);
  });

  it('deletes the stack when whoever hears of the results fails', async () => {
    const { account, calls } = fakeAccount();
    const hears = () => {
      throw new Error('the disk is full');
    };
    await expect(runOnAccount([agreeing], account, hears)).rejects.toThrow('the disk is full');
    expect(calls).toEqual([CREATED, DELETED]);
  });

  it('makes no further experiment once it is cancelled, and deletes the stack', async () => {
    const { account, calls, cancelled } = fakeAccount();
    const cancelling = experiment(async () => {
      cancelled.abort();
      return { saw: 'it', agrees: true };
    });
    expect(await runOnAccount([cancelling, agreeing], account)).toHaveLength(1);
    expect(calls).toEqual([CREATED, DELETED]);
  });

  it('deletes the stack that it was creating when it was cancelled', async () => {
    let deleted = false;
    const { account, calls, cancelled } = fakeAccount({
      DescribeStacksCommand: () => {
        cancelled.abort();
        return { Stacks: [{ StackStatus: deleted ? 'DELETE_COMPLETE' : 'CREATE_IN_PROGRESS' }] };
      },
      DeleteStackCommand: () => {
        deleted = true;
        return {};
      },
    });
    await expect(runOnAccount([agreeing], account)).rejects.toThrow('The run is cancelled.');
    expect(calls).toEqual([CREATED, DELETED]);
  });

  it('says why the stack cannot be created, makes no experiment, and deletes what there is of it', async () => {
    const failed = { StackStatus: 'CREATE_FAILED' };
    const event = (LogicalResourceId: string, ResourceStatus: string, ResourceStatusReason?: string) => ({
      LogicalResourceId,
      ResourceStatus,
      ResourceStatusReason,
    });
    let deleted = false;
    const { account, calls } = fakeAccount({
      DescribeStacksCommand: () => ({ Stacks: [deleted ? { StackStatus: 'DELETE_COMPLETE' } : failed] }),
      DescribeStackEventsCommand: () => ({
        StackEvents: [
          event('Cluster', 'CREATE_FAILED', 'Resource creation cancelled'),
          event('Network', 'CREATE_FAILED', 'The limit of VPCs is reached.'),
          event('Schedules', 'CREATE_COMPLETE'),
        ],
      }),
      DeleteStackCommand: () => {
        deleted = true;
        return {};
      },
    });
    const made = experiment(() => Promise.reject(new Error('made')));
    await expect(runOnAccount([made], account)).rejects.toThrow(
      'The stack cannot be created: Network: The limit of VPCs is reached.; Cluster: Resource creation cancelled',
    );
    expect(calls).toEqual([CREATED, DELETED]);
  });

  it('deletes nothing where no stack came into being', async () => {
    const refused = () => {
      throw new Error('AccessDenied');
    };
    const { account, calls } = fakeAccount({ CreateStackCommand: refused });
    await expect(runOnAccount([agreeing], account)).rejects.toThrow('AccessDenied');
    expect(calls).toEqual([CREATED]);
  });

  it('says how to delete the stack by hand when it cannot', async () => {
    const failed = () => ({ Stacks: [{ StackStatus: 'DELETE_FAILED' }] });
    let created = false;
    const { account } = fakeAccount({
      DescribeStacksCommand: () => {
        if (created) return failed();
        return { Stacks: [{ StackStatus: 'CREATE_COMPLETE', Outputs: OUTPUTS }] };
      },
      DeleteStackCommand: () => {
        created = true;
        return {};
      },
    });
    await expect(runOnAccount([agreeing], account)).rejects.toThrow(
      'aws cloudformation delete-stack --region eu-west-1 --stack-name ecs-drain-facts-20261128120000',
    );
  });

  it('orders a Spot interruption through Scheduler, a minute ahead', async () => {
    const { account, scheduled } = fakeAccount();
    const interrupting = experiment(async ({ resources }) => {
      await resources.group?.interruptSpot?.();
      return { saw: 'it', agrees: 'open' };
    });
    await runOnAccount([interrupting], account);
    expect(scheduled).toMatchObject([
      {
        GroupName: 'the Schedules',
        ScheduleExpression: 'at(2026-11-28T12:01:00)',
        Target: {
          Arn: 'arn:aws:scheduler:::aws-sdk:fis:startExperiment',
          RoleArn: 'the SchedulerRole',
          Input: expect.stringContaining('"ExperimentTemplateId":"the SpotInterruption"'),
        },
      },
    ]);
  });
});

describe('the listing of what a run would create', () => {
  const listing = listingOf(EXPERIMENTS, 'eu-west-1');

  it('has the Region, every type of resource with its number, and every experiment', () => {
    expect(listing).toContain('In eu-west-1,');
    expect(listing).toContain('\n  6 AWS::ECS::Service\n');
    expect(listing).toContain('\n  1 AWS::AutoScaling::AutoScalingGroup\n');
    for (const { title } of EXPERIMENTS) expect(listing).toContain(title);
  });

  it('adds up minutes and cents', () => {
    const three = Array.from({ length: 3 }, () => ({ ...agreeing, minutes: 45, cents: 7 }));
    expect(listingOf(three, 'eu-west-1')).toContain('for 2 h 40 min at most and costs about $0.53.'); // 25 + 3 × 45; 12 an hour, and 21
  });

  it('warns of what others in the account feel', () => {
    expect(listing).toMatch(/^Note: ECS throttles /m);
    expect(
      listingOf(
        EXPERIMENTS.filter(({ disturbs }) => !disturbs),
        'eu-west-1',
      ),
    ).not.toContain('Note:');
  });
});
