/**
 * The least that a session can wait for a locked row, in seconds: nothing on MariaDB; MySQL takes
 * no less than one, and in strict mode fails instead of taking that.
 *
 * Source: the manuals of both, innodb_lock_wait_timeout.
 */
export const NO_ROW_LOCK_WAIT = "SET SESSION innodb_lock_wait_timeout = IF(VERSION() LIKE '%MariaDB%', 0, 1)";
