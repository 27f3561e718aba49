/** The cells of the table with this head in a page, row by row, without the two lines of the head. */
export function rowsUnder(head: string, page: string): string[][] {
  const [, after = ''] = page.split(`\n${head}\n`);
  const [table = ''] = after.split(/^(?!\|)/m);
  return table.split('\n').flatMap((line) => {
    const cells = line.slice(1, -1).split('|');
    return line.startsWith('| ') ? [cells.map((cell) => cell.trim())] : [];
  });
}
