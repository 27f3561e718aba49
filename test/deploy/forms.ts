import type { Resources } from '../../deploy/cloudformation.ts';
import { parameterOf } from '../../deploy/form.ts';
import { parameterizedTemplate } from '../../deploy/parameters.ts';
import { resourcesOf } from './cloudformation.ts';

/** The form with parameters, which CloudFormation and Terraform deploy, beside a form with the values of one deployment. */

/** Where the code is, in both forms. */
export const CODE = { S3Bucket: 'releases', S3Key: 'ecs-drain.zip' };
export const TEMPLATE = parameterizedTemplate(CODE, 'ecs-drain');

/** The resources that the two CloudFormation commands create. */
export function byParameters(params: Readonly<Record<string, string>>, stage: string): Resources {
  const given = Object.entries(params).map(([name, value]) => [parameterOf(name), value]);
  return resourcesOf(TEMPLATE, { Stage: stage, ...Object.fromEntries(given) });
}

/** A template as both forms have it: by names in place of the ids that depend on a stage or a digest, and all as text. */
export function comparable(resources: Resources): unknown {
  const ids = new Map(
    Object.entries(resources).map(([id, { Type, Properties }]) => {
      if (Type === 'AWS::AutoScaling::LifecycleHook') return [id, `hook of ${Properties['AutoScalingGroupName']}`];
      return [id, Type === 'AWS::Events::Rule' ? `rule ${Properties['Name']}` : id];
    }),
  );
  const { HooksReady: ready, ...others } = resources as Resources & { HooksReady?: { Metadata: { After: object[] } } };
  const after = (id: string) =>
    id === 'HooksReady' ? (ready?.Metadata.After ?? []).map((of) => Object.values(of)[0]) : id;
  const same = Object.entries(others).map(([id, { DependsOn = [], ...resource }]) => [
    ids.get(id),
    {
      ...resource,
      DependsOn: DependsOn.flatMap(after)
        .map((other) => ids.get(other))
        .toSorted(),
    },
  ]);
  return JSON.parse(JSON.stringify(Object.fromEntries(same)), (_, value) => {
    if (typeof value === 'number' || typeof value === 'boolean') return String(value);
    // EventBridge takes `web-*` as a prefix, too; only the form for one deployment can see which it is.
    if (typeof value?.prefix === 'string') return { wildcard: `${value.prefix}*` };
    return typeof value?.suffix === 'string' ? { wildcard: `*${value.suffix}` } : value;
  });
}
