/**
 * Packages that others ask for by name at run time, and only in parts that are not used here; none
 * is installed.
 */
export const NEVER_LOADED = [
  'pg-native',
  'pg-hstore',
  'mariadb',
  'tedious',
  'sqlite3',
  'oracledb',
  'snowflake-sdk',
  'ibm_db',
];
