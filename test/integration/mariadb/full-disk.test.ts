import { join } from 'node:path';
import { expect } from 'chai';
import {
  expectedMysqlImages,
  readMysqlImages,
  seedMysqlNewton,
} from '../../../lab/databases/glance-data-mysql.ts';
import { goldenMysqlSchema, readMysqlSchema } from '../../../lab/databases/golden-mysql.ts';
import { hasMariaDb, NO_MARIADB, startMariaDb, type TestMariaDb } from '../../../lab/databases/mariadb.ts';
import { makeSmallDisk, NO_SMALL_DISK, type SmallDisk } from '../../../lab/databases/small-disk.ts';
import { runCli } from '../../../lab/process/bundle.ts';
import { leaveOut } from '../../../lab/process/needs.ts';

const MEBIBYTE = 2 ** 20;

describe('a MariaDB whose disk is nearly full', () => {
  let server: TestMariaDb | undefined;
  let disk: SmallDisk | undefined;

  afterEach(async () => {
    await server?.stop();
    disk?.remove();
    server = undefined;
    disk = undefined;
  });

  before(function () {
    if (!hasMariaDb()) {
      leaveOut(this, NO_MARIADB);
    }
  });

  async function newton(context: Mocha.Context, images: number, settings: Record<string, string>) {
    disk = makeSmallDisk();
    if (disk === undefined) {
      return leaveOut(context, NO_SMALL_DISK);
    }
    server = await startMariaDb({
      dataDirectory: join(disk.path, 'mariadb'),
      reservesRoom: true,
      settings: { innodb_log_file_size: '16M', innodb_buffer_pool_size: '64M', ...settings },
    });
    const url = await server.createDatabase('glance');
    await seedMysqlNewton(url, { images });
    return { url, server, disk };
  }

  it('says so before the first change, where the server says how full it is', async function () {
    const { server, disk } = await newton(this, 50_000, { 'plugin-load-add': 'disks' });
    const url = server.adminUrl('glance');
    const before = await readMysqlSchema(url);
    disk.fillBut(5 * MEBIBYTE);
    const result = await runCli(['db', 'sync', 'ocata01'], { DATABASE_CONNECTION: url });
    expect(result.code, result.stderr).to.equal(1);
    expect(result.stderr).to.match(
      /^Cannot change .*: the disk of the server has \d MiB left and rewriting images takes about \d\d MiB. Make room.$/m,
    );
    expect(await readMysqlSchema(url)).to.deep.equal(before);
    disk.makeRoom();
    const again = await runCli(['db', 'sync', 'ocata01'], { DATABASE_CONNECTION: url });
    expect(again.code, again.stderr).to.equal(0);
  });

  it('fails in the middle, keeps every row, and a rerun completes it once there is room', async function () {
    const { url, disk } = await newton(this, 50_000, {});
    const expected = await expectedMysqlImages(url);
    disk.fillBut(5 * MEBIBYTE);
    const result = await runCli(['db', 'sync', 'ocata01'], { DATABASE_CONNECTION: url });
    expect([1, 14], result.stderr).to.include(result.code);
    expect(result.stderr)
      .to.match(/full|space/i)
      .and.to.contain('then run the same again');
    disk.makeRoom();
    const again = await runCli(['db', 'sync', 'ocata01'], { DATABASE_CONNECTION: url });
    expect(again.code, again.stderr).to.equal(0);
    expect(await readMysqlImages(url)).to.deep.equal(expected);
    expect((await readMysqlSchema(url)).tables.images).to.deep.equal(
      goldenMysqlSchema('ocata_contract01').tables.images,
    );
  });
});
