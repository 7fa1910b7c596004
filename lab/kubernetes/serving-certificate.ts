import { spawnSync } from 'node:child_process';
import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { P_256 } from '../databases/certificates.ts';
import { findProgram, librariesOf } from '../tools/distribution-packages.ts';

/**
 * Puts a certificate of P-256, the one of its authority, and its key into the folder, where an API
 * server finds them. An API server that finds none makes one of RSA, which costs a tenth of its start
 * and a millisecond for each TLS handshake. So it is where openssl is missing or cannot do this
 * (`req -CA` came with version 3.0).
 *
 * @param address the IP address that it listens on
 */
export function placeServingCertificate(folder: string, address: string): void {
  const openssl = findProgram('openssl');
  if (openssl === null) return;
  const file = (name: string): string => join(folder, name);
  const certificate = file('apiserver.crt');
  const key = file('apiserver.key');
  writeFileSync(file('openssl.cnf'), configuration(address));

  const certify = (name: string, cert: string, keyFile: string, ...more: readonly string[]): boolean => {
    const how = ['-config', file('openssl.cnf'), '-extensions', name, '-subj', `/CN=${name}`, '-days', '365'];
    const args = ['req', '-x509', ...how, ...P_256, '-nodes', '-keyout', keyFile, '-out', cert, ...more];
    const env = { ...process.env, ...librariesOf(openssl) };
    return spawnSync(openssl, args, { stdio: 'ignore', env }).status === 0;
  };

  const authority = [file('authority.crt'), file('authority.key')] as const;
  const made =
    certify('authority', ...authority) &&
    certify('serving', certificate, key, '-CA', authority[0], '-CAkey', authority[1]);
  if (made) appendFileSync(certificate, readFileSync(authority[0]));
  else for (const half of [certificate, key]) rmSync(half, { force: true });
}

function configuration(address: string): string {
  return `[ req ]
distinguished_name = name
[ name ]
[ authority ]
basicConstraints = critical, CA:true
keyUsage = keyCertSign
subjectKeyIdentifier = hash
[ serving ]
basicConstraints = critical, CA:false
keyUsage = digitalSignature
extendedKeyUsage = serverAuth
authorityKeyIdentifier = keyid
subjectAltName = IP:${address}, DNS:localhost, DNS:kubernetes, DNS:kubernetes.default, DNS:kubernetes.default.svc
`;
}
