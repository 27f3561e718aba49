import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../deploy/limits.ts';
import { SERVICES, textOf, trimmed } from '../../sandbox/region/wire/trim-models.ts';
import { publishedModels } from './tools.ts';

const data = await publishedModels();

describe.skipIf(data === undefined)('the models by which the local Region checks requests', () => {
  it.each(SERVICES)('are those that AWS publishes: %s', async (service) => {
    const committed = await readFile(
      join(import.meta.dirname, `../../sandbox/region/wire/models/${service}.json`),
      'utf8',
    );
    expect(committed).toBe(textOf(await trimmed(data ?? '', service)));
  });
});

describe.skipIf(data === undefined)('the table of what AWS allows', () => {
  it.each([
    ['AWS::IAM::Role', 'RoleName', 'iam', 'CreateRoleRequest.RoleName'],
    ['AWS::IAM::Role', 'Path', 'iam', 'CreateRoleRequest.Path'],
    ['AWS::IAM::Role', 'Policies.*.PolicyName', 'iam', 'PutRolePolicyRequest.PolicyName'],
    ['AWS::IAM::Role', 'Tags.*.Key', 'iam', 'Tag.Key'],
    ['AWS::IAM::Role', 'Tags.*.Value', 'iam', 'Tag.Value'],
    ['AWS::Lambda::Function', 'Description', 'lambda', 'CreateFunctionRequest.Description'],
    ['AWS::Events::Rule', 'Name', 'events', 'PutRuleRequest.Name'],
    ['AWS::Events::Rule', 'Description', 'events', 'PutRuleRequest.Description'],
    ['AWS::Events::Rule', 'Targets.*.Id', 'events', 'Target.Id'],
    ['AWS::Scheduler::ScheduleGroup', 'Name', 'scheduler', 'CreateScheduleGroupInput.Name'],
    ['AWS::CloudWatch::Alarm', 'AlarmName', 'cloudwatch', 'PutMetricAlarmInput.AlarmName'],
    ['AWS::CloudWatch::Alarm', 'AlarmDescription', 'cloudwatch', 'PutMetricAlarmInput.AlarmDescription'],
    ['AWS::CloudWatch::Alarm', 'AlarmActions', 'cloudwatch', 'PutMetricAlarmInput.AlarmActions'],
    [
      'AWS::AutoScaling::LifecycleHook',
      'NotificationMetadata',
      'autoscaling',
      'PutLifecycleHookType.NotificationMetadata',
    ],
    ['AWS::AutoScaling::LifecycleHook', 'LifecycleHookName', 'autoscaling', 'PutLifecycleHookType.LifecycleHookName'],
    ['AWS::Logs::LogGroup', 'LogGroupName', 'logs', 'CreateLogGroupRequest.logGroupName'],
  ])("agrees with AWS's models: %s %s", async (type, path, service, member) => {
    const most = LIMITS[type]?.find((limit) => limit.path === path)?.most;
    expect(most).toBe(await longestOf(service, member));
  });
});

/** How long a member of a shape may be. */
async function longestOf(service: string, member: string): Promise<unknown> {
  const folder = join(data ?? '', service);
  const [version = ''] = (await readdir(folder)).toSorted().toReversed();
  const model = JSON.parse(gunzipSync(await readFile(join(folder, version, 'service-2.json.gz'))).toString());
  const [shape = '', name = ''] = member.split('.');
  return model.shapes[model.shapes[shape].members[name].shape].max;
}
