import type { Resource, Resources } from '../../deploy/cloudformation.ts';
import { templateOf } from '../../deploy/template.ts';

/** The deployment with these params, and the defaults for the others, as a stage: its template, and parts of that. */
export function deployed(params: Readonly<Record<string, unknown>>, stage = 'main') {
  const template = templateOf({ cluster: 'prod', autoScalingGroups: 'web', ...params }, stage);
  const { Resources } = template;
  const chosen = (isMeant: (id: string, resource: Resource) => boolean): Resources =>
    Object.fromEntries(Object.entries(Resources).filter(([id, resource]) => isMeant(id, resource)));
  // biome-ignore lint/suspicious/noExplicitAny: each type of resource has its own properties.
  const propertiesOf = (id: string): any => Resources[id]?.Properties;
  const statements = propertiesOf('IamRoleLambdaExecution').Policies[0].PolicyDocument.Statement;
  // biome-ignore lint/suspicious/noExplicitAny: a statement of the policy.
  const resourcesOf = (action: string) => statements.find(({ Action }: any) => Action.includes(action)).Resource;
  return {
    template,
    environment: propertiesOf('DrainLambdaFunction').Environment.Variables as Readonly<Record<string, string>>,
    rules: chosen((_, { Type }) => Type === 'AWS::Events::Rule'),
    lifecycleHooks: chosen((_, { Type }) => Type === 'AWS::AutoScaling::LifecycleHook'),
    options: chosen((id) => ['DryRunGuard', 'QueueKeyPolicy'].includes(id)),
    maximumConcurrency: propertiesOf('DrainEventSourceMappingSQSEventQueue').ScalingConfig.MaximumConcurrency as number,
    alarmActions: propertiesOf('TimedOutAlarm').AlarmActions as readonly string[],
    clusterArns: resourcesOf('ecs:ListContainerInstances'),
    taskArns: resourcesOf('ecs:DescribeTasks'),
  };
}
