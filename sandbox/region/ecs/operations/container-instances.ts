import type {
  DescribeContainerInstancesRequest,
  DescribeContainerInstancesResponse,
  ListContainerInstancesRequest,
  ListContainerInstancesResponse,
  UpdateContainerInstancesStateRequest,
  UpdateContainerInstancesStateResponse,
} from '@aws-sdk/client-ecs';
import type { Operations } from '../../service.ts';
import { describeInstance } from '../describe.ts';
import { invalid } from '../errors.ts';
import type { EcsModel } from '../model.ts';
import { paged } from '../pages.ts';
import { arnsOf, clusterIn, DESCRIBED_AT_ONCE, parted, pickInstances } from '../requests.ts';

/** Facts 11. */
const INSTANCES_UPDATED_AT_ONCE = 10;

export function containerInstanceOperations(model: EcsModel): Operations {
  return {
    ListContainerInstances: (input: ListContainerInstancesRequest): ListContainerInstancesResponse => {
      const cluster = clusterIn(model, input.cluster);
      const { ec2InstanceIds, agentConnected } = filterIn(input.filter);
      // Facts 14: one EC2 instance costs one look, and may have more than one registration.
      const candidates = ec2InstanceIds?.flatMap((id) => model.registrationsOf(id)) ?? cluster.registered;
      const matching = [...candidates].filter(
        (instance) =>
          instance.cluster === cluster &&
          (agentConnected === undefined || instance.agentConnected === agentConnected) &&
          // Facts 14: every state except INACTIVE.
          (input.status ? instance.status === input.status : instance.status !== 'INACTIVE'),
      );
      const { page, nextToken } = paged(matching, ({ id }) => id, input);
      return { containerInstanceArns: arnsOf(page), ...nextToken };
    },

    DescribeContainerInstances: (input: DescribeContainerInstancesRequest): DescribeContainerInstancesResponse => {
      const cluster = clusterIn(model, input.cluster);
      const { found, failures } = pickInstances(model, cluster, input.containerInstances, DESCRIBED_AT_ONCE);
      return { containerInstances: found.map(describeInstance), failures };
    },

    UpdateContainerInstancesState: (
      input: UpdateContainerInstancesStateRequest,
    ): UpdateContainerInstancesStateResponse => {
      const cluster = clusterIn(model, input.cluster);
      const { status } = input;
      if (status !== 'ACTIVE' && status !== 'DRAINING') {
        throw invalid('Container instance status should be one of [ACTIVE, DRAINING].');
      }
      const { found, failures } = pickInstances(model, cluster, input.containerInstances, INSTANCES_UPDATED_AT_ONCE);
      // Facts 11: only from the one to the other; anything else is a row in `failures`, inside a 200.
      const changeable = status === 'DRAINING' ? 'ACTIVE' : 'DRAINING';
      const [accepted, refused] = parted(found, (instance) => instance.status === changeable);
      for (const instance of accepted) model.setInstanceStatus(instance, status);
      return {
        containerInstances: accepted.map(describeInstance),
        failures: [...failures, ...refused.map(({ arn, status: reason }) => ({ arn, reason }))],
      };
    },
  };
}

/** The part of ECS's cluster query language that asks for these two; values may stand in quotes. */
function filterIn(filter: string | undefined): { ec2InstanceIds?: string[]; agentConnected?: boolean } {
  const wanted: { ec2InstanceIds?: string[]; agentConnected?: boolean } = {};
  if (!filter) return wanted;
  for (const clause of filter.split(/\s+and\s+/i)) {
    const [, key, value = '', list] = /^\s*(\w+)\s*(?:==\s*(\S+)|in\s*\[(.*)\])\s*$/i.exec(clause) ?? [];
    const values = (list?.split(',') ?? [value]).map((each) => each.trim().replace(/^(['"])(.*)\1$/, '$2'));
    if (key === 'ec2InstanceId' && values.every(Boolean)) wanted.ec2InstanceIds = values;
    else if (key === 'agentConnected' && /^(true|false)$/.test(value)) wanted.agentConnected = value === 'true';
    else throw invalid(`Invalid filter: ${filter}`);
  }
  return wanted;
}
