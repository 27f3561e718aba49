import type {
  DescribeCapacityProvidersRequest,
  DescribeCapacityProvidersResponse,
  CapacityProvider as EcsCapacityProvider,
} from '@aws-sdk/client-ecs';
import type { Operations } from '../../service.ts';
import { named } from '../arns.ts';
import type { EcsModel } from '../model.ts';
import { paged } from '../pages.ts';
import { pick } from '../requests.ts';
import type { CapacityProvider } from '../views.ts';

const DESCRIBED_AT_ONCE = 100;
const USUAL_PAGE = 10;

export function capacityProviderOperations(model: EcsModel): Operations {
  return {
    DescribeCapacityProviders: (input: DescribeCapacityProvidersRequest): DescribeCapacityProvidersResponse => {
      const names = input.capacityProviders ?? [...model.capacityProviders.keys()];
      const idOf = (name: string) => named('capacity-provider', name, model.place).id;
      const { found, failures } = pick('Capacity providers', names, DESCRIBED_AT_ONCE, {
        find: (name) => model.capacityProviders.get(idOf(name)),
        arnOf: (name) => model.arnOf('capacity-provider', idOf(name)),
      });
      const { page, nextToken } = paged(found, ({ name }) => name, input, USUAL_PAGE);
      return { capacityProviders: page.map(describe), failures, ...nextToken };
    },
  };
}

function describe(provider: CapacityProvider): EcsCapacityProvider {
  const { name, arn, autoScalingGroupArn, managedDraining, managedScaling } = provider;
  return {
    capacityProviderArn: arn,
    name,
    status: 'ACTIVE',
    tags: [],
    ...(autoScalingGroupArn !== undefined && {
      autoScalingGroupProvider: {
        autoScalingGroupArn,
        managedScaling: managedScaling
          ? {
              status: 'ENABLED',
              targetCapacity: managedScaling.targetPercent ?? 100,
              minimumScalingStepSize: managedScaling.minimumStep,
              maximumScalingStepSize: managedScaling.maximumStep,
            }
          : { status: 'DISABLED' },
        managedTerminationProtection: managedScaling?.protectsTasks ? 'ENABLED' : 'DISABLED',
        managedDraining: managedDraining ? 'ENABLED' : 'DISABLED',
      },
    }),
  };
}
