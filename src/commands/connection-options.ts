import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import type { Command } from 'commander';
import { Failure } from '../database/failure.ts';
import { readDatabaseConnection } from '../database/oslo-config.ts';
import { type ConnectionTarget, TLS_MODES } from '../database/target.ts';
import { checkTls, parseTlsMode } from '../database/tls-mode.ts';
import { parseConnectionUrl } from '../database/url.ts';

/** What the options of `addConnectionOptions` leave. */
export interface ConnectionFlags {
  readonly connection?: string;
  readonly connectionFile?: string;
  readonly configFile?: readonly string[];
  readonly tlsCa?: string;
  readonly tlsMode?: string;
}

/** The variable that a Job has its connection URL in. */
const VARIABLE = 'DATABASE_CONNECTION';

/** Gives a command the options that say which database is meant. */
export function addConnectionOptions(command: Command): Command {
  return command
    .option(
      '--connection <url>',
      'connection URL; other users see it in the list of processes (ps), so prefer the ways below',
    )
    .option('--connection-file <file>', 'file with the connection URL in it')
    .option(
      '--config-file <file>',
      "glance-api.conf with [database] connection; may be given again, the last one's value holds",
      (value: string, before: readonly string[] = []) => [...before, value],
    )
    .option('--tls-ca <file>', 'PEM file of the authorities to trust; implies --tls-mode verify-full')
    .option('--tls-mode <mode>', `one of ${TLS_MODES.join(', ')}; goes before the URL's sslmode`)
    .addHelpText(
      'after',
      `\nWithout --connection, --connection-file and --config-file the URL is taken from ${VARIABLE}.\n`,
    );
}

/**
 * Reads which database is meant.
 *
 * @throws Failure `Usage`
 */
export function resolveConnection(
  flags: ConnectionFlags,
  environment: Readonly<Record<string, string | undefined>>,
): ConnectionTarget {
  const target = parseConnectionUrl(connectionText(flags, environment[VARIABLE]), '', {
    environment,
    home: homedir(),
    readText: readIfThere,
  });
  const mode = flags.tlsMode === undefined ? undefined : parseTlsMode(flags.tlsMode, '--tls-mode ');
  const tls = {
    ...target.tls,
    ...(flags.tlsCa === undefined ? {} : ({ ca: flags.tlsCa, mode: 'verify-full' } as const)),
    ...(mode === undefined ? {} : { mode }),
  };
  if (target.missingOptionFile !== undefined && flags.tlsCa === undefined && mode === undefined) {
    throw new Failure(
      'Usage',
      `Cannot read ${target.missingOptionFile}, which the connection URL names: there is no such file, and it may ask for TLS. Mount it, or set --tls-mode or --tls-ca (in a GlanceSchema spec.database.tls), which go before it.`,
    );
  }
  checkTls(tls, target.engine);
  return { ...target, tls };
}

function connectionText(flags: ConnectionFlags, variable: string | undefined): string {
  const given = [
    ...(flags.connection === undefined ? [] : ['--connection']),
    ...(flags.connectionFile === undefined ? [] : ['--connection-file']),
    ...(flags.configFile === undefined ? [] : ['--config-file']),
  ];
  if (given.length > 1) {
    throw new Failure('Usage', `Cannot choose between ${given.join(' and ')}: do give one of them`);
  }
  if (flags.connection !== undefined) {
    return flags.connection;
  }
  if (flags.connectionFile !== undefined) {
    return readText(flags.connectionFile);
  }
  if (flags.configFile !== undefined) {
    return readDatabaseConnection(flags.configFile.map((path) => ({ path, text: readText(path) })));
  }
  if (variable === undefined || variable.trim() === '') {
    throw new Failure(
      'Usage',
      `Cannot tell which database is meant: do give --config-file, --connection-file or --connection, or set ${VARIABLE}`,
    );
  }
  return variable;
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
    `Cannot read ${path}: ${error instanceof Error ? error.message.replace(/, (open|read).*$/, '') : String(error)}`,
    { cause: error },
  );
}
