import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { deploymentIn, type Package, packaged } from '../../sandbox/packaging.ts';
import { type Metric, RECORDED } from '../../sandbox/region/cloudwatch/metrics.ts';
import { NO_FAULTS } from '../../sandbox/region/faults.ts';
import { dashboardOf } from '../../sandbox/report/dashboard.ts';
import { SCENARIOS, type Scenario } from '../../sandbox/scenarios.ts';
import { alarmsIn, answerTo, type Heard, hear, isOn, type Widget, widgetsIn } from '../../sandbox/watching.ts';
import { deployed } from './deployed.ts';

const TYPED = ['--param=cluster=prod', '--param=autoScalingGroups=web'];
const TOPIC = 'arn:aws:sns:eu-west-1:123456789012:alarms';
const RUNBOOKS = join(import.meta.dirname, '../../docs/operations.md');
const SEED = 1;

/** An instance that no cluster knows any more when Auto Scaling terminates it. */
const forgotten: Scenario = {
  ...SCENARIOS.stuck,
  params: {},
  begin: ({ ecs, autoScaling }, [first = '']) => {
    ecs.terminateInstance(first);
    autoScaling.terminateInstance(first);
  },
};

/** Instances whose events never come. */
const unheard: Scenario = { ...SCENARIOS['scale-in'], faults: () => ({ ...NO_FAULTS, lostEvents: 1 }) };

/** Someone terminates an instance while its drain waits for two tasks. */
const letGo: Scenario = {
  ...SCENARIOS['scale-in'],
  begin: ({ autoScaling, time }, [first = '']) => {
    autoScaling.terminateInstance(first);
    time.after(30, () => autoScaling.terminateInstance(first, { skipHooks: true }));
  },
};

/** EC2 recommends to rebalance an instance whose job outlasts the deadline, and nothing takes the instance. */
const recommended: Scenario = {
  ...SCENARIOS.rebalance,
  group: { ...SCENARIOS.rebalance.group, capacityRebalance: false },
  jobs: SCENARIOS.retained.jobs,
  params: { ...SCENARIOS.rebalance.params, deadlineSeconds: 600 },
  begin: ({ autoScaling }, [first = '']) => autoScaling.recommendRebalance(first),
};

/** A continuation that the function cannot read. */
const unreadable = { source: 'ecs-drain.main', 'detail-type': 'ECS Drain Continuation', resources: [], detail: {} };

let quiet: Package;
let wired: Package;
let drills: Record<
  | 'rolling-update'
  | 'stuck'
  | 'agent-lost'
  | 'forgotten'
  | 'unheard'
  | 'unreadable'
  | 'failing'
  | 'late'
  | 'letGo'
  | 'recommended',
  Heard
>;

beforeAll(async () => {
  [quiet, wired] = await Promise.all([
    packaged({ args: TYPED }),
    packaged({ args: [...TYPED, `--param=alarmTopicArn=${TOPIC}`, '--stage=blue'] }),
  ]);
  // One after the other: a rehearsal takes over the process's globals while it goes on.
  drills = {
    'rolling-update': await hear({ scenario: 'rolling-update', seed: SEED }, 5_400),
    stuck: await hear({ scenario: 'stuck', seed: SEED }, 3_600),
    'agent-lost': await hear({ scenario: 'agent-lost', seed: SEED }, 3_600),
    forgotten: await hear({ scenario: 'stuck', variant: forgotten, seed: SEED }, 1_200),
    letGo: await hear({ scenario: 'scale-in', variant: letGo, seed: SEED }, 900),
    recommended: await hear({ scenario: 'rebalance', variant: recommended, seed: SEED }, 1_200),
    unheard: await hear({ scenario: 'scale-in', variant: unheard, seed: SEED }, 1_200),
    unreadable: await hear({ scenario: 'scale-in', seed: SEED }, 2_400, ({ region }) => {
      region.eventBridge.publish(unreadable);
    }),
    // By itself, and not in a batch: the invocation fails.
    failing: await hear({ scenario: 'scale-in', seed: SEED }, 1_200, ({ installed }) => {
      installed.lambda?.invokeAsync(unreadable);
    }),
    late: await hear({ scenario: 'scale-in', seed: SEED }, 1_200, ({ region }) => {
      region.eventBridge.publish(terminationOf('i-0000000000000dead'));
    }),
  };
});

/** The event of a lifecycle action that is over already. */
function terminationOf(instanceId: string) {
  return {
    source: 'aws.autoscaling',
    'detail-type': 'EC2 Instance-terminate Lifecycle Action',
    resources: [],
    detail: {
      LifecycleActionToken: '00000000-0000-4000-8000-00000000beef',
      AutoScalingGroupName: 'web',
      LifecycleHookName: 'ecs-drain',
      EC2InstanceId: instanceId,
      LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
    },
  };
}

/** The ids of the alarms that were on during a drill, in the order in which they came on. */
function alarmsDuring(heard: Heard): string[] {
  const on = new Set<string>();
  for (let atMs = heard.startMs; atMs <= heard.endMs; atMs += 60_000) {
    for (const alarm of alarmsIn(quiet.resources)) if (isOn(alarm, heard.datapoints, atMs)) on.add(alarm.id);
  }
  return [...on];
}

describe('an alarm', () => {
  it('is on for what it is there for, and for nothing else', () => {
    expect(alarmsDuring(drills['rolling-update'])).toEqual([]);
    expect(alarmsDuring(drills.stuck)).toEqual(['NearDeadlineAlarm', 'TimedOutAlarm']);
    expect(alarmsDuring(drills['agent-lost'])).toEqual(['AgentLostAlarm']);
    expect(alarmsDuring(drills.letGo)).toEqual(['TasksUnaccountedAlarm']);
    expect(alarmsDuring(drills.forgotten)).toEqual([]); // nothing is known of its tasks: 0 would be wrong, and so would 1
    expect(alarmsDuring(drills.recommended)).toEqual(['NearDeadlineAlarm']); // its deadline kills nothing
    expect(alarmsDuring(drills.late)).toEqual([]);
    expect(alarmsDuring(drills.unheard)).toEqual([]);
    expect(alarmsDuring(drills.unreadable)).toEqual(['DeadLettersAlarm']);
    expect(alarmsDuring(drills.failing)).toEqual(['FunctionErrorsAlarm']);
  });

  it('watches only what the local Region records, of queues and functions by their names', () => {
    const { queues, lambda } = deploymentIn(quiet);
    const lines = widgetsIn(quiet.resources).flatMap((widget) => (widget.kind === 'graph' ? widget.lines : []));
    const watched = [...alarmsIn(quiet.resources), ...lines]
      .map(({ metric }) => metric)
      .filter(({ namespace }) => namespace !== 'ECSDrain');
    expect(new Set(watched.map(({ namespace }) => namespace))).toEqual(new Set(['AWS/Lambda', 'AWS/SQS']));
    const named: Readonly<Record<string, readonly string[]>> = {
      FunctionName: [lambda.name],
      QueueName: queues.map(({ name }) => name),
    };
    for (const { namespace, name, dimensions } of watched) {
      const { dimension, names } = RECORDED[namespace as keyof typeof RECORDED];
      expect(names).toContain(name);
      expect(Object.keys(dimensions)).toEqual([dimension]);
      expect(named[dimension]).toContain(dimensions[dimension]);
    }
  });

  it('facts 35 sqs-metrics: is on when an event has waited for longer than any delay, and off where SQS has no data', () => {
    const waiting = alarmsIn(quiet.resources).find(({ id }) => id === 'EventsWaitingAlarm');
    if (!waiting) throw new Error('The package has no alarm for events that wait.');
    const isOnAt = (value: number) => isOn(waiting, [{ ...waiting.metric, unit: 'Seconds', value, atMs: 0 }], 0);
    expect([900, 1_000].map(isOnAt)).toEqual([false, true]);
    expect(isOn(waiting, [], 0)).toBe(false);
  });

  it('goes off when its cause is over, except for dead letters that are still in their queue', () => {
    const still = ({ datapoints, endMs }: Heard) =>
      alarmsIn(quiet.resources).flatMap((alarm) => (isOn(alarm, datapoints, endMs) ? [alarm.id] : []));
    expect(still(drills.stuck)).toEqual([]);
    expect(still(drills['agent-lost'])).toEqual([]);
    expect(still(drills.unreadable)).toEqual(['DeadLettersAlarm']);
  });

  it('notifies no one, unless a topic is given', () => {
    expect(actionsIn(quiet)).toEqual(Array(7).fill([]));
    expect(actionsIn(wired)).toEqual(Array(7).fill([TOPIC]));
  });

  it('has a runbook where the link in its description leads', async () => {
    const runbooks = await readFile(RUNBOOKS, 'utf8');
    const sections = propertiesOf<{ AlarmDescription: string }>('AWS::CloudWatch::Alarm', quiet).map(
      ({ AlarmDescription }) => /Runbook: https:\/\/\S+\/docs\/operations\.md#(\S+)$/.exec(AlarmDescription)?.[1],
    );
    expect(sections).toHaveLength(7);
    const anchors = [...runbooks.matchAll(/^### (.+)$/gm)].map(([, heading = '']) =>
      heading.toLowerCase().replaceAll(' ', '-'),
    );
    expect(anchors).toEqual(expect.arrayContaining(sections));
  });

  it('is another deployment’s own', () => {
    const names = (of: Package) => alarmsIn(of.resources).map(({ name }) => name);
    expect(names(quiet)).toContain('ecs-drain-main-timed-out');
    expect(names(wired)).toEqual(names(quiet).map((name) => name.replace('-main-', '-blue-')));
    const services = alarmsIn(wired.resources).flatMap(({ metric }) => metric.dimensions['service'] ?? []);
    expect(services).toEqual(Array(4).fill('ecs-drain-blue'));
  });
});

describe('the topic', () => {
  it.each(['alarms', 'arn:aws:sqs:eu-west-1:123456789012:alarms', `${TOPIC}.fifo`, `${TOPIC}:subscription`, ''])(
    'that is none is refused with a sentence: %s',
    (alarmTopicArn) => {
      expect(() => deployed({ alarmTopicArn })).toThrow(
        `alarmTopicArn is ${JSON.stringify(alarmTopicArn)}: expected none, or the ARN of a standard SNS topic, such as arn:aws:sns:eu-west-1:123456789012:alarms.`,
      );
    },
  );

  it.each([TOPIC, 'arn:aws-us-gov:sns:us-gov-west-1:123456789012:On_call-2'])('is taken: %s', (alarmTopicArn) => {
    expect(deployed({ alarmTopicArn }).alarmActions).toEqual([alarmTopicArn]);
  });
});

describe('the dashboard', () => {
  it('is JSON that has nothing left to fill in, and is another deployment’s own', () => {
    for (const [stage, of] of [['main', quiet] as const, ['blue', wired] as const]) {
      const [dashboard] = propertiesOf<{ DashboardName: string; DashboardBody: string }>(
        'AWS::CloudWatch::Dashboard',
        of,
      );
      expect(dashboard?.DashboardName).toBe(`ecs-drain-${stage}`);
      expect(() => JSON.parse(dashboard?.DashboardBody ?? '')).not.toThrow();
      expect(dashboard?.DashboardBody).not.toContain('${');
      expect(dashboard?.DashboardBody).not.toContain(`ecs-drain-${stage === 'main' ? 'blue' : 'main'}`);
    }
  });

  it('shows every alarm, and refers to no resource that is not there', () => {
    const shown = widgetsIn(quiet.resources).flatMap((widget) => (widget.kind === 'alarms' ? widget.alarms : []));
    expect(shown.toSorted()).toEqual(
      alarmsIn(quiet.resources)
        .map(({ id }) => `${id}.Arn`)
        .toSorted(),
    );
    const { Resources } = quiet.template as { Resources: { Dashboard: { Properties: { DashboardBody: unknown } } } };
    const body = JSON.stringify(Resources.Dashboard.Properties.DashboardBody);
    const referred = [...body.matchAll(/\$\{(?!AWS::Region\})(\w+)[^}]*\}/g)].map(([, id]) => id);
    expect(referred).toContain('DeadLetterQueue');
    expect(Object.keys(quiet.resources)).toEqual(expect.arrayContaining(referred));
  });

  it('has no widget upon another, or beyond the 24 columns', () => {
    const cells = widgetsIn(quiet.resources).flatMap(({ x, y, width, height }) => {
      expect(x + width).toBeLessThanOrEqual(24);
      return Array.from({ length: width * height }, (_, i) => `${x + (i % width)},${y + Math.floor(i / width)}`);
    });
    expect(new Set(cells).size).toBe(cells.length);
  });

  it('draws the thresholds of alarms where they are', () => {
    const drawn = graphsOf(quiet).flatMap(({ lines, thresholds }) =>
      thresholds.map(({ value }) => [lines[0]?.metric.name, value]),
    );
    const thresholds = new Map(alarmsIn(quiet.resources).map(({ metric, threshold }) => [metric.name, threshold]));
    expect(drawn).toEqual(
      ['DeadlineUsed', 'ApproximateAgeOfOldestMessage'].map((name) => [name, thresholds.get(name)]),
    );
  });

  it('counts the drains in progress by the log: as many as were in their ten minutes', () => {
    const queries = widgetsIn(quiet.resources).flatMap((widget) => (widget.kind === 'query' ? [widget.query] : []));
    expect(queries).toHaveLength(1);
    const counts = (heard: Heard) => answerTo(queries[0] ?? '', heard).series.map(({ value }) => value);
    // Half an hour, begun within ten minutes and ended within ten.
    expect(counts(drills.stuck)).toEqual([1, 1, 1, 1]);
    expect(Math.max(...counts(drills['unreadable']))).toBe(2);
  });
});

describe('the picture of the dashboard', () => {
  /** What can be read in it. */
  const textsIn = (svg: string) =>
    [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text = '']) => text.replaceAll('&#39;', '’').trim());

  it('has every widget with its lines, and the alarms as they stand', () => {
    const texts = textsIn(dashboardOf(quiet.resources, drills.unreadable, 'dashboard'));
    const titles = widgetsIn(quiet.resources).map(({ title }) => title.replaceAll("'", '’'));
    const labels = graphsOf(quiet).flatMap(({ lines }) => lines.map(({ label }) => label));
    expect(texts).toEqual(expect.arrayContaining([...titles, ...labels, 'drains']));
    const states = texts.filter((text) => /^(OK|ALARM)\b/.test(text)).map((text) => text.split(/\s+/));
    expect(states.toSorted()).toEqual([
      ['ALARM', 'ecs-drain-main-dead-letters'],
      ...['agent-lost', 'events-waiting', 'function-errors', 'near-deadline', 'tasks-unaccounted', 'timed-out'].map(
        (name) => ['OK', `ecs-drain-main-${name}`],
      ),
    ]);
  });

  it('is the same for the same drill', () => {
    const draw = () => dashboardOf(quiet.resources, drills.stuck, 'dashboard');
    expect(draw()).toBe(draw());
  });
});

describe('a metric', () => {
  const named = () => [
    ...alarmsIn(quiet.resources).map(({ id, metric }) => ({ by: id, metric })),
    ...graphsOf(quiet).flatMap(({ title, lines }) => lines.map(({ metric }) => ({ by: title, metric }))),
  ];

  it('facts 34 alarm-limits: that an alarm or the dashboard names is published, with these dimensions', () => {
    const published = new Set(
      Object.values(drills).flatMap(({ datapoints }) => datapoints.map((datapoint) => identityOf(datapoint))),
    );
    expect(named().filter(({ metric }) => !published.has(identityOf(metric)))).toEqual([]);
    expect(named().length).toBeGreaterThan(20);
  });

  it('of an outcome is on the dashboard for every outcome there is', () => {
    const published = Object.values(drills).flatMap(({ datapoints }) =>
      datapoints.flatMap(({ name, dimensions }) => (name === 'Drains' ? (dimensions['outcome'] ?? []) : [])),
    );
    const shown = named().flatMap(({ metric }) =>
      metric.name === 'Drains' ? (metric.dimensions['outcome'] ?? []) : [],
    );
    expect([...new Set(shown)].toSorted()).toEqual([...new Set(published)].toSorted());
    expect(new Set(shown).size).toBe(5);
  });
});

function graphsOf({ resources }: Package) {
  return widgetsIn(resources).filter((widget): widget is Extract<Widget, { kind: 'graph' }> => widget.kind === 'graph');
}

function identityOf({ namespace, name, dimensions }: Metric): string {
  return JSON.stringify([namespace, name, Object.entries(dimensions).sort()]);
}

function propertiesOf<Properties>(type: string, { resources }: Package): Properties[] {
  return Object.values(resources).flatMap((each) => (each.Type === type ? [each.Properties as Properties] : []));
}

function actionsIn(from: Package) {
  return propertiesOf<{ AlarmActions: unknown }>('AWS::CloudWatch::Alarm', from).map(
    ({ AlarmActions }) => AlarmActions,
  );
}
