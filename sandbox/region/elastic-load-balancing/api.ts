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
import { AwsError } from '../aws-error.ts';
import { targetGroupArn } from '../ecs/describe.ts';
import type { EcsModel } from '../ecs/model.ts';
import type { ServiceView } from '../ecs/views.ts';
import { pageOf } from '../pages.ts';
import type { Service } from '../service.ts';

/** Elastic Load Balancing's API (v2) over the target groups that the services of ECS name. */
export function elasticLoadBalancingService(ecs: EcsModel): Service {
  return { name: 'elbv2', operations: operationsOf(ecs) };
}

/**
 * What each status of a task means to the load balancer (facts 13 counting-trap, 88 target-health); a task of another
 * status is no target.
 */
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
  const targetGroup = (arn: string | undefined) => {
    const found = targetGroupsOf(ecs).find((each) => each.arn === arn);
    if (!found) throw notFound();
    return found;
  };

  return {
    DescribeTargetGroups: (input: DescribeTargetGroupsInput): DescribeTargetGroupsOutput => {
      const { TargetGroupArns = [], Names = [], LoadBalancerArn, PageSize = LARGEST_PAGE, Marker } = input;
      if (LoadBalancerArn !== undefined) {
        throw new AwsError('LoadBalancerNotFound', `Load balancer '${LoadBalancerArn}' not found`);
      }
      const wanted = [...TargetGroupArns, ...Names];
      const known = targetGroupsOf(ecs);
      const found = known.filter(({ arn, name }) => wanted.includes(arn) || wanted.includes(name));
      if (found.length < new Set(wanted).size) throw notFound();
      const { items, next } = pageOf(wanted.length > 0 ? found : known, { size: PageSize, token: Marker });
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
      const registered = targetsOf(targetGroup(TargetGroupArn).service);
      const asked = Targets?.flatMap(({ Id, Port }): TargetHealthDescription[] => {
        const found = registered.filter(({ Target }) => Target?.Id === Id && (Port ?? Target?.Port) === Target?.Port);
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

/** Those of the services behind a load balancer. */
function targetGroupsOf({ clusters }: EcsModel) {
  return [...clusters.values()]
    .flatMap(({ services }) => [...services.values()])
    .flatMap((service) => {
      const { name, loadBalancer } = service.spec;
      return loadBalancer ? [{ arn: targetGroupArn(service), name, service, loadBalancer }] : [];
    });
}

function targetsOf({ tasks }: ServiceView): TargetHealthDescription[] {
  return [...tasks].flatMap(({ id, lastStatus, instance }) => {
    const TargetHealth = HEALTH[lastStatus];
    const Port = portOf(id);
    const Target = { Id: instance.ec2InstanceId, Port };
    return TargetHealth ? [{ Target, HealthCheckPort: String(Port), TargetHealth }] : [];
  });
}

function notFound(): AwsError {
  return new AwsError('TargetGroupNotFound', 'One or more target groups not found');
}

/** Docker gives each task on an instance a port of its own; here it follows from the id of the task. */
function portOf(taskId: string): number {
  return PORTS.from + (Number.parseInt(taskId.slice(-6), 16) % PORTS.count);
}
