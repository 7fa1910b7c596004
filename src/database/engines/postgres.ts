import type { DatabaseState, Engine } from './engine.ts';
import { openSession, type Session } from './postgres/connect.ts';
import { lockHolder, tryLock } from './postgres/lock.ts';
import { checkChanges } from './postgres/preflight.ts';
import { readState } from './postgres/read-state.ts';

/** PostgreSQL: each migration is one transaction with its record. */
export const postgres: Engine = {
  async connect(target) {
    const session = await openSession(target);
    return {
      place: session.place,
      lost: session.lost,
      readState: () => look(session),
      query: async (sql) => (await session.client.query(sql)).rows,
      tryLock: () => tryLock(session),
      lockHolder: () => lockHolder(session),
      close: () => session.close(),
    };
  },
};

async function look(session: Session): Promise<DatabaseState> {
  const state = await readState(session);
  return {
    found: state.found,
    transactional: true,
    async preflight(migrations) {
      checkChanges(state, migrations, session.place);
    },
    async openWriter(options) {
      const { openWriter } = await import('./postgres/writer.ts');
      return openWriter(session, state, options);
    },
  };
}
