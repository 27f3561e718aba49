import type { SnapshotInstance } from './snapshot.ts';
import table from './task-interfaces.json' with { type: 'json' };

/** Instance types by how many tasks in the network mode awsvpc they take, with a trunk and without (facts 100 task-interfaces). */
const LIMITS = { withTrunk: byType(table.withTrunk), withoutTrunk: byType(table.withoutTrunk) };

function byType(typesByLimit: Readonly<Record<string, string>>): ReadonlyMap<string, number> {
  return new Map(
    Object.entries(typesByLimit).flatMap(([limit, types]) => types.split(' ').map((type) => [type, Number(limit)])),
  );
}

/** How many tasks in the network mode awsvpc the instance takes; undefined if its type is not in AWS's table. */
export function taskInterfacesOf({ attributes, trunk = false }: SnapshotInstance): number | undefined {
  return LIMITS[trunk ? 'withTrunk' : 'withoutTrunk'].get(attributes['ecs.instance-type'] ?? '');
}
