import { isDeepStrictEqual } from 'node:util';
import { expect } from 'chai';
import type { GoldenOptions } from '../../lab/databases/golden-database.ts';
import { hasMariaDb, NO_MARIADB, startMariaDb, type TestMariaDb } from '../../lab/databases/mariadb.ts';
import { askMysql } from '../../lab/databases/mysql-client.ts';
import { expectedAtHead, sortedRows, type Tables } from '../../lab/databases/populated.ts';
import { type GlanceManage, startGlanceManage } from '../../lab/glance/glance-manage.ts';
import { installGlance } from '../../lab/glance/real-glance.ts';
import { leaveOut } from '../../lab/process/needs.ts';
import { db } from '../support/db-command.ts';
import { mysqlEngine } from '../support/mysql-engine.ts';

/** A database that the real tool is let loose on. */
interface Origin {
  readonly name: string;
  /** Absent for an empty database. */
  readonly golden?: GoldenOptions;
  readonly sinceOcata?: boolean;
}

const ORIGINS: readonly Origin[] = [
  { name: 'an empty database' },
  // It drops is_public before it finds that it cannot go on.
  { name: 'Newton', golden: { schema: 'mitaka02', alembic: ['mitaka02'] } },
  { name: 'Ocata', golden: { schema: 'ocata_contract01', alembic: ['ocata_contract01'] }, sinceOcata: true },
  {
    name: 'Train',
    golden: { schema: 'train_contract01', alembic: ['train_contract01'] },
    sinceOcata: true,
  },
];

/** How what a killed run left was ended by ours; a wrong one with why. */
type End = { readonly kind: 'golden' | 'refused' } | { readonly kind: 'wrong'; readonly why: string };

const HEAD = '2024_1_contract01';
const IMAGES = 40;
/** How many databases are worked on at a time. */
const AT_ONCE = 3;

describe('what a killed glance-manage leaves on MariaDB', () => {
  let server: TestMariaDb;
  let manage: GlanceManage;
  const engine = mysqlEngine(() => server);

  before(async function () {
    const glance = await installGlance().catch((error: Error) => leaveOut(this, error.message));
    if (!hasMariaDb()) leaveOut(this, NO_MARIADB);
    server = await startMariaDb({ settings: { log_output: 'TABLE' } });
    manage = startGlanceManage(glance);
  });

  after(async () => {
    await manage?.stop();
    await server?.stop();
  });

  async function make({ golden, sinceOcata = false }: Origin): Promise<string> {
    const url = await engine.createDatabase();
    if (golden === undefined) return url;
    await engine.buildGolden(url, golden);
    await engine.fillNewton(url, { images: IMAGES, sinceOcata });
    return url;
  }

  /** What a whole `db sync` of the real tool changes, a statement each; each is committed by itself. */
  async function recordSync(origin: Origin): Promise<readonly string[]> {
    const url = await make(origin);
    const admin = server.adminUrl('mysql');
    await askMysql(admin, 'TRUNCATE general_log');
    await askMysql(admin, 'SET GLOBAL general_log = 1');
    await manage.run(url, 'db', 'sync');
    await askMysql(admin, 'SET GLOBAL general_log = 0');
    const rows = await askMysql(
      admin,
      `SELECT CONVERT(argument USING utf8mb4) AS statement FROM general_log WHERE command_type = 'Query'`,
    );
    return rows
      .map(({ statement }) => String(statement).trim())
      .filter((statement) => /^(CREATE|ALTER|DROP|INSERT|UPDATE|DELETE)\b/i.test(statement));
  }

  /** Lets ours loose on what is there after so many statements. */
  async function endOf(origin: Origin, statements: readonly string[]): Promise<End> {
    const url = await make(origin);
    const start = await engine.readTables(url);
    const images = origin.sinceOcata ? (start.images ?? []) : await expectedOf(origin, url);
    // Some of them failed for the real tool too.
    for (const statement of statements) await engine.query(url, statement).catch(() => undefined);
    const before = await seen(url);
    const { code, stderr } = await db(url, 'sync');
    if (code === 0) {
      if (!isDeepStrictEqual(await engine.readSchema(url), engine.goldenSchema(HEAD))) {
        return { kind: 'wrong', why: 'another schema' };
      }
      const rows = sortedRows(await engine.readTables(url));
      const wanted = sortedRows(expectedAtHead(start, images, engine.no)).filter(
        ([, each]) => each.length > 0,
      );
      return isDeepStrictEqual(rows, wanted) ? { kind: 'golden' } : { kind: 'wrong', why: 'other rows' };
    }
    return isDeepStrictEqual(await seen(url), before)
      ? { kind: 'refused' }
      : { kind: 'wrong', why: `exit ${code} and changed: ${stderr}` };
  }

  async function expectedOf({ golden }: Origin, url: string): Promise<Tables[string]> {
    return golden === undefined ? [] : engine.expectedImages(url);
  }

  async function seen(url: string): Promise<unknown> {
    return [await engine.readSchema(url), sortedRows(await engine.readTables(url))];
  }

  for (const origin of ORIGINS) {
    it(`from ${origin.name}, after each statement: the newest schema with every row, or refused with nothing changed`, async () => {
      const statements = await recordSync(origin);
      expect(statements.length, 'it has changed something').to.be.greaterThan(5);
      const ends: End[] = [];
      // After the last one the run has ended, and nothing is half-way.
      const counts = Array.from(statements.keys()).slice(0, -1);
      await Promise.all(
        Array.from({ length: AT_ONCE }, async () => {
          for (let ran = counts.shift(); ran !== undefined; ran = counts.shift()) {
            ends[ran] = await endOf(origin, statements.slice(0, ran + 1));
          }
        }),
      );
      const count = (kind: End['kind']): number => ends.filter((end) => end.kind === kind).length;
      process.stdout.write(
        `      ${ends.length} states: ${count('golden')} golden, ${count('refused')} refused, ${count('wrong')} wrong\n`,
      );
      const wrong = ends.flatMap((end, index) =>
        end.kind === 'wrong' ? [`after ${statements[index]}: ${end.why}`] : [],
      );
      expect(wrong).to.deep.equal([]);
    });
  }
});
