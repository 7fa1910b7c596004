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
  return found.triggers === counted.triggers
    ? undefined
    : `it has ${counted.triggers} triggers, and ${found.triggers} of them in the dump`;
}
