import { Failure } from './failure.ts';

/** One configuration file of an OpenStack service. */
export interface ConfigFile {
  readonly path: string;
  readonly text: string;
}

/**
 * The `[database] connection` that Glance would take from these files; of several, the last one wins.
 *
 * Source: oslo.config's `iniparser.py` and `cfg.py`, oslo.db's `options.py` for the old names.
 *
 * @throws Failure `Usage` when a file cannot be parsed or none has the option
 */
export function readDatabaseConnection(files: readonly ConfigFile[]): string {
  const options = new Map<string, string>();
  for (const file of files) {
    for (const [name, value] of parse(file)) {
      options.set(name, value);
    }
  }
  const found = OPTION_NAMES.map((name) => options.get(name)).find((value) => value !== undefined);
  if (found === undefined) {
    throw new Failure(
      'Usage',
      `Cannot find the connection URL: found no 'connection' under [database] in ${files.map((file) => file.path).join(', ')}`,
    );
  }
  return substitute(found, options, 0);
}

/** Today's name, and those that oslo.db still reads. */
const OPTION_NAMES = [
  'database.connection',
  'DEFAULT.sql_connection',
  'DATABASE.sql_connection',
  'sql.connection',
];

/** Options by `section.name`. */
function parse(file: ConfigFile): ReadonlyMap<string, string> {
  const options = new Map<string, string>();
  let section = 'DEFAULT';
  let name: string | undefined;
  let lines: string[] = [];

  const finish = (): void => {
    if (name !== undefined) {
      options.set(`${section}.${name.replaceAll('-', '_')}`, unquote(lines.join('\n')));
    }
    name = undefined;
  };

  for (const [index, raw] of file.text.split(/\r?\n/).entries()) {
    const line = raw.trimEnd();
    if (line === '' || /^[#;]/.test(line)) {
      if (line === '') {
        finish();
      }
      continue;
    }
    if (/^\s/.test(line)) {
      if (name === undefined) {
        throw unreadable(file, index, 'an indented line that continues nothing');
      }
      lines.push(line.trim());
      continue;
    }
    finish();
    const header = /^\[(?<name>.*)\]$/.exec(line)?.groups?.name;
    if (header !== undefined) {
      section = header;
      continue;
    }
    const parts = /^(?<name>[^=:]+)[=:](?<value>.*)$/s.exec(line)?.groups;
    if (parts === undefined) {
      throw unreadable(file, index, "neither a section nor a 'key = value'");
    }
    name = parts.name?.trim() ?? '';
    lines = [parts.value?.trim() ?? ''];
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

/** Replaces `$name`, `${name}` and `${section.name}`; `$$` stands for a dollar sign, and unknown names stay. */
function substitute(value: string, options: ReadonlyMap<string, string>, depth: number): string {
  return value.replace(
    /\$(?:(?<dollar>\$)|(?<bare>[_a-z][_a-z0-9]*)|\{(?<braced>(?:[_a-z][-_a-z0-9]*\.)?[_a-z][_a-z0-9]*)\})/gi,
    (whole: string, dollar?: string, bare?: string, braced?: string) => {
      if (dollar !== undefined) {
        return '$';
      }
      const name = bare ?? braced ?? '';
      const found = name.includes('.')
        ? options.get(name)
        : (options.get(`database.${name}`) ?? options.get(`DEFAULT.${name}`));
      return found === undefined || depth > 10 ? whole : substitute(found, options, depth + 1);
    },
  );
}

/** Names the line and never shows it: it may hold a password. */
function unreadable(file: ConfigFile, index: number, found: string): Failure {
  return new Failure('Usage', `Cannot read ${file.path}: found ${found} in line ${index + 1}`);
}
