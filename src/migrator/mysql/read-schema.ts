import type { FoundColumn, FoundIndex, FoundTable } from '../../glance/compare.ts';
import type { ForeignKey } from '../../glance/steps.ts';
import { readFailure } from '../engine/read-failure.ts';
import { plainDefault } from './catalog.ts';
import { readChecks } from './checks.ts';
import type { Session } from './connect.ts';

interface OpenTable extends FoundTable {
  readonly columns: Map<string, FoundColumn>;
  readonly indexes: FoundIndex[];
  readonly foreignKeys: ForeignKey[];
  readonly checked: Set<string>;
  readonly triggers: Map<string, string>;
}

const COLUMNS = `SELECT TABLE_NAME AS tab, COLUMN_NAME AS name, COLUMN_TYPE AS type, IS_NULLABLE AS nullable,
  COLUMN_DEFAULT AS standard, EXTRA AS extra
FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN`;

const INDEXES = `SELECT TABLE_NAME AS tab, INDEX_NAME AS name, MIN(NON_UNIQUE) AS other,
  GROUP_CONCAT(COALESCE(COLUMN_NAME, '') ORDER BY SEQ_IN_INDEX) AS columns, MAX(SUB_PART IS NOT NULL) AS cut
FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN`;

const KEYS = `SELECT TABLE_NAME AS tab, CONSTRAINT_NAME AS name, REFERENCED_TABLE_NAME AS target,
  GROUP_CONCAT(COLUMN_NAME ORDER BY ORDINAL_POSITION) AS columns,
  GROUP_CONCAT(REFERENCED_COLUMN_NAME ORDER BY ORDINAL_POSITION) AS targets
FROM information_schema.KEY_COLUMN_USAGE
WHERE TABLE_SCHEMA = DATABASE() AND REFERENCED_TABLE_NAME IS NOT NULL AND TABLE_NAME IN`;

const TRIGGERS = `SELECT EVENT_OBJECT_TABLE AS tab, TRIGGER_NAME AS name, ACTION_STATEMENT AS body
FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = DATABASE() AND EVENT_OBJECT_TABLE IN`;

/** What SQLAlchemy makes of a column of truth values, as the servers write it. */
const IS_BOOLEAN = /^\(?`(\w+)` in \(0,\s*1\)\)?$/i;

/**
 * Reads what these tables are made of, in some round trips: the views have no column in common.
 *
 * @throws Failure `DatabaseUnreachable`
 */
export async function readTables(
  session: Session,
  tables: readonly string[],
): Promise<ReadonlyMap<string, FoundTable>> {
  const these = `(${tables.map((table) => `'${table}'`).join(', ')})`;
  const found = new Map<string, OpenTable>();
  const of = (name: unknown): OpenTable | undefined => found.get(String(name));
  try {
    for (const row of await session.query(`${COLUMNS} ${these}`)) {
      const table = of(row.tab) ?? {
        columns: new Map(),
        indexes: [],
        foreignKeys: [],
        checked: new Set(),
        triggers: new Map(),
      };
      found.set(String(row.tab), table);
      const counted = String(row.extra).includes('auto_increment');
      table.columns.set(String(row.name), {
        // Some servers add a display width, which means nothing.
        type: String(row.type)
          .toLowerCase()
          .replace(/^((?:big)?int)\(\d+\)/, '$1')
          // What a conversion to another character set makes of a text.
          .replace(/^(medium|long)text$/, 'text'),
        nullable: row.nullable === 'YES',
        default: counted ? null : plainDefault(row.standard),
        counted,
      });
    }
    for (const row of await session.query(`${INDEXES} ${these} GROUP BY TABLE_NAME, INDEX_NAME`)) {
      of(row.tab)?.indexes.push({
        name: String(row.name),
        columns: String(row.columns).split(','),
        unique: Number(row.other) === 0,
        primary: row.name === 'PRIMARY',
        usable: Number(row.cut) === 0,
      });
    }
    for (const row of await session.query(
      `${KEYS} ${these} GROUP BY TABLE_NAME, CONSTRAINT_NAME, REFERENCED_TABLE_NAME`,
    )) {
      of(row.tab)?.foreignKeys.push({
        columns: String(row.columns).split(','),
        references: { table: String(row.target), columns: String(row.targets).split(',') },
      });
    }
    for (const { table, clause } of await readChecks(session, tables)) {
      const [, column] = IS_BOOLEAN.exec(clause) ?? [];
      if (column !== undefined) of(table)?.checked.add(column);
    }
    for (const { tab, name, body } of await session.query(`${TRIGGERS} ${these}`)) {
      of(tab)?.triggers.set(String(name), String(body));
    }
    return found;
  } catch (error) {
    throw readFailure(error, session.address);
  }
}
