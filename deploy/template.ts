/** The CloudFormation template of a deployment: everything but the place of the code, which each way to deploy adds. */

import type { Resources, Template } from './cloudformation.ts';
import { eventBusResources } from './event-bus.ts';
import { type Form, filledForm } from './form.ts';
import { EVENT_SOURCE_MAPPING, FUNCTION, functionResources } from './function.ts';
import { hookResources } from './hooks.ts';
import { withOptions } from './options.ts';
import { paramsOf } from './params.ts';
import { parkingResources } from './parking.ts';
import { deadLetterQueue, queueResources } from './queues.ts';
import { ruleResources, rulesOf } from './rules.ts';
import { watchingResources } from './watching.ts';

/**
 * The template for these params. A param is text from the command line, or text, number, boolean or list from YAML and code;
 * one that is left out has its default.
 * @throws InvalidSettings with a sentence for each param that is missing, unknown, out of bounds or in conflict.
 */
export function templateOf(params: Readonly<Record<string, unknown>>, stage: string): Template {
  return templateIn(filledForm(paramsOf(params, stage), stage));
}

/**
 * The template that the Serverless Framework uploads: ours, with the code where the framework puts it, and what the
 * framework and `resources` in serverless.yml add.
 */
export function packagedTemplate(
  params: Readonly<Record<string, unknown>>,
  stage: string,
  framework: Template,
): Template {
  const form = filledForm(paramsOf(params, stage), stage);
  const ours = templateIn(form);
  const others = Object.entries(framework.Resources).filter(([id]) => !(id in ours.Resources));
  return {
    ...framework,
    Description: ours.Description,
    Resources: {
      ...withOptions(Object.fromEntries(others), form),
      ...withCode(ours, framework.Resources[FUNCTION]?.Properties['Code']).Resources,
    },
    Outputs: { ...framework.Outputs, ...ours.Outputs },
  };
}

/** The template with the place of the code: what `Code` of a function is in CloudFormation. */
export function withCode(template: Template, Code: unknown): Template {
  const { [FUNCTION]: lambda, ...others } = template.Resources;
  if (!lambda) throw new Error('The template has no function.');
  return {
    ...template,
    Resources: { ...others, [FUNCTION]: { ...lambda, Properties: { Code, ...lambda.Properties } } },
  };
}

/** The template in a form. */
export function templateIn(form: Form): Template {
  const resources = withOptions(
    {
      ...functionResources(form),
      ...queueResources(form),
      ...ruleResources(form, deadLetterQueue(form).arn),
      ...parkingResources(form),
      ...watchingResources(form),
      ...eventBusResources(form),
    },
    form,
  );
  const Resources = { ...withDependencies(resources), ...hookResources(form, neededByDrains(form, resources)) };
  return withoutGaps({ Description: DESCRIPTION, Resources, Outputs: outputs(form) }) as Template;
}

/** The resources without which a drain does not begin or go on. */
function neededByDrains(form: Form, resources: Resources): Resources {
  const needed = [
    ...rulesOf(form).map(({ logicalId }) => logicalId),
    'EventQueuePolicy',
    EVENT_SOURCE_MAPPING,
    ...['ParkingPolicy', 'TaskStopQueuePolicy', 'TaskStopMapping'],
    ...['DryRunGuard', 'QueueKeyPolicy'],
  ];
  return Object.fromEntries(Object.entries(resources).filter(([id]) => needed.includes(id)));
}

/** The resources, each depending on no other than these. */
function withDependencies(resources: Resources): Resources {
  return Object.fromEntries(
    Object.entries(resources).map(([id, resource]) => [
      id,
      {
        ...resource,
        ...(resource.DependsOn && { DependsOn: resource.DependsOn.filter((other) => other in resources) }),
      },
    ]),
  );
}

const DESCRIPTION = 'ecs-drain drains Amazon ECS container instances before EC2 Auto Scaling terminates them.';

function outputs(form: Form): Readonly<Record<string, unknown>> {
  return {
    FunctionName: { Description: "The function's name, for its logs and metrics", Value: { Ref: FUNCTION } },
    EventQueueUrl: { Description: 'Where the function takes its events from', Value: { Ref: 'EventQueue' } },
    DeadLetterQueueUrl: {
      Description: 'Where events end up that could not be handled',
      Value: deadLetterQueue(form).url,
    },
  };
}

/** Leaves out undefined values: what the params leave out. */
function withoutGaps(value: unknown): unknown {
  if (Array.isArray(value)) return value.filter((item) => item !== undefined).map(withoutGaps);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  return Object.fromEntries(entries.map(([key, each]) => [key, withoutGaps(each)]));
}
