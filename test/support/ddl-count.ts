import { withClient } from '../../lab/databases/images.ts';

/**
 * Has a PostgreSQL keep the statements that change its schema, each with the transaction that it is
 * committed in.
 */
export async function countDdl(url: string): Promise<void> {
  await withClient(url, (client) =>
    client.query(`CREATE SCHEMA watched;
      CREATE TABLE watched.ddl (number bigserial, statement text);
      CREATE FUNCTION watched.note() RETURNS event_trigger LANGUAGE plpgsql AS
        'BEGIN INSERT INTO watched.ddl (statement) VALUES (tg_tag); END';
      CREATE EVENT TRIGGER note ON ddl_command_end EXECUTE FUNCTION watched.note()`),
  );
}

/** What was committed since `countDdl`, in order: a migration that ran twice has it twice. */
export function committedDdl(url: string): Promise<readonly string[]> {
  return withClient(url, async (client) => {
    const { rows } = await client.query<{ statement: string }>(
      'SELECT statement FROM watched.ddl ORDER BY number',
    );
    return rows.map((row) => row.statement);
  });
}
