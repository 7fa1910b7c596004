import type { DumpContent } from '../engine/dump.ts';

/** The first that differs between a dump and its snapshot; undefined where nothing does. */
export function whatIsWrong(
  found: DumpContent & { readonly complete: boolean },
  counted: DumpContent,
): string | undefined {
  if (!found.complete) {
    return 'its end is missing';
  }
  for (const table of new Set([...counted.rows.keys(), ...found.rows.keys()])) {
    const [there, wanted] = [found.rows.get(table), counted.rows.get(table)];
    if (there !== wanted) {
      return `table ${table} has ${wanted ?? 'no'} rows, and ${there ?? 'none'} of them in the dump`;
    }
  }
  for (const what of ['triggers', 'views'] as const) {
    const [there, wanted] = [found.made?.[what], counted.made?.[what]];
    if (there !== wanted) {
      return `it has ${wanted ?? 'no'} ${what}, and ${there ?? 'none'} of them in the dump`;
    }
  }
  return undefined;
}
