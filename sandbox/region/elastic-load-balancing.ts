import type {
  DescribeTargetGroupAttributesInput,
  DescribeTargetGroupAttributesOutput,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import { AwsError } from './aws-error.ts';
import { targetGroupArn } from './ecs/describe.ts';
import type { EcsModel } from './ecs/model.ts';
import type { Service } from './service.ts';

/** Elastic Load Balancing's API (v2) over the target groups that the services of ECS name. */
export function elasticLoadBalancingService(ecs: EcsModel): Service {
  return { name: 'elbv2', operations: operationsOf(ecs) };
}

function operationsOf(ecs: EcsModel): Service['operations'] {
  return {
    DescribeTargetGroupAttributes: (input: DescribeTargetGroupAttributesInput): DescribeTargetGroupAttributesOutput => {
      const services = [...ecs.clusters.values()].flatMap((cluster) => [...cluster.services.values()]);
      const service = services.find((each) => targetGroupArn(each) === input.TargetGroupArn);
      const loadBalancer = service?.spec.loadBalancer;
      if (!loadBalancer) throw new AwsError('TargetGroupNotFound', 'One or more target groups not found');
      return {
        Attributes: [
          { Key: 'deregistration_delay.timeout_seconds', Value: String(loadBalancer.deregistrationDelaySeconds) },
          { Key: 'stickiness.enabled', Value: 'false' },
        ],
      };
    },
  };
}
