import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, styleText } from 'node:util';
import type { Context } from 'aws-lambda';
import { captureLogs, type LogLine } from './logs.ts';
import { deploymentIn, packaged, unpack } from './packaging.ts';
import { type Happening, startRegion } from './region/region.ts';

/** `npm run drill`: one instance is terminated under load; see what becomes of its tasks. */

const CLUSTER = 'prod';
const GROUP = 'web';
const INSTANCES = ['i-0aaaaaaaaaaaaaaaa', 'i-0bbbbbbbbbbbbbbbb', 'i-0cccccccccccccccc'] as const;
const START_MS = Date.UTC(2026, 0, 1, 12);

/** How one drill ended. */
export interface DrillSummary {
  readonly completedWith: string | undefined;
  readonly completedBy: string | undefined;
  readonly tasksKilled: number;
  /** The first moment at which ECS counted no task on the instance while some still ran there. */
  readonly trap: { readonly atMs: number; readonly holding: number } | undefined;
  readonly invocations: number;
  readonly billedSeconds: number;
  readonly awsCalls: Readonly<Record<string, number>>;
  /** What CloudWatch would make of the function's EMF line. */
  readonly metrics: LogLine | undefined;
}

/** Runs the drill; `tell` hears of everything as it happens. */
export async function drill(tell: (happening: Happening) => void): Promise<DrillSummary> {
  const uploaded = await packaged({ args: [`--param=cluster=${CLUSTER}`, `--param=autoScalingGroups=${GROUP}`] });
  const deployment = deploymentIn(uploaded);
  const folder = await mkdtemp(join(tmpdir(), 'ecs-drain-drill-'));

  let trap: DrillSummary['trap'];
  const onHappening = (happening: Happening) => {
    tell(happening);
    const { counted, holding } = region.ecs.accountOf(INSTANCES[0]);
    if (counted === 0 && holding > 0) trap ??= { atMs: happening.atMs, holding };
  };
  const region = await startRegion({ cluster: CLUSTER, startMs: START_MS, onHappening });
  let metrics: LogLine | undefined;
  const stopCapture = captureLogs((line) => {
    if ('_aws' in line) metrics = line;
    else tell({ atMs: region.time.nowMs(), where: 'lambda', what: String(line['message']) });
  });
  try {
    for (const instance of INSTANCES) region.ecs.registerInstance(instance);
    const behindLoadBalancer = { strategy: 'REPLICA', startSeconds: 20, deregistrationDelaySeconds: 300 } as const;
    region.ecs.startService({ ...behindLoadBalancer, name: 'web', desiredCount: 6, stopTimeoutSeconds: 30 });
    region.ecs.runTask(INSTANCES[0], 'nightly-report', 60);

    // Where the deployed function would find AWS by itself, here the SDK's own configuration points at the Region.
    Object.assign(process.env, deployment.environment, {
      AWS_ENDPOINT_URL: region.url,
      AWS_REGION: 'eu-west-1',
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
    });
    const { createDrainHandler }: typeof import('../src/handlers/lambda.ts') = await import(
      await unpack(uploaded, folder)
    );
    const lambda = region.deploy({
      name: deployment.functionName,
      timeoutSeconds: deployment.timeoutSeconds,
      load: (clock) => {
        const handler = createDrainHandler(deployment.environment, { clock });
        return (event: unknown, context: Context) => handler(event, context);
      },
    });
    for (const rule of deployment.rules) {
      region.eventBridge.putRule({ ...rule, target: (event) => lambda.invokeAsync(event) });
    }
    for (const hook of deployment.hooks) region.autoScaling.putLifecycleHook(hook);

    region.autoScaling.terminateInstance(GROUP, INSTANCES[0]);
    await region.time.runUntil(() => region.terminated.has(INSTANCES[0]));
    // The function still has to say how it ended.
    await region.time.runUntil(() => false);

    const [completion] = region.autoScaling.completions;
    return {
      completedWith: completion?.result,
      completedBy: completion?.by,
      tasksKilled: region.killedTasks.length,
      trap,
      invocations: lambda.invocations.length,
      billedSeconds: lambda.invocations.reduce((sum, { billedSeconds }) => sum + billedSeconds, 0),
      awsCalls: Object.fromEntries(
        Object.entries(Object.groupBy(region.calls, ({ operation }) => operation)).map(([name, calls]) => [
          name,
          calls?.length ?? 0,
        ]),
      ),
      metrics,
    };
  } finally {
    stopCapture();
    region.close();
    await rm(folder, { recursive: true });
  }
}

const COLOURS = { ec2: 'red', ecs: 'cyan', autoscaling: 'yellow', eventbridge: 'magenta', lambda: 'green' } as const;

function clockFace(ms: number): string {
  return new Date(ms).toISOString().slice(11, 19);
}

async function main(): Promise<void> {
  parseArgs({ options: {} });
  const print = process.stdout.write.bind(process.stdout);
  const tell = ({ atMs, where, what }: Happening) =>
    print(`${clockFace(atMs - START_MS)}  ${styleText(COLOURS[where], where.padEnd(11))} ${what}\n`);

  const summary = await drill(tell);
  const calls = Object.entries(summary.awsCalls);
  const callCount = calls.reduce((sum, [, count]) => sum + count, 0);
  const metric = (name: string) => `${name} ${summary.metrics?.[name]}`;
  const lines = [
    '',
    `The lifecycle action was completed with ${summary.completedWith} by ${summary.completedBy}; ${summary.tasksKilled} tasks were killed.`,
    summary.trap &&
      `At ${clockFace(summary.trap.atMs - START_MS)} ECS counted 0 running tasks while ${summary.trap.holding} had not stopped: whoever trusts the count kills them there.`,
    `${summary.invocations} invocations, ${summary.billedSeconds.toFixed(0)} s billed, ${callCount} AWS calls: ${calls.map(([name, count]) => `${name} ${count}`).join(', ')}`,
    `Metrics: ${['DrainDuration', 'DrainSlack', 'TasksKilledAtDeadline', 'Continuations', 'Heartbeats'].map(metric).join(', ')}`,
  ];
  print(`${lines.filter((line) => line !== undefined).join('\n')}\n`);
  if (summary.completedWith !== 'CONTINUE' || summary.tasksKilled > 0) process.exitCode = 1;
}

if (import.meta.main) {
  await main().catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
    process.exitCode = (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS') ? 2 : 1;
  });
}
