/** How text is laid out: tables that fit the terminal, sentences that wrap at words, and color where there is some. */

import { stripVTControlCharacters, styleText } from 'node:util';
import Table from 'cli-table3';
import sliceAnsi from 'slice-ansi';
import wrapAnsi from 'wrap-ansi';

/** Where text goes: how wide it is, without end where it is no terminal, and whether it shows color. */
export interface Page {
  readonly columns: number;
  readonly hasColor: boolean;
}

export const NO_TERMINAL: Page = { columns: Number.POSITIVE_INFINITY, hasColor: false };

/** Where text is written: a terminal or anything else. */
export interface Stream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  /** False where `NO_COLOR` is set. */
  hasColors?(): boolean;
}

/** How large a terminal is. One that does not know says 0, as over a serial line. */
export function sizeOf({ columns, rows }: Stream): { readonly columns: number; readonly rows: number } {
  return { columns: columns || 80, rows: rows || 24 };
}

export function pageOf(stream: Stream): Page {
  return stream.isTTY ? { columns: sizeOf(stream).columns, hasColor: stream.hasColors?.() ?? false } : NO_TERMINAL;
}

export type Style = 'bold' | 'dim' | 'green' | 'yellow' | 'red';

/** The text in a style, where the terminal shows it and `NO_COLOR` does not forbid it. */
export function styled(style: Style, text: string, { hasColor }: Page): string {
  return hasColor ? styleText(style, text, { validateStream: false }) : text;
}

/** The indentation of a line, with the time, the label or the dash that its text stands behind. */
const HANGING = /^ *(?:\d{4}-\d\d-\d\dT[\d:]{8}Z |- |\S+(?: \S+)* {2,})?/;

/** Breaks long lines between words. What goes on stands below the text of its line. */
export function wrapped(text: string, { columns }: Page): string {
  const wrap = (line: string) => {
    const plain = stripVTControlCharacters(line);
    if (plain.length <= columns) return line;
    const [{ length: behind } = ''] = HANGING.exec(plain) ?? [];
    const indent = behind <= columns / 2 ? behind : plain.length - plain.trimStart().length;
    const body = wrapAnsi(sliceAnsi(line, indent), columns - indent);
    return sliceAnsi(line, 0, indent) + body.replaceAll('\n', `\n${' '.repeat(indent)}`);
  };
  return text.split('\n').map(wrap).join('\n');
}

/**
 * Rows under their heads. Where the terminal is too narrow for that, each row is a list like that of `explain`: its first
 * cell, then the others behind their heads.
 */
export function tableOf(head: readonly string[], rows: readonly (readonly string[])[], page: Page): string {
  const wide = new Table({ head: [...head], style: { head: [], border: [], compact: true } });
  wide.push(...rows.map((row) => [...row]));
  const table = `${wide}`;
  const width = Math.max(...table.split('\n').map((line) => stripVTControlCharacters(line).length));
  if (width <= page.columns) return table;
  const label = Math.max(...head.slice(1).map(({ length }) => length)) + 2;
  return rows
    .map(([title = '', ...cells]) =>
      [
        styled('bold', title.replaceAll('\n', ', '), page),
        ...cells.map((cell, i) => {
          const [first = '', ...others] = cell.split('\n');
          const lines = [
            `  ${(head[i + 1] ?? '').padEnd(label)}${first}`,
            ...others.map((line) => `  ${' '.repeat(label)}${line}`),
          ];
          return lines.join('\n');
        }),
      ].join('\n'),
    )
    .join('\n\n');
}
