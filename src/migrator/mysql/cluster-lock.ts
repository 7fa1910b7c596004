import { databaseError, isDeadlock, isLockTimeout } from '../errors/database-error.ts';
import type { Session } from './connect.ts';
import type { ServerLock } from './lock.ts';
import { openBeside } from './open-beside.ts';
import { NO_ROW_LOCK_WAIT } from './row-lock-timeout.ts';
import { ensureVersionTable } from './version-table.ts';

/** The lock that holds on every node of a Galera cluster. */
export interface ClusterLock {
  readonly lost: AbortSignal;
  /** Whether it is held still: the cluster may have taken it away, as when its node was cut off. */
  isHeld(): Promise<boolean>;
  /** The server's number of its session. */
  id(): Promise<number>;
  close(): Promise<void>;
}

/**
 * A row that never is: it is inserted, locks its place on every node, and is rolled back in the
 * end.
 */
const ROW = 'glance-schema lock';

/** Sends each statement of an open transaction to all nodes at once. */
const STREAMED = "SET SESSION wsrep_trx_fragment_unit = 'statements', wsrep_trx_fragment_size = 1";

/**
 * Tries the lock of the whole cluster: GET_LOCK holds on its own node only. Gives nothing where the
 * server is no node of a cluster, or of one too old to stream a transaction (before Galera 4).
 *
 * A streamed transaction has its row locks on all nodes while it is open, and the cluster rolls it
 * back when its client or its node is gone.
 */
export async function tryClusterLock(
  session: Session,
  lock: ServerLock,
): Promise<ClusterLock | 'taken' | undefined> {
  const [wsrep] = await session.query("SHOW VARIABLES LIKE 'wsrep_on'");
  const [streams] = await session.query("SHOW VARIABLES LIKE 'wsrep_trx_fragment_size'");
  if (wsrep?.Value !== 'ON' || streams === undefined) {
    return undefined;
  }
  const ask = (sql: string) => session.query(sql);
  await ensureVersionTable(ask, ask);
  const own = await openBeside(session, lock);
  try {
    own.keepAlive();
    await own.query(STREAMED);
    await own.query(NO_ROW_LOCK_WAIT);
    await own.query('START TRANSACTION');
    await own.query('INSERT INTO alembic_version (version_num) VALUES (?)', [ROW]);
  } catch (error) {
    await own.close();
    const cause = databaseError(error);
    if (isLockTimeout(cause) || isDeadlock(cause)) {
      return 'taken';
    }
    throw error;
  }
  return {
    lost: own.lost,
    async isHeld() {
      const rows = await own
        .query('SELECT 1 AS held FROM alembic_version WHERE version_num = ?', [ROW])
        .catch(() => []);
      return rows.length === 1;
    },
    async id() {
      const [row] = await own.query('SELECT CONNECTION_ID() AS id');
      return Number(row?.id);
    },
    async close() {
      await own.query('ROLLBACK').catch(() => undefined);
      await own.close();
    },
  };
}
