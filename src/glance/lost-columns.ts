import type { Registry } from './steps.ts';

/** A column, and one of the same table that is filled from it. */
export interface FilledFrom {
  readonly table: string;
  readonly column: string;
  readonly successor: string;
}

/** A column that is gone, with rows that were still to be filled from it: a backup alone has it. */
export interface LostColumn extends FilledFrom {
  /** How many rows are empty. */
  readonly rows: number;
}

/**
 * What is filled from a column before a script drops it.
 *
 * @param gone columns that scripts drop, as `table.column`
 */
export function filledFrom(
  gone: readonly string[],
  { migrations, squashed }: Registry,
): readonly FilledFrom[] {
  const all = [...migrations, ...squashed].flatMap(({ steps }) =>
    steps
      .filter((drop) => drop.do === 'drop column')
      .filter(({ table, column }) => gone.includes(`${table}.${column}`))
      .flatMap(({ table, column }) =>
        steps
          .filter((step) => step.do === 'change column' || step.do === 'add filled column')
          .filter((step) => step.table === table && step.column.nullable !== true)
          .map((step): FilledFrom => ({ table, column, successor: step.column.name })),
      ),
  );
  return [...new Map(all.map((each) => [JSON.stringify(each), each])).values()];
}

/** What is lost, as the second half of a sentence. */
export function describeLost({ table, column, successor, rows }: LostColumn): string {
  return `${table}.${column} is gone and ${rows} rows have no ${successor}`;
}
