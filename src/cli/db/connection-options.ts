import { readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { CONNECTION_SOURCE_VARIABLE } from '../../contract/names.ts';
import { withoutUndefined } from '../../glance/without-undefined.ts';
import { readConnectionValue } from '../../migrator/connection/connection-value.ts';
import { type ConfiguredConnection, readDatabaseConnection } from '../../migrator/connection/oslo-config.ts';
import { hasParts, readParts } from '../../migrator/connection/parts.ts';
import {
  type ConnectionTarget,
  TLS_MODES,
  type TlsMode,
  type TlsOptions,
} from '../../migrator/connection/target.ts';
import { checkTls, parseTlsMode, tlsSetting } from '../../migrator/connection/tls-mode.ts';
import { parseConnectionUrl } from '../../migrator/connection/url.ts';
import { UnusableUrl } from '../../migrator/connection/url-query.ts';
import { Failure } from '../../migrator/errors/failure.ts';

/** What the options of `addConnectionOptions` leave. */
export interface ConnectionFlags {
  readonly connection?: string;
  readonly connectionFile?: string;
  /** Files and folders in the order in which they were named, whichever of the two names them. */
  readonly configFile?: readonly ConfigSource[];
  readonly configDir?: readonly ConfigSource[];
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsMode?: string;
}

interface ConfigSource {
  readonly kind: 'file' | 'folder';
  readonly path: string;
}

/** The variable that a Job has its connection URL in. */
const VARIABLE = 'DATABASE_CONNECTION';

/** The variable that oslo.config puts before the files. */
const OSLO_VARIABLE = 'OS_DATABASE__CONNECTION';

/** Modes in which a server may be spoken to without TLS. */
const MAY_BE_PLAIN: readonly TlsMode[] = ['disable', 'allow', 'prefer'];

type Environment = Readonly<Record<string, string | undefined>>;

/** Gives a command the options that say which database is meant. */
export function addConnectionOptions(command: Command): Command {
  // oslo.config reads both in one order, and what comes later holds.
  const sources: ConfigSource[] = [];
  const add = (kind: ConfigSource['kind']) => (path: string) => {
    sources.push({ kind, path });
    return sources;
  };
  return command
    .option(
      '--connection <url>',
      'connection URL; other users see it in the list of processes (ps), so prefer the ways below',
    )
    .option('--connection-file <file>', 'file with the connection URL in it, or with [database] connection')
    .option(
      '--config-file <file>',
      "glance-api.conf with [database] connection; may be given again, the last one's value holds",
      add('file'),
    )
    .option(
      '--config-dir <folder>',
      'folder of such files (*.conf), in the order of their names; may be given again',
      add('folder'),
    )
    .option('--tls-ca <file>', 'PEM file of the authorities to trust; implies --tls-mode verify-full')
    .option(
      '--tls-cert <file>',
      "PEM file of the client's own certificate; implies at least --tls-mode require",
    )
    .option('--tls-key <file>', 'PEM file of its key (default: the file of --tls-cert)')
    .option('--tls-mode <mode>', `one of ${TLS_MODES.join(', ')}; overrides the URL's sslmode`)
    .addHelpText(
      'after',
      `\nWithout --connection, --connection-file, --config-file and --config-dir the URL is taken from ${VARIABLE}, or else from ${OSLO_VARIABLE}, which also overrides those files.\n`,
    );
}

/**
 * Reads which database is meant.
 *
 * @throws Failure `Usage` for a command line that cannot be understood, `ConnectionInvalid` for
 *   what it names
 */
export function resolveConnection(flags: ConnectionFlags, environment: Environment): ConnectionTarget {
  // Of a Job: it says what a GlanceSchema calls the place.
  const source = environment[CONNECTION_SOURCE_VARIABLE];
  const subject = hasParts(environment) ? source : `the connection URL${whence(source)}`;
  const target = withSubject(subject, () => readTarget(flags, environment));
  const mode = flags.tlsMode === undefined ? undefined : parseTlsMode(flags.tlsMode, '--tls-mode');
  const tls = {
    ...withOwnFiles(target.tls, flags),
    ...withoutUndefined({ mode }),
    ...(source === undefined ? {} : ({ fromGlanceSchema: true } as const)),
  };
  if (target.missingOptionFile !== undefined && flags.tlsCa === undefined && mode === undefined) {
    throw new Failure(
      'ConnectionInvalid',
      `Cannot read ${target.missingOptionFile}, which the connection URL${whence(source)} names: there is no such file, and it may ask for TLS. ${source === undefined ? 'Mount it, or set' : 'Set'} ${tlsSetting(tls, 'mode')} or ${tlsSetting(tls, 'ca')}, which go before it.`,
    );
  }
  withSubject(subject, () => checkTls(tls, target.engine));
  return { ...target, tls };
}

function readTarget(flags: ConnectionFlags, environment: Environment): ConnectionTarget {
  const surroundings = { environment, home: ownFolder(), readText: readIfThere };
  if (hasParts(environment)) {
    return readParts(surroundings);
  }
  const { url, parameters } = configured(flags, environment);
  return parseConnectionUrl(url, parameters, surroundings);
}

/** In a Job, nobody sees a URL: a message names the Secret that has it. */
function withSubject<T>(subject: string | undefined, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof UnusableUrl ? new UnusableUrl(error.found, subject) : error;
  }
}

function whence(source: string | undefined): string {
  return source === undefined ? '' : ` in ${source}`;
}

/**
 * Files that are named here override all that the URL names; none of them is read where TLS is not
 * spoken.
 */
function withOwnFiles(tls: TlsOptions, { tlsCa, tlsCert, tlsKey }: ConnectionFlags): TlsOptions {
  if (tlsKey !== undefined && tlsCert === undefined) {
    throw new Failure(
      'Usage',
      'Cannot use --tls-key alone: it is the key of a certificate. Give --tls-cert too.',
    );
  }
  const { caFolder: _caFolder, ...withoutFolder } = tls;
  const authority: TlsOptions =
    tlsCa === undefined ? tls : { ...withoutFolder, ca: tlsCa, mode: 'verify-full' };
  if (tlsCert === undefined) {
    return authority;
  }
  const { key: _key, passphrase: _passphrase, ...withoutKey } = authority;
  const mode = MAY_BE_PLAIN.includes(authority.mode) ? 'require' : authority.mode;
  return { ...withoutKey, mode, cert: tlsCert, ...withoutUndefined({ key: tlsKey }) };
}

function configured(flags: ConnectionFlags, environment: Environment): ConfiguredConnection {
  const sources = flags.configFile ?? flags.configDir;
  const ways = [
    ...(flags.connection === undefined ? [] : ['--connection']),
    ...(flags.connectionFile === undefined ? [] : ['--connection-file']),
    ...(sources === undefined ? [] : [flags.configFile === undefined ? '--config-dir' : '--config-file']),
  ];
  if (ways.length > 1) {
    throw new Failure('Usage', `Cannot choose between ${ways.join(' and ')}. Give one of them.`);
  }
  if (flags.connection !== undefined) {
    return readConnectionValue(flags.connection, '--connection');
  }
  if (flags.connectionFile !== undefined) {
    return readConnectionValue(readText(flags.connectionFile), flags.connectionFile);
  }
  if (sources !== undefined) {
    const files = sources.flatMap(({ kind, path }) => (kind === 'file' ? [path] : filesIn(path)));
    return readDatabaseConnection(
      files.map((path) => ({ path, text: readText(path) })),
      environment,
    );
  }
  const variable = environment[VARIABLE];
  const source = environment[CONNECTION_SOURCE_VARIABLE];
  if (variable !== undefined && (variable.trim() !== '' || source !== undefined)) {
    return readConnectionValue(variable, source ?? VARIABLE);
  }
  if (environment[OSLO_VARIABLE] !== undefined) {
    return readDatabaseConnection([], environment);
  }
  throw new Failure(
    'Usage',
    `Cannot tell which database is meant. Give --config-file, --config-dir, --connection-file or --connection, or set ${VARIABLE}.`,
  );
}

/** A user of a container need not have one. */
function ownFolder(): string {
  try {
    return homedir();
  } catch {
    return '/';
  }
}

function filesIn(folder: string): readonly string[] {
  try {
    // As by a shell's `*.conf`, which leaves out hidden files.
    const names = readdirSync(folder).filter((name) => name.endsWith('.conf') && !name.startsWith('.'));
    return names.sort().map((name) => join(folder, name));
  } catch (error) {
    throw unreadable(folder, error);
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** The text of a file that need not be there. */
function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) {
      return undefined;
    }
    throw unreadable(path, error);
  }
}

function unreadable(path: string, error: unknown): Failure {
  return new Failure(
    'Usage',
    `Cannot read ${path}: ${error instanceof Error ? error.message.replace(/, (open|read|scandir).*$/, '') : String(error)}`,
    { cause: error },
  );
}
