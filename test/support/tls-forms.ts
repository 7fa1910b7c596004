import type { Expected } from './tls-cases.ts';

/** The options of a URL, with words in capitals for paths, and what comes of each server. */
export type TlsForm = readonly [options: string, expected: Expected];

/** Flags, which override what the URL says: `--tls-mode`, whether `--tls-ca`, options, results. */
export type TlsFlags = readonly [mode: string | undefined, ca: boolean, options: string, expected: Expected];

/** Each form of a URL of PostgreSQL. */
export const POSTGRES_TLS_FORMS: readonly TlsForm[] = [
  ['', '++++o'],
  ['?sslmode=disable', 'ooooo'],
  ['?sslmode=disable&sslrootcert=CA', 'ooooo'],
  ['?sslmode=allow', 'ooooo'],
  ['?sslmode=prefer', '++++o'],
  ['?sslmode=require', '++++-'],
  ['?sslmode=require&sslrootcert=CA', '+-+--'],
  ['?sslmode=verify-ca', '-----'],
  ['?sslmode=verify-ca&sslrootcert=CA', '+-+--'],
  ['?sslmode=verify-full', '-----'],
  ['?sslmode=verify-full&sslrootcert=CA', '+----'],
  ['?sslmode=verify-full&sslrootcert=CA&sslcrl=NONE', '+----'],
  ['?sslmode=verify-full&sslrootcert=CA&sslcrl=REVOKED', '-----'],
  ['?sslmode=verify-full&sslrootcert=CA&sslnegotiation=direct', '+----'],
  ['?sslmode=verify-full&sslrootcert=CA&ssl_min_protocol_version=TLSv1.3', '+----'],
  ['?sslrootcert=system', '-----'],
  ['?sslmode=require&sslrootcert=system', '-----'],
  ['?ssl_ca=CA', '+----'],
  ['?hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert=CA', '+----'],
];

/** The flags over what a URL of PostgreSQL says. */
export const POSTGRES_TLS_FLAGS: readonly TlsFlags[] = [
  ['disable', false, '?sslmode=verify-full', 'ooooo'],
  ['prefer', false, '?sslmode=verify-full', '++++o'],
  ['require', false, '', '++++-'],
  ['require', true, '', '+-+--'],
  ['verify-ca', false, '', '-----'],
  ['verify-ca', true, '', '+-+--'],
  ['verify-full', false, '', '-----'],
  ['verify-full', true, '', '+----'],
  [undefined, true, '?sslmode=disable', '+----'],
  ['verify-full', false, '?sslrootcert=CA', '+----'],
];

/** Each form of a URL of MariaDB and MySQL. */
export const MYSQL_TLS_FORMS: readonly TlsForm[] = [
  ['', '++++o'],
  ['?charset=utf8&ssl_ca=CA&ssl_key=KEY&ssl_cert=CERT&ssl_verify_cert', '+----'],
  ['?ssl_ca=CA', '+----'],
  ['?ssl_ca=CA&ssl_check_hostname=false', '+-+--'],
  ['?ssl_ca=CA&ssl_verify_cert=true', '+-+--'],
  ['?ssl_ca=CA&ssl_verify_cert=false', '++++-'],
  ['?ssl_ca=CA&ssl_verify_identity=true', '+----'],
  ['?ssl_verify_cert=true', '-----'],
  ['?ssl_verify_identity=true', '-----'],
  ['?ssl=on&ssl_ca=CA', '+----'],
  ['?ssl=true', '-----'],
  ['?ssl_capath=FOLDER', '++---'],
  ['?ssl_capath=/nowhere', '-----'],
  ['?ssl_ca=CA&ssl_cipher=ECDHE-RSA-AES256-GCM-SHA384', '+----'],
  ['?ssl_cert=CERT&ssl_key=KEY', '++++-'],
  ['?ssl_check_hostname=false', '++++-'],
  ['?ssl_disabled=true&ssl_ca=CA', 'ooooo'],
  ['?ssl_mode=DISABLED', 'ooooo'],
  ['?ssl_mode=PREFERRED', '++++o'],
  ['?ssl_mode=REQUIRED', '++++-'],
  ['?ssl_mode=REQUIRED&ssl_ca=CA', '+-+--'],
  ['?ssl_mode=VERIFY_CA', '-----'],
  ['?ssl_mode=VERIFY_CA&ssl_ca=CA', '+-+--'],
  ['?ssl_mode=VERIFY_IDENTITY', '-----'],
  ['?ssl_mode=VERIFY_IDENTITY&ssl_ca=CA', '+----'],
  ['?read_default_file=OPTIONS', '+----'],
  ['?read_default_file=OPTIONS&ssl_check_hostname=false', '+-+--'],
  ['?read_default_file=OPTIONS&read_default_group=plain', '++++o'],
  ['?read_default_file=/nowhere', '-----'],
];

/** The flags over what a URL of MariaDB and MySQL says. */
export const MYSQL_TLS_FLAGS: readonly TlsFlags[] = [
  ['disable', false, '?ssl_mode=VERIFY_IDENTITY', 'ooooo'],
  ['prefer', false, '?ssl_mode=VERIFY_IDENTITY', '++++o'],
  ['require', false, '', '++++-'],
  ['require', true, '', '+-+--'],
  ['verify-ca', false, '', '-----'],
  ['verify-ca', true, '', '+-+--'],
  ['verify-full', false, '', '-----'],
  ['verify-full', true, '', '+----'],
  [undefined, true, '?ssl_disabled=true', '+----'],
  [undefined, true, '?read_default_file=/nowhere', '+----'],
  ['verify-full', false, '?ssl_ca=CA', '+----'],
];
