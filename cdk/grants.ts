/** What the commands do on AWS, by what it is done on. docs/operations.md says which command needs what. */

export interface Granted {
  readonly on: 'anything' | 'function' | 'groups' | 'log' | 'queues' | 'role';
  readonly actions: readonly string[];
}

/** The commands that only read: `status`, `explain`, `doctor`, `wait`, `history` and `logs`. */
export const INSPECT: readonly Granted[] = [
  { on: 'function', actions: ['lambda:GetFunctionConfiguration', 'lambda:GetFunctionRecursionConfig'] },
  { on: 'queues', actions: ['sqs:GetQueueAttributes'] },
  { on: 'log', actions: ['logs:FilterLogEvents'] },
  { on: 'role', actions: ['iam:SimulatePrincipalPolicy'] },
  {
    on: 'anything',
    actions: [
      'autoscaling:DescribeAutoScalingGroups',
      'autoscaling:DescribeAutoScalingInstances',
      'autoscaling:DescribeLifecycleHooks',
      'autoscaling:DescribeScalingActivities',
      'ecs:DescribeCapacityProviders',
      'ecs:DescribeContainerInstances',
      'ecs:DescribeServices',
      'ecs:DescribeTaskDefinition',
      'ecs:DescribeTasks',
      'ecs:GetTaskProtection',
      'ecs:ListContainerInstances',
      'ecs:ListServices',
      'ecs:ListTasks',
      'elasticloadbalancing:DescribeTargetGroupAttributes',
      'events:DescribeRule',
      'events:ListRules',
      'lambda:ListEventSourceMappings',
      'scheduler:GetSchedule',
      'scheduler:ListSchedules',
      'sts:GetCallerIdentity',
    ],
  },
];

/** All commands: `drain`, `extend`, `release` and `replay` as well. */
export const OPERATE: readonly Granted[] = [
  ...INSPECT,
  { on: 'function', actions: ['lambda:InvokeFunction'] },
  { on: 'queues', actions: ['sqs:ChangeMessageVisibility', 'sqs:DeleteMessage', 'sqs:ReceiveMessage'] },
  {
    on: 'groups',
    actions: ['autoscaling:CompleteLifecycleAction', 'autoscaling:TerminateInstanceInAutoScalingGroup'],
  },
];
