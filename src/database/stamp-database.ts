import { appliedScripts, scriptsOf } from '../revision/heads.ts';
import { locate } from '../revision/locate.ts';
import { comparePositions, formatPosition } from '../revision/position.ts';
import { connect } from './connect.ts';
import type { Connection } from './engines/engine.ts';
import { asFailure, Failure } from './failure.ts';
import { acquireLock } from './lock.ts';
import { look, type MigrationEvents, type Outcome } from './migrate.ts';
import { KNOWN_SCHEMA, placeDatabase } from './place-database.ts';
import type { ConnectionTarget } from './url.ts';

export interface StampOptions {
  readonly connection: ConnectionTarget;
  /** The revision that the database is to be taken for, whole. */
  readonly revision: string;
  readonly lockTimeoutSeconds: number;
  readonly signal: AbortSignal;
  readonly events: MigrationEvents;
}

/**
 * Writes into `alembic_version` that a database is at a revision, and nothing else. Only where its tables and columns are
 * those of the revision, and never below a place that it is at already. Never throws.
 */
export async function stampDatabase(options: StampOptions): Promise<Outcome> {
  const { revision, lockTimeoutSeconds, signal, events } = options;
  let connection: Connection | undefined;
  try {
    connection = await connect(options.connection);
    await acquireLock(connection, { timeoutSeconds: lockTimeoutSeconds, signal, waiting: events.waiting });
    const state = await connection.readState();
    const now = (await placeDatabase(connection, state)).located;
    const before: Outcome = { ...look(state, now), applied: [] };
    const cannot = `Cannot place ${connection.place} at '${revision}'`;
    const target = { revision, phase: 'Contract' as const };
    if (now.kind === 'at' && comparePositions(target, now.position) < 0) {
      const at = formatPosition(now.position);
      return {
        ...before,
        error: new Failure(
          'DowngradeNotSupported',
          `${cannot}: its version table says '${at}', its tables agree, and that comes after it, do name '${at}' or leave it as it is`,
        ),
      };
    }
    const last = scriptsOf(revision).at(-1)?.name ?? revision;
    const wanted = locate({ tables: state.found.tables, alembic: [last] }, KNOWN_SCHEMA);
    if (wanted.kind !== 'at' || wanted.underWay) {
      const why = wanted.kind === 'refused' ? wanted.message : 'the script after it has begun';
      return {
        ...before,
        error: new Failure(
          'DatabaseNotGlance',
          `${cannot}: ${why.replace(/^alembic_version says '[^']*', but /, '').replace(/, do [^,]*$/, '')}, do name the revision that the tables are of`,
        ),
      };
    }
    const heads = [last];
    if ([...(state.found.alembic ?? [])].join() === heads.join()) {
      return before;
    }
    const { runMigrations } = await import('./run-migrations.ts');
    await runMigrations({
      lock: connection,
      state,
      applied: appliedScripts(heads),
      adopt: { from: describe(state.found.alembic, state.found.migrate?.[0]?.version), heads },
      plan: [],
      online: false,
      lockTimeoutSeconds,
      signal,
      events,
    });
    return {
      ...before,
      to: target,
      heads,
      adoption: { from: describe(state.found.alembic, state.found.migrate?.[0]?.version), heads },
    };
  } catch (error) {
    return { applied: [], error: asFailure(error) };
  } finally {
    await connection?.close();
  }
}

function describe(rows: readonly string[] | undefined, number: number | null | undefined): string {
  if (rows !== undefined && rows.length > 0) {
    return `alembic_version ${rows.map((row) => `'${row}'`).join(', ')}`;
  }
  return number === undefined ? 'no version table' : `migrate_version ${number}`;
}
