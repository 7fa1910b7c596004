import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram, programEnvironment } from '../tools/distribution-packages.ts';

/** A certificate and its key, as paths. */
export interface CertifiedKey {
  readonly cert: string;
  readonly key: string;
}

/** An authority, another one, and what the first has certified; as paths of PEM files. */
export interface Certificates {
  readonly ca: string;
  readonly otherCa: string;
  /** A folder with the authority by the hash of its name, as OpenSSL wants it. */
  readonly caFolder: string;
  /** A list of revoked certificates with none in it, and one with that of `right`. */
  readonly noneRevoked: string;
  readonly rightRevoked: string;
  /** For `localhost`. */
  readonly right: CertifiedKey;
  /** For `elsewhere.test`, Services of the namespace openstack, and the address 127.0.0.1. */
  readonly otherName: CertifiedKey;
  /** For `localhost`, and over. */
  readonly expired: CertifiedKey;
  /** Of a client. */
  readonly client: CertifiedKey;
  remove(): void;
}

/** What a machine without it is told. */
export const NO_OPENSSL = 'openssl is not on this machine. Install it.';

/** Whether this machine has `openssl`, by which the certificates of tests are made. */
export function hasOpenssl(): boolean {
  return findProgram('openssl') !== null;
}

/** Options of `openssl req` for a new key of P-256, which takes far less time to make than one of RSA. */
export const P_256: readonly string[] = [
  '-newkey',
  'ec',
  '-pkeyopt',
  'ec_paramgen_curve:P-256',
  '-pkeyopt',
  'ec_param_enc:named_curve',
];

/** Makes all of them in a second, in a folder of their own that every user can read. */
export function makeCertificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'glance-schema-certificates-'));
  chmodSync(folder, 0o755);
  const file = (name: string): string => join(folder, name);

  function openssl(...args: readonly string[]): string {
    const done = spawnSync(findProgram('openssl') ?? 'openssl', args, {
      cwd: folder,
      encoding: 'utf8',
      env: { ...programEnvironment(), OPENSSL_CONF: file('openssl.cnf') },
    });
    if (done.status !== 0) {
      throw new Error(`openssl ${args.join(' ')}: ${done.stderr}`);
    }
    return done.stdout.trim();
  }

  function certify(
    name: string,
    names: string,
    { end = '21000101000000Z', newKey = P_256 } = {},
  ): CertifiedKey {
    openssl('req', ...newKey, '-nodes', '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', 'csr');
    writeFileSync(file('extensions'), `subjectAltName=${names}\n`);
    openssl(
      'ca',
      '-batch',
      '-in',
      'csr',
      '-out',
      `${name}.pem`,
      '-notext',
      '-extfile',
      'extensions',
      '-startdate',
      '20200101000000Z',
      '-enddate',
      end,
    );
    chmodSync(file(`${name}.key`), 0o644);
    return { cert: file(`${name}.pem`), key: file(`${name}.key`) };
  }

  writeFileSync(file('openssl.cnf'), CONFIGURATION);
  writeFileSync(file('index'), '');
  writeFileSync(file('serial'), '01\n');
  for (const name of ['ours', 'other']) {
    openssl(
      'req',
      '-x509',
      ...P_256,
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
  const right = certify('right', 'DNS:localhost', { newKey: RSA });
  const otherName = certify('otherName', 'DNS:elsewhere.test,DNS:*.openstack.svc,IP:127.0.0.1');
  const expired = certify('expired', 'DNS:localhost', { end: '20210101000000Z' });
  const client = certify('client', 'DNS:client');
  openssl('ca', '-gencrl', '-crldays', '2', '-out', 'none-revoked.pem');
  openssl('ca', '-revoke', 'right.pem');
  openssl('ca', '-gencrl', '-crldays', '2', '-out', 'right-revoked.pem');
  mkdirSync(file('authorities'));
  copyFileSync(
    file('ours.pem'),
    join(file('authorities'), `${openssl('x509', '-hash', '-noout', '-in', 'ours.pem')}.0`),
  );
  return {
    ca: file('ours.pem'),
    otherCa: file('other.pem'),
    caFolder: file('authorities'),
    noneRevoked: file('none-revoked.pem'),
    rightRevoked: file('right-revoked.pem'),
    right,
    otherName,
    expired,
    client,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** What most databases have. */
const RSA: readonly string[] = ['-newkey', 'rsa:2048'];

const CONFIGURATION = `[ req ]
distinguished_name = name
x509_extensions = authority
[ name ]
[ authority ]
basicConstraints = critical, CA:true
keyUsage = keyCertSign, cRLSign
subjectKeyIdentifier = hash
[ ca ]
default_ca = ours
[ ours ]
new_certs_dir = .
database = index
serial = serial
certificate = ours.pem
private_key = ours.key
default_md = sha256
policy = any
unique_subject = no
[ any ]
commonName = supplied
`;
