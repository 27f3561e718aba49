import type { Snapshot } from './snapshot.ts';

/** Attributes of container instances by which ECS places tasks. */

/** What AWS itself sets and few ask for: a snapshot has one of these only if a constraint or a strategy names it. */
const RARELY_ASKED =
  /^(com\.amazonaws\.|ecs\.capability\.|ecs\.ami-id$|ecs\.vpc-id$|ecs\.subnet-id$|ecs\.awsvpc-trunk-id$)/;

export function isRarelyAsked(attribute: string): boolean {
  return RARELY_ASKED.test(attribute);
}

/** Those that a constraint or the field of a strategy names. */
export function attributesIn(text: string): string[] {
  return [...text.matchAll(/attribute:([^\s()[\],=!<>&|'"]+)/g)].flatMap(([, name]) => name ?? []);
}

export function attributesNamedIn({ services, taskDefinitions }: Pick<Snapshot['cluster'], Placing>): Set<string> {
  const constraints = [...services, ...taskDefinitions].flatMap(({ placementConstraints }) => placementConstraints);
  const strategies = services.flatMap(({ placementStrategies }) => placementStrategies);
  const texts = [...constraints.map(({ expression }) => expression), ...strategies.map(({ field }) => field)];
  return new Set(texts.flatMap((text = '') => attributesIn(text)));
}

type Placing = 'services' | 'taskDefinitions';
