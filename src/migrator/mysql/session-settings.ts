import { databaseError } from '../errors/database-error.ts';

/**
 * What a server, its `init_connect` or a user's own limits may impose on a session, and what ours
 * have instead: nothing of it may end, undo, refuse or misplace a statement. Each is one that any
 * user may set.
 *
 * Source: the manuals of both, server system variables.
 */
const OF_BOTH: readonly string[] = [
  "sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
  'autocommit = 1',
  // Else a COMMIT begins another transaction, or ends the session.
  "completion_type = 'NO_CHAIN'",
  "default_storage_engine = 'InnoDB'",
  'foreign_key_checks = 1',
  'unique_checks = 1',
  'sql_safe_updates = 0',
  'sql_select_limit = 18446744073709551615',
  'sql_big_selects = 1',
  // The columns of an index are read as one text.
  'group_concat_max_len = 65536',
  // Else `WHERE key IS NULL` finds the row that was inserted last.
  'sql_auto_is_null = 0',
  "character_set_client = 'utf8mb4'",
  "character_set_results = 'utf8mb4'",
  "collation_connection = 'utf8mb4_general_ci'",
  'wait_timeout = 86400',
];

const OF_MARIADB: readonly string[] = [
  'max_statement_time = 0',
  'idle_transaction_timeout = 0',
  'idle_write_transaction_timeout = 0',
  'idle_readonly_transaction_timeout = 0',
  "tx_isolation = 'REPEATABLE-READ'",
  'tx_read_only = 0',
  'check_constraint_checks = 1',
  "alter_algorithm = 'DEFAULT'",
];

const OF_MYSQL: readonly string[] = [
  'max_execution_time = 0',
  "transaction_isolation = 'REPEATABLE-READ'",
  'transaction_read_only = 0',
  'old_alter_table = 0',
];

/**
 * A node of Galera answers when it has caught up: behind a balancer it may be behind the one that a
 * run before was on.
 */
const CAUGHT_UP = 'wsrep_sync_wait = 1';

/** What the server says of a variable that it does not know, or does not let this user set. */
const NOT_TO_BE_SET: readonly number[] = [1193, 1227, 1228, 1229, 1231, 1238];

/** Sends a statement to a session. */
type Say = (sql: string) => Promise<unknown>;

/**
 * Makes a session that reads, or holds a lock, ours. One round trip, and another where it is not
 * MariaDB that greets.
 *
 * @param greeting the version that the server, or a proxy before it, has greeted with.
 */
export async function settleReader(say: Say, greeting: string): Promise<void> {
  const mariadb = /mariadb/i.test(greeting);
  // It waits for a table for as long as a server lets everybody.
  await settle(say, ['lock_wait_timeout = 86400'], mariadb ? [CAUGHT_UP] : []);
  if (!mariadb) {
    await trySetting(say, CAUGHT_UP);
  }
}

/** Makes a session ours: what was imposed on it is gone, and `more` holds. One round trip. */
export async function settle(
  say: Say,
  more: readonly string[],
  moreOfMariaDb: readonly string[] = [],
): Promise<void> {
  const ofMariaDb = [...OF_MARIADB, ...moreOfMariaDb];
  try {
    // Each of the two servers reads only the comment that is meant for it.
    await say(
      `SET SESSION ${[...OF_BOTH, ...more].join(', ')} /*M!100307 , ${ofMariaDb.join(', ')} */ /*!50720 , ${OF_MYSQL.join(', ')} */`,
    );
  } catch (error) {
    if (!isNotToBeSet(error)) {
      throw error;
    }
    // One that this server lacks must not cost the others.
    for (const setting of [...OF_BOTH, ...ofMariaDb, ...OF_MYSQL, ...more]) {
      await trySetting(say, setting);
    }
  }
}

async function trySetting(say: Say, setting: string): Promise<void> {
  try {
    await say(`SET SESSION ${setting}`);
  } catch (error) {
    if (!isNotToBeSet(error)) {
      throw error;
    }
  }
}

function isNotToBeSet(error: unknown): boolean {
  return NOT_TO_BE_SET.includes(databaseError(error).number ?? 0);
}
