import { Failure } from '../errors/failure.ts';

/** One configuration file of an OpenStack service, or what has the form of one. */
export interface ConfigFile {
  /** What messages call it. */
  readonly path: string;
  readonly text: string;
  /**
   * The section of lines before the first header; without it such lines are refused, as by
   * oslo.config.
   */
  readonly section?: string;
}

/** What Glance makes an engine from. */
export interface ConfiguredConnection {
  readonly url: string;
  /** Options that are appended to those of the URL. */
  readonly parameters: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Options by `section.name`, of one file. */
type Options = ReadonlyMap<string, string>;

/**
 * The `[database] connection` that Glance would take: from the environment, or else from the last
 * file that has it.
 *
 * Source: oslo.config's `iniparser.py` and `cfg.py`, oslo.db's `options.py` for the old names.
 *
 * @throws Failure `ConnectionInvalid` when a file cannot be parsed or nothing has the option
 */
export function readDatabaseConnection(
  files: readonly ConfigFile[],
  environment: Environment = {},
): ConfiguredConnection {
  const parsed = files.map(parse).reverse();
  const url = lookUp(CONNECTION_NAMES, parsed, environment);
  if (url === undefined) {
    throw new Failure(
      'ConnectionInvalid',
      `Cannot find the connection URL: found no 'connection' under [database] in ${files.map((file) => file.path).join(', ')}`,
    );
  }
  const parameters = lookUp(['database.connection_parameters'], parsed, environment) ?? '';
  return {
    url: substitute(url, parsed, environment, 0),
    parameters: substitute(parameters, parsed, environment, 0),
  };
}

/** Today's name, and those that older oslo.db read. */
const CONNECTION_NAMES = [
  'database.connection',
  'DEFAULT.sql_connection',
  'database.sql_connection',
  'sql.connection',
];

/**
 * The variable that overrides the files, by the first of the names; of the files the last one
 * with any of the names.
 */
function lookUp(
  names: readonly string[],
  files: readonly Options[],
  environment: Environment,
): string | undefined {
  const [name = ''] = names;
  const variable = environment[`OS_${name.replace('.', '__').toUpperCase()}`];
  if (variable !== undefined) {
    return variable;
  }
  for (const options of files) {
    const found = names.find((candidate) => options.has(candidate));
    if (found !== undefined) {
      return options.get(found);
    }
  }
  return undefined;
}

function parse(file: ConfigFile): Options {
  const options = new Map<string, string>();
  let section = file.section;
  let name: string | undefined;
  let lines: string[] = [];

  const finish = (): void => {
    if (name !== undefined) {
      options.set(`${section}.${name}`, lines.join('\n').trim());
    }
    name = undefined;
  };

  for (const [index, raw] of file.text.split(/\r?\n/).entries()) {
    const line = raw.trimEnd();
    if (/^[ \t]/.test(line)) {
      if (name === undefined) {
        throw unreadable(file, index, 'an indented line that continues nothing');
      }
      lines.push(line.trim());
      continue;
    }
    finish();
    if (line === '' || /^[#;]/.test(line)) {
      continue;
    }
    if (line.startsWith('[')) {
      const header = /^\[(?<name>.+)\]$/.exec(line)?.groups?.name;
      if (header === undefined) {
        throw unreadable(file, index, "a section that does not end with ']'");
      }
      section = header === 'DEFAULT' ? header : header.toLowerCase();
      continue;
    }
    const parts = /^(?<name>[^=:]+)[=:](?<value>.*)$/s.exec(line)?.groups;
    if (parts === undefined) {
      throw unreadable(file, index, "neither a section nor a 'key = value'");
    }
    if (section === undefined) {
      throw unreadable(file, index, 'an option before the first section');
    }
    name = parts.name?.trim() ?? '';
    lines = [unquote(parts.value?.trim() ?? '')];
  }
  finish();
  return options;
}

function unquote(value: string): string {
  const first = value[0];
  return value.length > 1 && (first === '"' || first === "'") && value.endsWith(first)
    ? value.slice(1, -1)
    : value;
}

/**
 * Replaces `$name`, `${name}` and `${section.name}`; `$$` and `\$` stand for a dollar sign, and
 * unknown names stay.
 */
function substitute(
  value: string,
  files: readonly Options[],
  environment: Environment,
  depth: number,
): string {
  return value
    .replaceAll('\\$', '$$$$')
    .replace(
      /\$(?:(?<dollar>\$)|(?<bare>[_a-z][._a-z0-9]*)|\{(?<braced>[_a-z][._a-z0-9]*)\})/gi,
      (whole: string, dollar?: string, bare?: string, braced?: string) => {
        if (dollar !== undefined) {
          return '$';
        }
        const name = bare ?? braced ?? '';
        const found = name.includes('.')
          ? lookUp([name], files, environment)
          : (lookUp([`database.${name}`], files, environment) ??
            lookUp([`DEFAULT.${name}`], files, environment));
        return found === undefined || depth > 10 ? whole : substitute(found, files, environment, depth + 1);
      },
    );
}

/** Names the line and never shows it: it may hold a password. */
function unreadable(file: ConfigFile, index: number, found: string): Failure {
  return new Failure('ConnectionInvalid', `Cannot read ${file.path}: found ${found} in line ${index + 1}`);
}
