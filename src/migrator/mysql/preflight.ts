import { MIGRATIONS } from '../../../migrations/registry.ts';
import { everCreated } from '../../glance/fold.ts';
import type { Migration, Step } from '../../glance/steps.ts';
import type { Made } from '../engine/dump.ts';
import type { Row } from '../engine/engine.ts';
import { databaseError, describeDatabaseError, isRetryable } from '../errors/database-error.ts';
import { Failure } from '../errors/failure.ts';
import { type Catalog, readCatalog } from './catalog.ts';
import type { Session } from './connect.ts';
import { type Grants, readGrants } from './grants.ts';

const SETTINGS = `SHOW GLOBAL VARIABLES WHERE Variable_name IN ('read_only', 'super_read_only', 'innodb_read_only',
  'log_bin', 'log_bin_trust_function_creators', 'wsrep_on', 'wsrep_OSU_method', 'enforce_storage_engine')`;

const STATUS = `SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_ready', 'wsrep_cluster_status', 'wsrep_local_state_comment')`;

/**
 * Tables whose texts are of a kind that Glance does not read or write; those of others among them.
 */
const OTHER_CHARSETS = `SELECT TABLE_NAME AS tab, TABLE_COLLATION AS collation FROM information_schema.TABLES
  WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE' AND TABLE_COLLATION NOT LIKE 'utf8%'
  ORDER BY 1`;

/** The two columns that Ocata's scripts compare with one another. */
const COMPARED = `SELECT TABLE_NAME AS tab, COLUMN_NAME AS name, COLLATION_NAME AS collation FROM information_schema.COLUMNS
  WHERE TABLE_SCHEMA = DATABASE() AND (TABLE_NAME, COLUMN_NAME) IN (('images', 'id'), ('image_members', 'image_id'))`;

/**
 * How full the disk with the tables is, in bytes. Source: mariadb.com/docs, Information Schema
 * DISKS Table (a plugin).
 */
const FREE_SPACE = `SELECT Available * 1024 AS free FROM information_schema.DISKS WHERE @@datadir LIKE CONCAT(Path, '%')
  ORDER BY LENGTH(Path) DESC LIMIT 1`;

const GLANCE_TABLES = everCreated(MIGRATIONS);

const NEEDED = ['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'CREATE', 'DROP', 'ALTER', 'INDEX', 'REFERENCES'];

/**
 * Says before the first change what the last one would fail on.
 *
 * @throws Failure `DatabaseUnreachable`, `MigrationFailed`
 */
export async function checkChanges(session: Session, migrations: readonly Migration[]): Promise<void> {
  const cannot = `Cannot change ${session.address}`;
  try {
    const settings = pairs(await session.query(SETTINGS));
    const unusable = whyUnusable(settings, pairs(await session.query(STATUS)));
    if (unusable !== undefined) {
      throw new Failure('DatabaseUnreachable', `${cannot}: ${unusable}`);
    }
    const steps = migrations.flatMap((migration) => migration.steps);
    const catalog = await readCatalog(steps, (sql) => session.query(sql));
    const refused =
      whyOtherEngine(settings) ??
      (await whyRefused(session, settings, touchesTriggers(migrations, catalog))) ??
      whyForeign(await session.query(OTHER_CHARSETS)) ??
      whyIncomparable(await session.query(COMPARED), steps) ??
      (await whyNoRoom(session, migrations));
    if (refused !== undefined) {
      throw new Failure('MigrationFailed', `${cannot}: ${refused}`);
    }
  } catch (error) {
    if (error instanceof Failure) {
      throw error;
    }
    const cause = databaseError(error);
    throw new Failure(
      isRetryable(cause) ? 'DatabaseUnreachable' : 'MigrationFailed',
      `${cannot}: ${describeDatabaseError(cause)}`,
      { cause: error },
    );
  }
}

/** What a dump would fail on in the middle, as far as it can be known: a phrase. */
export async function whyNotRestorable(
  session: Session,
  made: Made = { triggers: 0, views: 0 },
): Promise<string | undefined> {
  const settings = pairs(await session.query(SETTINGS));
  return (
    whyUnusable(settings, pairs(await session.query(STATUS))) ??
    whyOtherEngine(settings) ??
    (await whyRefused(session, settings, made.triggers > 0, [
      ...NEEDED,
      'LOCK TABLES',
      ...(made.views > 0 ? ['CREATE VIEW'] : []),
    ]))
  );
}

type Settings = ReadonlyMap<string, string>;

function pairs(rows: readonly Row[]): Settings {
  return new Map(rows.map((row) => [String(row.Variable_name).toLowerCase(), String(row.Value)]));
}

/** Why nothing can be written here, if so. */
function whyUnusable(settings: Settings, status: Settings): string | undefined {
  const on = (name: string): boolean => /^(ON|1)$/.test(settings.get(name) ?? '');
  if (on('read_only') || on('super_read_only') || on('innodb_read_only')) {
    return 'the server is read-only, as a replica is. Name the primary.';
  }
  if (!on('wsrep_on')) {
    return undefined;
  }
  const cluster = status.get('wsrep_cluster_status');
  if (status.get('wsrep_ready') !== 'ON' || cluster !== 'Primary') {
    return `the Galera node is not ready (wsrep_cluster_status ${cluster}). Repair the cluster, or name another node.`;
  }
  const state = status.get('wsrep_local_state_comment');
  if (state !== 'Synced') {
    return `the Galera node is not in sync with its cluster (wsrep_local_state ${state}). Wait, or name another node.`;
  }
  return settings.get('wsrep_osu_method') === 'RSU'
    ? 'the Galera node keeps changes of tables to itself (wsrep_OSU_method RSU). Set it to TOI.'
    : undefined;
}

/**
 * Whether the server makes every table of a kind that has no transactions; a user may not set that
 * for himself.
 */
function whyOtherEngine(settings: Settings): string | undefined {
  const engine = settings.get('enforce_storage_engine') ?? '';
  return /^(innodb)?$/i.test(engine)
    ? undefined
    : `the server makes every table with the engine ${engine} (enforce_storage_engine), and Glance needs InnoDB. Set enforce_storage_engine to InnoDB, or to NULL.`;
}

/**
 * Whether a trigger is to be made, or one that is there to be dropped: both need the same rights.
 */
function touchesTriggers(migrations: readonly Migration[], catalog: Catalog): boolean {
  return migrations.some(({ steps }) =>
    steps.some(
      (step) =>
        (step.do === 'create trigger' && !catalog.triggers.has(step.trigger.name)) ||
        (step.do === 'drop trigger' && catalog.triggers.has(step.trigger)),
    ),
  );
}

/** Which right is missing, if one is. */
async function whyRefused(
  session: Session,
  settings: Settings,
  triggers: boolean,
  rights = NEEDED,
): Promise<string | undefined> {
  const grants: Grants = readGrants(
    (await session.query('SHOW GRANTS')).map((row) => String(Object.values(row)[0])),
    session.options.database ?? '',
  );
  const needed = [...rights, ...(triggers ? ['TRIGGER'] : [])];
  const missing = needed.filter((right) => !grants.onDatabase.has(right));
  if (missing.length > 0 && !grants.more) {
    return `the user may not do all that a migration needs. Grant ${missing.join(', ')} on the database.`;
  }
  // A Galera node counts as one that logs, for what it sends to the others.
  const logged = ['log_bin', 'wsrep_on'].some((name) => /^(ON|1)$/.test(settings.get(name) ?? ''));
  const trusted = /^(ON|1)$/.test(settings.get('log_bin_trust_function_creators') ?? '');
  const free = ['SUPER', 'ALL PRIVILEGES'].some((right) => grants.onServer.has(right));
  return triggers && logged && !trusted && !free && !grants.more
    ? 'the binary log (or Galera) is on and the user may then make and drop no triggers. Set log_bin_trust_function_creators=1 on the server, or connect as a user with SUPER.'
    : undefined;
}

/**
 * Whether a table that is to be rewritten does not fit on the disk beside its old form; only
 * where the server says how much is free.
 */
async function whyNoRoom(session: Session, migrations: readonly Migration[]): Promise<string | undefined> {
  const tables = new Set(
    migrations.flatMap(({ steps }) =>
      steps.flatMap((step) =>
        REWRITES.some((rewrite) => step.do === rewrite) && 'table' in step ? [step.table] : [],
      ),
    ),
  );
  if (tables.size === 0) {
    return undefined;
  }
  const names = [...tables].map((table) => `'${table}'`).join(', ');
  const [largest] = await session.query(
    `SELECT TABLE_NAME AS tab, DATA_LENGTH + INDEX_LENGTH AS size FROM information_schema.TABLES
      WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN (${names}) ORDER BY 2 DESC LIMIT 1`,
  );
  const [disk] = await session.query(FREE_SPACE).catch(() => []);
  const needed = Number(largest?.size ?? 0);
  return disk === undefined || Number(disk.free) >= needed
    ? undefined
    : `the disk of the server has ${mebibytes(Number(disk.free))} left and rewriting ${largest?.tab} takes about ${mebibytes(needed)}. Make room.`;
}

const REWRITES = ['drop column', 'change column', 'add filled column'];

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}

/**
 * A restore can leave two columns of other collations, which the server then does not compare
 * (error 1267).
 */
function whyIncomparable(rows: readonly Row[], steps: readonly Step[]): string | undefined {
  const isCompared = steps.some((step) => 'table' in step && step.table === 'images');
  const of = (table: string): unknown => rows.find(({ tab }) => tab === table)?.collation;
  const [images, members] = [of('images'), of('image_members')];
  return !isCompared || images === undefined || members === undefined || images === members
    ? undefined
    : `images.id has the collation ${images} and image_members.image_id ${members}, and the server does not compare them. Give both one: ALTER TABLE image_members CONVERT TO CHARACTER SET utf8mb3 COLLATE ${images}`;
}

function whyForeign(rows: readonly Row[]): string | undefined {
  const row = rows.find(({ tab }) => GLANCE_TABLES.has(String(tab)));
  return row === undefined
    ? undefined
    : `the table ${row.tab} has the collation ${row.collation} and Glance writes UTF-8. Convert it: ALTER TABLE ${row.tab} CONVERT TO CHARACTER SET utf8mb3.`;
}
