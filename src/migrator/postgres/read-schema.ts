import type { FoundColumn, FoundIndex, FoundTable } from '../../glance/compare.ts';
import type { ForeignKey } from '../../glance/steps.ts';
import { readFailure } from '../engine/read-failure.ts';
import { ask } from './ask.ts';
import type { Session } from './connect.ts';

interface TableRow {
  readonly name: string;
  readonly columns: readonly (Omit<FoundColumn, 'counted'> & {
    readonly name: string;
    readonly identity: boolean;
  })[];
  readonly indexes: readonly FoundIndex[];
  readonly keys: readonly {
    readonly columns: readonly string[];
    readonly references: ForeignKey['references'];
  }[];
  readonly triggers: Readonly<Record<string, string>>;
}

const names = (numbers: string, table: string): string =>
  `(SELECT json_agg(a.attname ORDER BY u.place) FROM unnest(${numbers}) WITH ORDINALITY u(attnum, place)
    JOIN pg_attribute a ON a.attrelid = ${table} AND a.attnum = u.attnum)`;

/** The tables that an unqualified name finds, in one round trip. */
const CATALOG = `
SELECT c.relname AS name,
  (SELECT json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
      'nullable', NOT a.attnotnull, 'default', pg_get_expr(d.adbin, d.adrelid),
      'identity', a.attidentity <> ''))
    FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
  (SELECT coalesce(json_agg(json_build_object('name', x.relname, 'unique', i.indisunique, 'primary', i.indisprimary,
      'usable', i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL,
      'columns', ${names('i.indkey::int2[]', 'c.oid')})), '[]')
    FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = c.oid) AS indexes,
  (SELECT coalesce(json_agg(json_build_object('columns', ${names('k.conkey', 'c.oid')},
      'references', json_build_object('table', r.relname, 'columns', ${names('k.confkey', 'k.confrelid')}))), '[]')
    FROM pg_constraint k JOIN pg_class r ON r.oid = k.confrelid WHERE k.conrelid = c.oid AND k.contype = 'f') AS keys,
  (SELECT coalesce(json_object_agg(t.tgname, p.prosrc), '{}')
    FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid WHERE t.tgrelid = c.oid AND NOT t.tgisinternal) AS triggers
FROM pg_class c
WHERE c.relkind IN ('r', 'p') AND pg_table_is_visible(c.oid) AND c.relname IN`;

/**
 * Reads what these tables are made of.
 *
 * @throws Failure `DatabaseUnreachable`
 */
export async function readTables(
  session: Session,
  tables: readonly string[],
): Promise<ReadonlyMap<string, FoundTable>> {
  try {
    const these = `(${tables.map((table) => `'${table}'`).join(', ')})`;
    const rows = await ask<TableRow>(session, `${CATALOG} ${these}`);
    return new Map(
      rows.map(({ name, columns, indexes, keys, triggers }) => [
        name,
        {
          columns: new Map(columns.map((column) => [column.name, columnOf(column)])),
          indexes: indexes.map((index) => ({ ...index, columns: index.columns ?? [] })),
          foreignKeys: keys,
          checked: new Set<string>(),
          triggers: new Map(Object.entries(triggers)),
        },
      ]),
    );
  } catch (error) {
    throw readFailure(error, session.address);
  }
}

function columnOf({ type, nullable, default: standard, identity }: TableRow['columns'][number]): FoundColumn {
  const counted = identity || standard?.startsWith('nextval(') === true;
  return {
    type: type.toLowerCase(),
    nullable,
    // 'active'::character varying
    default: counted ? null : (standard?.replace(/::[\w. "]+$/, '').replace(/^'(.*)'$/s, '$1') ?? null),
    counted,
  };
}
