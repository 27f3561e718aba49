import { pageByKey } from '../pages.ts';
import { invalid } from './errors.ts';

const LARGEST_PAGE = 100;

/** One page, and the token of the next as the API has it. */
export function paged<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  request: { readonly nextToken?: string | undefined; readonly maxResults?: number | undefined },
  usualPage = LARGEST_PAGE,
): { readonly page: readonly T[]; readonly nextToken: { readonly nextToken?: string } } {
  const { maxResults = usualPage, nextToken: token } = request;
  if (maxResults < 1 || maxResults > LARGEST_PAGE) {
    throw invalid(`maxResults must be between 1 and ${LARGEST_PAGE}.`);
  }
  const { items: page, next } = pageByKey(items, keyOf, { size: maxResults, token });
  return { page, nextToken: next === undefined ? {} : { nextToken: next } };
}
