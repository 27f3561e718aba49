import type { Filter, TagDescription } from '@aws-sdk/client-auto-scaling';
import { invalid } from './state.ts';
import type { ScalingActivity } from './views.ts';

/** What a filter keeps, by its values; undefined if there is no filter of the name. */
type Kinds<T> = (name: string, values: readonly string[]) => ((item: T) => boolean) | undefined;

/** Filters of tags (API reference, Filter). */
export function tagFilter(filters: readonly Filter[] | undefined): (tag: TagDescription) => boolean {
  const member = {
    'auto-scaling-group': 'ResourceId',
    key: 'Key',
    value: 'Value',
    'propagate-at-launch': 'PropagateAtLaunch',
  } as const;
  return allOf(filters, (name, values) => {
    const of = Object.hasOwn(member, name) ? member[name as keyof typeof member] : undefined;
    return of && ((tag) => values.includes(String(tag[of])));
  });
}

/** Filters of groups by their tags (API reference, Filter). */
export function groupFilter(filters: readonly Filter[] | undefined): (tags: readonly TagDescription[]) => boolean {
  return allOf(filters, (name, values) => {
    const key = /^tag:(.+)$/.exec(name)?.[1];
    const keeps = (tag: TagDescription) => {
      if (key !== undefined) return tag.Key === key && values.includes(tag.Value ?? '');
      return values.includes((name === 'tag-key' ? tag.Key : tag.Value) ?? '');
    };
    return key !== undefined || name === 'tag-key' || name === 'tag-value' ? (tags) => tags.some(keeps) : undefined;
  });
}

/** Filters of scaling activities (facts 48 describe-filters). */
export function activityFilter(
  filters: readonly Filter[] | undefined,
  group: string | undefined,
): (activity: ScalingActivity) => boolean {
  return allOf(filters, (name, values) => {
    if (name === 'Status') {
      if (group === undefined) throw invalid('The filter Status needs the parameter AutoScalingGroupName.');
      return ({ status }) => values.includes(status);
    }
    if (name !== 'StartTimeLowerBound' && name !== 'StartTimeUpperBound') return undefined;
    const bound = instantOf(name, values);
    return ({ startedAtMs }) => (name === 'StartTimeLowerBound' ? startedAtMs >= bound : startedAtMs <= bound);
  });
}

function allOf<T>(filters: readonly Filter[] = [], kinds: Kinds<T>): (item: T) => boolean {
  const kept = filters.map(({ Name = '', Values = [] }) => {
    const filter = kinds(Name, Values);
    if (!filter) throw invalid(`The filter name ${Name} is not one of this operation.`);
    return filter;
  });
  return (item) => kept.every((keeps) => keeps(item));
}

/**
 * ISO 8601 with a zone: the service refuses a time without one, though its reference takes that for UTC
 * (facts 48 describe-filters).
 */
function instantOf(name: string, values: readonly string[]): number {
  const [value = ''] = values;
  const instant = /(Z|[+-]\d{2}:?\d{2})$/i.test(value) ? Date.parse(value) : Number.NaN;
  if (values.length === 1 && !Number.isNaN(instant)) return instant;
  throw invalid(
    `The filter ${name} takes one time with its zone, as in 2026-01-18T08:15:00Z, not ${values.join(', ')}.`,
  );
}
