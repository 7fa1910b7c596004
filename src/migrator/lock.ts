import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection, LockHolder } from './engine/engine.ts';
import {
  type DatabaseError,
  databaseError,
  describeDatabaseError,
  isConnectionLoss,
  isForbiddenLock,
  isRetryable,
} from './errors/database-error.ts';
import { Failure } from './errors/failure.ts';
import { unlessStopped } from './errors/unless-stopped.ts';
import type { Answered } from './unless-silent.ts';

/** How long another migrator's lock is waited for, in seconds. */
export interface LockOptions {
  readonly timeoutSeconds: number;
  readonly signal: AbortSignal;
  readonly answered: Answered;
  /** Called at once and then every ten seconds. The holder may be gone by then. */
  readonly waiting: (holder: LockHolder | undefined, secondsWaited: number) => void;
}

const REPORT_EVERY_SECONDS = 10;

/**
 * Waits for the one lock that every migrator of this database takes; the connection then holds it
 * until it is closed.
 *
 * @throws Failure `LockTimeout`, `Interrupted`, `DatabaseUnreachable`, `MigrationFailed` where the
 *   server refuses the lock
 */
export async function acquireLock(connection: Connection, options: LockOptions): Promise<void> {
  const { answered } = options;
  const started = performance.now();
  let reportedAt = Number.NEGATIVE_INFINITY;
  try {
    while (!(await unlessStopped(options.signal, connection.address, answered(connection.tryLock())))) {
      const waited = (performance.now() - started) / 1000;
      if (waited >= options.timeoutSeconds) {
        const holder = await answered(connection.lockHolder());
        throw new Failure(
          'LockTimeout',
          `Cannot start on ${connection.address}: another migrator has had the lock for longer than ${options.timeoutSeconds} s${holder === undefined ? '' : ` (${describeHolder(holder)})`}. Wait for it, or end it.`,
        );
      }
      if (waited - reportedAt >= REPORT_EVERY_SECONDS) {
        reportedAt = waited;
        options.waiting(await answered(connection.lockHolder()), Math.round(waited));
      }
      await sleep(150 + Math.random() * 200, undefined, { signal: options.signal });
    }
  } catch (error) {
    if (options.signal.aborted) {
      throw new Failure(
        'Interrupted',
        `Stopped while waiting for the lock on ${connection.address}: nothing was changed`,
      );
    }
    if (error instanceof Failure) {
      throw error;
    }
    const cause = databaseError(error);
    const forbidden = whyForbidden(cause);
    if (forbidden !== undefined) {
      throw new Failure('MigrationFailed', `Cannot take the lock on ${connection.address}: ${forbidden}`, {
        cause: error,
      });
    }
    const what =
      connection.lost.aborted || isConnectionLoss(cause)
        ? `Lost the connection to ${connection.address} while waiting for the lock`
        : `Cannot take the lock on ${connection.address}`;
    throw new Failure(
      connection.lost.aborted || isRetryable(cause) ? 'DatabaseUnreachable' : 'MigrationFailed',
      `${what}: ${describeDatabaseError(cause)}`,
      { cause: error },
    );
  }
}

/**
 * What to do where a server forbids GET_LOCK and has no lock of a cluster instead, as before Galera
 * 4.
 */
function whyForbidden(error: DatabaseError): string | undefined {
  if (!isForbiddenLock(error)) {
    return undefined;
  }
  return error.number === 1105
    ? 'Percona XtraDB Cluster forbids GET_LOCK (pxc_strict_mode=ENFORCING). Set pxc_strict_mode=PERMISSIVE on its nodes while migrations run.'
    : 'this MariaDB forbids GET_LOCK on a node of Galera, as 10.6.13, 10.11.3 and others of that time do. Upgrade MariaDB to the next release of its series.';
}

/** Nothing where none is known. */
export function describeHolders(holders: readonly LockHolder[]): string {
  return holders.length === 0 ? '' : ` (${holders.map(describeHolder).join('; ')})`;
}

/** `pid 4711, glance-schema, from 10.0.0.7, since 2026-11-23T03:00:00Z`, without what is not known. */
export function describeHolder({ pid, application, address, since }: LockHolder): string {
  return [
    `pid ${pid}`,
    ...(application ? [application] : []),
    ...(address === null ? [] : [`from ${address}`]),
    ...(since ? [`since ${since}`] : []),
  ].join(', ');
}
