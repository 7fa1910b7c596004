import { MIGRATIONS } from '../../../migrations/registry.ts';
import { enumsOf } from '../../glance/fold.ts';
import { block, literal } from './quoted.ts';

/** What a schema has, whatever its kind: what pg_dump takes of it, and a restore has to drop before. */
export interface SchemaObject {
  /** As the server calls it, such as `table` or `materialized view`. */
  readonly kind: string;
  /** Quoted, with its schema, and with the types of its arguments. */
  readonly name: string;
  readonly plain: string;
  readonly schema: string;
  readonly owned: boolean;
  /** A sequence that goes with the column of a table. */
  readonly ofTable: boolean;
  /** What others may do with it, as statements. */
  readonly grants: readonly string[];
}

/** What these schemas have, but for what is an extension's, and what is a part of something else. */
export function schemaObjects(schemas: readonly string[]): string {
  return `
SELECT o.type AS kind, o.identity AS name, coalesce(c.relname, o.name) AS plain, n.nspname AS schema,
  -- Of what belongs to the first superuser there is no row.
  pg_has_role(coalesce((SELECT s.refobjid FROM pg_shdepend s
    WHERE s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND s.classid = d.classid AND s.objid = d.objid AND s.objsubid = 0 AND s.deptype = 'o'), 10), 'USAGE') AS owned,
  c.relkind IS NOT DISTINCT FROM 'S' AND EXISTS (SELECT 1 FROM pg_depend t
    WHERE t.classid = d.classid AND t.objid = d.objid AND t.refclassid = d.classid AND t.deptype = 'a') AS "ofTable",
  (SELECT coalesce(json_agg(format('GRANT %s ON %s %s TO %s', a.privilege_type,
      CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, o.identity,
      CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END)), '[]')
    FROM aclexplode(c.relacl) a WHERE a.grantee <> c.relowner) AS grants
FROM pg_depend d
JOIN pg_namespace n ON n.oid = d.refobjid
CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, 0) o
LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
WHERE d.refclassid = 'pg_namespace'::regclass AND d.deptype = 'n' AND d.objsubid = 0
  AND n.nspname IN (${schemas.map(literal).join(', ')})
  AND NOT EXISTS (SELECT 1 FROM pg_depend i WHERE i.classid = d.classid AND i.objid = d.objid AND i.objsubid = 0
    AND i.deptype IN ('e', 'i'))
ORDER BY 1, 2`;
}

/** How a backup's document names what has no rows of its own. */
export function inDocument({ kind, name }: Pick<SchemaObject, 'kind' | 'name'>): string {
  return `${kind} ${name}`;
}

const GLANCE_TYPES = enumsOf(MIGRATIONS);

/** What is no table, and neither Glance nor the backup has: a restore would remove it for good. */
export function foreignObjects(
  objects: readonly SchemaObject[],
  others: readonly string[] = [],
): readonly string[] {
  return objects
    .filter(({ kind, plain, ofTable }) => {
      const isGlances = kind === 'type' && GLANCE_TYPES.has(plain);
      return kind !== 'table' && !ofTable && !isGlances;
    })
    .map(inDocument)
    .filter((name) => !others.includes(name));
}

/** The kinds that go first; whatever else there is goes after them. */
const FIRST: readonly string[] = ['view', 'materialized view', 'foreign table'];

/**
 * What drops these, as a block: what something else still needs is tried again once that is gone, and
 * nothing that is not named goes with it. Tables go together, as keys lead from one to another.
 */
export function dropObjects(objects: readonly SchemaObject[]): string {
  const tables = objects.filter(({ kind }) => kind === 'table').map(({ name }) => name);
  const each = (of: readonly SchemaObject[]): readonly string[] =>
    of.map((object) => `DROP ${sqlKind(object)} IF EXISTS ${sqlName(object)}`);
  const first = objects
    .filter(({ kind }) => FIRST.includes(kind))
    .sort((one, other) => FIRST.indexOf(one.kind) - FIRST.indexOf(other.kind));
  const statements = [
    ...each(first),
    ...(tables.length === 0 ? [] : [`DROP TABLE IF EXISTS ${tables.join(', ')}`]),
    // A sequence of a column has gone with its table.
    ...each(objects.filter(({ kind }) => kind !== 'table' && !FIRST.includes(kind))),
  ];
  return block(`DECLARE
  due text[] := ARRAY[${statements.map(literal).join(', ')}]::text[];
  later text[];
  statement text;
BEGIN
  WHILE cardinality(due) > 0 LOOP
    later := '{}';
    FOREACH statement IN ARRAY due LOOP
      BEGIN
        EXECUTE statement;
      EXCEPTION WHEN dependent_objects_still_exist THEN
        later := later || statement;
      END;
    END LOOP;
    IF cardinality(later) = cardinality(due) THEN
      -- Nothing more goes: it says what is in the way.
      EXECUTE later[1];
    END IF;
    due := later;
  END LOOP;
END`);
}

function sqlKind({ kind }: SchemaObject): string {
  return kind === 'statistics object' ? 'STATISTICS' : kind.toUpperCase();
}

function sqlName({ kind, name }: SchemaObject): string {
  return kind === 'aggregate' ? name.replace(/\(\)$/, '(*)') : name;
}
