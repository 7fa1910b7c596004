import type { Row } from '../engine/engine.ts';
import { createVersionTable } from '../engine/version-rows.ts';

/**
 * Makes `alembic_version` where it is not there, and gives it transactions where it has none, as
 * where a server's default was another engine than InnoDB when another tool made it: a run that is
 * killed in the middle of its record would leave no row, and the lock's row would stay.
 */
export async function ensureVersionTable(
  ask: (sql: string) => Promise<readonly Row[]>,
  run: (sql: string) => Promise<unknown>,
): Promise<void> {
  const [table] = await ask(
    "SELECT ENGINE AS engine FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'alembic_version'",
  );
  if (table === undefined) {
    await run(createVersionTable('mysql').replace('TABLE', 'TABLE IF NOT EXISTS'));
  } else if (table.engine !== null && table.engine !== 'InnoDB') {
    await run('ALTER TABLE alembic_version ENGINE=InnoDB');
  }
}
