import type { Connection, DatabaseState, Engine } from './engine.ts';
import { type ClusterLock, tryClusterLock } from './mysql/cluster-lock.ts';
import { openSession, type Session } from './mysql/connect.ts';
import { throwIfCutOff } from './mysql/cut-off.ts';
import { lockHolder, tryLock, unlock } from './mysql/lock.ts';
import { plannedStatements } from './mysql/planned-statements.ts';
import { checkChanges } from './mysql/preflight.ts';
import { readFound } from './mysql/read-state.ts';
import { readFailure } from './read-failure.ts';

/** MariaDB and MySQL: each change of a table is committed by itself, so each step sees what is done already. */
export const mysql: Engine = {
  async connect(target) {
    return new MysqlConnection(await openSession(target));
  },
};

class MysqlConnection implements Connection {
  readonly place: string;
  readonly #session: Session;
  readonly #lost = new AbortController();
  /** The server's number of the session that has the lock. */
  #holder: number | undefined;
  #cluster: ClusterLock | undefined;

  constructor(session: Session) {
    this.place = session.place;
    this.#session = session;
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
      statements: plannedStatements,
      preflight: (migrations) => checkChanges(this.#session, migrations),
      openWriter: async (options) => {
        const { openWriter } = await import('./mysql/writer.ts');
        return openWriter({ session: this.#session, id: this.#holder ?? 0, cluster: this.#cluster }, options);
      },
    };
  }

  async query(sql: string) {
    try {
      return await this.#session.query(sql);
    } catch (error) {
      throw readFailure(error, this.place);
    }
  }

  async tryLock(): Promise<boolean> {
    const holder = await tryLock(this.#session);
    if (holder === undefined) {
      return false;
    }
    const cluster = await tryClusterLock(this.#session, holder).catch((error: unknown) => {
      throwIfCutOff(error, this.place);
      throw error;
    });
    if (cluster === 'taken') {
      // Who waits here must not keep those on this node from seeing who has it.
      await unlock(this.#session);
      return false;
    }
    this.#holder = holder;
    this.#cluster = cluster;
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
    await this.#cluster?.close();
    await this.#session.close();
  }

  #watch(signal: AbortSignal): void {
    signal.addEventListener('abort', () => this.#lost.abort());
  }
}
