import { onOneLine } from '../say.ts';

/** Rows of cells as lines, each column as wide as its widest cell. */
export function tableLines(cells: readonly (readonly string[])[]): readonly string[] {
  const rows = cells.map((row) => row.map(onOneLine));
  const widths = (rows[0] ?? []).map((_cell, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('   ')
      .trimEnd(),
  );
}
