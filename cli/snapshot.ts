import { writeFile } from 'node:fs/promises';
import { AutoScalingClient } from '@aws-sdk/client-auto-scaling';
import { CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import { ECSClient } from '@aws-sdk/client-ecs';
import { ElasticLoadBalancingV2Client } from '@aws-sdk/client-elastic-load-balancing-v2';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { checkedSnapshot, type Snapshot, withoutAccount, withoutArns } from '../sandbox/plan/snapshot.ts';
import { nameInArn } from '../src/adapters/schemas.ts';
import { connectionTo, counted, functionNameOf, type Output, type Target, UsageError } from './common.ts';
import { readSnapshot } from './snapshot/read.ts';
import { Reader } from './snapshot/reader.ts';

/** What is typed after `ecs-drain snapshot`. */
export interface SnapshotOptions {
  readonly group: string;
  readonly cluster?: string;
  readonly out?: string;
  readonly anonymise?: boolean;
  readonly images?: boolean;
  readonly maxCalls?: string;
}

export const MOST_CALLS = 120;

/** `ecs-drain snapshot`: writes down a group and its cluster, for `plan` and for whoever has no access. */
export async function snapshot(
  options: SnapshotOptions,
  target: Target,
  { print, printJson }: Output,
): Promise<number> {
  const { snapshot: taken, calls } = await takeSnapshot(options, target);
  const { group, cluster, unknown } = taken;
  const path = options.out ?? `${group.name.replace(/[^\w.-]/g, '-')}.json`;
  await write(path, taken);
  printJson({ file: path, calls, unknown });
  const contents = [
    counted(group.instances.length, 'instance'),
    counted(cluster.services.length, 'service'),
    counted(cluster.tasks.length, 'task'),
  ].join(', ');
  print(
    `${path}: the group ${group.name} in the cluster ${cluster.name}, with ${contents} (${counted(calls, 'call')}).`,
  );
  for (const line of presentUnknown(unknown)) print(line);
  return 0;
}

/**
 * Reads the group and its cluster.
 * @throws UsageError if there is no such group, it has no instance, or its cluster is not clear.
 */
export async function takeSnapshot(
  { group, cluster, anonymise = false, images = false, maxCalls }: SnapshotOptions,
  target: Target,
): Promise<{ readonly snapshot: Snapshot; readonly calls: number }> {
  if (cluster?.startsWith('arn:')) {
    throw new UsageError(`--cluster ${cluster} is an ARN: write the name, ${nameInArn(cluster)}.`);
  }
  const { config, nowMs } = connectionTo(target);
  const reader = new Reader(maxCalls === undefined ? MOST_CALLS : callsFrom(maxCalls));
  const clients = {
    autoScaling: new AutoScalingClient(config),
    ecs: new ECSClient(config),
    loadBalancing: new ElasticLoadBalancingV2Client(config),
    lambda: new LambdaClient(config),
    cloudWatch: new CloudWatchClient(config),
  };
  const request = {
    group,
    cluster,
    withImages: images,
    functionName: functionNameOf(target),
    nowMs,
  };
  const { snapshot, account } = await readSnapshot(clients, request, reader);
  const named = withoutArns(snapshot);
  return {
    snapshot: checkedSnapshot(anonymise ? withoutAccount(named, account) : named, 'What AWS answered'),
    calls: reader.calls,
  };
}

/** Sentences about what a snapshot lacks, one for each call. */
export function presentUnknown(unknown: Snapshot['unknown']): string[] {
  return [...Map.groupBy(unknown, ({ call, why }) => `${call}: ${why}`)].map(([head, notes]) => {
    const missing = [...new Set(notes.map((note) => note.missing))];
    const shown = missing.slice(0, 3).join('; ');
    return `Not known (${head}): ${shown}${missing.length > 3 ? `; and ${missing.length - 3} more` : ''}.`;
  });
}

function callsFrom(value: string): number {
  if (/^\d{1,6}$/.test(value) && Number(value) >= 1) return Number(value);
  throw new UsageError(`--max-calls ${value} is not a whole number from 1 to 999999.`);
}

async function write(path: string, taken: Snapshot): Promise<void> {
  try {
    await writeFile(path, `${JSON.stringify(taken, undefined, 1)}\n`);
  } catch (error) {
    throw new UsageError(`${path} cannot be written (${(error as Error).message}): name another file with --out.`);
  }
}
