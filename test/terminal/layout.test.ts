import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { dueAt } from '../../cli/common.ts';
import { pageOf, styled, tableOf, wrapped } from '../../terminal/layout.ts';
import { deployedRegion } from '../cli/deployed-region.ts';

const page = (columns: number) => ({ columns, hasColor: false });
const widest = (text: string) => Math.max(...text.split('\n').map((line) => line.length));

it('a terminal that says it has 0 columns counts as one of 80', () => {
  expect(pageOf({ isTTY: true, columns: 0 })).toMatchObject({ columns: 80 });
});

describe('a table', () => {
  const head = ['instance', 'next look', 'tasks that hold it'];
  const rows = [['i-0000000000000001\ngroup web', 'in 4 min', '2 tasks\nservice:web RUNNING (2)']];

  it('has its heads above its columns where the terminal is as wide', () => {
    const table = tableOf(head, rows, page(80));
    expect(table).toMatch(/instance.*next look.*tasks that hold it/);
    expect(widest(table)).toBeLessThanOrEqual(80);
  });

  it('is a list like that of explain where the terminal is narrow', () => {
    expect(tableOf(head, rows, page(50))).toBe(
      [
        'i-0000000000000001, group web',
        '  next look           in 4 min',
        '  tasks that hold it  2 tasks',
        '                      service:web RUNNING (2)',
      ].join('\n'),
    );
  });

  it('is never a list where no terminal is', () => {
    const long = [['a'.repeat(500), 'b', 'c']];
    expect(tableOf(head, long, page(Number.POSITIVE_INFINITY))).toMatch(/instance/);
  });
});

describe('a line', () => {
  it.each([
    ['a sentence that goes on', 'a sentence that\ngoes on'],
    ['- a point that goes on', '- a point that\n  goes on'],
    ['  a  one two three four', '  a  one two\n     three four'],
    ['2026-01-01T00:05:00Z one two', '2026-01-01T00:05:00Z\none two'],
    ['  - some more text', '  - some more\n    text'],
    ['no-space-to-break-it-at-all', 'no-space-to-break-it-at-all'],
  ])('breaks between words: %s', (line, broken) => {
    expect(wrapped(line, page(15))).toBe(broken);
  });

  it('keeps its color, which takes no room', () => {
    const red = styled('red', 'ERROR', { columns: 15, hasColor: true });
    expect(red).toBe('\u001b[31mERROR\u001b[39m');
    expect(wrapped(`${red}  what it was`, page(16))).toBe(`${red}  what it\n       was`);
    expect(wrapped(`${red} fits in here`, page(20))).toBe(`${red} fits in here`);
    expect(styled('red', 'ERROR', page(80))).toBe('ERROR');
  });
});

describe('what is due', () => {
  it('is due now once its time has come, however late it is', () => {
    expect([dueAt(0, 240_000), dueAt(0, 0), dueAt(11_000, 0)]).toEqual(['in 4 min', 'now', 'now']);
  });
});

describe('the commands in a terminal of 80 columns', () => {
  it.each([
    [80, false],
    [46, false],
    [80, true],
  ])('fit into %i columns, and have color where the terminal has: %s', async (columns, hasColor) => {
    const { region, instanceIds, pass, runIn } = await deployedRegion();
    const [instanceId = ''] = instanceIds;
    region.autoScaling.terminateInstance(instanceId);
    await pass(100);
    for (const args of [['status'], ['explain', instanceId], ['doctor', '--verbose']]) {
      const { stdout } = await runIn({ columns, hasColors: () => hasColor }, ...args);
      const plain = stripVTControlCharacters(stdout);
      expect(plain).toContain('web');
      if (args[0] !== 'explain') expect(stdout.includes('\u001b')).toBe(hasColor);
      expect(widest(plain)).toBeLessThanOrEqual(columns);
    }
    for (const args of [
      ['status', '--stage', 'prod'],
      ['doctor', '--grup'],
    ]) {
      const { stderr } = await runIn({ columns }, ...args);
      expect(stderr).toContain(' ');
      expect(widest(stderr.replace(/\barn:\S+/, ''))).toBeLessThanOrEqual(columns);
    }
  });
});
