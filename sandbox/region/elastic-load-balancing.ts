import type {
  DescribeTargetGroupAttributesInput,
  DescribeTargetGroupAttributesOutput,
  DescribeTargetGroupsInput,
  DescribeTargetGroupsOutput,
  DescribeTargetHealthInput,
  DescribeTargetHealthOutput,
  TargetHealth,
  TargetHealthDescription,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import { AwsError } from './aws-error.ts';
import { targetGroupArn } from './ecs/describe.ts';
import type { EcsModel } from './ecs/model.ts';
import { pageOf } from './pages.ts';
import type { Service } from './service.ts';

/** Elastic Load Balancing's API (v2) over the target groups that the services of ECS name. */
export function elasticLoadBalancingService(ecs: EcsModel): Service {
  return { name: 'elbv2', operations: operationsOf(ecs) };
}

/** Of a target that is not simply healthy: what each status of its task means to the load balancer (facts 13). */
const HEALTH: Readonly<Record<string, TargetHealth>> = {
  ACTIVATING: {
    State: 'initial',
    Reason: 'Elb.RegistrationInProgress',
    Description: 'Target registration is in progress',
  },
  RUNNING: { State: 'healthy' },
  DEACTIVATING: {
    State: 'draining',
    Reason: 'Target.DeregistrationInProgress',
    Description: 'Target deregistration is in progress',
  },
};

const NOT_REGISTERED: TargetHealth = {
  State: 'unused',
  Reason: 'Target.NotRegistered',
  Description: 'Target is not registered to the target group',
};

/** Of the ports that Docker maps by itself (ECS developer guide, dynamic port mapping). */
const PORTS = { from: 32_768, count: 28_232 };
const LARGEST_PAGE = 400;

function operationsOf(ecs: EcsModel): Service['operations'] {
  const targetGroups = () =>
    [...ecs.clusters.values()]
      .flatMap((cluster) => [...cluster.services.values()])
      .flatMap((service) => {
        const { loadBalancer } = service.spec;
        return loadBalancer ? [{ arn: targetGroupArn(service), name: service.spec.name, service, loadBalancer }] : [];
      });
  const targetGroup = (arn: string | undefined) => {
    const found = targetGroups().find((each) => each.arn === arn);
    if (!found) throw new AwsError('TargetGroupNotFound', 'One or more target groups not found');
    return found;
  };

  return {
    DescribeTargetGroups: (input: DescribeTargetGroupsInput): DescribeTargetGroupsOutput => {
      const { TargetGroupArns, Names, LoadBalancerArn, PageSize = LARGEST_PAGE, Marker } = input;
      if (LoadBalancerArn !== undefined) {
        throw new AwsError('LoadBalancerNotFound', `Load balancer '${LoadBalancerArn}' not found`);
      }
      const known = targetGroups();
      const wanted = (TargetGroupArns ?? Names ?? []).map((name) =>
        known.find((each) => [each.arn, each.name].includes(name)),
      );
      if (wanted.includes(undefined)) throw new AwsError('TargetGroupNotFound', 'One or more target groups not found');
      const refusal = () => new AwsError('ValidationError', 'The Marker is invalid');
      const asked = TargetGroupArns || Names ? wanted.filter((each) => each !== undefined) : known;
      const { items, next } = pageOf(asked, { size: PageSize, token: Marker, refusal });
      return {
        TargetGroups: items.map(({ arn, name }) => ({
          TargetGroupArn: arn,
          TargetGroupName: name,
          Protocol: 'HTTP',
          Port: 80,
          TargetType: 'instance',
          LoadBalancerArns: [],
        })),
        ...(next !== undefined && { NextMarker: next }),
      };
    },

    DescribeTargetHealth: ({ TargetGroupArn, Targets }: DescribeTargetHealthInput): DescribeTargetHealthOutput => {
      const { service } = targetGroup(TargetGroupArn);
      const registered = [...service.tasks].flatMap(({ id, lastStatus, instance }): TargetHealthDescription[] => {
        const health = HEALTH[lastStatus];
        const port = portOf(id);
        return health
          ? [
              {
                Target: { Id: instance.ec2InstanceId, Port: port },
                HealthCheckPort: String(port),
                TargetHealth: health,
              },
            ]
          : [];
      });
      const asked = Targets?.flatMap(({ Id, Port }): TargetHealthDescription[] => {
        const found = registered.filter(
          ({ Target }) => Target?.Id === Id && (Port === undefined || Target?.Port === Port),
        );
        return found.length > 0 ? found : [{ Target: { Id, Port }, TargetHealth: NOT_REGISTERED }];
      });
      return { TargetHealthDescriptions: asked ?? registered };
    },

    DescribeTargetGroupAttributes: (input: DescribeTargetGroupAttributesInput): DescribeTargetGroupAttributesOutput => {
      const { loadBalancer } = targetGroup(input.TargetGroupArn);
      return {
        Attributes: [
          { Key: 'deregistration_delay.timeout_seconds', Value: String(loadBalancer.deregistrationDelaySeconds) },
          { Key: 'stickiness.enabled', Value: 'false' },
        ],
      };
    },
  };
}

/** Docker gives each task on an instance a port of its own; here it follows from the id of the task. */
function portOf(taskId: string): number {
  return PORTS.from + (Number.parseInt(taskId.slice(-6), 16) % PORTS.count);
}
