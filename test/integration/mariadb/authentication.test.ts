import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { hasMariaDb, NO_MARIADB, startMariaDb, type TestMariaDb } from '../../../lab/databases/mariadb.ts';
import { withMysql } from '../../../lab/databases/mysql-client.ts';
import { runCli } from '../../../lab/process/bundle.ts';
import { leaveOut } from '../../../lab/process/needs.ts';

describe("MariaDB's ways to log in", () => {
  let server: TestMariaDb;

  before(async function () {
    if (!hasMariaDb()) {
      leaveOut(this, NO_MARIADB);
    }
    server = await startMariaDb();
    await server.createDatabase('glance');
    await withMysql(server.adminUrl('glance'), async (admin) => {
      await admin.query("INSTALL SONAME 'auth_ed25519'");
      for (const [user, password] of USERS) {
        await admin.query(`CREATE USER ${user}@'%' IDENTIFIED VIA ed25519 USING PASSWORD('${password}')`);
        await admin.query(`GRANT ALL PRIVILEGES ON \`%\`.* TO ${user}@'%'`);
      }
    });
  });

  after(async () => {
    await server?.stop();
  });

  /** Names and passwords: of other lengths than a seed of Ed25519, and of more than ASCII. */
  const USERS: readonly (readonly [string, string])[] = [
    ['user_short', 'x'],
    ['user_exact', '0123456789abcdef0123456789abcdef'],
    ['user_long', 'a password that is longer than the seed of a key would be, by far'],
    ['user_letters', 'pässwörd €'],
  ];

  function url(user: string, password: string): string {
    return server.url('glance').replace('glance:glance-secret', `${user}:${encodeURIComponent(password)}`);
  }

  for (const [user, password] of USERS) {
    it(`${user}, of ed25519`, async () => {
      const right = await runCli(['db', 'version'], { DATABASE_CONNECTION: url(user, password) });
      expect(right.code, right.stderr).to.equal(0);
      const wrong = await runCli(['db', 'version'], { DATABASE_CONNECTION: url(user, `${password}x`) });
      expect(wrong.code).to.equal(20);
      expect(wrong.stderr).to.include(`the server refused user '${user}' or the password`);
    });
  }

  it('a whole migration, whose further connections log in the same way', async () => {
    const result = await runCli(['db', 'sync', 'ocata01'], { DATABASE_CONNECTION: url('user_short', 'x') });
    expect(result.code, result.stderr).to.equal(0);
  });
});

describe('a server that asks for another way to log in', () => {
  let folder = '';
  let servers: Server[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'glance-schema-login-'));
  });

  afterEach(() => {
    for (const server of servers) {
      server.close();
    }
    servers = [];
    rmSync(folder, { recursive: true });
  });

  /**
   * Stands in for a server with PAM, of which the test's MariaDB has the plugin and no users: it
   * greets, asks for the plugin, keeps what comes, and refuses.
   */
  async function standIn(
    plugin: string,
    question: Buffer,
    path?: string,
  ): Promise<{ port: number; told: Buffer[] }> {
    const told: Buffer[] = [];
    const server = createServer((socket) => {
      let step = 0;
      socket.on('error', () => undefined);
      socket.write(packet(0, greeting()));
      socket.on('data', (data) => {
        step += 1;
        if (step === 1) {
          socket.write(packet(2, Buffer.concat([Buffer.from([0xfe]), text(plugin), question])));
        } else {
          told.push(data.subarray(4));
          socket.end(
            packet(4, Buffer.concat([Buffer.from([0xff, 0x15, 0x04]), Buffer.from('#28000Access denied')])),
          );
        }
      });
    });
    servers.push(server);
    await new Promise<void>((resolve) =>
      path === undefined ? server.listen(0, '127.0.0.1', resolve) : server.listen(path, resolve),
    );
    const address = server.address();
    return { port: typeof address === 'object' ? (address?.port ?? 0) : 0, told };
  }

  const QUESTION = Buffer.concat([Buffer.from([4]), Buffer.from('Password: ')]);

  for (const [plugin, question] of [
    ['dialog', QUESTION],
    ['mysql_clear_password', Buffer.alloc(0)],
  ] as const) {
    it(`${plugin}: the password is given over a socket of this machine`, async () => {
      const path = join(folder, 'socket');
      const { told } = await standIn(plugin, question, path);
      const connection = `mysql://glance:hunter2@/glance?unix_socket=${path}`;
      const result = await runCli(['db', 'version'], { DATABASE_CONNECTION: connection });
      expect(result.code).to.equal(20);
      expect(told.map(String)).to.deep.equal(['hunter2\0']);
      expect(result.stderr).to.include("the server refused user 'glance'").and.not.include('hunter2');
    });

    it(`${plugin}: the password is not given to a server that nobody knows, and it is said what to do`, async () => {
      const { port, told } = await standIn(plugin, question);
      const connection = `mysql://glance:hunter2@127.0.0.1:${port}/glance`;
      const result = await runCli(['db', 'version'], { DATABASE_CONNECTION: connection });
      expect(result.code).to.equal(20);
      expect(told).to.deep.equal([]);
      expect(result.stderr).to.include('wants the password in clear').and.include('Set ssl_ca or --tls-ca');
    });
  }

  it('a plugin that is not known is named, with what to do', async () => {
    const { port, told } = await standIn('parsec', Buffer.alloc(32));
    const connection = `mysql://glance:hunter2@127.0.0.1:${port}/glance`;
    const result = await runCli(['db', 'version'], { DATABASE_CONNECTION: connection });
    expect(result.code).to.equal(20);
    expect(told).to.deep.equal([]);
    expect(result.stderr).to.include("by the plugin 'parsec' only").and.include('Create a user with');
    expect(result.stderr).to.not.match(/TODO|hunter2/);
    expect(result.stderr.trim().split('\n')).to.have.length(1);
  });
});

function packet(sequence: number, body: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUIntLE(body.length, 0, 3);
  head[3] = sequence;
  return Buffer.concat([head, body]);
}

function text(value: string): Buffer {
  return Buffer.from(`${value}\0`, 'latin1');
}

/**
 * Of protocol 10, without TLS: CLIENT_PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH, CONNECT_WITH_DB.
 */
function greeting(): Buffer {
  const capabilities = Buffer.alloc(4);
  capabilities.writeUInt32LE(0x00088208);
  return Buffer.concat([
    Buffer.from([10]),
    text('10.11.0-MariaDB'),
    Buffer.from([1, 0, 0, 0]),
    Buffer.alloc(8, 'a'),
    Buffer.from([0]),
    capabilities.subarray(0, 2),
    Buffer.from([45, 2, 0]),
    capabilities.subarray(2),
    Buffer.from([21]),
    Buffer.alloc(10),
    Buffer.alloc(12, 'a'),
    Buffer.from([0]),
    text('mysql_native_password'),
  ]);
}
