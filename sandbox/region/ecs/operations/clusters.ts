import type {
  DescribeClustersRequest,
  DescribeClustersResponse,
  ListClustersRequest,
  ListClustersResponse,
} from '@aws-sdk/client-ecs';
import type { Operations } from '../../service.ts';
import { describeCluster } from '../describe.ts';
import type { EcsModel } from '../model.ts';
import { paged } from '../pages.ts';
import { arnsOf, pickClusters } from '../requests.ts';

export function clusterOperations(model: EcsModel): Operations {
  return {
    ListClusters: (input: ListClustersRequest): ListClustersResponse => {
      const { page, nextToken } = paged([...model.clusters.values()], ({ name }) => name, input);
      return { clusterArns: arnsOf(page), ...nextToken };
    },

    DescribeClusters: ({ clusters }: DescribeClustersRequest): DescribeClustersResponse => {
      const { found, failures } = pickClusters(model, clusters?.length ? clusters : ['default']);
      return { clusters: found.map(describeCluster), failures };
    },
  };
}
