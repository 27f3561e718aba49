/** A token bucket as AWS publishes it: so many calls at once, refilled at so many a second. */
interface Bucket {
  readonly burst: number;
  readonly perSecond: number;
}

/** Facts 17 ecs-throttling: three buckets of ECS, each for the whole account in the Region. */
const ECS_BUCKETS: Readonly<Record<string, Bucket>> = {
  clusterReads: { burst: 100, perSecond: 20 },
  clusterChanges: { burst: 100, perSecond: 40 },
  serviceReads: { burst: 100, perSecond: 20 },
};

/**
 * Which bucket an operation draws from; operations without one are not throttled by the model (facts 17 ecs-throttling,
 * 20 no-active-action).
 */
const BUCKET_OF: Readonly<Record<string, keyof typeof ECS_BUCKETS>> = {
  DescribeContainerInstances: 'clusterReads',
  DescribeTasks: 'clusterReads',
  ListContainerInstances: 'clusterReads',
  ListTasks: 'clusterReads',
  UpdateContainerInstancesState: 'clusterChanges',
  PutAttributes: 'clusterChanges',
  DeleteAttributes: 'clusterChanges',
  StopTask: 'clusterChanges',
  DescribeServices: 'serviceReads',
  ListServices: 'serviceReads',
};

/** Says of each call whether ECS would throttle it. */
export class Throttling {
  readonly #levels = new Map<string, { tokens: number; atMs: number }>();

  /** Takes a token for the operation; false if the bucket is empty. */
  admits(operation: string, nowMs: number): boolean {
    const name = BUCKET_OF[operation];
    const bucket = name === undefined ? undefined : ECS_BUCKETS[name];
    if (name === undefined || bucket === undefined) return true;
    const level = this.#levels.get(name) ?? { tokens: bucket.burst, atMs: nowMs };
    const refilled = level.tokens + ((nowMs - level.atMs) / 1000) * bucket.perSecond;
    const tokens = Math.min(bucket.burst, refilled);
    const admitted = tokens >= 1;
    this.#levels.set(name, { tokens: admitted ? tokens - 1 : tokens, atMs: nowMs });
    return admitted;
  }
}
