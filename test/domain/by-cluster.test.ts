import { expect, it } from 'vitest';
import { batches } from '../../src/domain/by-cluster.ts';

it('batches keep the order of the items and lose none', () => {
  expect(batches([1, 2, 3, 4, 5], 2)).toEqual([[1, 2], [3, 4], [5]]);
  expect(batches([1, 2], 2)).toEqual([[1, 2]]);
  expect(batches([], 2)).toEqual([]);
});
