import { expect, it } from 'vitest';
import { duration } from '../../src/adapters/duration.ts';

it.each([
  [0, '0 s'],
  [1.74, '1.7 s'],
  [59.94, '59.9 s'],
  [59.97, '1 min'],
  [90, '1 min 30 s'],
  [120, '2 min'],
  [599, '9 min 59 s'],
  [605, '10 min'],
  [1_860, '31 min'],
  [3_599, '1 h'],
  [7_159, '1 h 59 min'],
  [7_200, '2 h'],
  [172_800, '48 h'],
  [176_400, '2 d 1 h'],
])('says %s s as people do: %s', (seconds, words) => {
  expect(duration(seconds)).toBe(words);
});
