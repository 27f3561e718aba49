import type {
  DeregisterContainerInstanceRequest,
  DeregisterContainerInstanceResponse,
  DescribeContainerInstancesRequest,
  DescribeContainerInstancesResponse,
  ListContainerInstancesRequest,
  ListContainerInstancesResponse,
  UpdateContainerInstancesStateRequest,
  UpdateContainerInstancesStateResponse,
} from '@aws-sdk/client-ecs';
import type { Faults } from '../../faults.ts';
import type { Operations } from '../../service.ts';
import { clusterQuery } from '../cluster-query.ts';
import { describeInstance } from '../describe.ts';
import { invalid } from '../errors.ts';
import type { EcsModel } from '../model.ts';
import { paged } from '../pages.ts';
import { arnsOf, clusterIn, DESCRIBED_AT_ONCE, instanceIn, parted, pickInstances } from '../requests.ts';
import type { InstanceView } from '../views.ts';

/** Facts 11 set-draining. */
const INSTANCES_UPDATED_AT_ONCE = 10;

export function containerInstanceOperations(
  model: EcsModel,
  faults: Pick<Faults, 'listLagSeconds' | 'repeatedDrainingIsDone'>,
): Operations {
  return {
    ListContainerInstances: (input: ListContainerInstancesRequest): ListContainerInstancesResponse => {
      const cluster = clusterIn(model, input.cluster);
      const query = input.filter ? clusterQuery(input.filter) : undefined;
      // Facts 14 instance-lookup: one EC2 instance costs one look, and may have more than one registration.
      const named = query?.ec2InstanceIds && new Set(query.ec2InstanceIds);
      const candidates = named ? [...named].flatMap((id) => model.registrationsOf(id)) : cluster.registered;
      const listedAsOfMs = model.nowMs() - faults.listLagSeconds * 1000;
      const matching = [...candidates].filter(
        (instance) =>
          instance.cluster === cluster &&
          instance.status !== 'INACTIVE' && // Facts 14 instance-lookup: it is no longer listed.
          instance.registeredAtMs <= listedAsOfMs &&
          (!input.status || instance.status === input.status) &&
          (!query || query.matches(instance)),
      );
      const { page, nextToken } = paged(matching, ({ id }) => id, input);
      return { containerInstanceArns: arnsOf(page), ...nextToken };
    },

    DescribeContainerInstances: (input: DescribeContainerInstancesRequest): DescribeContainerInstancesResponse => {
      const cluster = clusterIn(model, input.cluster);
      const { found, failures } = pickInstances(model, cluster, input.containerInstances, DESCRIBED_AT_ONCE);
      return { containerInstances: found.map(describeInstance), failures };
    },

    DeregisterContainerInstance: (input: DeregisterContainerInstanceRequest): DeregisterContainerInstanceResponse => {
      const cluster = clusterIn(model, input.cluster);
      const instance = instanceIn(model, cluster, input.containerInstance ?? '');
      if (instance.status === 'INACTIVE') throw invalid('The referenced container instance was not found.');
      if (instance.tally.running > 0 && !input.force) throw invalid('Found running tasks on the instance.');
      model.deregisterInstance(instance);
      return { containerInstance: describeInstance(instance) };
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
      // Facts 11 set-draining, 61 draining-twice: only from the one to the other; anything else is a row in `failures`,
      // inside a 200.
      const changeable = status === 'DRAINING' ? 'ACTIVE' : 'DRAINING';
      const isDone = (instance: InstanceView) =>
        faults.repeatedDrainingIsDone && status === 'DRAINING' && instance.status === 'DRAINING';
      const [accepted, refused] = parted(found, (each) => each.status === changeable || isDone(each));
      for (const instance of accepted) if (!isDone(instance)) model.setInstanceStatus(instance, status);
      return {
        containerInstances: accepted.map(describeInstance),
        failures: [...failures, ...refused.map(({ arn, status: reason }) => ({ arn, reason }))],
      };
    },
  };
}
