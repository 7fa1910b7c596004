import type { TableColumns } from './fold.ts';
import { appliedScripts, positionOf, scriptsOf, unknownHeads } from './heads.ts';
import type { KnownSchema } from './known-schema.ts';
import { describeLost, type LostColumn } from './lost-columns.ts';
import { formatPosition, type Position } from './position.ts';
import { LATEST_SUPPORTED, LEGACY_NUMBERS } from './revisions.ts';
import { withoutUndefined } from './without-undefined.ts';

/** What reading a database found. */
export interface Found {
  /** Every table that is not an extension's, version tables included, and the columns of each. */
  readonly tables: TableColumns;
  /** The rows of `alembic_version`; absent where there is no such table. */
  readonly alembic?: readonly string[];
  /** The rows of SQLAlchemy Migrate's table; absent where there is no such table. */
  readonly migrate?: readonly MigrateRow[];
  /**
   * The revisions with rows that are still to be moved; absent where the rows were not read.
   */
  readonly pending?: ReadonlySet<string>;
  /** Columns that are gone too early; absent where nobody asked. */
  readonly lost?: readonly LostColumn[];
  /** The names of all triggers; absent where nobody asked. */
  readonly triggers?: ReadonlySet<string>;
  /** The backup that was being put back when that broke off; absent where none was. */
  readonly restoring?: string;
}

/** All that is known of a database when it is decided what to run on it. */
export interface Facts extends Found {
  /** `host:port/database`, for messages. */
  readonly address: string;
  /** Whether a script of ours is one transaction with its record there. */
  readonly transactional: boolean;
  /** The triggers of ours that make every write fail; absent where nobody asked. */
  readonly brokenTriggers?: ReadonlySet<string>;
}

/** A row of `migrate_version`, the version table of sqlalchemy-migrate. */
export interface MigrateRow {
  readonly repository: string;
  readonly version: number | null;
}

/** Where a database is. Messages are the second half of a `Cannot ...: ...` sentence. */
export type Detected =
  | { readonly kind: 'empty' }
  | {
      readonly kind: 'at';
      readonly position: Position;
      readonly applied: ReadonlySet<string>;
      /**
       * Whether a script that is still to come has begun: an earlier run was ended in the middle of
       * it.
       */
      readonly underWay: boolean;
      /**
       * What is gone that only a script which is still to come drops, as `table` or `table.column`:
       * that script has begun.
       */
      readonly lacking: readonly string[];
      /** What to write into `alembic_version` before anything else, and what it stands for. */
      readonly baseline?: Baseline;
    }
  | {
      readonly kind: 'refused';
      readonly reason: 'DatabaseNotGlance' | 'DatabaseNewer';
      readonly message: string;
      /**
       * What of the schema is not that of the revision which the version table names, if that is
       * why.
       */
      readonly wrong?: string;
      /** Where the version table says that the database is, if that is known. */
      readonly position?: Position;
    };

/** How a database that Glance made otherwise is stamped, so that Alembic's scripts can go on. */
export interface Baseline {
  /** `migrate_version 44`, `alembic_version 'ocata01'`. */
  readonly from: string;
  readonly heads: readonly string[];
}

/**
 * The one name under which Glance kept its row in SQLAlchemy Migrate's table. Source:
 * migrate_repo/migrate.cfg.
 */
const REPOSITORY = 'Glance Migrations';

/**
 * What the real Ocata and Pike wrote. Later releases have two scripts for each and know
 * these no more.
 */
const RENAMED: Readonly<Record<string, string>> = { ocata01: 'ocata_contract01', pike01: 'pike_contract01' };

/**
 * Whether a database with these rows in `alembic_version` can be at a position. Which rows are
 * still to be moved the rows do not show, so that of an expanded revision both phases agree. One of
 * before Alembic has no rows.
 */
export function agrees(position: Position, rows: readonly string[]): boolean {
  if (rows.length === 0) {
    return position.phase === 'Contract' && Object.values(LEGACY_NUMBERS).includes(position.revision);
  }
  const heads = rows.map((row) => RENAMED[row] ?? row);
  const recorded = unknownHeads(heads).length > 0 ? undefined : positionOf(appliedScripts(heads));
  return (
    recorded?.revision === position.revision &&
    (recorded.phase === 'Contract') === (position.phase === 'Contract')
  );
}

/**
 * The table that is there while a backup is put back on an engine that commits each statement by
 * itself; its comment names the backup.
 */
export const RESTORE_MARKER = 'glance_schema_restore';

/** The tables that say at which revision a database is; no script makes them. */
export const VERSION_TABLES: readonly string[] = ['alembic_version', 'migrate_version'];

/**
 * Detects the revision of a database, or says why it cannot. Nothing is taken on trust that can be
 * seen.
 */
export function detect(found: Found, known: KnownSchema): Detected {
  if (found.restoring !== undefined) {
    return {
      kind: 'refused',
      reason: 'DatabaseNotGlance',
      message: `a restore of '${found.restoring}' has not ended, and the database may be incomplete. Wait for it where it still runs; else run 'db restore' of that file again.`,
    };
  }
  const rows = found.alembic ?? [];
  if (rows.length > 0) {
    return detectByAlembic(rows, found, known);
  }
  const migrate = glanceRow(found.migrate ?? []);
  if (migrate !== undefined && migrate.version !== 0) {
    return detectByMigrate(migrate, found, known);
  }
  return detectUnmanaged(found, known);
}

function detectByAlembic(rows: readonly string[], found: Found, known: KnownSchema): Detected {
  const heads = rows.map((row) => RENAMED[row] ?? row).sort();
  const unknown = unknownHeads(heads);
  const says = `alembic_version says ${quoted(rows)}`;
  if (unknown.length > 0) {
    // Glance's own naming, and no script that is known: a release after this build.
    return unknown.every((head) => /^[0-9a-z_]+_(expand|contract)\d\d$/.test(head))
      ? {
          kind: 'refused',
          reason: 'DatabaseNewer',
          message: `${says}, which is newer than '${LATEST_SUPPORTED}', the latest revision that this version supports. Use a newer glance-schema.`,
        }
      : {
          kind: 'refused',
          reason: 'DatabaseNotGlance',
          message: `${says}, which is no revision of Glance. Check that this is Glance's database.`,
        };
  }
  const applied = appliedScripts(heads);
  const renamed = rows.some((row) => RENAMED[row] !== undefined);
  return verify(
    applied,
    says,
    found,
    known,
    renamed ? { from: `alembic_version ${quoted(rows)}`, heads } : undefined,
  );
}

function detectByMigrate(row: MigrateRow, found: Found, known: KnownSchema): Detected {
  const says = `migrate_version says ${row.version}`;
  const number = row.version ?? 0;
  const revision = LEGACY_NUMBERS[number];
  if (revision === undefined) {
    const old = number >= 1 && number <= 41;
    return {
      kind: 'refused',
      reason: 'DatabaseNotGlance',
      message: old
        ? `${says}, which is before Liberty (42). Upgrade to Liberty with Glance's own tool first.`
        : `${says}, which is no version that Glance had. Check that this is Glance's database.`,
    };
  }
  const heads = scriptsOf(revision)
    .slice(-1)
    .map(({ name }) => name);
  return verify(appliedScripts(heads), `${says} ('${revision}')`, found, known, {
    from: `migrate_version ${row.version}`,
    heads,
  });
}

/** No version table has anything to say. */
function detectUnmanaged(found: Found, known: KnownSchema): Detected {
  // Where a script is not one transaction, the first may have been ended after its tables and
  // before its record.
  const begun: TableColumns =
    !known.transactional && found.alembic !== undefined ? known.next(new Set()) : new Map();
  const others = [...found.tables].filter(([table]) => !VERSION_TABLES.includes(table));
  if (others.every(([table, columns]) => isSame(columns, begun.get(table)))) {
    return { kind: 'empty' };
  }
  const tables = others.map(([table]) => table).sort();
  const glance = tables.filter((table) => known.ever.has(table));
  return {
    kind: 'refused',
    reason: 'DatabaseNotGlance',
    message:
      glance.length > 0
        ? `Glance's tables are there (${some(glance)}), but no version in alembic_version or migrate_version. Restore a backup, or stamp the database by 'db version_control REVISION'.`
        : `it has tables that are not Glance's (${some(tables)}). Name an empty database, or Glance's own.`,
  };
}

function isSame(a: ReadonlySet<string>, b: ReadonlySet<string> | undefined): boolean {
  return b?.size === a.size && [...a].every((name) => b.has(name));
}

/**
 * A stamp can lie: the tables and columns of the revision must be there, and none that only come
 * later.
 */
function verify(
  applied: ReadonlySet<string>,
  says: string,
  found: Found,
  known: KnownSchema,
  baseline: Baseline | undefined,
): Detected {
  const position = positionOf(applied, found.pending);
  if (position === undefined) {
    throw new RangeError('Cannot detect the revision of a database without scripts');
  }
  const expected = known.after(applied);
  const mayLack = known.mayLack(applied, found.tables);
  const absent = names(expected, found.tables);
  const missing = absent.filter((name) => !mayLack.has(name));
  const there = allNames(found.tables);
  const next = allNames(known.next(applied));
  const early = names(known.ever, expected).filter((name) => there.has(name));
  const tooEarly = early.filter((name) => !next.has(name));
  const lost = found.lost ?? [];
  if (lost.length > 0) {
    // Whichever phase is next: no later one can make it good.
    const gone = lost.map(describeLost).join(' and ');
    return {
      kind: 'refused',
      reason: 'DatabaseNotGlance',
      message: `${says}, but ${gone}, as a glance-manage that failed leaves it. Restore a backup.`,
      wrong: gone,
      position,
    };
  }
  const wrong = [
    ...(missing.length > 0 ? [`${some(missing)} ${missing.length === 1 ? 'is' : 'are'} missing`] : []),
    ...(tooEarly.length > 0
      ? [
          `${some(tooEarly)} ${tooEarly.length === 1 ? 'exists' : 'exist'}, which '${formatPosition(position)}' does not have`,
        ]
      : []),
  ];
  return wrong.length > 0
    ? {
        kind: 'refused',
        reason: 'DatabaseNotGlance',
        message: `${says}, but ${wrong.join(' and ')}. Restore a backup, or correct the version table by 'db version_control REVISION'.`,
        wrong: wrong.join(' and '),
        position,
      }
    : {
        kind: 'at',
        position,
        applied,
        // Where a script is one transaction, only an expand with nodes at work leaves a part of
        // itself. Where it is not, no node can have begun to live with what is there without the
        // triggers.
        underWay: early.length > 0 && (known.transactional || isInUse(found, known)),
        lacking: absent,
        ...withoutUndefined({ baseline }),
      };
}

function isInUse(found: Found, known: KnownSchema): boolean {
  const { triggers } = found;
  return triggers === undefined || [...known.triggers].some((trigger) => triggers.has(trigger));
}

/** The tables, and the columns as `table.column`, that `a` has and `b` has not. */
function names(a: TableColumns, b: TableColumns): readonly string[] {
  return [...a].flatMap(([table, columns]) => {
    const there = b.get(table);
    return there === undefined
      ? [table]
      : [...columns].filter((column) => !there.has(column)).map((column) => `${table}.${column}`);
  });
}

/** All tables, and all columns as `table.column`. */
function allNames(tables: TableColumns): ReadonlySet<string> {
  return new Set(
    [...tables].flatMap(([table, columns]) => [table, ...[...columns].map((column) => `${table}.${column}`)]),
  );
}

/** Glance's row; where none has its name, the only one there is. */
function glanceRow(rows: readonly MigrateRow[]): MigrateRow | undefined {
  return rows.find((row) => row.repository === REPOSITORY) ?? (rows.length === 1 ? rows[0] : undefined);
}

function quoted(rows: readonly string[]): string {
  return rows.map((row) => `'${row}'`).join(', ');
}

/** The first three of a list, and how many more there are. */
function some(list: readonly string[]): string {
  return list.length <= 3 ? list.join(', ') : `${list.slice(0, 3).join(', ')} and ${list.length - 3} more`;
}
