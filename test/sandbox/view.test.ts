import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { linesView, summaryOf } from '../../sandbox/view.ts';
import { drillResult } from './report-samples.ts';

const NARROW = { columns: 72, hasColor: false };
const result = drillResult({ drainer: 'ecs-drain' });

/** Every line fits, and none ends within a word of the text. */
function isReadable(printed: string, whole: string): void {
  const lines = stripVTControlCharacters(printed).split('\n');
  expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(NARROW.columns);
  const words = new Set(stripVTControlCharacters(whole).split(/\s+/));
  expect(lines.flatMap((line) => line.split(/\s+/)).filter((word) => word !== '' && !words.has(word))).toEqual([]);
}

describe('a drill in a narrow terminal', () => {
  it('explains its columns between words, and says durations as people do', () => {
    const printed = summaryOf(result, NARROW);
    const whole = summaryOf(result, { ...NARROW, columns: 1_000 });
    isReadable(printed, `${whole} ${whole.replace(/i-[0-9a-f]{12}(?=[0-9a-f]{5})/g, 'i-…')}`);
    expect(printed).toMatch(/^took +from Auto Scaling's hold/m);
    expect(printed).not.toMatch(/\d{3,}\.\d/);
  });

  it('breaks a line of what happens between words, beside its time', () => {
    const message =
      '(service web) was unable to place a task because no container instance met all of its requirements.';
    const shown = (columns: number) => {
      let printed = '';
      const view = linesView((text) => (printed += text), { ...NARROW, columns });
      view.show({ kind: 'service', second: 60, cluster: 'prod', service: 'web', message } as never, false, 60_000);
      view.end();
      return printed.trimEnd();
    };
    isReadable(shown(NARROW.columns), shown(1_000));
    expect(stripVTControlCharacters(shown(NARROW.columns)).split('\n')[1]).toMatch(/^ {10}\S/);
  });
});
