import { expect } from 'chai';
import { withClient } from '../../../lab/databases/images.ts';
import { startPostgres, type TestPostgres } from '../../../lab/databases/postgres.ts';
import { runCli } from '../../../lab/process/bundle.ts';

/** In the port's place, nobody listens there. */
const NOBODY = 1;

describe('several hosts of one PostgreSQL', () => {
  let writable: TestPostgres;
  /** Looks to its clients as a standby does: it is reached, and takes no writes. */
  let standby: TestPostgres;

  before(async () => {
    [writable, standby] = await Promise.all([
      startPostgres(),
      startPostgres({ settings: { default_transaction_read_only: 'on' } }),
    ]);
  });

  after(async () => {
    await Promise.all([writable?.stop(), standby?.stop()]);
  });

  function patroni(...ports: readonly number[]): string {
    const hosts = ports.map((port) => `host=127.0.0.1:${port}`).join('&');
    return `postgresql+psycopg2://glance:glance-secret@/postgres?${hosts}&target_session_attrs=read-write`;
  }

  it('the one that takes writes is found, wherever it stands, and all of a migration goes there', async () => {
    const orders = [
      [standby.port, writable.port],
      [NOBODY, standby.port, writable.port],
      [writable.port, standby.port],
    ];
    for (const [index, ports] of orders.entries()) {
      const revision = ['mitaka02', 'ocata01', 'pike01'][index] ?? '';
      const result = await runCli(['db', 'sync', revision], { DATABASE_CONNECTION: patroni(...ports) });
      expect(result.code, result.stderr).to.equal(0);
      const { stdout } = await runCli(['db', 'version', '--connection', writable.url('postgres')]);
      expect(stdout).to.include(revision.slice(0, -2));
    }
    await withClient(standby.url('postgres'), async (client) => {
      const { rows } = await client.query("SELECT 1 FROM pg_tables WHERE schemaname = 'public'");
      expect(rows).to.deep.equal([]);
    });
  });

  it("libpq's form with commas, and a port for all or for each", async () => {
    for (const options of [
      `host=127.0.0.1,127.0.0.1&port=${standby.port},${writable.port}`,
      `host=nowhere.invalid,127.0.0.1&port=${writable.port}`,
    ]) {
      const connection = `postgresql://glance:glance-secret@/postgres?${options}`;
      const result = await runCli(['db', 'version'], { DATABASE_CONNECTION: connection });
      expect(result.code, result.stderr).to.equal(0);
    }
  });

  it('where none takes writes, each is reported with its reason: exit 20', async () => {
    const result = await runCli(['db', 'sync'], { DATABASE_CONNECTION: patroni(NOBODY, standby.port) });
    expect(result.code).to.equal(20);
    expect(result.stderr).to.include('Cannot connect to a host that takes writes');
    expect(result.stderr).to.include(`127.0.0.1:${NOBODY}/postgres: the connection was refused`);
    expect(result.stderr).to.include(`127.0.0.1:${standby.port} is read-only`);
    expect(result.stderr.trim().split('\n')).to.have.length(1);
  });

  it('a user who is refused by one is not tried at the next', async () => {
    const connection = patroni(standby.port, writable.port).replace('glance-secret', 'hunter2');
    const result = await runCli(['db', 'sync'], { DATABASE_CONNECTION: connection });
    expect(result.code).to.equal(20);
    expect(result.stderr).to.include(
      `Cannot connect to 127.0.0.1:${standby.port}/postgres: the server refused the password`,
    );
    expect(result.stderr).to.not.include('hunter2');
  });

  it('an address overrides the name, which is then for the certificate only', async () => {
    const connection = `postgresql://glance:glance-secret@nowhere.invalid:${writable.port}/postgres?hostaddr=127.0.0.1`;
    const result = await runCli(['db', 'version'], { DATABASE_CONNECTION: connection });
    expect(result.code, result.stderr).to.equal(0);
  });
});
