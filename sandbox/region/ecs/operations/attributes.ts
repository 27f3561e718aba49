import type {
  Attribute,
  DeleteAttributesRequest,
  DeleteAttributesResponse,
  PutAttributesRequest,
  PutAttributesResponse,
} from '@aws-sdk/client-ecs';
import { AwsError } from '../../aws-error.ts';
import type { Operations } from '../../service.ts';
import { named } from '../arns.ts';
import { invalid } from '../errors.ts';
import type { EcsModel } from '../model.ts';
import { clusterIn } from '../requests.ts';
import type { ClusterView, InstanceView } from '../views.ts';

/** Facts 96 container-instance-attributes: in one call, and on one container instance. */
const ATTRIBUTES_AT_ONCE = 10;
const MOST_ATTRIBUTES = 10;

const NAME = /^[\w./\\-]{1,128}$/;
const VALUE = /^[\w.@:/\\ -]{1,128}$/;

/** Custom attributes of container instances. */
export function attributeOperations(model: EcsModel): Operations {
  return {
    PutAttributes: (input: PutAttributesRequest): PutAttributesResponse => {
      const attributes = attributesIn(input.attributes);
      const targets = attributes.map((each) => targetOf(model, clusterIn(model, input.cluster), each));
      for (const { value } of attributes) {
        if (value !== undefined && !VALUE.test(value)) throw invalid(`Invalid attribute value: ${value}`);
      }
      for (const target of new Set(targets)) {
        const own = new Map(
          attributes.filter((_, i) => targets[i] === target).map(({ name = '', value }) => [name, value] as const),
        );
        if (new Set([...target.attributes.keys(), ...own.keys()]).size > MOST_ATTRIBUTES) {
          throw new AwsError(
            'AttributeLimitExceededException',
            `${target.arn} would have more than ${MOST_ATTRIBUTES} attributes.`,
          );
        }
        model.putAttributes(target, own);
      }
      return { attributes };
    },

    DeleteAttributes: (input: DeleteAttributesRequest): DeleteAttributesResponse => {
      const attributes = attributesIn(input.attributes);
      const targets = attributes.map((each) => targetOf(model, clusterIn(model, input.cluster), each));
      const deleted = attributes.filter(({ name = '' }, i) => targets[i]?.attributes.has(name));
      for (const [i, { name = '' }] of attributes.entries()) {
        if (targets[i]) model.deleteAttributes(targets[i], [name]);
      }
      return { attributes: deleted };
    },
  };
}

function attributesIn(attributes: readonly Attribute[] = []): Attribute[] {
  if (attributes.length === 0) throw invalid('Attributes cannot be empty.');
  if (attributes.length > ATTRIBUTES_AT_ONCE) {
    throw invalid(`Attributes can have at most ${ATTRIBUTES_AT_ONCE} items.`);
  }
  const unreadable = attributes.find(({ name = '' }) => !NAME.test(name));
  if (unreadable) throw invalid(`Invalid attribute name: ${unreadable.name}`);
  return [...attributes];
}

/** A short id needs its type beside it (ECS API reference, Attribute). */
function targetOf(model: EcsModel, cluster: ClusterView, { targetId = '', targetType }: Attribute): InstanceView {
  if (!targetId.startsWith('arn:') && targetType !== 'container-instance') {
    throw invalid('The targetType of a targetId that is no ARN has to be container-instance.');
  }
  const instance = cluster.instances.get(named('container-instance', targetId, model.place).id);
  if (!instance || instance.status === 'INACTIVE') {
    throw new AwsError('TargetNotFoundException', `The target ${targetId} was not found.`);
  }
  return instance;
}
