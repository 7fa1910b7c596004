import type { DatabaseState, Engine } from './engine.ts';
import { ask } from './postgres/ask.ts';
import { openSession, type Session } from './postgres/connect.ts';
import { lockHolder, tryLock } from './postgres/lock.ts';
import { mend } from './postgres/mend.ts';
import { findObstacles } from './postgres/obstacles.ts';
import { checkChanges } from './postgres/preflight.ts';
import { readTables } from './postgres/read-schema.ts';
import { readState } from './postgres/read-state.ts';
import { plannedStatements, remainingSteps } from './postgres/statements.ts';
import { readFailure } from './read-failure.ts';

/** PostgreSQL: each migration is one transaction with its record. */
export const postgres: Engine = {
  async connect(target) {
    const session = await openSession(target);
    let holder: number | undefined;
    return {
      place: session.place,
      lost: session.lost,
      readState: () => look(session, () => holder),
      async query(sql) {
        try {
          return await ask(session, sql);
        } catch (error) {
          throw readFailure(error, session.place);
        }
      },
      async tryLock() {
        holder = await tryLock(session);
        return holder !== undefined;
      },
      lockHolder: () => lockHolder(session),
      close: () => session.close(),
    };
  },
};

/** @param holder gives the server's process that has the lock, once one has. */
async function look(session: Session, holder: () => number | undefined): Promise<DatabaseState> {
  const state = await readState(session);
  return {
    engine: 'postgres',
    found: state.found,
    transactional: true,
    readTables: (names) => readTables(session, names),
    // A trigger runs with the rights of who writes.
    findBrokenTriggers: async () => new Set(),
    findObstacles: (steps) => findObstacles(session, steps),
    mend,
    statements: async (scripts, online) =>
      scripts.map((steps) =>
        plannedStatements(remainingSteps(steps, state.found.tables), state.serverVersion, online),
      ),
    async preflight(migrations) {
      checkChanges(state, migrations, session.place);
    },
    async openWriter(options) {
      const { openWriter } = await import('./postgres/writer.ts');
      return openWriter({ session, pid: holder() ?? 0 }, state, options);
    },
  };
}
