import { type Adoption, locate } from '../glance/detect.ts';
import { appliedScripts, scriptsOf } from '../glance/heads.ts';
import { comparePositions, formatPosition } from '../glance/position.ts';
import { connect } from './connect.ts';
import type { ConnectionTarget } from './connection/url.ts';
import { KNOWN_SCHEMA, placeDatabase } from './detect-database.ts';
import type { Connection, DatabaseState } from './engine/engine.ts';
import { asFailure, Failure } from './errors/failure.ts';
import { unlessStopped } from './errors/unless-stopped.ts';
import { acquireLock } from './lock.ts';
import { look, type MigrationEvents, type Outcome } from './migrate.ts';

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
    const { place } = connection;
    const soon = <T>(look: Promise<T>): Promise<T> => unlessStopped(signal, place, look);
    let state = await soon(connection.readState());
    let stamp = await soon(decideStamp(connection, state, revision));
    if (stamp.kind === 'settled') {
      return stamp.outcome;
    }
    // Before the lock, which on a cluster is a write.
    await soon(state.preflight([]));
    await acquireLock(connection, { timeoutSeconds: lockTimeoutSeconds, signal, waiting: events.waiting });
    // Whoever had the lock before may have changed it.
    state = await soon(connection.readState());
    stamp = await soon(decideStamp(connection, state, revision));
    if (stamp.kind === 'settled') {
      return stamp.outcome;
    }
    const { outcome, adoption } = stamp;
    const { runMigrations } = await import('./run-migrations.ts');
    await runMigrations({
      lock: connection,
      state,
      applied: appliedScripts(adoption.heads),
      adopt: adoption,
      plan: [],
      online: false,
      lockTimeoutSeconds,
      signal,
      events,
    });
    return { ...outcome, to: { revision, phase: 'Contract' }, heads: adoption.heads, adoption };
  } catch (error) {
    return { applied: [], error: asFailure(error) };
  } finally {
    await connection?.close();
  }
}

/** What there is to write, or why there is nothing; `outcome` is that of a look. */
type Stamp =
  | { readonly kind: 'settled'; readonly outcome: Outcome }
  | { readonly kind: 'due'; readonly outcome: Outcome; readonly adoption: Adoption };

async function decideStamp(connection: Connection, state: DatabaseState, revision: string): Promise<Stamp> {
  const now = (await placeDatabase(connection, state)).located;
  const outcome: Outcome = { ...look(state, now), applied: [] };
  const refuse = (reason: Failure['reason'], why: string): Stamp => ({
    kind: 'settled',
    outcome: {
      ...outcome,
      error: new Failure(reason, `Cannot place ${connection.place} at '${revision}': ${why}`),
    },
  });
  // All others that cannot be placed are what this is for.
  if (now.kind === 'refused' && now.reason === 'DatabaseNewer') {
    return refuse(now.reason, now.message);
  }
  if (now.kind === 'at' && comparePositions({ revision, phase: 'Contract' }, now.position) < 0) {
    const at = formatPosition(now.position);
    return refuse(
      'DowngradeNotSupported',
      `its version table says '${at}', its tables agree, and that comes after it, do name '${at}' or leave it as it is`,
    );
  }
  const last = scriptsOf(revision).at(-1)?.name ?? revision;
  const wanted = locate({ tables: state.found.tables, alembic: [last] }, KNOWN_SCHEMA);
  if (wanted.kind !== 'at' || wanted.underWay) {
    const why = wanted.kind === 'refused' ? wanted.message : 'the script after it has begun';
    return refuse(
      'DatabaseNotGlance',
      `${why.replace(/^alembic_version says '[^']*', but /, '').replace(/\. Restore a backup, or correct .*$/, '')}. Name the revision that the tables are of.`,
    );
  }
  const heads = [last];
  return [...(state.found.alembic ?? [])].join() === heads.join()
    ? { kind: 'settled', outcome }
    : {
        kind: 'due',
        outcome,
        adoption: { from: describe(state.found.alembic, state.found.migrate?.[0]?.version), heads },
      };
}

function describe(rows: readonly string[] | undefined, number: number | null | undefined): string {
  if (rows !== undefined && rows.length > 0) {
    return `alembic_version ${rows.map((row) => `'${row}'`).join(', ')}`;
  }
  return number === undefined ? 'no version table' : `migrate_version ${number}`;
}
