import { exitCodeOf } from '../../src/contract/failures.ts';
import type { Narrator } from './narrator.ts';
import { check, query, showDatabase, table } from './story.ts';
import type { Databases } from './world.ts';

/**
 * The first half of the story: what the migrator does, without any Kubernetes. Throws when a step
 * comes out otherwise.
 */
export async function tellCommandLine(databases: Databases, narrator: Narrator): Promise<void> {
  const { byHand } = databases;
  await showDatabase(byHand, databases, narrator);

  narrator.heading('What an upgrade to ocata01 would do: scripts, SQL, locks and rows. Nothing is changed');
  await succeeds(narrator, byHand, ['db', 'plan', 'ocata01']);

  narrator.heading('The database is placed under version control where it is, and then upgraded');
  await succeeds(narrator, byHand, ['db', 'sync', 'mitaka02']);
  await succeeds(narrator, byHand, ['db', 'sync', 'ocata01', '--verbose']);
  await succeeds(narrator, byHand, ['db', 'version']);
  const counts = await query(
    byHand,
    'SELECT visibility, count(*)::int AS images FROM images GROUP BY 1 ORDER BY 1',
  );
  narrator.output(table(counts));

  narrator.heading('A lower revision is refused, and nothing is changed');
  const refused = await narrator.glanceSchema(byHand, ['db', 'sync', 'mitaka02']);
  const code = exitCodeOf('DowngradeNotSupported');
  check(refused.code === code, `the exit code is ${code}`, refused);
  narrator.say(`Exit code ${refused.code}.`);
  const rows = await query(byHand, 'SELECT version_num FROM alembic_version');
  check(rows[0]?.version_num === 'ocata_contract01', 'the database is at ocata01', rows);
}

async function succeeds(narrator: Narrator, database: string, args: readonly string[]): Promise<void> {
  const run = await narrator.glanceSchema(database, args);
  check(run.code === 0, 'the exit code is 0', run);
}
