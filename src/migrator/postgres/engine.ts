import type { ConnectionTarget } from '../connection/target.ts';
import type { DatabaseState, Engine } from '../engine/engine.ts';
import { readFailure } from '../engine/read-failure.ts';
import { ask } from './ask.ts';
import { openSession, type Session } from './connect.ts';
import { identify } from './identity.ts';
import { lockHolder, tryLock } from './lock.ts';
import { findObstacles } from './obstacles.ts';
import { checkChanges } from './preflight.ts';
import { readTables } from './read-schema.ts';
import { readState } from './read-state.ts';
import { repairStatements } from './repair.ts';
import { plannedStatements, remainingSteps } from './statements.ts';

/** PostgreSQL: each migration is one transaction with its record. */
export const postgres: Engine = {
  async connect(target) {
    const session = await openSession(target);
    let holder: number | undefined;
    return {
      address: session.address,
      lost: session.lost,
      readState: () => openState(session, target, () => holder),
      async query(sql) {
        try {
          return await ask(session, sql);
        } catch (error) {
          throw readFailure(error, session.address);
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
async function openState(
  session: Session,
  target: ConnectionTarget,
  holder: () => number | undefined,
): Promise<DatabaseState> {
  const state = await readState(session);
  const holding = () => ({ session, target, pid: holder() ?? 0 });
  return {
    engine: 'postgres',
    found: state.found,
    transactional: true,
    readTables: (names) => readTables(session, names),
    // A trigger runs with the rights of who writes.
    findBrokenTriggers: async () => new Set(),
    findObstacles: (steps) => findObstacles(session, steps),
    repairStatements: (difference) => repairStatements(difference, state),
    statements: async (scripts, online) =>
      scripts.map((steps) => plannedStatements(remainingSteps(steps, state.found.tables), state, online)),
    async preflight(migrations) {
      checkChanges(state, migrations, session.address);
    },
    async openWriter(options) {
      const { openWriter } = await import('./writer.ts');
      return openWriter(holding(), state, options);
    },
    identify: () => identify(session),
    async openDumper(options) {
      const { openDumper } = await import('./dump.ts');
      return openDumper(holding(), state, options);
    },
    async openRestorer(options) {
      const { openRestorer } = await import('./restore.ts');
      return openRestorer(holding(), state, options);
    },
  };
}
