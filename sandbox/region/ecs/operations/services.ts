import type {
  DeleteServiceRequest,
  DeleteServiceResponse,
  DeploymentConfiguration,
  DescribeServicesRequest,
  DescribeServicesResponse,
  DescribeTaskDefinitionRequest,
  DescribeTaskDefinitionResponse,
  ListServicesRequest,
  ListServicesResponse,
  UpdateServiceRequest,
  UpdateServiceResponse,
} from '@aws-sdk/client-ecs';
import { AwsError } from '../../aws-error.ts';
import type { Operations } from '../../service.ts';
import { describeService, describeTaskDefinition } from '../describe.ts';
import { invalid } from '../errors.ts';
import type { EcsModel } from '../model.ts';
import { paged } from '../pages.ts';
import { arnsOf, clusterIn, definitionIn, pickServices, serviceIn } from '../requests.ts';
import type { ServiceChange } from '../service-scheduler.ts';
import type { CircuitBreaker } from '../specs.ts';
import type { ClusterView, ServiceView } from '../views.ts';

const SERVICES_DESCRIBED_AT_ONCE = 10;
const USUAL_PAGE_OF_SERVICES = 10;

export function serviceOperations(model: EcsModel): Operations {
  return {
    ListServices: (input: ListServicesRequest): ListServicesResponse => {
      const cluster = clusterIn(model, input.cluster);
      const { schedulingStrategy, launchType = 'EC2' } = input;
      const matching = [...cluster.services.values()].filter(
        ({ spec, status }) =>
          status !== 'INACTIVE' &&
          launchType === 'EC2' &&
          (!schedulingStrategy || spec.strategy === schedulingStrategy),
      );
      const { page, nextToken } = paged(matching, ({ spec }) => spec.name, input, USUAL_PAGE_OF_SERVICES);
      return { serviceArns: arnsOf(page), ...nextToken };
    },

    DescribeServices: (input: DescribeServicesRequest): DescribeServicesResponse => {
      const cluster = clusterIn(model, input.cluster);
      const { found, failures } = pickServices(model, cluster, input.services, SERVICES_DESCRIBED_AT_ONCE);
      return { services: found.map(describeService), failures };
    },

    UpdateService: (input: UpdateServiceRequest): UpdateServiceResponse => {
      const cluster = clusterIn(model, input.cluster);
      const service = activeServiceIn(model, cluster, input.service);
      model.updateService(cluster.name, service.spec.name, changeIn(model, service, input));
      return { service: describeService(service) };
    },

    DeleteService: (input: DeleteServiceRequest): DeleteServiceResponse => {
      const cluster = clusterIn(model, input.cluster);
      const service = activeServiceIn(model, cluster, input.service);
      if (service.spec.strategy === 'REPLICA' && service.desiredCount > 0 && !input.force) {
        throw invalid('The service cannot be stopped while it is scaled above 0.');
      }
      model.deleteService(cluster.name, service.spec.name);
      return { service: describeService(service) };
    },

    DescribeTaskDefinition: (input: DescribeTaskDefinitionRequest): DescribeTaskDefinitionResponse => {
      const definition = definitionIn(model, input.taskDefinition ?? '');
      if (!definition) throw new AwsError('ClientException', 'Unable to describe task definition.');
      return { taskDefinition: describeTaskDefinition(definition), tags: [] };
    },
  };
}

/** What the model can change of a service. */
const CHANGEABLE = [
  'cluster',
  'service',
  'desiredCount',
  'deploymentConfiguration',
  'forceNewDeployment',
  'taskDefinition',
  'availabilityZoneRebalancing',
];

/** @throws AwsError if there is no such service, or no longer. */
function activeServiceIn(model: EcsModel, cluster: ClusterView, name = ''): ServiceView {
  const service = serviceIn(model, cluster, name);
  if (service.status !== 'ACTIVE') throw new AwsError('ServiceNotActiveException', 'Service was not ACTIVE.');
  return service;
}

/** AWS has quotas for what a service may run; the Region, a bound for what it can play. */
const MOST_TASKS = 20_000;

/** @throws AwsError if ECS or the model cannot do it (facts 60 update-service). */
function changeIn(model: EcsModel, service: ServiceView, input: UpdateServiceRequest): ServiceChange {
  const unknown = Object.keys(input).find((name) => !CHANGEABLE.includes(name));
  if (unknown) throw invalid(`The local Region cannot change ${unknown} of a service.`);
  const { desiredCount, taskDefinition, forceNewDeployment, deploymentConfiguration = {} } = input;
  if (input.availabilityZoneRebalancing === 'ENABLED') {
    throw invalid('The local Region has one Availability Zone, and cannot rebalance a service between several.');
  }
  if (service.spec.strategy === 'DAEMON' && desiredCount !== undefined) {
    throw invalid(
      'The daemon scheduling strategy does not support a desired count for services. Remove the desired count value and try again',
    );
  }
  const { minimumHealthyPercent, maximumPercent } = deploymentConfiguration;
  if ((desiredCount ?? 0) < 0) throw invalid('desiredCount must be greater than or equal to 0.');
  if ((desiredCount ?? 0) > MOST_TASKS) {
    throw invalid(`The local Region runs ${MOST_TASKS} tasks of a service at most, and this would be ${desiredCount}.`);
  }
  if (input.deploymentConfiguration) {
    refusePercents(minimumHealthyPercent ?? service.minimumHealthyPercent, maximumPercent ?? service.maximumPercent);
  }
  const definition = taskDefinition === undefined ? undefined : definitionIn(model, taskDefinition);
  if (taskDefinition !== undefined && !definition) throw new AwsError('ClientException', 'TaskDefinition not found.');
  const circuitBreaker = circuitBreakerIn(deploymentConfiguration);
  return { desiredCount, minimumHealthyPercent, maximumPercent, circuitBreaker, definition, forceNewDeployment };
}

/** @throws AwsError as ECS refuses them (facts 105 deployment-percents). */
function refusePercents(minimum: number, maximum: number): void {
  if (minimum < 0) throw invalid('minimumHealthyPercent must be at least 0');
  if (minimum > 100) throw invalid('minimumHealthyPercent must be at most 100');
  if (maximum < 100) throw invalid('maximumPercent must be at least 100');
  if (minimum === 100 && maximum === 100) {
    throw invalid('Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments.');
  }
}

/**
 * Undefined if the request does not say; null if it switches the circuit breaker off.
 * @throws AwsError if the percentage is none (facts 102 circuit-breaker)
 */
function circuitBreakerIn({ deploymentCircuitBreaker }: DeploymentConfiguration): CircuitBreaker | null | undefined {
  if (!deploymentCircuitBreaker) return undefined;
  const { enable, rollback = false, resetOnHealthyTask = true, thresholdConfiguration } = deploymentCircuitBreaker;
  const { type = 'BOUNDED_PERCENT', value = 50 } = thresholdConfiguration ?? {};
  if (value < 1 || (type !== 'COUNT' && value > 100)) {
    throw invalid(
      `The value of thresholdConfiguration must be at least 1${type === 'COUNT' ? '' : ' and at most 100'}.`,
    );
  }
  return enable ? { rollback, resetOnHealthyTask, threshold: { type, value } } : null;
}
