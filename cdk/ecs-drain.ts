import { join } from 'node:path';
import { Annotations, CfnOutput, CfnResource, Stack, Token } from 'aws-cdk-lib';
import { Alarm, type IAlarm, Metric, type MetricOptions, Stats } from 'aws-cdk-lib/aws-cloudwatch';
import { Grant, type IGrantable, type IRole, Role } from 'aws-cdk-lib/aws-iam';
import { type IFunction, Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { Asset } from 'aws-cdk-lib/aws-s3-assets';
import { type IQueue, Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { Template } from '../deploy/cloudformation.ts';
import { FUNCTION, FUNCTION_ROLE } from '../deploy/function.ts';
import { limitsExceeded } from '../deploy/limits.ts';
import { DEFAULT_STAGE, paramsOf, warningsIn } from '../deploy/params.ts';
import { templateOf, withCode } from '../deploy/template.ts';
import { InvalidSettings } from '../src/handlers/settings.ts';
import { refuseWrongKinds } from './checks.ts';
import { type Granted, INSPECT, OPERATE } from './grants.ts';
import { paramsFrom } from './params.ts';
import type { EcsDrainProps } from './props.ts';
import { type StandIns, standInsIn } from './stand-ins.ts';

export type { DrainedCluster, DrainedGroup, DrainedGroupInCluster, EcsDrainProps } from './props.ts';

/** The code of the function, as the package has it: this file is in dist/cdk there. */
const ZIP = join(import.meta.dirname, '../ecs-drain.zip');

/** How a drain ends. */
export type Outcome = 'drained' | 'timed-out' | 'agent-lost' | 'gone' | 'already-completed';

/** The alarms; docs/operations.md has a runbook for each. */
export interface EcsDrainAlarms {
  readonly deadLetters: IAlarm;
  readonly timedOut: IAlarm;
  readonly agentLost: IAlarm;
  readonly tasksUnaccounted: IAlarm;
  readonly nearDeadline: IAlarm;
  readonly functionErrors: IAlarm;
  readonly eventsWaiting: IAlarm;
}

/**
 * Drains container instances of Amazon ECS before EC2 Auto Scaling terminates them.
 *
 * The resources have the same logical ids as in every other way to deploy the service, so a stack can have one such construct.
 */
export class EcsDrain extends Construct {
  readonly function: IFunction;
  /** The role of the function. */
  readonly role: IRole;
  /** Where the function takes its events from. */
  readonly eventQueue: IQueue;
  /** Where events end up that could not be handled. */
  readonly deadLetterQueue: IQueue;
  readonly alarms: EcsDrainAlarms;
  /** The `source` of the events that the service puts on the default bus. */
  readonly eventSource: string;
  readonly #deployment: string;
  readonly #namespace: string;
  readonly #arns: Readonly<Record<Granted['on'], readonly string[]>>;

  /** @throws an error with a sentence for each property that is missing, out of bounds or in conflict. */
  constructor(scope: Construct, id: string, props: EcsDrainProps) {
    super(scope, id);
    refuseSecond(this);
    refuseWrongKinds(props);
    const stage = props.stage ?? DEFAULT_STAGE;
    this.#deployment = `ecs-drain-${stage}`;
    this.#namespace = props.dryRun ? 'ECSDrainDryRun' : 'ECSDrain';
    this.eventSource = `ecs-drain.${stage}`;

    const standIns = standInsIn(this);
    const code = new Asset(this, 'Code', { path: ZIP });
    const place = { S3Bucket: code.s3BucketName, S3Key: code.s3ObjectKey };
    const params = paramsFrom(props, standIns);
    const checked = withTokens(standIns, () => {
      for (const warning of warningsIn(paramsOf(params, stage)))
        Annotations.of(this).addWarningV2('ecs-drain:group', warning);
      const made = templateOf(params, stage);
      refuseTooLarge(made, Stack.of(this));
      return made;
    });
    const template = standIns.replacedIn(withCode(checked, place)) as Template;
    const resources = created(this, template);

    const arnOf = (logicalId: string) => String(resources.get(logicalId)?.getAtt('Arn'));
    const alarm = (name: string) => Alarm.fromAlarmArn(this, name, arnOf(`${name}Alarm`));
    this.role = Role.fromRoleArn(this, 'Role', arnOf(FUNCTION_ROLE), { mutable: false });
    this.function = LambdaFunction.fromFunctionAttributes(this, 'Function', {
      functionArn: arnOf(FUNCTION),
      role: this.role,
      sameEnvironment: true,
    });
    this.eventQueue = Queue.fromQueueArn(this, 'Events', arnOf('EventQueue'));
    this.deadLetterQueue =
      props.deadLetterQueue ?? Queue.fromQueueArn(this, 'DeadLetterEvents', arnOf('DeadLetterQueue'));
    this.alarms = {
      deadLetters: alarm('DeadLetters'),
      timedOut: alarm('TimedOut'),
      agentLost: alarm('AgentLost'),
      tasksUnaccounted: alarm('TasksUnaccounted'),
      nearDeadline: alarm('NearDeadline'),
      functionErrors: alarm('FunctionErrors'),
      eventsWaiting: alarm('EventsWaiting'),
    };
    this.#arns = {
      anything: ['*'], // Most of these reads know no narrower resource, and a command may ask about any group or cluster.
      function: [this.function.functionArn],
      groups: groupArnsIn(template),
      log: [arnOf('DrainLogGroup')],
      queues: [this.eventQueue.queueArn, this.deadLetterQueue.queueArn],
      role: [this.role.roleArn],
    };
  }

  /** Permits the commands that only read: `status`, `explain`, `doctor`, `wait`, `history` and `logs`. */
  grantInspect(grantee: IGrantable): Grant {
    return this.#grant(grantee, INSPECT);
  }

  /** Permits all commands: `drain`, `extend`, `release` and `replay` as well. Reading a queue that has a key needs that key, too. */
  grantOperate(grantee: IGrantable): Grant {
    return this.#grant(grantee, OPERATE);
  }

  /** A metric with the dimension `service`. */
  metric(metricName: string, props?: MetricOptions): Metric {
    const { dimensionsMap, ...others } = props ?? {};
    return new Metric({
      namespace: this.#namespace,
      metricName,
      ...others,
      dimensionsMap: { service: this.#deployment, ...dimensionsMap },
    }).attachTo(this);
  }

  /** How many drains ended. */
  metricDrains(outcome: Outcome, props?: MetricOptions): Metric {
    return this.#metricOfOutcome('Drains', outcome, { statistic: Stats.SUM, ...props });
  }

  /** How long drains took, in seconds: from Auto Scaling's hold to the completion. */
  metricDrainDuration(outcome: Outcome, props?: MetricOptions): Metric {
    return this.#metricOfOutcome('DrainDuration', outcome, { statistic: Stats.percentile(90), ...props });
  }

  /** How long drained instances waited after their last task had stopped, in seconds. */
  metricDrainSlack(props?: MetricOptions): Metric {
    return this.#metricOfOutcome('DrainSlack', 'drained', { statistic: Stats.percentile(90), ...props });
  }

  /** How many tasks had not stopped when their instance was let go. */
  metricTasksKilledAtDeadline(outcome: 'timed-out' | 'agent-lost', props?: MetricOptions): Metric {
    return this.#metricOfOutcome('TasksKilledAtDeadline', outcome, { statistic: Stats.SUM, ...props });
  }

  /** How many tasks were seen last on instances that someone else let go. */
  metricTasksUnaccounted(props?: MetricOptions): Metric {
    return this.metric('TasksUnaccounted', { statistic: Stats.SUM, ...props });
  }

  /** How much of the time to its deadline a drain has used, in percent. */
  metricDeadlineUsed(props?: MetricOptions): Metric {
    return this.metric('DeadlineUsed', { statistic: Stats.MAXIMUM, ...props });
  }

  /** How many drains were reported as stuck. */
  metricStuckDrains(props?: MetricOptions): Metric {
    return this.metric('StuckDrains', { statistic: Stats.SUM, ...props });
  }

  /** How many drains the sweep found that no one went on with. */
  metricLostDrainsFound(props?: MetricOptions): Metric {
    return this.metric('LostDrainsFound', { statistic: Stats.SUM, ...props });
  }

  #metricOfOutcome(name: string, outcome: Outcome, { dimensionsMap, ...others }: MetricOptions): Metric {
    return this.metric(name, { ...others, dimensionsMap: { outcome, ...dimensionsMap } });
  }

  #grant(grantee: IGrantable, granted: readonly Granted[]): Grant {
    return granted
      .map(({ on, actions }) =>
        Grant.addToPrincipal({ grantee, actions: [...actions], resourceArns: [...this.#arns[on]] }),
      )
      .reduce((all, each) => all.combine(each));
  }
}

function refuseSecond(drain: EcsDrain): void {
  const stack = Stack.of(drain);
  const first = stack.node
    .findAll()
    .find((other) => other instanceof EcsDrain && other !== drain && Stack.of(other) === stack);
  if (!first) return;
  throw new InvalidSettings(
    `Stack ${stack.node.id} has the construct ${first.node.path} already, and ${drain.node.path} would have the same logical ids: create it in a stack of its own, with another stage.`,
  );
}

/** @throws InvalidSettings where the stack would be larger than AWS allows. */
function refuseTooLarge(template: Template, { stackName, region, node }: Stack): void {
  const known = (value: string, otherwise: string) => (Token.isUnresolved(value) ? otherwise : value);
  // The CDK deploys a stack without a Region to us-east-1, if nothing else is set.
  const exceeded = limitsExceeded(template, {
    stackName: known(stackName, node.id),
    region: known(region, 'us-east-1'),
  });
  if (exceeded.length > 0) throw new InvalidSettings(exceeded.join('\n'));
}

/** What is made, or the error with the tokens in place of their stand-ins, which no one has written. */
function withTokens<T>(standIns: StandIns, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof InvalidSettings)) throw error;
    throw new InvalidSettings(String(standIns.replacedIn(error.message)));
  }
}

/** The groups on which the function may complete lifecycle actions. */
function groupArnsIn({ Resources }: Template): string[] {
  const role = Resources[FUNCTION_ROLE] as unknown as {
    Properties: { Policies: { PolicyDocument: { Statement: { Action: string[]; Resource: unknown[] }[] } }[] };
  };
  return role.Properties.Policies.flatMap(({ PolicyDocument }) => PolicyDocument.Statement)
    .filter(({ Action }) => Action.includes('autoscaling:CompleteLifecycleAction'))
    .flatMap(({ Resource }) => Resource.map((groupArn) => Token.asString(groupArn)));
}

/** Creates what the template has, under its logical ids. */
function created(scope: Construct, { Resources, Outputs = {} }: Template): ReadonlyMap<string, CfnResource> {
  for (const [id, output] of Object.entries(Outputs)) {
    const { Description, Value } = output as { readonly Description: string; readonly Value: unknown };
    new CfnOutput(scope, id, { description: Description, value: Value as string }).overrideLogicalId(id);
  }
  return new Map(
    Object.entries(Resources).map(([id, { Type: type, Properties: properties, ...others }]) => {
      const resource = new CfnResource(scope, id, { type, properties });
      resource.overrideLogicalId(id);
      for (const [attribute, value] of Object.entries(others)) resource.addOverride(attribute, value);
      return [id, resource];
    }),
  );
}
