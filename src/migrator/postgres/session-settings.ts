/**
 * What a role, a database or a server may impose on a session, and what ours have instead: nothing
 * of it may end, undo, refuse or misplace a statement. Not among these: `search_path`, `role` and
 * `default_tablespace`, which say where Glance's tables are, for Glance too; and
 * `default_transaction_read_only`, which is somebody's guard.
 */
const SETTINGS: Readonly<Record<string, string>> = {
  statement_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  // Since 17.
  transaction_timeout: '0',
  // Since 14.
  idle_session_timeout: '0',
  default_transaction_isolation: 'read committed',
  // Since 12. Another kind of table may take no index, or no UPDATE.
  default_table_access_method: 'heap',
  standard_conforming_strings: 'on',
  transform_null_equals: 'off',
  // Defaults and types are compared as the server writes them.
  quote_all_identifiers: 'off',
  // A row that a policy hides would be left as it is without a word: so it is an error.
  row_security: 'off',
};

/**
 * The columns of a SELECT that make a session ours and let its server find out within half a second
 * when this process is gone.
 *
 * @param local an expression that is true where they may last for the transaction only, as a pooler
 *   would hand them on.
 * @param lockTimeout how long a lock is waited for; 0 is forever.
 */
export function settings(local: string, lockTimeout = '0'): string {
  const set = (name: string, value: string): string => `set_config('${name}', '${value}', ${local})`;
  // A server may be too old to know one.
  const where = (name: string): string => `current_setting('${name}', true) IS NOT NULL`;
  return [
    set('lock_timeout', lockTimeout),
    ...Object.entries(SETTINGS).map(
      ([name, value]) => `CASE WHEN ${where(name)} THEN ${set(name, value)} END`,
    ),
    // It is known elsewhere too, and may be set on Linux only.
    `CASE WHEN ${where('client_connection_check_interval')} AND version() LIKE '%linux%' THEN ${set('client_connection_check_interval', '500ms')} END`,
  ].join(', ');
}
