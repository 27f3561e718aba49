import { createHash } from 'node:crypto';

/** A UUID made from a text (version 3): another for each text, the same in every run, and without a place in the row of the Region's other ids. */
export function idOf(text: string): string {
  const hash = createHash('md5').update(text).digest('hex');
  return hash.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, '$1-$2-3$3-8$4-$5');
}
