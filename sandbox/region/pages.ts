import type { AwsError } from './aws-error.ts';

/** One page of a list, and the token that asks for the next page; no token on the last page. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | undefined;
}

/**
 * Cuts a list into pages. The token names the place where the next page begins.
 * @throws what `refusal` gives, if the token is not one that this function has made.
 */
export function pageOf<T>(
  items: readonly T[],
  { size, token, refusal }: { readonly size: number; readonly token: string | undefined; refusal(): AwsError },
): Page<T> {
  const from = token === undefined ? 0 : placeIn(token);
  if (from === undefined || from > items.length) throw refusal();
  const end = from + size;
  return { items: items.slice(from, end), next: end < items.length ? tokenFor(end) : undefined };
}

const TOKEN = /^from ([1-9]\d{0,8})$/;

function tokenFor(place: number): string {
  return Buffer.from(`from ${place}`).toString('base64url');
}

function placeIn(token: string): number | undefined {
  const place = TOKEN.exec(Buffer.from(token, 'base64url').toString())?.[1];
  return place === undefined || tokenFor(Number(place)) !== token ? undefined : Number(place);
}
