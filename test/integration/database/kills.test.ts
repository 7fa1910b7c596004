import { expect } from 'chai';
import { type MigrateOptions, migrateDatabase } from '../../../src/database/migrate.ts';
import { parseConnectionUrl } from '../../../src/database/url.ts';
import type { Goal } from '../../../src/revision/plan.ts';
import { NEWEST_CARRIED } from '../../../src/revision/revisions.ts';
import { bundle, startCli } from '../../support/bundle.ts';
import { seedNewton } from '../../support/glance-data.ts';
import { goldenSchema, readSchema, withAlembicVersion } from '../../support/golden.ts';
import { expectedImages, readImages, withClient } from '../../support/images.ts';
import { startPostgres, type TestPostgres } from '../../support/postgres.ts';
import { random } from '../../support/random.ts';

const KILLS = Number(process.env.KILLS ?? 200);

const IMAGES = 600;

/** After so long no further round is begun, in milliseconds: a busy machine does fewer. */
const BUDGET = Number(process.env.KILLS_BUDGET ?? 150_000);

/** How many databases are worked on at once. */
const AT_ONCE = 4;

interface Step {
  readonly command: readonly string[];
  readonly goal: Goal;
}

/** The ways from Newton to the newest, each a list of commands. */
const WAYS: readonly (readonly Step[])[] = [
  [{ command: ['sync'], goal: to(NEWEST_CARRIED, 'Contract') }],
  [
    { command: ['expand'], goal: { kind: 'expand', revision: NEWEST_CARRIED } },
    { command: ['migrate'], goal: { kind: 'migrate', revision: NEWEST_CARRIED } },
    { command: ['contract'], goal: { kind: 'contract', revision: NEWEST_CARRIED } },
  ],
  [
    { command: ['sync', 'ocata01', '--through', 'Migrate'], goal: to('ocata01', 'Migrate') },
    { command: ['sync'], goal: to(NEWEST_CARRIED, 'Contract') },
  ],
];

function to(revision: string, phase: 'Migrate' | 'Contract'): Goal {
  return { kind: 'position', target: { revision, phase } };
}

const QUIET: MigrateOptions['events'] = {
  waiting: () => undefined,
  planned: () => undefined,
  adopted: () => undefined,
  started: () => undefined,
  step: () => undefined,
  applied: () => undefined,
  moving: () => undefined,
  moved: () => undefined,
  waitingForTables: () => undefined,
};

/** Counts each write to a row, and gives every second location a key that Train renames. */
const PREPARE = `
CREATE TABLE writes (what text);
CREATE FUNCTION count_write() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN INSERT INTO writes VALUES (TG_TABLE_NAME || NEW.id); RETURN NULL; END';
CREATE TRIGGER count_write AFTER UPDATE ON images FOR EACH ROW EXECUTE PROCEDURE count_write();
CREATE TRIGGER count_write AFTER UPDATE ON image_locations FOR EACH ROW EXECUTE PROCEDURE count_write()`;

describe('a migrator that is killed anywhere on the way from Newton to the newest', function () {
  this.timeout(600_000);
  let server: TestPostgres;

  before(async () => {
    bundle();
    server = await startPostgres();
    const url = await server.createDatabase('template_newton');
    await seedNewton(url, { images: IMAGES });
    await withClient(url, async (client) => {
      await client.query(`UPDATE image_locations SET meta_data = '{"backend": "s"}' WHERE id % 2 = 0`);
      await client.query(PREPARE);
    });
  });

  after(async () => {
    await server.stop();
  });

  async function copy(name: string): Promise<string> {
    await withClient(server.url('postgres'), async (client) => {
      await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      await client.query(`CREATE DATABASE ${name} TEMPLATE template_newton`);
    });
    return server.url(name);
  }

  /** Runs the commands one after the other and kills the one that runs when the time is over. */
  async function runAndKill(url: string, way: readonly Step[], after: number): Promise<void> {
    const end = performance.now() + after;
    for (const { command } of way) {
      const run = startCli(['db', ...command], { DATABASE_CONNECTION: url });
      const timer = setTimeout(() => run.kill('SIGKILL'), Math.max(0, end - performance.now()));
      const { signal } = await run.done;
      clearTimeout(timer);
      if (signal !== null) {
        return;
      }
    }
  }

  /** Runs the same again in this process, which spares the start of another. */
  async function runAll(url: string, way: readonly Step[], where: string): Promise<void> {
    for (const [index, { goal }] of way.entries()) {
      const { error } = await migrateDatabase({
        connection: parseConnectionUrl(url),
        goal,
        fillEmpty: true,
        lockTimeoutSeconds: 20,
        signal: new AbortController().signal,
        events: QUIET,
      });
      // What is past a phase already cannot go through it again.
      const past = error?.reason === 'DowngradeNotSupported' && index < way.length - 1;
      expect(past ? undefined : error?.message, where).to.equal(undefined);
    }
  }

  async function heads(url: string): Promise<string> {
    return withClient(url, async (client) => {
      const { rows } = await client.query<{ heads: string | null }>(
        `SELECT CASE WHEN to_regclass('alembic_version') IS NULL THEN 'none' ELSE
          (xpath('/row/h/text()', query_to_xml('SELECT string_agg(version_num, '','' ORDER BY 1) AS h FROM alembic_version',
            true, true, '')))[1]::text END AS heads`,
      );
      return rows[0]?.heads ?? '';
    });
  }

  it(`SIGKILL at up to ${KILLS} random moments: a rerun makes it right, and no row is written twice`, async () => {
    const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
    process.stdout.write(`      SEED=${seed}\n`);
    const next = random(seed);
    const expected = (await expectedImages(server.url('template_newton'))).map((image) => ({
      ...image,
      os_hidden: false,
      os_hash_algo: null,
      os_hash_value: null,
    }));
    const golden = withAlembicVersion(goldenSchema('2024_1_contract01'));
    const durations: number[] = [];
    for (const way of WAYS) {
      const url = await copy('measured');
      const started = performance.now();
      await runAndKill(url, way, 60_000);
      durations.push(performance.now() - started);
    }
    const rounds = Array.from({ length: KILLS }, (_, round) => ({
      round,
      way: round % WAYS.length,
      fraction: next(),
    }));
    const found = new Set<string>();
    const begun = performance.now();
    let done = 0;
    const one = async (number: number): Promise<void> => {
      for (
        let round = rounds.shift();
        round !== undefined && performance.now() - begun < BUDGET;
        round = rounds.shift()
      ) {
        const way = WAYS[round.way] ?? [];
        const delay = 50 + round.fraction * (durations[round.way] ?? 0) * 1.3;
        const where = `SEED=${seed}, round ${round.round} (${way.map(({ command }) => command.join(' ')).join(', ')}), killed after ${delay.toFixed(0)} ms`;
        const url = await copy(`killed_${number}`);
        await runAndKill(url, way, delay);
        found.add(await heads(url));
        await runAll(url, way, where);
        await check(url, where);
        done += 1;
      }
    };
    const check = async (url: string, where: string): Promise<void> => {
      expect(await readImages(url), where).to.deep.equal(expected);
      await withClient(url, async (client) => {
        const { rows: twice } = await client.query(
          'SELECT what, count(*) FROM writes GROUP BY what HAVING count(*) > 1 LIMIT 3',
        );
        expect(twice, where).to.deep.equal([]);
        const { rows: left } = await client.query(
          `SELECT count(*) FILTER (WHERE meta_data = '{"store": "s"}')::int AS moved, count(*)::int AS all
            FROM image_locations`,
        );
        expect(left, where).to.deep.equal([{ moved: IMAGES / 2, all: IMAGES }]);
        await client.query(`DROP TABLE writes; DROP FUNCTION count_write CASCADE`);
      });
      const { migrate_version: _old, ...tables } = (await readSchema(url)).tables;
      expect({ ...(await readSchema(url)), tables }, where).to.deep.equal(golden);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, (_, number) => one(number)));
    process.stdout.write(`      ${done} kills; found after them: ${[...found].sort().join(' | ')}\n`);
    expect(done).to.be.greaterThan(10);
    expect(found.size).to.be.greaterThan(2);
  });
});
