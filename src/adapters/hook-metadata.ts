/** The notification metadata of a hook of ours: the cluster of its group, and what it chooses for the group's drains. */

import * as v from 'valibot';
import type { HookChoices } from '../domain/drain.ts';
import { clusterName, jsonIn } from './schemas.ts';

const EXAMPLE = '{"cluster": "prod"}';

/** What a hook may choose. */
export const choicesEntries = {
  deadlineSeconds: v.optional(seconds(1, 172_800)),
  deadlineResult: v.optional(v.picklist(['CONTINUE', 'ABANDON'], 'expected one of CONTINUE, ABANDON')),
  stopStragglers: v.optional(v.picklist(['none', 'standalone', 'all'], 'expected one of none, standalone, all')),
  deregistrationDelaySeconds: v.optional(seconds(0, 3_600)),
};

const expected = `expected a JSON object such as ${EXAMPLE}`;

/** Other keys may be meant for another program. */
export const hookMetadata = v.pipe(
  v.unknown(),
  v.check((given) => !Array.isArray(given), expected),
  v.looseObject({ cluster: v.optional(clusterName), ...choicesEntries }, expected),
);

/** Whether the function rejects the events of a hook with this metadata. What is no JSON is of another program. */
export function isRejected(metadata: string | undefined): boolean {
  return jsonIn(metadata) !== undefined && !v.is(hookMetadata, jsonIn(metadata));
}

/** What the metadata chooses; undefined if that is nothing, or cannot be understood. */
export function choicesIn(metadata: string | undefined): HookChoices | undefined {
  const { success, output } = v.safeParse(v.object(choicesEntries), jsonIn(metadata));
  return success && v.is(hookMetadata, jsonIn(metadata)) && Object.keys(output).length > 0 ? output : undefined;
}

function seconds(min: number, max: number) {
  const message = `expected a whole number of seconds from ${min} to ${max}`;
  return v.pipe(v.number(message), v.integer(message), v.minValue(min, message), v.maxValue(max, message));
}
