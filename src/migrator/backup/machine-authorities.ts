import { existsSync } from 'node:fs';

/** Where distributions keep the authorities that the machine trusts, in one file. */
const BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/** The file with the authorities that the machine trusts; undefined where it has none. */
export function machineAuthorities(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): string | undefined {
  return [environment.SSL_CERT_FILE, ...BUNDLES].find((path) => path !== undefined && existsSync(path));
}
