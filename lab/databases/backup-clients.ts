import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { findPostgres, findProgram, programEnvironment } from '../tools/distribution-packages.ts';
import { findMysqlProgram } from '../tools/mysql.ts';

const CLIENTS = ['pg_dump', 'pg_restore', 'psql', 'mariadb-dump', 'mariadb', 'mysqldump', 'mysql'] as const;

/** A folder with programs, to be put before the machine's own. */
export interface ClientFolder {
  /** PATH with this folder first. */
  readonly path: string;
  /** Where a program is. */
  program(name: (typeof CLIENTS)[number]): string;
  /** Replaces a program by a shell script; `$REAL` in it is the real one. */
  replace(name: (typeof CLIENTS)[number], script: string): void;
  remove(): void;
}

/** Makes a folder in which each client can be run with nothing but PATH in its environment. */
export function makeClientFolder(): ClientFolder {
  const folder = mkdtempSync(join(tmpdir(), 'glance-schema-clients-'));
  const { LD_LIBRARY_PATH = '' } = programEnvironment();
  const write = (name: string, lines: string): void => {
    const real = find(name);
    if (real !== null) {
      const libraries =
        real.startsWith('/usr/') || name.startsWith('mysql')
          ? ''
          : `export LD_LIBRARY_PATH='${LD_LIBRARY_PATH}'\n`;
      writeFileSync(join(folder, name), `#!/bin/sh\n${libraries}REAL='${real}'\n${lines}\n`, { mode: 0o755 });
    }
  };
  for (const name of CLIENTS) {
    write(name, 'exec "$REAL" "$@"');
  }
  return {
    path: [folder, '/usr/bin', '/bin'].join(delimiter),
    program: (name) => join(folder, name),
    replace: write,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** MariaDB's package has clients that are called as MySQL's are: those are not meant. */
function find(name: string): string | null {
  if (name === 'mysqldump' || name === 'mysql') {
    return findMysqlProgram(name);
  }
  const folder = name.startsWith('p') ? findPostgres() : null;
  return folder === null ? findProgram(name) : join(folder, name);
}
