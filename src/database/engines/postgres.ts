import type { DatabaseState, Engine } from './engine.ts';
import { openSession, type Session } from './postgres/connect.ts';
import { lockHolder, queryWithoutTrace, tryLock } from './postgres/lock.ts';
import { mend } from './postgres/mend.ts';
import { findObstacles } from './postgres/obstacles.ts';
import { checkChanges } from './postgres/preflight.ts';
import { readTables } from './postgres/read-schema.ts';
import { readState } from './postgres/read-state.ts';
import { plannedStatements, remainingSteps } from './postgres/statements.ts';

/** PostgreSQL: each migration is one transaction with its record. */
export const postgres: Engine = {
  async connect(target) {
    const session = await openSession(target);
    return {
      place: session.place,
      lost: session.lost,
      readState: () => look(session),
      query: (sql) => queryWithoutTrace(session, sql),
      tryLock: () => tryLock(session),
      lockHolder: () => lockHolder(session),
      close: () => session.close(),
    };
  },
};

async function look(session: Session): Promise<DatabaseState> {
  const state = await readState(session);
  return {
    engine: 'postgres',
    found: state.found,
    transactional: true,
    readTables: (names) => readTables(session, names),
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
      return openWriter(session, state, options);
    },
  };
}
