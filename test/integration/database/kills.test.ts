import { expect } from 'chai';
import { fillNewton, seedNewton } from '../../../lab/databases/glance-data.ts';
import { goldenSchema, readSchema, withAlembicVersion } from '../../../lab/databases/golden.ts';
import { expectedImages, readImages, withClient } from '../../../lab/databases/images.ts';
import { startPostgres, type TestPostgres } from '../../../lab/databases/postgres.ts';
import { bundle } from '../../../lab/process/bundle.ts';
import { type KillSubject, killAtRandom } from '../../support/kill-rounds.ts';

/** KILLS=200 for the real number. */
const KILLS = Number(process.env.KILLS ?? 40);

const IMAGES = 2000;

/** Counts each write to a row. */
const COUNT_WRITES = `
CREATE TABLE writes (what text);
CREATE FUNCTION count_write() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN INSERT INTO writes VALUES (TG_TABLE_NAME || NEW.id); RETURN NULL; END';
CREATE TRIGGER count_write AFTER UPDATE ON images FOR EACH ROW EXECUTE PROCEDURE count_write();
CREATE TRIGGER count_write AFTER UPDATE ON image_locations FOR EACH ROW EXECUTE PROCEDURE count_write()`;

describe('a migrator on PostgreSQL that is killed anywhere on the way to the newest', function () {
  this.timeout(1_800_000);
  let server: TestPostgres;

  before(async () => {
    bundle();
    server = await startPostgres();
  });

  after(async () => {
    await server.stop();
  });

  async function locations(url: string): Promise<readonly string[]> {
    const { rows } = await withClient(url, (client) =>
      client.query<{ location: string }>(
        `SELECT image_id || meta_data AS location FROM image_locations ORDER BY id`,
      ),
    );
    return rows.map(({ location }) => location);
  }

  it(`SIGKILL at ${KILLS} random moments: a rerun makes it right, and no row is written twice`, async () => {
    const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
    process.stdout.write(`      SEED=${seed}\n`);
    const template = await server.createDatabase('template_newton');
    await seedNewton(template, { images: IMAGES });
    await withClient(template, (client) => client.query(COUNT_WRITES));
    const images = (await expectedImages(template)).map((image) => ({
      ...image,
      os_hidden: false,
      os_hash_algo: null,
      os_hash_value: null,
    }));
    const moved = (await locations(template)).map((location) =>
      location.replaceAll('"backend":', '"store":'),
    );
    const golden = withAlembicVersion(goldenSchema('2024_1_contract01'));
    const subject: KillSubject = {
      async make(name, from) {
        await withClient(server.url('postgres'), (client) =>
          client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
        );
        return server.createDatabase(name, from === 'Newton' ? 'template_newton' : undefined);
      },
      async fill(url) {
        await fillNewton(url, { images: IMAGES });
        await withClient(url, (client) => client.query(COUNT_WRITES));
      },
      async state(url) {
        const schema = await readSchema(url);
        const rows = async (sql: string): Promise<unknown> =>
          withClient(url, async (client) => (await client.query(sql)).rows);
        return JSON.stringify([
          schema,
          schema.tables.alembic_version && (await rows('SELECT * FROM alembic_version ORDER BY 1')),
          schema.tables.writes && (await rows('SELECT count(*) FROM writes')),
        ]);
      },
      async check(url, where) {
        expect(await readImages(url), where).to.deep.equal(images);
        expect(await locations(url), where).to.deep.equal(moved);
        await withClient(url, async (client) => {
          const { rows: twice } = await client.query(
            'SELECT what, count(*) FROM writes GROUP BY what HAVING count(*) > 1 LIMIT 3',
          );
          expect(twice, where).to.deep.equal([]);
          const { rows: heads } = await client.query('SELECT * FROM alembic_version');
          expect(heads, where).to.deep.equal([{ version_num: '2024_1_contract01' }]);
          await client.query('DROP TABLE writes; DROP FUNCTION count_write CASCADE');
        });
        const { tables, ...rest } = await readSchema(url);
        const { migrate_version: _old, ...own } = tables;
        expect({ ...rest, tables: own }, where).to.deep.equal(golden);
      },
    };
    const half = KILLS * 0.15;
    const { kills, late, between, states } = await killAtRandom(subject, { kills: KILLS, half, seed });
    process.stdout.write(
      `      ${kills} runs killed at work (${late} kills came too late, made again); ${between} left half done; ${states} different states\n`,
    );
    expect(between, 'half done').to.be.at.least(half);
    expect(states).to.be.greaterThan(5);
  });
});
