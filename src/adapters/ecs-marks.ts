/** Which container instances we have set to DRAINING, as an attribute of theirs says, and how they become ACTIVE again. */

import {
  type Attribute,
  DeleteAttributesCommand,
  PutAttributesCommand,
  paginateListContainerInstances,
  UpdateContainerInstancesStateCommand,
} from '@aws-sdk/client-ecs';
import { batches } from '../domain/by-cluster.ts';
import type { Mark, MarkedInstance, Trigger } from '../domain/mark.ts';
import type { ContainerInstance } from '../domain/observation.ts';
import { type ContainerInstances, Unavailable } from '../domain/ports.ts';
import { AwsCallFailed } from './aws-call.ts';
import { callInCluster, type Ecs } from './ecs-call.ts';

/** The most that one call takes (facts 11 set-draining, 96 container-instance-attributes). */
const BATCH = 10;

/** A container instance as ECS describes it. */
export interface Described {
  readonly instance: ContainerInstance;
  readonly attributes: readonly Attribute[] | undefined;
}

/** The part of the port that marks, finds and gives back. */
export function ecsMarks(
  { client, abortSignal }: Ecs,
  markName: string,
  describe: (cluster: string, arns: readonly string[]) => Promise<readonly Described[]>,
): Pick<ContainerInstances, 'mark' | 'marked' | 'unmark' | 'setActive'> {
  const target = (targetId: string): Attribute => ({ name: markName, targetType: 'container-instance', targetId });
  return {
    async mark(cluster, arns, mark) {
      const put = (targets: readonly string[]) =>
        callInCluster(`mark ${targets.join(', ')} with the attribute ${markName}`, () => {
          const attributes = targets.map((arn) => ({ ...target(arn), value: textOf(mark) }));
          return client.send(new PutAttributesCommand({ cluster, attributes }), { abortSignal });
        });
      const failures: unknown[] = [];
      for (const targets of batches(arns, BATCH)) {
        try {
          await put(targets);
        } catch (error) {
          if (targets.length === 1) failures.push(error);
          else if (error instanceof Unavailable || isDenied(error)) throw error;
          // One that cannot be marked, such as one with ten attributes already, must not cost the others their marks.
          else {
            const apart = await Promise.allSettled(targets.map((arn) => put([arn])));
            failures.push(...apart.flatMap((each) => (each.status === 'rejected' ? [each.reason] : [])));
          }
        }
      }
      const failure = failures.find((error) => error instanceof Unavailable) ?? failures[0];
      if (failure) throw failure;
    },

    async marked(cluster) {
      const filter = `attribute:${markName} exists and agentConnected == true`;
      const arns: string[] = [];
      await callInCluster(`find the instances that ${markName} marks in cluster ${cluster}`, async () => {
        const pages = paginateListContainerInstances({ client, pageSize: 100 }, { cluster, filter }, { abortSignal });
        for await (const page of pages) arns.push(...(page.containerInstanceArns ?? []));
      });
      const described = arns.length > 0 ? await describe(cluster, arns) : [];
      return described.flatMap((each) => toMarked(each, markName));
    },

    async unmark(cluster, arns) {
      for (const targets of batches(arns, BATCH)) {
        await callInCluster(`remove the attribute ${markName} from ${targets.join(', ')}`, () =>
          client.send(new DeleteAttributesCommand({ cluster, attributes: targets.map(target) }), { abortSignal }),
        );
      }
    },

    async setActive(cluster, arns) {
      const active: string[] = [];
      for (const containerInstances of batches(arns, BATCH)) {
        const update = { cluster, containerInstances, status: 'ACTIVE' } as const;
        const answer = await callInCluster(`set ${containerInstances.join(', ')} to ACTIVE`, () =>
          client.send(new UpdateContainerInstancesStateCommand(update), { abortSignal }),
        );
        // What is among the failures is not DRAINING any more, or gone: the next sweep sees what it is.
        active.push(...(answer.containerInstances ?? []).flatMap(({ containerInstanceArn: arn }) => arn ?? []));
      }
      return active;
    },
  };
}

function isDenied(error: unknown): boolean {
  return error instanceof AwsCallFailed && /^AccessDenied/.test(error.code);
}

const TRIGGERS: readonly Trigger[] = ['lifecycle-action', 'spot-interruption', 'rebalance-recommendation'];

/** `rebalance-recommendation 2026-03-01T09:00:00.000Z`: ECS allows letters, digits, some signs and spaces. */
function textOf({ trigger, atMs }: Mark): string {
  return `${trigger} ${new Date(atMs).toISOString()}`;
}

/** None if the value is not one of ours: then someone else has written it, and the instance is left alone. */
function toMarked({ instance, attributes }: Described, markName: string): MarkedInstance[] {
  const [name, time = ''] = attributes?.find((each) => each.name === markName)?.value?.split(' ') ?? [];
  const trigger = TRIGGERS.find((each) => each === name);
  const atMs = Date.parse(time);
  if (!trigger || Number.isNaN(atMs)) return [];
  return [{ ...instance, mark: { trigger, atMs } }];
}
