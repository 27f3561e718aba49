import { invalid } from './errors.ts';

const LARGEST_PAGE = 100;
const TOKEN_MARK = 'after ';

/**
 * One page, and the token of the next: the key of the last item, so that items that come and go meanwhile make the
 * reader skip nothing.
 */
export function paged<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  request: { readonly nextToken?: string | undefined; readonly maxResults?: number | undefined },
  usualPage = LARGEST_PAGE,
): { readonly page: readonly T[]; readonly nextToken: { readonly nextToken?: string } } {
  const { maxResults = usualPage } = request;
  if (maxResults < 1 || maxResults > LARGEST_PAGE) {
    throw invalid(`maxResults must be between 1 and ${LARGEST_PAGE}.`);
  }
  const after = request.nextToken === undefined ? undefined : keyIn(request.nextToken);
  const left = items
    .filter((item) => after === undefined || keyOf(item) > after)
    .sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  const page = left.slice(0, maxResults);
  const last = page.at(-1);
  const isEnd = last === undefined || page.length === left.length;
  return { page, nextToken: isEnd ? {} : { nextToken: tokenOf(keyOf(last)) } };
}

function tokenOf(key: string): string {
  return Buffer.from(TOKEN_MARK + key).toString('base64');
}

function keyIn(token: string): string {
  const text = Buffer.from(token, 'base64').toString();
  if (!text.startsWith(TOKEN_MARK)) throw invalid(`Invalid token ${token}`); // facts 58 invalid-token
  return text.slice(TOKEN_MARK.length);
}
