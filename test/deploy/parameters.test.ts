import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Resources } from '../../deploy/cloudformation.ts';
import { parameterOf } from '../../deploy/form.ts';
import { hasParameter, MOST_CLUSTERS, MOST_GROUPS } from '../../deploy/parameters.ts';
import { PARAMS, type ParamName, paramNames } from '../../deploy/params.ts';
import { templateOf, withCode } from '../../deploy/template.ts';
import { byParameters, CODE, comparable, TEMPLATE } from './forms.ts';

const arn = (service: string, resource: string) => fc.constant(`arn:aws:${service}:eu-west-1:123456789012:${resource}`);
const orNone = (value: fc.Arbitrary<string>) => fc.oneof(fc.constant('none'), value);
const whole = (min: number, max: number) => fc.integer({ min, max }).map(String);
const flag = fc.constantFrom('true', 'false');
const result = fc.constantFrom('CONTINUE', 'ABANDON');
const list = (item: fc.Arbitrary<string>, maxLength: number) =>
  fc.uniqueArray(item, { minLength: 1, maxLength }).map((items) => items.join(','));
const key = orNone(arn('kms', 'key/11112222-3333-4444-5555-666677778888'));

/** Values of each param that the form with parameters can say. */
const VALUES: Readonly<Record<Exclude<ParamName, 'tags' | 'deadLetterQueueArn'>, fc.Arbitrary<string>>> = {
  cluster: list(fc.stringMatching(/^[a-zA-Z0-9_-]{1,12}$/), MOST_CLUSTERS),
  autoScalingGroups: list(fc.stringMatching(/^[a-z]{1,6}(\/x| y|-)[0-9]{1,3}\*?$/), MOST_GROUPS),
  lifecycleHook: list(fc.stringMatching(/^[a-z/-]{1,12}$/), 3),
  createLifecycleHooks: flag,
  heartbeatTimeoutSeconds: whole(30, 7_200),
  hookDefaultResult: result,
  deadlineSeconds: whole(1, 172_800),
  deadlineResult: result,
  superviseManagedDraining: flag,
  managedDrainingDeadline: fc.constantFrom('none', 'CONTINUE', 'ABANDON'),
  stuckFraction: fc.constantFrom('0.05', '0.5', '1'),
  stopStragglers: fc.constantFrom('none', 'standalone', 'all'),
  deregistrationDelaySeconds: whole(0, 3_600),
  containerStopTimeoutSeconds: whole(1, 600),
  agentGraceSeconds: whole(60, 172_800),
  heartbeatFraction: fc.constantFrom('0.1', '0.25', '0.5'),
  waiting: fc.constantFrom('park', 'watch'),
  maximumConcurrency: whole(2, 1_000),
  pollMinSeconds: whole(1, 60),
  pollMaxSeconds: whole(1, 300),
  marginSeconds: whole(20, 120),
  functionTimeoutSeconds: whole(25, 900),
  spotInterruptions: flag,
  rebalanceRecommendations: flag,
  dryRun: flag,
  logLevel: fc.constantFrom('DEBUG', 'INFO', 'WARN', 'ERROR'),
  sweepMinutes: whole(1, 60),
  alarmTopicArn: orNone(arn('sns', 'alarms')),
  permissionsBoundaryArn: orNone(fc.constant('arn:aws:iam::123456789012:policy/boundary')),
  rolePath: fc.constantFrom('/', '/teams/web/'),
  logRetentionDays: fc.constantFrom('1', '7', '365'),
  logKmsKeyArn: key,
  queueKmsKeyArn: key,
  roleNamePrefix: orNone(fc.constant('team-web-')),
  subnetIds: orNone(fc.constant('subnet-0a1b2c3d,subnet-0a1b2c3d4e5f60718')),
  securityGroupIds: orNone(fc.constant('sg-0a1b2c3d4e5f60718')),
  eventBusArn: orNone(arn('events', 'event-bus/central')),
};

const params = fc
  .record(VALUES, { requiredKeys: ['cluster', 'autoScalingGroups'] })
  .filter((given) => refusalOf(given) === undefined);
const stage = fc.stringMatching(/^[a-z]{1,6}(-[a-z0-9]{1,6})?$/);

/** The sentence with which the params are refused; undefined if they are accepted. */
function refusalOf(given: object): string | undefined {
  try {
    templateOf(given as Record<string, unknown>, 'main');
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Params that can be less than elsewhere. */
const SAID_OTHERWISE: readonly ParamName[] = ['cluster', 'autoScalingGroups', 'createLifecycleHooks'];

const GIVEN = { cluster: 'prod', autoScalingGroups: 'web' };

describe('the template with parameters', () => {
  it('gives the resources of the template for the same params', () => {
    fc.assert(
      fc.property(params, stage, (given, named) => {
        const ours = withCode(templateOf(given, named), CODE).Resources;
        expect(comparable(byParameters(given as Record<string, string>, named))).toEqual(comparable(ours));
      }),
      { numRuns: 100 },
    );
  });

  it('has a parameter for every param but two, with the same default and description, and what is expected', () => {
    expect(paramNames.filter((name) => !hasParameter(name))).toEqual(['tags', 'deadLetterQueueArn']);
    const { Parameters } = TEMPLATE as { Parameters: Record<string, Record<string, string>> };
    for (const name of paramNames.filter(hasParameter)) {
      const { Default, Description, ConstraintDescription } = Parameters[parameterOf(name)] ?? {};
      expect([name, Default]).toEqual([name, PARAMS[name].default]);
      expect([name, Description]).toEqual([
        name,
        SAID_OTHERWISE.includes(name) ? expect.any(String) : PARAMS[name].description,
      ]);
      expect([name, ConstraintDescription]).toEqual([name, expect.stringMatching(/^expected /)]);
    }
  });

  it('takes as many clusters and groups as it says', () => {
    const many = (most: number, prefix: string) => Array.from({ length: most }, (_, i) => `${prefix}${i}`).join(',');
    const given = { cluster: many(MOST_CLUSTERS, 'cluster-'), autoScalingGroups: many(MOST_GROUPS, 'group-') };
    const resources = byParameters(given, 'main');
    const text = JSON.stringify(resources);
    expect(text).toContain(`cluster/cluster-${MOST_CLUSTERS - 1}`);
    expect(text).toContain(`autoScalingGroupName/group-${MOST_GROUPS - 1}"`);
    expect(noArnsIn(resources)).toEqual([]);
  });

  it.each([
    ['cluster', MOST_CLUSTERS, 'Cluster (more than 5 names: name-5)'],
    ['autoScalingGroups', MOST_GROUPS, 'AutoScalingGroups (more than 20 names: name-20)'],
  ])('one name more in %s gives the role a resource that IAM refuses', (name, most, refused) => {
    const names = Array.from({ length: most + 1 }, (_, i) => `name-${i}`).join(',');
    expect(new Set(noArnsIn(byParameters({ ...GIVEN, [name]: names }, 'main')))).toEqual(new Set([refused]));
  });

  /** The resources in the policies of the function's role that are no ARNs. */
  function noArnsIn(resources: Resources): unknown[] {
    interface Policy {
      readonly PolicyDocument: { readonly Statement: readonly { readonly Resource: unknown }[] };
    }
    const policies = resources['IamRoleLambdaExecution']?.Properties['Policies'] as readonly Policy[] | undefined;
    const named = (policies ?? []).flatMap(({ PolicyDocument }) =>
      PolicyDocument.Statement.flatMap(({ Resource }) => Resource),
    );
    expect(named.length).toBeGreaterThan(5);
    return named.filter(
      (each) => !/^(\*$|\{"Fn::(GetAtt|Sub)":|arn:)/.test(typeof each === 'string' ? each : JSON.stringify(each)),
    );
  }

  it.each<[Record<string, string>, string]>([
    [{ dryRun: 'true' }, 'dryRun completes nothing'],
    [{ waiting: 'sleep' }, 'Parameter Waiting is sleep'],
    [{ heartbeatTimeoutSeconds: '29' }, 'Parameter HeartbeatTimeoutSeconds is 29'],
    [{ deadlineSeconds: '172801' }, 'Parameter DeadlineSeconds'],
    [{ autoScalingGroups: 'web@prod' }, 'Parameter AutoScalingGroups'],
    [{ autoScalingGroups: '' }, 'Parameter AutoScalingGroups'],
    [{ autoScalingGroups: 'web,' }, 'Parameter AutoScalingGroups'],
    [{ autoScalingGroups: 'web, ,api' }, 'Parameter AutoScalingGroups'],
    [{ autoScalingGroups: 'web,web' }, 'Two resources have one logical id'],
    [{ cluster: 'prod,' }, 'Parameter Cluster'],
    [{ lifecycleHook: '' }, 'Parameter LifecycleHook'],
    [{ autoScalingGroups: 'web**' }, 'Parameter AutoScalingGroups'],
    [{ autoScalingGroups: 'a*b*c*d' }, 'Parameter AutoScalingGroups'],
    [{ cluster: 'arn:aws:ecs:eu-west-1:123456789012:cluster/prod' }, 'Parameter Cluster'],
    [{ lifecycleHook: 'ecs drain' }, 'Parameter LifecycleHook'],
    [{ createLifecycleHooks: 'web' }, 'Parameter CreateLifecycleHooks'],
    [{ alarmTopicArn: 'alarms' }, 'Parameter AlarmTopicArn'],
    [{ permissionsBoundaryArn: 'boundary' }, 'Parameter PermissionsBoundaryArn'],
    [{ rolePath: 'teams/web' }, 'Parameter RolePath'],
    [{ logRetentionDays: '8' }, 'Parameter LogRetentionDays'],
    [{ queueKmsKeyArn: 'arn:aws:kms:eu-west-1:123456789012:alias/aws/sqs' }, 'Parameter QueueKmsKeyArn'],
    [{ logLevel: 'LOUD' }, 'Parameter LogLevel'],
    [{ subnetIds: 'subnet-0a1b2c3d' }, 'subnetIds and securityGroupIds need each other'],
    [{ securityGroupIds: 'sg-0a1b2c3d' }, 'subnetIds and securityGroupIds need each other'],
    [
      { subnetIds: 'none,subnet-0a1b2c3d', securityGroupIds: 'sg-0a1b2c3d' },
      'subnetIds and securityGroupIds need each other',
    ],
    [{ subnetIds: 'none,subnet-0a1b2c3d' }, 'subnetIds and securityGroupIds need each other'],
    [
      { subnetIds: 'subnet-0a1b2c3d', securityGroupIds: 'none,sg-0a1b2c3d' },
      'subnetIds and securityGroupIds need each other',
    ],
    [{ subnetIds: 'mine' }, 'Parameter SubnetIds'],
    [{ roleNamePrefix: 'team/' }, 'Parameter RoleNamePrefix'],
    [{ eventBusArn: 'arn:aws:events:eu-west-1:123456789012:event-bus/default' }, 'Parameter EventBusArn'],
  ])('refuses what a constraint or a rule can say: %j', (given, message) => {
    expect(() => byParameters({ ...GIVEN, ...given }, 'main')).toThrow(message);
  });
});
