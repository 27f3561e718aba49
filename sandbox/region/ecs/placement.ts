import { clusterQuery } from './cluster-query.ts';
import { byFreeMemory, freeOf } from './room.ts';
import type { Placement, ProviderShare } from './specs.ts';
import type { InstanceView, ServiceView } from './views.ts';

/** Where ECS places the tasks of a service (ECS developer guide, task placement). */

/** Where the tasks of a service are. */
export interface Placed extends Pick<ServiceView, 'spec'> {
  /** How many tasks with the desired status RUNNING an instance has. */
  readonly spread: ReadonlyMap<InstanceView, number>;
}

/** ECS's own names of an instance, in a spread. */
const INSTANCE = ['instanceId', 'host'];

/**
 * Whether the constraints of a service let a task of it on the instance.
 * @throws AwsError if an expression is not of the cluster query language
 */
export function constraintOf({ spec }: Pick<Placed, 'spec'>): (instance: InstanceView) => boolean {
  const { placement, name, capacityProviders = [] } = spec;
  const tests = (placement?.constraints ?? []).map(({ type, expression = '' }) => {
    if (type === 'memberOf') return clusterQuery(expression).matches;
    return ({ holding }: InstanceView) => ![...holding].some((task) => task.group === `service:${name}`);
  });
  const isOfProvider = ({ capacityProvider = '' }: InstanceView) =>
    capacityProviders.length === 0 || capacityProviders.some((each) => each.name === capacityProvider);
  return (instance) => isOfProvider(instance) && tests.every((test) => test(instance));
}

/**
 * How many of so many new tasks go to each capacity provider: first to one that is short of its base, then by the weights.
 * `tasks` says how many each has. Undefined stands for any instance, where the service has no capacity provider strategy.
 */
export function sharesOf(
  { capacityProviders = [] }: Placed['spec'],
  count: number,
  tasks: () => ReadonlyMap<string | undefined, number>,
): ReadonlyMap<string | undefined, number> {
  if (capacityProviders.length === 0) return new Map([[undefined, count]]);
  const before = tasks();
  const shares = new Map<string, number>();
  const has = (name: string) => (before.get(name) ?? 0) + (shares.get(name) ?? 0);
  const surplus = ({ name, base, weight }: ProviderShare) => (has(name) - base) / weight;
  const weighted = capacityProviders.filter(({ weight }) => weight > 0);
  for (let i = 0; i < count; i++) {
    const next =
      capacityProviders.find(({ name, base }) => has(name) < base) ??
      weighted.reduce<ProviderShare | undefined>(
        (best, each) => (best && surplus(best) <= surplus(each) ? best : each),
        undefined,
      );
    if (next) shares.set(next.name, (shares.get(next.name) ?? 0) + 1);
  }
  return shares;
}

/** Orders instances as the strategies of a service prefer them now; those with the most memory free, where these do not decide. */
export function preferenceOf(placed: Placed): (a: InstanceView, b: InstanceView) => number {
  const strategies = placed.spec.placement?.strategies ?? [{ type: 'spread', field: 'instanceId' }];
  const orders = strategies.flatMap((strategy) => orderOf(strategy, placed) ?? []);
  return (a, b) => {
    for (const order of orders) {
      const difference = order(a) - order(b);
      if (difference !== 0) return difference;
    }
    return byFreeMemory(a, b);
  };
}

/** The one that comes first in that order. */
export function preferred<T extends InstanceView>(
  instances: readonly T[],
  order: (a: InstanceView, b: InstanceView) => number,
): T | undefined {
  return instances.reduce<T | undefined>((best, each) => (best && order(best, each) <= 0 ? best : each), undefined);
}

/** Whether placing a task on one instance changes how another is preferred. */
export function isMutual({ placement }: Placed['spec']): boolean {
  return (placement?.strategies ?? []).some(({ type, field = '' }) => type === 'spread' && !INSTANCE.includes(field));
}

/** What is smallest on the instance that a strategy prefers; undefined for one that prefers none. */
function orderOf(
  { type, field = '' }: Placement['strategies'][number],
  { spread }: Placed,
): ((instance: InstanceView) => number) | undefined {
  if (type === 'binpack') {
    return (instance) => freeOf(instance)[field.toLowerCase() === 'cpu' ? 'cpuUnits' : 'memoryMiB'];
  }
  if (type !== 'spread') return undefined;
  if (INSTANCE.includes(field)) return (instance) => spread.get(instance) ?? 0;
  const name = field.replace(/^attribute:/, '');
  const counts = new Map<string | undefined, number>();
  for (const [{ attributes }, tasks] of spread) {
    const value = attributes.get(name);
    counts.set(value, (counts.get(value) ?? 0) + tasks);
  }
  return ({ attributes }) => counts.get(attributes.get(name)) ?? 0;
}
