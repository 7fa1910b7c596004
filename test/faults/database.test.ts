import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { expect } from 'chai';
import { seedNewton } from '../../lab/databases/glance-data.ts';
import { goldenSchema, readSchema } from '../../lab/databases/golden.ts';
import { expectedImages, readImages, withClient } from '../../lab/databases/images.ts';
import { startPostgres, type TestPostgres } from '../../lab/databases/postgres.ts';
import { makeSmallDisk, NO_SMALL_DISK } from '../../lab/databases/small-disk.ts';
import { type CliRun, runCli, startCli } from '../../lab/process/bundle.ts';
import { eventually } from '../../lab/process/eventually.ts';
import { leaveOut } from '../../lab/process/needs.ts';
import { startTcpProxy } from '../../lab/process/tcp-proxy.ts';
import { committedDdl, countDdl } from '../support/ddl-count.ts';

const IMAGES = 20_000;

const MEBIBYTE = 2 ** 20;

interface Given {
  readonly url: string;
  /** Every image as it has to be in the end. */
  readonly expected: Awaited<ReturnType<typeof expectedImages>>;
}

describe('a PostgreSQL that fails in the middle of a migration', () => {
  let server: TestPostgres;
  let undisturbed: readonly string[];

  before(async () => {
    server = await startPostgres();
    const { url } = await newton(server, 'undisturbed', 10);
    const { code, stderr } = await sync(url);
    expect(code, stderr).to.equal(0);
    undisturbed = await committedDdl(url);
    expect(undisturbed).to.include('CREATE TYPE');
  });

  after(async () => {
    await server?.stop();
  });

  async function newton(on: TestPostgres, name: string, images = IMAGES): Promise<Given> {
    const url = await on.createDatabase(name);
    await seedNewton(url, { images });
    await countDdl(url);
    await withClient(url, (client) =>
      client.query(`CREATE TABLE watched.hold (held boolean);
        CREATE FUNCTION watched.hold() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
          WHILE EXISTS (SELECT FROM watched.hold)
            AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'images'::regclass AND attname = 'visibility')
          LOOP PERFORM pg_sleep(0.01); END LOOP; END $$;
        CREATE EVENT TRIGGER hold ON ddl_command_end WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION watched.hold()`),
    );
    return { url, expected: await expectedImages(url) };
  }

  const sync = (url: string) => runCli(['db', 'sync', 'ocata01'], { DATABASE_CONNECTION: url });

  /** A migrator that has begun to rewrite `images`, and does not end that before `goOn`. */
  async function inTheMiddle(url: string, by = url): Promise<CliRun> {
    await withClient(url, (client) => client.query('INSERT INTO watched.hold VALUES (true)'));
    const run = startCli(['db', 'sync', 'ocata01'], { DATABASE_CONNECTION: by });
    await withClient(url, (client) =>
      eventually(
        async () => {
          const { rows } = await client.query(
            `SELECT 1 FROM pg_stat_activity WHERE application_name = 'glance-schema' AND state = 'active'
              AND datname = current_database() AND query LIKE '%ADD COLUMN visibility%'`,
          );
          expect(rows).to.have.length(1);
        },
        { everyMilliseconds: 2 },
      ),
    );
    return run;
  }

  async function goOn(url: string): Promise<void> {
    await withClient(url, (client) => client.query('DELETE FROM watched.hold'));
  }

  /** The schema is as before the migration, and so is the record of it. */
  async function expectRolledBack(url: string): Promise<void> {
    expect((await readSchema(url)).tables.images).to.deep.equal(goldenSchema('mitaka02').tables.images);
    expect(await heads(url)).to.deep.equal(['mitaka02']);
  }

  /** Nothing is lost, and nothing was done that an undisturbed run does not do. */
  async function expectDoneOnce({ url, expected }: Given): Promise<void> {
    // chai takes seconds for so many rows.
    expect(isDeepStrictEqual(await readImages(url), expected), 'each image is right').to.equal(true);
    expect(await heads(url)).to.deep.equal(['ocata_contract01']);
    expect(await committedDdl(url)).to.deep.equal(undisturbed);
  }

  it('frozen for 15 s and thawed: the migrator waits, and succeeds', async () => {
    const given = await newton(server, 'frozen');
    const run = await inTheMiddle(given.url);
    server.freeze();
    try {
      expect(await Promise.race([run.done, sleep(15_000, 'waits')])).to.equal('waits');
    } finally {
      server.thaw();
    }
    await goOn(given.url);
    const { code, stderr } = await run.done;
    expect(code, stderr).to.equal(0);
    await expectDoneOnce(given);
  });

  it('frozen, and the migrator is ended as a kubelet does it: rolled back, and the next run finishes', async () => {
    const given = await newton(server, 'frozen_and_ended');
    const run = await inTheMiddle(given.url);
    server.freeze();
    try {
      run.kill('SIGTERM');
      const killTimer = setTimeout(run.kill, 5_000, 'SIGKILL');
      await run.done;
      clearTimeout(killTimer);
    } finally {
      server.thaw();
    }
    await goOn(given.url);
    const again = await sync(given.url);
    expect(again.code, again.stderr).to.equal(0);
    await expectDoneOnce(given);
  });

  it('the connection reset in the middle of the transaction: exit 20, rolled back, and the next run finishes', async () => {
    const given = await newton(server, 'cut');
    const wire = await startTcpProxy(server.port);
    try {
      const run = await inTheMiddle(given.url, given.url.replace(`:${server.port}/`, `:${wire.port}/`));
      expect(wire.reset(), 'connections').to.be.greaterThan(0);
      const { code, stderr } = await run.done;
      expect(code, stderr).to.equal(20);
      expect(stderr).to.match(
        /Lost the connection to .* during ocata01.*rolled back, the database is at mitaka02/,
      );
    } finally {
      await wire.stop();
    }
    await goOn(given.url);
    await expectRolledBack(given.url);
    const again = await sync(given.url);
    expect(again.code, again.stderr).to.equal(0);
    await expectDoneOnce(given);
  });

  it('its disk full: exit 1 and the message of the server, rolled back, and with room the next run finishes', async function () {
    const disk = makeSmallDisk();
    if (disk === undefined) {
      return leaveOut(this, NO_SMALL_DISK);
    }
    const dataDirectory = join(disk.path, 'postgres');
    mkdirSync(dataDirectory);
    // So few records of its log that it is the table for which there is no room.
    const small = await startPostgres({
      dataDirectory,
      settings: { wal_level: 'minimal', max_wal_senders: '0', max_wal_size: '64MB', min_wal_size: '32MB' },
    });
    try {
      const given = await newton(small, 'full', 50_000);
      disk.fillBut(5 * MEBIBYTE);
      const { code, stderr } = await sync(given.url);
      expect(code, stderr).to.equal(1);
      expect(stderr).to.match(
        /No space left on device.*ocata01 was rolled back, the database is at mitaka02/,
      );
      await expectRolledBack(given.url);
      disk.makeRoom();
      const again = await sync(given.url);
      expect(again.code, again.stderr).to.equal(0);
      await expectDoneOnce(given);
    } finally {
      disk.makeRoom();
      await small.stop();
      disk.remove();
    }
  });
});

function heads(url: string): Promise<readonly string[]> {
  return withClient(url, async (client) => {
    const { rows } = await client.query<{ version_num: string }>('SELECT version_num FROM alembic_version');
    return rows.map((row) => row.version_num);
  });
}
