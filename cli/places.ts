/** The places that a command looks at: one, or each of the profiles in each of the Regions that are listed. */

import { checkTyped, type Deployment, sentenceOf, type Target } from './common.ts';

export interface Place {
  readonly target: Target;
  /** What distinguishes it from the other places, by the head of its column. It is empty for the only place. */
  readonly labels: Readonly<Record<string, string>>;
}

/** What a command found in a place. */
export interface Found<A> {
  readonly place: Place;
  /** Undefined where AWS did not answer. */
  readonly answer: A | undefined;
  /** Why AWS did not answer, in a sentence. */
  readonly failure?: string;
  readonly error?: unknown;
}

/**
 * `--profile web,data --region eu-west-1,us-east-1` is four places.
 * @throws UsageError for what cannot be a Region or a profile.
 */
export function placesIn(target: Target): Place[] {
  const [profiles, regions] = [listed(target.profile), listed(target.region)];
  const places = profiles.flatMap((profile) =>
    regions.map((region) => ({
      target: { ...target, ...(profile !== undefined && { profile }), ...(region !== undefined && { region }) },
      labels: {
        ...(profiles.length > 1 && { profile: profile ?? '' }),
        ...(regions.length > 1 && { Region: region ?? '' }),
      },
    })),
  );
  for (const place of places) checkTyped(place.target);
  return places;
}

function listed(typed: string | undefined): readonly (string | undefined)[] {
  return typed === undefined ? [undefined] : [...new Set(typed.split(','))];
}

/** Looks in every place. One that does not answer does not hide the others. */
export function lookEverywhere<A>(
  places: readonly Place[],
  look: (place: Place) => Promise<A>,
): Promise<readonly Found<A>[]> {
  const found = places.map(async (place): Promise<Found<A>> => {
    try {
      return { place, answer: await look(place) };
    } catch (error) {
      return { place, answer: undefined, failure: sentenceOf(error, place.target), error };
    }
  });
  return Promise.all(found);
}

/** @throws the failure of the only place: then there is nothing to show. */
export function throwIfAlone(all: readonly Found<unknown>[]): void {
  const [first] = all;
  if (all.length === 1 && first?.failure !== undefined) throw first.error;
}

/** The text behind the name of its place, where there are several. */
export function inPlace({ labels }: Place, text: string, separator = ': '): string {
  const names = Object.values(labels);
  return names.length === 0 ? text : `${names.join(' ')}${separator}${text}`;
}

/** The place for programs. */
export function presentPlace({ target: { profile, region } }: Place, { functionArn }: Deployment) {
  return { profile, region: region ?? functionArn.split(':')[3] };
}
