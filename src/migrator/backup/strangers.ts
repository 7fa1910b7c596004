import { MIGRATIONS } from '../../../migrations/registry.ts';
import { RESTORE_MARKER } from '../../glance/detect.ts';
import { everCreated } from '../../glance/fold.ts';

const GLANCE_TABLES = everCreated(MIGRATIONS);

const OWN = ['alembic_version', 'migrate_version', RESTORE_MARKER];

/** Whether a table is one that Glance, or who migrates it, has at some revision. */
export function isGlances(table: string): boolean {
  return GLANCE_TABLES.has(table) || OWN.includes(table);
}

/** The tables that neither Glance nor the backup has: a restore would remove them for good. */
export function strangers(
  tables: readonly { readonly name: string; readonly inDocument: string }[],
  document: { readonly tables: Readonly<Record<string, number>> },
): readonly string[] {
  return tables
    .filter(({ name, inDocument }) => !isGlances(name) && !Object.hasOwn(document.tables, inDocument))
    .map(({ name }) => name)
    .sort();
}

/** The phrase for them. */
export function whyStrangers(tables: readonly string[]): string {
  const named = tables.slice(0, 3).join(', ');
  const more = tables.length > 3 ? ` and ${tables.length - 3} more` : '';
  return `it has tables that neither Glance nor the backup has, and they would be lost (${named}${more}). Name Glance's own database, or move them elsewhere first.`;
}
