import type { AwsError } from '../aws-error.ts';
import { type Faults, NO_FAULTS } from '../faults.ts';
import type { Service } from '../service.ts';
import type { Violation } from '../wire/shapes.ts';
import { invalid } from './errors.ts';
import type { EcsModel } from './model.ts';
import { attributeOperations } from './operations/attributes.ts';
import { capacityProviderOperations } from './operations/capacity-providers.ts';
import { clusterOperations } from './operations/clusters.ts';
import { containerInstanceOperations } from './operations/container-instances.ts';
import { runTaskOperations } from './operations/run-task.ts';
import { serviceOperations } from './operations/services.ts';
import { protectionOperations, taskOperations } from './operations/tasks.ts';

/** ECS's API over the model. */
export function ecsService(
  model: EcsModel,
  faults: Pick<Faults, 'listLagSeconds' | 'repeatedDrainingIsDone'> = NO_FAULTS,
): Service {
  const operations = {
    ...clusterOperations(model),
    ...capacityProviderOperations(model),
    ...containerInstanceOperations(model, faults),
    ...attributeOperations(model),
    ...taskOperations(model, faults),
    ...protectionOperations(model),
    ...runTaskOperations(model),
    ...serviceOperations(model),
  };
  return { name: 'ecs', operations, refusal };
}

/** ECS's own words for a missing member and for a status that it does not know. */
function refusal({ kind, member }: Violation): AwsError | undefined {
  const words = member.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  const what = words.charAt(0).toUpperCase() + words.slice(1);
  if (kind === 'required') return invalid(`${what} cannot be empty.`);
  if (kind === 'enum' && member === 'status') {
    return invalid('Container instance status should be one of [ACTIVE, DRAINING].');
  }
  return undefined;
}
