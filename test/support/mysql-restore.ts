import type { TestMariaDb } from '../../lab/databases/mariadb.ts';
import type { RestoreSubject } from './cases/restore.ts';
import { MARIADB_KINDS, MYSQL_KINDS } from './mysql-kinds.ts';

/** @param server gives the server, which need not be there yet. */
export function mysqlRestore(
  program: 'mariadb' | 'mysql',
  server: () => TestMariaDb,
  more: RestoreSubject['more'] = () => undefined,
): RestoreSubject {
  return {
    program,
    transactional: false,
    ocata: {
      addVisibility: [
        "ALTER TABLE images ADD COLUMN visibility ENUM('private','public','shared','community') NOT NULL DEFAULT 'shared'",
      ],
      dropIndex: 'DROP INDEX ix_images_is_public ON images',
    },
    oddTable: `CREATE TABLE \`An odd \`\`table\`\`, (it's 100%)\` (id integer);
      INSERT INTO \`An odd \`\`table\`\`, (it's 100%)\` VALUES (1), (2)`,
    kinds: program === 'mariadb' ? MARIADB_KINDS : MYSQL_KINDS,
    asked: [
      `SELECT TRIGGER_NAME AS name, ACTION_STATEMENT AS body FROM information_schema.TRIGGERS
        WHERE TRIGGER_SCHEMA = DATABASE() ORDER BY 1`,
      ...(program === 'mariadb' ? ['SELECT *, unseen FROM hidden', 'SELECT NEXTVAL(numbers) AS n'] : []),
    ],
    loseRows: (clients) =>
      clients.replace(
        program,
        `case "$1" in --version) exec "$REAL" "$@";; esac
sed '/^INSERT INTO .image_locations/,/;$/d' | "$REAL" "$@"`,
      ),
    crash: () => server().crash(),
    restart: () => server().restart(),
    more,
  };
}
