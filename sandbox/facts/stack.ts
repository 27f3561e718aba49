import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Resources } from './experiment.ts';

/** What the experiments need in an AWS account, as a CloudFormation template. */
export const TEMPLATE = readFileSync(join(import.meta.dirname, 'stack.yaml'), 'utf8');

/** How long the stack takes to be created and to be deleted, at most. */
export const STACK_MINUTES = 25;
/**
 * Three t3.small with 30 GiB and a public address each, and a load balancer, at us-east-1's prices: the rest is free or a fraction
 * of a cent.
 */
export const STACK_CENTS_AN_HOUR = 12;

/** As the template has them. */
const HEARTBEAT_TIMEOUT_SECONDS = 120;
const DEREGISTRATION_DELAY_SECONDS = 30;

/** The types of the template's resources, one for each. */
export function resourceTypes(): readonly string[] {
  return [...TEMPLATE.matchAll(/^ {4}Type: (AWS::\S+)$/gm)].flatMap(([, type]) => type ?? []);
}

/** What a Spot interruption is started with. */
export interface SpotInterruption {
  readonly roleArn: string;
  readonly experimentTemplateId: string;
  readonly scheduleGroup: string;
}

/**
 * The outputs of the stack, by name, as what experiments use.
 * @throws Error if one is missing.
 */
export function resourcesFrom(
  outputs: ReadonlyMap<string, string>,
  startSpotInterruption: (interruption: SpotInterruption) => Promise<unknown>,
): Resources {
  const out = (name: string): string => {
    const value = outputs.get(name);
    if (value === undefined) throw new Error(`The stack has no output ${name}.`);
    return value;
  };
  const interruption = {
    roleArn: out('SchedulerRole'),
    experimentTemplateId: out('SpotInterruption'),
    scheduleGroup: out('Schedules'),
  };
  return {
    cluster: {
      name: out('Cluster'),
      services: { web: out('Web'), slow: out('Slow'), fixed: out('Fixed'), daemon: out('Daemon'), large: out('Large') },
      job: out('Job'),
      largeJob: out('LargeJob'),
    },
    group: {
      name: out('Group'),
      hook: out('Hook'),
      heartbeatTimeoutSeconds: HEARTBEAT_TIMEOUT_SECONDS,
      interruptSpot: () => startSpotInterruption(interruption),
    },
    events: { queueUrl: out('Events') },
    schedules: { group: out('Schedules'), busArn: out('Bus'), roleArn: out('SchedulerRole') },
    function: { name: out('Failing'), queueUrl: out('Failures') },
    echo: { name: out('Echo'), logGroup: out('FunctionLogs') },
    loadBalancer: { service: out('Balanced'), deregistrationDelaySeconds: DEREGISTRATION_DELAY_SECONDS },
    queue: { url: out('Messages'), arn: out('MessagesArn') },
    topic: { arn: out('Topic') },
  };
}
