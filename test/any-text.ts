import fc from 'fast-check';

/**
 * One code point of Unicode, but no half of a surrogate pair: what `unit: 'binary'` of fast-check gives. For that, fast-check
 * builds a table of the million of them once in each process, which takes more than a second.
 */
export const anyCodePoint = fc
  .oneof(fc.nat(0xff), fc.nat(0xd7ff), fc.integer({ min: 0xe000, max: 0x10ffff }))
  .map((code) => String.fromCodePoint(code));
