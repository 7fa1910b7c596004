import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram, programEnvironment } from '../tools/distribution-packages.ts';

/**
 * Puts a certificate of P-256 and its key into the folder, where an API server finds them: its own
 * would be of RSA, which costs a tenth of its start and most of a client's greeting. Does nothing on
 * a machine without `openssl`, where it makes its own.
 *
 * @param address the IP address that it listens on
 * @throws Error with what openssl said
 */
export function placeServingCertificate(folder: string, address: string): void {
  const openssl = findProgram('openssl');
  if (openssl === null) return;
  const config = join(folder, 'openssl.cnf');
  writeFileSync(config, configuration(address));
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const files = ['-keyout', join(folder, 'apiserver.key'), '-out', join(folder, 'apiserver.crt')];
  const args = [
    'req',
    '-x509',
    '-config',
    config,
    '-subj',
    `/CN=${address}`,
    '-days',
    '365',
    ...key,
    ...files,
  ];
  const done = spawnSync(openssl, args, {
    encoding: 'utf8',
    env: { ...process.env, ...programEnvironment() },
  });
  if (done.status !== 0) throw new Error(`Cannot make the API server's certificate: ${done.stderr}`);
}

function configuration(address: string): string {
  return `[ req ]
distinguished_name = name
x509_extensions = serving
[ name ]
[ serving ]
basicConstraints = critical, CA:true
keyUsage = digitalSignature, keyCertSign
extendedKeyUsage = serverAuth
subjectAltName = IP:${address}, DNS:localhost, DNS:kubernetes, DNS:kubernetes.default, DNS:kubernetes.default.svc
`;
}
