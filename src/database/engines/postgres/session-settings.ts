/**
 * Makes a transaction of ours safe from time limits that a role or a database may carry, and lets the server notice
 * within half a second when this process is gone. Local to the transaction, so that a pooler hands nothing on.
 *
 * Asked of pg_settings because servers differ in what they have (transaction_timeout since 17, the check of the client
 * since 14 and on Linux only).
 */
export const LOCAL_SETTINGS = `
SELECT set_config(name, CASE name WHEN 'client_connection_check_interval' THEN '500ms' ELSE '0' END, true)
FROM pg_settings
WHERE name IN ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')
  OR (name = 'client_connection_check_interval' AND version() LIKE '%linux%')`;

/**
 * The same as the columns of a SELECT, for a server of which the version is known: to read pg_settings takes a millisecond.
 * A lock is waited for as long as `lockTimeout` says.
 */
export function localSettings(serverVersion: number, lockTimeout: string): string {
  const limits = [
    'statement_timeout',
    'idle_in_transaction_session_timeout',
    ...(serverVersion >= 170_000 ? ['transaction_timeout'] : []),
  ];
  return [
    `set_config('lock_timeout', '${lockTimeout}', true)`,
    ...limits.map((name) => `set_config('${name}', '0', true)`),
    ...(serverVersion >= 140_000
      ? [
          `CASE WHEN version() LIKE '%linux%' THEN set_config('client_connection_check_interval', '500ms', true) END`,
        ]
      : []),
  ].join(', ');
}
