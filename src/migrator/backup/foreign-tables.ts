import { MIGRATIONS } from '../../../migrations/registry.ts';
import { RESTORE_MARKER, VERSION_TABLES } from '../../glance/detect.ts';
import { everCreated } from '../../glance/fold.ts';

const GLANCE_TABLES = everCreated(MIGRATIONS);

const OWN = [...VERSION_TABLES, RESTORE_MARKER];

/** Whether a table is one that Glance, or who migrates it, has at some revision. */
export function isGlances(table: string): boolean {
  return GLANCE_TABLES.has(table) || OWN.includes(table);
}

/** The tables that neither Glance nor the backup has: a restore would remove them for good. */
export function foreignTables(
  tables: readonly { readonly name: string; readonly inDocument: string }[],
  document: { readonly tables: Readonly<Record<string, number>> },
): readonly string[] {
  return tables
    .filter(({ name, inDocument }) => !isGlances(name) && !Object.hasOwn(document.tables, inDocument))
    .map(({ name }) => name)
    .sort();
}

/** The phrase for them. */
export function whyForeignTables(tables: readonly string[]): string {
  return `it has tables that neither Glance nor the backup has, and they would be lost (${some(tables)}). Name Glance's own database, or move them elsewhere first.`;
}

/** The first three names, and how many more there are. */
export function some(names: readonly string[]): string {
  return `${names.slice(0, 3).join(', ')}${names.length > 3 ? ` and ${names.length - 3} more` : ''}`;
}
