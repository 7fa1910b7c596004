import { expect } from 'chai';
import { openSession, withClient } from '../../lab/databases/images.ts';
import { eventually } from '../../lab/process/eventually.ts';

/** A session that keeps a migration to ocata01 at work: it has the table for which that waits. */
export interface HeldMigration {
  /** Resolves once the migrator waits for the table. */
  waits(): Promise<void>;
  release(): Promise<void>;
}

export async function holdMigration(url: string): Promise<HeldMigration> {
  const session = await openSession(url);
  await session.query('BEGIN; LOCK TABLE images IN ACCESS SHARE MODE');
  let released: Promise<void> | undefined;
  return {
    waits: () =>
      withClient(url, (client) =>
        eventually(async () => {
          const { rows } = await client.query(
            `SELECT 1 FROM pg_stat_activity WHERE application_name = 'glance-schema' AND state = 'active'
              AND datname = current_database() AND query LIKE '%LOCK TABLE images%'`,
          );
          expect(rows, 'it waits for the table').to.have.length(1);
        }),
      ),
    release() {
      released ??= session.end();
      return released;
    },
  };
}
