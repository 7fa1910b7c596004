import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { whyClientFailed } from '../backup/client-error.ts';
import {
  type ClientProgram,
  findClient,
  isClosedPipe,
  lastLine,
  startClient,
} from '../backup/client-program.ts';
import { editedLines } from '../backup/edited-lines.ts';
import { foreignTables, isGlances, some, whyForeignTables } from '../backup/foreign-tables.ts';
import { cannotRestore, noRestoreClient } from '../backup/restore-failure.ts';
import {
  type BackupFacts,
  BrokenRestore,
  type OtherSession,
  type RestoreOptions,
  type Restorer,
} from '../engine/restore.ts';
import { databaseError, describeDatabaseError } from '../errors/database-error.ts';
import { ask } from './ask.ts';
import { clientEnvironment } from './client-environment.ts';
import type { Session } from './connect.ts';
import { isLockedBy, type LockHolding } from './lock.ts';
import { block, literal, quoted } from './quoted.ts';
import type { PostgresState } from './read-state.ts';
import {
  dropObjects,
  foreignObjects,
  inDocument,
  type SchemaObject,
  schemaObjects,
} from './schema-objects.ts';
import { settings } from './session-settings.ts';

const OTHERS = `
SELECT a.usename AS user, a.application_name AS application, host(a.client_addr) AS host
FROM pg_stat_activity a
WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
  AND coalesce(to_jsonb(a)->>'backend_type', 'client backend') = 'client backend'
ORDER BY 1, 2, 3`;

const VISIBLE_TABLES = `
SELECT n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
  AND pg_table_is_visible(c.oid)`;

/**
 * What in other schemas hangs on a table of these, and would have to go with it: views, and tables by
 * a key.
 */
function dependents(schemas: readonly string[]): string {
  const these = `IN (${schemas.map(literal).join(', ')})`;
  return `
SELECT DISTINCT format('%I.%I', n.nspname, other.relname) AS name FROM (
  SELECT r.ev_class AS oid, d.refobjid AS ref FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid
    WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
  UNION ALL SELECT conrelid, confrelid FROM pg_constraint WHERE contype = 'f') hanging
JOIN pg_class other ON other.oid = hanging.oid JOIN pg_namespace n ON n.oid = other.relnamespace
JOIN pg_class c ON c.oid = hanging.ref JOIN pg_namespace own ON own.oid = c.relnamespace
WHERE own.nspname ${these} AND n.nspname NOT ${these} ORDER BY 1`;
}

/**
 * psql, which is given one transaction: what is there is dropped, the dump comes as SQL from
 * pg_restore, its rows are counted, and only then is it committed.
 *
 * @throws Failure `RestoreRefused`, `DatabaseUnreachable`
 */
export async function openRestorer(
  lock: LockHolding,
  state: PostgresState,
  options: RestoreOptions,
): Promise<Restorer> {
  const { session, target } = lock;
  const { address } = session;
  const { document, path } = options;
  const [psql, reader] = [await findClient(['psql']), await findClient(['pg_restore'])];
  if (psql === undefined || reader === undefined) {
    throw noRestoreClient([psql === undefined ? 'psql' : 'pg_restore'], address);
  }
  const access = clientEnvironment(session, target);
  if ('cannot' in access) {
    throw cannotRestore(address, access.cannot);
  }
  if (state.readOnly !== undefined) {
    throw cannotRestore(address, state.readOnly);
  }
  if (state.pooled) {
    throw cannotRestore(
      address,
      'a pooler such as PgBouncer is on the way, and psql would leave its settings in sessions that others get. Name the server itself.',
    );
  }
  await checkReadable(reader, path, document, address);
  const schemas = [
    ...new Set([
      ...Object.keys(document.tables).map((name) => schemaOf(name)),
      // Glance's own tables, wherever the search path leads.
      ...(await ask<{ schema: string; name: string }>(session, VISIBLE_TABLES))
        .filter(({ name }) => isGlances(name))
        .map(({ schema }) => schema),
    ]),
  ];
  const found =
    schemas.length === 0
      ? []
      : await ask<SchemaObject & Record<string, unknown>>(session, schemaObjects(schemas));
  await checkSchemas(session, schemas);
  const hanging = schemas.length === 0 ? [] : await ask<{ name: string }>(session, dependents(schemas));
  if (hanging.length > 0) {
    throw cannotRestore(
      address,
      `${some(hanging.map(({ name }) => name))} in another schema depends on its tables. Drop that, and create it again after the restore.`,
    );
  }
  const published = await readPublications(session, state, schemas);
  if (published.length > 0) {
    throw cannotRestore(
      address,
      `its tables are in the publication ${some(published)}, which would lose them. Take them out of it, and put them in again after the restore.`,
    );
  }
  const strange = foreignTables(
    found
      .filter((object) => object.kind === 'table' && document.others?.includes(inDocument(object)) !== true)
      .map(({ plain, schema }) => ({ name: plain, inDocument: `${schema}.${plain}` })),
    document,
  );
  if (strange.length > 0) {
    throw cannotRestore(address, whyForeignTables(strange));
  }
  const strangeObjects = foreignObjects(found, document.others);
  if (strangeObjects.length > 0) {
    throw cannotRestore(
      address,
      `its schema has what neither Glance nor the backup has, and that would be lost (${some(strangeObjects)}). Keep how it is made, by pg_dump --schema-only, and drop it first.`,
    );
  }
  const foreign = found.filter(({ owned }) => !owned).map(({ name }) => name);
  if (foreign.length > 0) {
    throw cannotRestore(
      address,
      `the user does not own ${some(foreign)}, and cannot remove it. Connect as the owner.`,
    );
  }
  return {
    others: () => ask<OtherSession & Record<string, unknown>>(session, OTHERS),
    restore: (dump, signal) =>
      restore({ lock, state, psql, reader, env: access.env, options, found, schemas }, dump, signal),
  };
}

/** A client older than the one that wrote an archive cannot read it. */
async function checkReadable(
  reader: ClientProgram,
  path: string,
  { client }: BackupFacts,
  address: string,
): Promise<void> {
  const list = startClient(reader, { args: ['--list', path], env: {} });
  list.input.end();
  list.output.resume();
  const { ok, said } = await list.ended;
  if (!ok) {
    throw cannotRestore(
      address,
      `${reader.says} cannot read the backup, which ${client} made: ${lastLine(said)}. Use the client of that version or a later one.`,
    );
  }
}

/** Those that name a table of these schemas, which they forget with the table. */
async function readPublications(
  session: Session,
  { serverVersion }: PostgresState,
  schemas: readonly string[],
): Promise<readonly string[]> {
  if (schemas.length === 0 || serverVersion < 100_000) {
    return [];
  }
  const rows = await ask<{ name: string }>(
    session,
    `SELECT DISTINCT p.pubname AS name FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
      JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname IN (${schemas.map(literal).join(', ')}) ORDER BY 1`,
  );
  return rows.map(({ name }) => name);
}

/** Glance finds its tables where the search path leads, and only there. */
async function checkSchemas(session: Session, schemas: readonly string[]): Promise<void> {
  if (schemas.length === 0) {
    return;
  }
  const rows = await ask<{ schema: string; visible: boolean; may: boolean | null }>(
    session,
    `SELECT s AS schema, coalesce(s = ANY (current_schemas(false)::text[]), false) AS visible,
      CASE WHEN to_regnamespace(quote_ident(s)) IS NOT NULL THEN has_schema_privilege(s, 'CREATE') END AS may
    FROM unnest(ARRAY[${schemas.map(literal).join(', ')}]) s`,
  );
  for (const { schema, visible, may } of rows) {
    if (!visible) {
      throw cannotRestore(
        session.address,
        `the backup has tables in the schema '${schema}', which does not exist or is not on this user's search path. Create it, or set the search_path of the user, as it was before.`,
      );
    }
    if (may !== true) {
      throw cannotRestore(
        session.address,
        `the user may not create tables in the schema '${schema}'. Grant CREATE on it.`,
      );
    }
  }
}

interface Restoring {
  readonly lock: LockHolding;
  readonly state: PostgresState;
  readonly psql: ClientProgram;
  readonly reader: ClientProgram;
  readonly env: Readonly<Record<string, string>>;
  readonly options: RestoreOptions;
  readonly found: readonly SchemaObject[];
  readonly schemas: readonly string[];
}

const PSQL: readonly string[] = [
  '--no-psqlrc',
  '--quiet',
  '--no-password',
  '--set=ON_ERROR_STOP=1',
  // The SQLSTATE says whether the message may have something of a row in it.
  '--set=VERBOSITY=verbose',
  '--file=-',
];

/**
 * Whatever ends it before COMMIT is written, the server rolls it back: psql commits nothing by
 * itself, and what is left of its input at its end is the middle of the transaction.
 */
async function restore(
  restoring: Restoring,
  dump: AsyncIterable<Buffer>,
  signal: AbortSignal,
): Promise<void> {
  const { psql, reader, env } = restoring;
  const sql = startClient(psql, { args: PSQL, env: { ...env, PGAPPNAME: 'glance-schema' } });
  sql.output.resume();
  const read = startClient(reader, { args: ['--file=-', '--no-owner', '--no-acl'], env: {} });
  const fed = pipeline(Readable.from(dump), read.input).then(
    () => undefined,
    (error: unknown) => error,
  );
  let committing = false;
  const stop = (): void => {
    if (!committing) {
      read.end();
      sql.end();
    }
  };
  signal.addEventListener('abort', stop);
  let why: unknown;
  try {
    signal.throwIfAborted();
    await send(sql.input, begin(restoring));
    await pipeline(editedLines(read.output, linesFor(restoring)), sql.input, { end: false });
    const { ok, said } = await read.ended;
    const notFed = await fed;
    if (!ok) {
      throw new BrokenRestore(`pg_restore failed: ${lastLine(said)}`, 'unchanged');
    }
    if (notFed !== undefined && !isClosedPipe(notFed)) {
      throw notFed;
    }
    await send(sql.input, finish(restoring));
    signal.throwIfAborted();
    committing = true;
    await send(sql.input, 'COMMIT;\n');
    sql.input.end();
  } catch (error) {
    why = error;
    // What psql has to say of its end comes first.
    sql.input.destroy();
    read.end();
  }
  if (signal.aborted) {
    stop();
  }
  const [{ ok, said }] = await Promise.all([sql.ended, read.ended, fed]);
  signal.removeEventListener('abort', stop);
  if (committing && ok && why === undefined) {
    return;
  }
  // What an error of the server has ended is rolled back, even if COMMIT was on the way behind it.
  const refused = /\b(?:ERROR|FATAL|PANIC): /.test(said) && !/\b57P\d\d\b|server closed/.test(said);
  const reason =
    (why === undefined || isClosedPipe(why)) && !signal.aborted && said !== ''
      ? whyClientFailed(psql.name, said)
      : why === undefined || isClosedPipe(why)
        ? `${psql.name} ended before it was done`
        : why instanceof BrokenRestore
          ? why.message
          : describeDatabaseError(databaseError(why));
  throw new BrokenRestore(reason, committing && !refused ? 'unknown' : 'unchanged', { cause: why });
}

function send(input: NodeJS.WritableStream, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    input.write(text, (error) => (error ? reject(error) : resolve()));
  });
}

/** The same server, and an empty place. */
function begin({ lock, options, found }: Restoring): string {
  return [
    'BEGIN ISOLATION LEVEL READ COMMITTED;',
    `SELECT ${settings('true', `${options.lockTimeoutSeconds}s`)};`,
    block(
      `BEGIN IF NOT ${isLockedBy(lock.pid)} THEN ${raise("'another server was reached than the one that has the lock, as behind a balancer'")} END IF; END`,
    ),
    'SET LOCAL client_min_messages = warning;',
    dropObjects(found),
    '',
  ].join('\n');
}

/** What is there is what the document says, and whoever could use the tables can still. */
function finish({ options: { document }, found, schemas }: Restoring): string {
  const tables = Object.entries(document.tables);
  const checks = tables.map(([name, rows]) => {
    const table = quotedTable(name);
    return `SELECT count(*) INTO found FROM ONLY ${table};
      IF found <> ${rows} THEN ${raise(`format('%s has %s rows, and the backup has ${rows}', ${literal(name)}, found)`)} END IF;`;
  });
  const version = tables.map(([name]) => name).find((name) => name.endsWith('.alembic_version'));
  const heads = `ARRAY[${document.heads.map(literal).join(', ')}]::text[]`;
  return [
    block(
      `DECLARE found bigint; BEGIN ${[
        ...checks,
        `SELECT count(*) INTO found FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'r' AND n.nspname IN (${['', ...schemas].map(literal).join(', ')})
          AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d
            WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e');
      IF found <> ${tables.length} THEN ${raise(`format('there are %s tables, and the backup has ${tables.length}', found)`)} END IF;`,
        ...(version === undefined
          ? []
          : [
              `IF (SELECT NOT (coalesce(array_agg(version_num::text), '{}') @> ${heads} AND ${heads} @> coalesce(array_agg(version_num::text), '{}'))
        FROM ${quotedTable(version)}) THEN ${raise("'alembic_version has not the rows of the backup'")} END IF;`,
            ]),
      ].join('\n')} END`,
    ),
    ...found
      .filter(({ grants }) => grants.length > 0)
      .map(({ name, grants }) =>
        block(
          `BEGIN IF pg_catalog.to_regclass(${literal(name)}) IS NOT NULL THEN ${grants.map((grant) => `EXECUTE ${literal(grant)};`).join(' ')} END IF; END`,
        ),
      ),
    '',
  ].join('\n');
}

/** With a code of its own, whose message is shown. */
function raise(message: string): string {
  return `RAISE EXCEPTION USING ERRCODE = 'GS001', MESSAGE = ${message};`;
}

/** Schemas stay, and a server older than the client does not know all that the client sets. */
function linesFor({ state }: Restoring): Parameters<typeof editedLines>[1] {
  const unknown = [
    ...(state.serverVersion < 170_000 ? ['SET transaction_timeout = '] : []),
    ...(state.serverVersion < 120_000 ? ['SET default_table_access_method = '] : []),
  ];
  return {
    beginnings: ['CREATE SCHEMA ', 'COMMENT ON SCHEMA ', ...unknown],
    edit: () => undefined,
    until: 'COPY ',
  };
}

function schemaOf(name: string): string {
  return name.slice(0, Math.max(0, name.indexOf('.')));
}

/** The SQL of a name in a document, whose schema stands before the first dot. */
function quotedTable(name: string): string {
  const at = name.indexOf('.');
  return `${quoted(name.slice(0, at))}.${quoted(name.slice(at + 1))}`;
}
