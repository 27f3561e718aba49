/** One page of a list, and what asks for the next page; undefined on the last page. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | undefined;
}

export interface PageRequest {
  readonly size: number;
  /** Of the page before: the wire gives a service only tokens that it has given for the same request. */
  readonly token: string | undefined;
}

/** Cuts a list into pages. The token is the number of the items on the pages before. */
export function pageOf<T>(items: readonly T[], { size, token = '0' }: PageRequest): Page<T> {
  const from = Number(token);
  const end = from + size;
  return { items: items.slice(from, end), next: end < items.length ? String(end) : undefined };
}

/**
 * Cuts a list into pages in the order of its keys. The token is the key of the last item, so that a reader skips nothing when
 * items come and go between two pages.
 */
export function pageByKey<T>(items: readonly T[], keyOf: (item: T) => string, { size, token }: PageRequest): Page<T> {
  const left = items
    .filter((item) => token === undefined || keyOf(item) > token)
    .sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  const page = left.slice(0, size);
  const last = page.at(-1);
  return { items: page, next: last && page.length < left.length ? keyOf(last) : undefined };
}
