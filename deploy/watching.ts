/**
 * Monitoring of the stack: seven alarms and a dashboard. docs/operations.md shows the dashboard and has a runbook for each
 * alarm. There is no alarm on Throttles: a throttled event stays in the queue, and EventsWaitingAlarm or DeadLettersAlarm
 * comes on if that lasts.
 */

import type { Resources } from './cloudformation.ts';
import { DEPLOYMENT, type Form } from './form.ts';
import { deadLetterQueue } from './queues.ts';

const RUNBOOKS = 'https://github.com/ecs-drain/ecs-drain/blob/main/docs/operations.md';

/** An alarm, which is on while the metric is at least the threshold. No datapoint is normal. */
interface Alarm {
  /** What follows `ecs-drain-STAGE-` in its name. */
  readonly name: string;
  readonly description: string;
  /** The heading of the runbook. */
  readonly runbook: string;
  readonly namespace: string;
  readonly metric: string;
  readonly dimensions: Readonly<Record<string, unknown>>;
  readonly statistic: 'Maximum' | 'Sum';
  readonly threshold: number;
  readonly seconds?: number;
}

export function watchingResources(form: Form): Resources {
  const alarms = alarmsOf(form);
  return {
    ...Object.fromEntries(Object.entries(alarms).map(([id, alarm]) => [id, alarmResource(form, alarm)])),
    Dashboard: {
      Type: 'AWS::CloudWatch::Dashboard',
      Properties: {
        DashboardName: form.text(DEPLOYMENT),
        DashboardBody: form.text(JSON.stringify(dashboard(Object.keys(alarms))), {
          DeadLetterQueueName: deadLetterQueue(form).name,
        }),
      },
    },
  };
}

function alarmResource(form: Form, alarm: Alarm): Resources[string] {
  return {
    Type: 'AWS::CloudWatch::Alarm',
    Properties: {
      AlarmName: form.text(`${DEPLOYMENT}-${alarm.name}`),
      AlarmDescription: `${alarm.description} Runbook: ${RUNBOOKS}#${alarm.runbook.toLowerCase().replaceAll(' ', '-')}`,
      Namespace: alarm.namespace,
      MetricName: alarm.metric,
      Dimensions: Object.entries(alarm.dimensions).map(([Name, Value]) => ({ Name, Value })),
      Statistic: alarm.statistic,
      Period: alarm.seconds ?? 300,
      EvaluationPeriods: 1,
      ComparisonOperator: 'GreaterThanOrEqualToThreshold',
      Threshold: alarm.threshold,
      TreatMissingData: 'notBreaching',
      AlarmActions: [form.choose('HasAlarmTopic', form.value('alarmTopicArn'))],
    },
  };
}

function alarmsOf(form: Form): Readonly<Record<string, Alarm>> {
  const service = form.text(DEPLOYMENT);
  const ours = { namespace: 'ECSDrain', dimensions: { service } };
  const queue = (QueueName: unknown) => ({
    namespace: 'AWS/SQS',
    dimensions: { QueueName },
    statistic: 'Maximum' as const,
  });
  return {
    DeadLettersAlarm: {
      name: 'dead-letters',
      description:
        'An event could not be handled, so an instance may be held while no drain is in progress. Read the messages of the dead-letter queue, fix the cause and send the events again.',
      runbook: 'Dead letters',
      ...queue(deadLetterQueue(form).name),
      metric: 'ApproximateNumberOfMessagesVisible',
      threshold: 1,
    },
    TimedOutAlarm: {
      name: 'timed-out',
      description:
        'A drain reached its deadline while tasks had not stopped, and they were killed with their instance. The log names the tasks and says why they stayed.',
      runbook: 'Timed out',
      ...ours,
      metric: 'TasksKilledAtDeadline',
      dimensions: { service, outcome: 'timed-out' },
      statistic: 'Sum',
      threshold: 1,
    },
    AgentLostAlarm: {
      name: 'agent-lost',
      description:
        'A drain gave up on an instance whose ECS agent was disconnected, so what became of its tasks is not known. Find out why the agent was disconnected.',
      runbook: 'Agent lost',
      ...ours,
      metric: 'Drains',
      dimensions: { service, outcome: 'agent-lost' },
      statistic: 'Sum',
      threshold: 1,
    },
    TasksUnaccountedAlarm: {
      name: 'tasks-unaccounted',
      description:
        'Someone other than its drain let an instance with tasks go, so what became of the tasks is not known. The log says which tasks were seen last, and when.',
      runbook: 'Tasks unaccounted for',
      ...ours,
      metric: 'TasksUnaccounted',
      statistic: 'Sum',
      threshold: 1,
    },
    NearDeadlineAlarm: {
      name: 'near-deadline',
      description:
        'A drain has used 80 % of the time to its deadline, when its remaining tasks are killed unless EC2 has only recommended to rebalance the instance. Find out which tasks hold the instance while there is time.',
      runbook: 'Near its deadline',
      ...ours,
      metric: 'DeadlineUsed',
      statistic: 'Maximum',
      threshold: 80,
      seconds: 600, // a parked drain reports every ten minutes or so
    },
    FunctionErrorsAlarm: {
      name: 'function-errors',
      description:
        'An invocation failed. Its events come again when the visibility timeout of the queue ends. The log has the error.',
      runbook: 'Function errors',
      namespace: 'AWS/Lambda',
      metric: 'Errors',
      dimensions: { FunctionName: form.text(`${DEPLOYMENT}-drain`) },
      statistic: 'Sum',
      threshold: 1,
    },
    EventsWaitingAlarm: {
      name: 'events-waiting',
      description:
        'An event has waited in the queue for more than 15 minutes, so drains do not start or go on. The function does not take events from the queue, or too few at once.',
      runbook: 'Events waiting',
      ...queue({ 'Fn::GetAtt': ['EventQueue', 'QueueName'] }),
      metric: 'ApproximateAgeOfOldestMessage',
      threshold: 1_000, // more than the longest delay of SQS, 900 s, for which a continuation may wait there
    },
  };
}

const BLUE = '#1f77b4';
const ORANGE = '#ff7f0e';
const GREEN = '#2ca02c';
const RED = '#d62728';
const PURPLE = '#9467bd';
const GREY = '#7f7f7f';

const THIRD = { width: 8, height: 6 };

/** The body of the dashboard, for `text`: each row has three widgets. */
/** CloudWatch's dashboard; Grafana's is made of it. */
export function dashboard(alarmIds: readonly string[]) {
  const rows = [
    [drainsInProgress, drainsFinished, deadlineUsed],
    [durations, slack, tasksLost],
    [deadLetters, functionHealth, oldestEvent],
  ];
  return {
    start: '-PT12H',
    periodOverride: 'inherit',
    widgets: [
      {
        type: 'alarm',
        ...{ x: 0, y: 0, width: 24, height: 2 },
        properties: { title: 'Alarms', alarms: alarmIds.map((id) => `\${${id}.Arn}`) },
      },
      ...rows.flatMap((row, y) =>
        row.map(({ type, properties }, x) => ({
          type,
          ...{ x: x * THIRD.width, y: 2 + y * THIRD.height, ...THIRD },
          properties: { region: `\${AWS::Region}`, view: 'timeSeries', ...properties },
        })),
      ),
    ],
  };
}

/** A metric of ours: by the service, and by the outcome if there is one. */
function ours(metric: string, outcome: string | undefined, shown: object): unknown[] {
  return ['ECSDrain', metric, 'service', DEPLOYMENT, ...(outcome === undefined ? [] : ['outcome', outcome]), shown];
}

/** No metric can count distinct drains, so a query counts those in the log. Each drain logs every ten minutes or so. */
const drainsInProgress = {
  type: 'log',
  properties: {
    title: 'Drains in progress (seen in 10 minutes)',
    query: `SOURCE '/aws/lambda/${DEPLOYMENT}-drain' | filter ispresent(DeadlineUsed) | stats count_distinct(drainId) as drains by bin(10m)`,
  },
};

const drainsFinished = {
  type: 'metric',
  properties: {
    title: 'Drains finished, by outcome',
    stacked: true,
    stat: 'Sum',
    period: 300,
    metrics: Object.entries({
      drained: GREEN,
      'timed-out': RED,
      'agent-lost': PURPLE,
      gone: GREY,
      'already-completed': BLUE,
    }).map(([outcome, color]) => ours('Drains', outcome, { label: outcome, color })),
  },
};

const deadlineUsed = {
  type: 'metric',
  properties: {
    title: 'Time to the deadline used, maximum (%)',
    stat: 'Maximum',
    period: 300,
    metrics: [ours('DeadlineUsed', undefined, { label: 'used', color: ORANGE })],
    annotations: { horizontal: [{ label: 'alarm', value: 80, color: RED }] },
    yAxis: { left: { min: 0 } },
  },
};

const durations = percentiles('Duration of drained drains (s)', 'DrainDuration');
const slack = percentiles("Slack: last task's stop to completion (s)", 'DrainSlack');

function percentiles(title: string, metric: string) {
  return {
    type: 'metric',
    properties: {
      title,
      period: 900,
      metrics: [
        ours(metric, 'drained', { stat: 'p50', label: 'p50', color: BLUE }),
        ours(metric, 'drained', { stat: 'p90', label: 'p90', color: ORANGE }),
        ours(metric, 'drained', { stat: 'Maximum', label: 'longest', color: RED }),
      ],
      yAxis: { left: { min: 0 } },
    },
  };
}

const tasksLost = {
  type: 'metric',
  properties: {
    title: 'Tasks not stopped or unaccounted for at the end',
    stacked: true,
    stat: 'Sum',
    period: 300,
    metrics: [
      ours('TasksKilledAtDeadline', 'timed-out', { label: 'timed-out', color: RED }),
      ours('TasksKilledAtDeadline', 'agent-lost', { label: 'agent-lost', color: PURPLE }),
      ours('TasksUnaccounted', undefined, { label: 'unaccounted for', color: GREY }),
    ],
  },
};

const deadLetters = {
  type: 'metric',
  properties: {
    title: 'Dead letters, lost drains found',
    period: 300,
    metrics: [
      [
        ...['AWS/SQS', 'ApproximateNumberOfMessagesVisible', 'QueueName', `\${DeadLetterQueueName}`],
        { stat: 'Maximum', label: 'dead letters', color: RED },
      ],
      ours('LostDrainsFound', undefined, { stat: 'Sum', label: 'lost drains found', color: ORANGE }),
    ],
    yAxis: { left: { min: 0 } },
  },
};

const functionHealth = {
  type: 'metric',
  properties: {
    title: 'Function: errors, throttles',
    stat: 'Sum',
    period: 300,
    metrics: [
      ['AWS/Lambda', 'Errors', 'FunctionName', `${DEPLOYMENT}-drain`, { label: 'errors', color: RED }],
      ['AWS/Lambda', 'Throttles', 'FunctionName', `${DEPLOYMENT}-drain`, { label: 'throttles', color: ORANGE }],
    ],
    yAxis: { left: { min: 0 } },
  },
};

const oldestEvent = {
  type: 'metric',
  properties: {
    title: 'Queue: age of the oldest event (s)',
    stat: 'Maximum',
    period: 300,
    metrics: [
      [
        ...['AWS/SQS', 'ApproximateAgeOfOldestMessage', 'QueueName', `\${EventQueue.QueueName}`],
        { label: 'oldest event', color: BLUE },
      ],
    ],
    annotations: { horizontal: [{ label: 'alarm', value: 1_000, color: RED }] },
    yAxis: { left: { min: 0 } },
  },
};
