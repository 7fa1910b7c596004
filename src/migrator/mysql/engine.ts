import type { ConnectionTarget } from '../connection/target.ts';
import type { Connection, DatabaseState, Engine } from '../engine/engine.ts';
import { readFailure } from '../engine/read-failure.ts';
import { databaseError, isForbiddenLock } from '../errors/database-error.ts';
import { findBrokenTriggers } from './broken-triggers.ts';
import { readCatalog, withSteps } from './catalog.ts';
import { tryClusterLock } from './cluster-lock.ts';
import { openSession, type Session } from './connect.ts';
import { throwIfCutOff } from './cut-off.ts';
import { identify } from './identity.ts';
import { endMarked, lockHolder, tryLock, unlock, withoutLock } from './lock.ts';
import { findObstacles } from './obstacles.ts';
import { plannedStatements } from './planned-statements.ts';
import { checkChanges } from './preflight.ts';
import { readTables } from './read-schema.ts';
import { readFound } from './read-state.ts';
import { repairStatements } from './repair.ts';
import type { LockHolding } from './writer.ts';

/**
 * MariaDB and MySQL: each change of a table is committed by itself, so each step sees what is done
 * already.
 */
export const mysql: Engine = {
  async connect(target) {
    return new MysqlConnection(await openSession(target), target);
  },
};

class MysqlConnection implements Connection {
  readonly address: string;
  readonly #session: Session;
  readonly #target: ConnectionTarget;
  readonly #lost = new AbortController();
  #lock: LockHolding | undefined;

  constructor(session: Session, target: ConnectionTarget) {
    this.address = session.address;
    this.#session = session;
    this.#target = target;
    this.#watch(session.lost);
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  async readState(): Promise<DatabaseState> {
    const found = await readFound(this.#session);
    return {
      engine: 'mysql',
      found,
      transactional: false,
      readTables: (names) => readTables(this.#session, names),
      findBrokenTriggers: (names) => findBrokenTriggers(this.#session, names),
      findObstacles: (steps) => findObstacles(this.#session, steps),
      repairStatements,
      statements: async (scripts) => {
        let catalog = await readCatalog(scripts.flat(), (sql) => this.#session.query(sql));
        return scripts.map((steps) => {
          const statements = plannedStatements(steps, catalog);
          catalog = withSteps(catalog, steps);
          return statements;
        });
      },
      preflight: (migrations) => checkChanges(this.#session, migrations),
      openWriter: async (options) => {
        const { openWriter } = await import('./writer.ts');
        return openWriter(this.#holding(), options);
      },
      identify: () => identify(this.#session),
      openDumper: async (options) => {
        const { openDumper } = await import('./dump.ts');
        return openDumper(this.#holding(), this.#target, options);
      },
      openRestorer: async (options) => {
        const { openRestorer } = await import('./restore.ts');
        return openRestorer(this.#holding(), this.#target, options);
      },
    };
  }

  /** Who writes, dumps or restores has the lock. */
  #holding(): LockHolding {
    if (this.#lock === undefined) {
      throw new RangeError('nobody has taken the lock');
    }
    return this.#lock;
  }

  async query(sql: string) {
    try {
      return await this.#session.query(sql);
    } catch (error) {
      throw readFailure(error, this.address);
    }
  }

  async tryLock(): Promise<boolean> {
    let forbidden: unknown;
    const lock = await tryLock(this.#session).catch((error: unknown) => {
      if (!isForbiddenLock(databaseError(error))) {
        throw error;
      }
      forbidden = error;
      return withoutLock(this.#session);
    });
    if (lock === undefined) {
      return false;
    }
    const cluster = await tryClusterLock(this.#session, lock).catch((error: unknown) => {
      throwIfCutOff(error, this.address);
      throw error;
    });
    if (cluster === 'taken') {
      if (lock.byName) {
        // Who waits here must not keep those on this node from seeing who has it.
        await unlock(this.#session);
      }
      return false;
    }
    if (!lock.byName && cluster === undefined) {
      throw forbidden;
    }
    if (!lock.byName && (await endMarked(this.#session))) {
      await cluster?.close();
      return false;
    }
    this.#lock = { session: this.#session, lock, cluster };
    if (cluster !== undefined) {
      this.#watch(cluster.lost);
    }
    this.#session.keepAlive();
    return true;
  }

  lockHolder() {
    return lockHolder(this.#session);
  }

  async close(): Promise<void> {
    await this.#lock?.cluster?.close();
    await this.#session.close();
  }

  #watch(signal: AbortSignal): void {
    signal.addEventListener('abort', () => this.#lost.abort());
  }
}
