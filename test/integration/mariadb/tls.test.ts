import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { runCli } from '../../support/bundle.ts';
import { hasMariaDb, NO_MARIADB, startMariaDb, type TestMariaDb } from '../../support/mariadb.ts';
import { leaveOut } from '../../support/needs.ts';
import { findProgram, programEnvironment } from '../../tools/distribution-packages.ts';

describe('TLS with MariaDB', () => {
  let server: TestMariaDb;
  let folder = '';

  before(async function () {
    if (!hasMariaDb()) {
      leaveOut(this, NO_MARIADB);
    }
    if (findProgram('openssl') === null) {
      leaveOut(this, 'openssl is not on this machine. Install it.');
    }
    folder = mkdtempSync(join(tmpdir(), 'glance-schema-mariadb-tls-'));
    chmodSync(folder, 0o755);
    for (const name of ['ours', 'other']) {
      openssl(
        'req',
        '-x509',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-days',
        '2',
        '-subj',
        `/CN=${name}`,
        '-keyout',
        `${name}.key`,
        '-out',
        `${name}.pem`,
      );
    }
    openssl(
      'req',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-subj',
      '/CN=x',
      '-keyout',
      'server.key',
      '-out',
      'server.csr',
    );
    writeFileSync(join(folder, 'names'), 'subjectAltName=DNS:localhost');
    openssl(
      'x509',
      '-req',
      '-in',
      'server.csr',
      '-CA',
      'ours.pem',
      '-CAkey',
      'ours.key',
      '-CAcreateserial',
      '-days',
      '2',
      '-extfile',
      'names',
      '-out',
      'server.pem',
    );
    chmodSync(join(folder, 'server.key'), 0o644);
    server = await startMariaDb({
      settings: {
        'ssl-ca': join(folder, 'ours.pem'),
        'ssl-cert': join(folder, 'server.pem'),
        'ssl-key': join(folder, 'server.key'),
      },
    });
    await server.createDatabase('glance');
  });

  after(async () => {
    await server?.stop();
    if (folder !== '') {
      rmSync(folder, { recursive: true });
    }
  });

  function openssl(...args: readonly string[]): void {
    const done = spawnSync(findProgram('openssl') ?? 'openssl', args, {
      cwd: folder,
      encoding: 'utf8',
      env: programEnvironment(),
    });
    if (done.status !== 0) {
      throw new Error(`openssl ${args.join(' ')}: ${done.stderr}`);
    }
  }

  /** The host, the mode, the authority, the exit code, a piece of the sentence. */
  const rows: readonly (readonly [string, string, string | undefined, number, string])[] = [
    ['127.0.0.1', 'prefer', undefined, 0, ''],
    ['127.0.0.1', 'require', undefined, 0, ''],
    ['127.0.0.1', 'verify-ca', 'ours', 0, ''],
    ['127.0.0.1', 'verify-ca', 'other', 20, "TLS failed with the mode 'verify-ca'"],
    ['localhost', 'verify-full', 'ours', 0, ''],
    ['127.0.0.1', 'verify-full', 'ours', 20, 'IP: 127.0.0.1 is not in the cert'],
    ['localhost', 'verify-full', undefined, 20, "TLS failed with the mode 'verify-full'"],
  ];
  for (const [host, mode, authority, code, says] of rows) {
    it(`${mode} by ${host} with ${authority ?? 'no'} authority: exit ${code}`, async () => {
      const result = await runCli(
        [
          ...['db', 'sync', 'liberty', '--tls-mode', mode],
          ...(authority === undefined ? [] : ['--tls-ca', join(folder, `${authority}.pem`)]),
        ],
        { DATABASE_CONNECTION: server.url('glance').replace('127.0.0.1', host) },
      );
      expect(result.code, result.stderr).to.equal(code);
      expect(result.stderr).to.include(says);
    });
  }
});
