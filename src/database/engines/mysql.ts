import type { Connection, DatabaseState, Engine } from './engine.ts';
import { readCatalog, withSteps } from './mysql/catalog.ts';
import { type ClusterLock, tryClusterLock } from './mysql/cluster-lock.ts';
import { openSession, type Session } from './mysql/connect.ts';
import { throwIfCutOff } from './mysql/cut-off.ts';
import { type LockNames, lockHolder, lockNames, tryLock, unlock } from './mysql/lock.ts';
import { mend } from './mysql/mend.ts';
import { findObstacles } from './mysql/obstacles.ts';
import { plannedStatements } from './mysql/planned-statements.ts';
import { checkChanges } from './mysql/preflight.ts';
import { readTables } from './mysql/read-schema.ts';
import { readFound } from './mysql/read-state.ts';

/** MariaDB and MySQL: each change of a table is committed by itself, so each step sees what is done already. */
export const mysql: Engine = {
  async connect(target) {
    const session = await openSession(target);
    // Behind a balancer the node may be behind the one that a run before was on. A server that is no node of a cluster may
    // not know the word; what else fails here fails again with the first look, which tells of it.
    await session.query('SET SESSION wsrep_sync_wait = 1').catch(() => undefined);
    return new MysqlConnection(session, lockNames(target.database ?? ''));
  },
};

class MysqlConnection implements Connection {
  readonly place: string;
  readonly #session: Session;
  readonly #names: LockNames;
  readonly #lost = new AbortController();
  #cluster: ClusterLock | undefined;

  constructor(session: Session, names: LockNames) {
    this.place = session.place;
    this.#session = session;
    this.#names = names;
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
      findObstacles: (steps) => findObstacles(this.#session, steps),
      mend,
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
        const { openWriter } = await import('./mysql/writer.ts');
        return openWriter(this.#session, this.#names, this.#cluster, options);
      },
    };
  }

  query(sql: string) {
    return this.#session.query(sql);
  }

  async tryLock(): Promise<boolean> {
    if (!(await tryLock(this.#session, this.#names))) {
      return false;
    }
    const cluster = await tryClusterLock(this.#session).catch((error: unknown) => {
      throwIfCutOff(error, this.place);
      throw error;
    });
    if (cluster === 'taken') {
      // Who waits here must not keep those on this node from seeing who has it.
      await unlock(this.#session, this.#names);
      return false;
    }
    this.#cluster = cluster;
    if (cluster !== undefined) {
      this.#watch(cluster.lost);
    }
    await this.#session.keepAlive();
    return true;
  }

  lockHolder() {
    return lockHolder(this.#session, this.#names);
  }

  async close(): Promise<void> {
    await this.#cluster?.close();
    await this.#session.close();
  }

  #watch(signal: AbortSignal): void {
    signal.addEventListener('abort', () => this.#lost.abort());
  }
}
