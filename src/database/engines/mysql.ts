import type { DatabaseState, Engine } from './engine.ts';
import { openSession, type Session } from './mysql/connect.ts';
import { type LockNames, lockHolder, lockNames, tryLock } from './mysql/lock.ts';
import { plannedStatements } from './mysql/planned-statements.ts';
import { checkChanges } from './mysql/preflight.ts';
import { readFound } from './mysql/read-state.ts';

/** MariaDB and MySQL: each change of a table is committed by itself, so each step sees what is done already. */
export const mysql: Engine = {
  async connect(target) {
    const session = await openSession(target);
    const names = lockNames(target.database ?? '');
    return {
      place: session.place,
      lost: session.lost,
      readState: () => look(session, names),
      query: (sql) => session.query(sql),
      tryLock: () => tryLock(session, names),
      lockHolder: () => lockHolder(session, names),
      close: () => session.close(),
    };
  },
};

async function look(session: Session, names: LockNames): Promise<DatabaseState> {
  return {
    engine: 'mysql',
    found: await readFound(session),
    transactional: false,
    statements: plannedStatements,
    preflight: (migrations) => checkChanges(session, migrations),
    async openWriter(options) {
      const { openWriter } = await import('./mysql/writer.ts');
      return openWriter(session, names, options);
    },
  };
}
