import type {
  DescribeServicesRequest,
  DescribeServicesResponse,
  DescribeTaskDefinitionRequest,
  DescribeTaskDefinitionResponse,
  ListServicesRequest,
  ListServicesResponse,
} from '@aws-sdk/client-ecs';
import { AwsError } from '../../aws-error.ts';
import type { Operations } from '../../service.ts';
import { describeService, describeTaskDefinition } from '../describe.ts';
import type { EcsModel } from '../model.ts';
import { paged } from '../pages.ts';
import { arnsOf, clusterIn, definitionIn, pickServices } from '../requests.ts';

const SERVICES_DESCRIBED_AT_ONCE = 10;
const USUAL_PAGE_OF_SERVICES = 10;

export function serviceOperations(model: EcsModel): Operations {
  return {
    ListServices: (input: ListServicesRequest): ListServicesResponse => {
      const cluster = clusterIn(model, input.cluster);
      const { schedulingStrategy, launchType = 'EC2' } = input;
      const matching = [...cluster.services.values()].filter(
        ({ spec }) => launchType === 'EC2' && (!schedulingStrategy || spec.strategy === schedulingStrategy),
      );
      const { page, nextToken } = paged(matching, ({ spec }) => spec.name, input, USUAL_PAGE_OF_SERVICES);
      return { serviceArns: arnsOf(page), ...nextToken };
    },

    DescribeServices: (input: DescribeServicesRequest): DescribeServicesResponse => {
      const cluster = clusterIn(model, input.cluster);
      const { found, failures } = pickServices(model, cluster, input.services, SERVICES_DESCRIBED_AT_ONCE);
      return { services: found.map(describeService), failures };
    },

    DescribeTaskDefinition: (input: DescribeTaskDefinitionRequest): DescribeTaskDefinitionResponse => {
      const definition = definitionIn(model, input.taskDefinition ?? '');
      if (!definition) throw new AwsError('ClientException', 'Unable to describe task definition.');
      return { taskDefinition: describeTaskDefinition(definition), tags: [] };
    },
  };
}
