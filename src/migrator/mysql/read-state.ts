import { type Found, type MigrateRow, RESTORE_MARKER } from '../../glance/detect.ts';
import { readFailure } from '../engine/read-failure.ts';
import type { Session } from './connect.ts';
import { throwIfCutOff } from './cut-off.ts';

/**
 * As every query of ours, it says of each view by a constant which database is meant, and in the
 * column that the server goes by: else MariaDB opens the tables of all databases that share it,
 * slowly, and behind whatever another service is doing to one of them.
 *
 * Source: sql/sql_show.cc of MariaDB, `schema_tables`: the two columns that each view is found by.
 */
const CATALOG = `
SELECT c.TABLE_NAME AS tab, c.COLUMN_NAME AS name
FROM information_schema.COLUMNS c JOIN information_schema.TABLES t USING (TABLE_NAME)
WHERE c.TABLE_SCHEMA = DATABASE() AND t.TABLE_SCHEMA = DATABASE() AND t.TABLE_TYPE = 'BASE TABLE'
UNION ALL
SELECT NULL, TRIGGER_NAME FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = DATABASE()`;

/**
 * Reads tables, columns and the rows of both version tables, in at most two round trips.
 *
 * @throws Failure `DatabaseUnreachable`
 */
export async function readFound(session: Session): Promise<Found> {
  try {
    const tables = new Map<string, Set<string>>();
    const triggers = new Set<string>();
    for (const { tab, name } of await session.query(CATALOG)) {
      if (tab === null) {
        triggers.add(String(name));
      } else {
        const columns = tables.get(String(tab)) ?? new Set();
        tables.set(String(tab), columns.add(String(name)));
      }
    }
    return { tables, triggers, ...(await readVersions(session, tables)) };
  } catch (error) {
    throwIfCutOff(error, session.address);
    throw readFailure(error, session.address);
  }
}

async function readVersions(
  session: Session,
  tables: Found['tables'],
): Promise<Pick<Found, 'alembic' | 'migrate' | 'restoring'>> {
  const alembic = tables.get('alembic_version')?.has('version_num') === true;
  const migrate = tables.get('migrate_version')?.has('repository_id') === true;
  const restoring = tables.has(RESTORE_MARKER);
  if (!alembic && !migrate && !restoring) {
    return {};
  }
  // Converted, as the two tables may have texts of different kinds.
  const parts = [
    ...(alembic
      ? [
          `SELECT 'alembic' AS kind, CONVERT(version_num USING utf8mb4) AS name, NULL AS version FROM alembic_version`,
        ]
      : []),
    ...(migrate
      ? [
          `SELECT 'migrate' AS kind, CONVERT(repository_id USING utf8mb4) AS name, version FROM migrate_version`,
        ]
      : []),
    ...(restoring
      ? [
          `SELECT 'restore' AS kind, CONVERT(TABLE_COMMENT USING utf8mb4) AS name, NULL AS version
            FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = '${RESTORE_MARKER}'`,
        ]
      : []),
  ];
  const rows = await session.query(parts.join(' UNION ALL '));
  const of = (kind: string) => rows.filter((row) => row.kind === kind);
  return {
    ...(restoring ? { restoring: String(of('restore')[0]?.name ?? '') } : {}),
    ...(alembic
      ? {
          alembic: of('alembic')
            .map((row) => String(row.name))
            .sort(),
        }
      : {}),
    ...(migrate
      ? {
          migrate: of('migrate').map(
            (row): MigrateRow => ({
              repository: String(row.name),
              version: row.version === null ? null : Number(row.version),
            }),
          ),
        }
      : {}),
  };
}
