/**
 * What a server said of an error, without what rows hold: a location has the password of a store in
 * it, and the message goes into the log, the status and Events. PostgreSQL quotes values in the
 * detail, which is never read here, and in the messages of a few codes; MySQL and MariaDB quote
 * them in the message. The names of tables, columns and constraints stay.
 */
export function safeMessage(error: Error): string {
  const code = text(error, 'code');
  const number = property(error, 'errno');
  if (typeof number === 'number' && number > 0) {
    return ofMysql(number, text(error, 'sqlState'), error.message);
  }
  return /^[0-9A-Z]{5}$/.test(code) ? ofPostgres(code, error) : error.message || code || error.name;
}

/**
 * Messages of PostgreSQL that quote a value, by SQLSTATE. Source: postgresql.org/docs, PostgreSQL
 * Error Codes.
 */
const POSTGRES: Readonly<Record<string, string>> = {
  '22001': 'a text is too long for its column',
  '22003': 'a number is out of range',
  '22007': 'a date or a time cannot be read',
  '22008': 'a date or a time is out of range',
  '22021': 'a text has characters that the encoding lacks',
  '22P02': 'a text cannot be read as a value of its type',
  '22P05': 'a text has characters that the encoding lacks',
};

function ofPostgres(code: string, error: Error): string {
  // The author of a trigger may have put anything into what it raises; where that was is no secret.
  if (text(error, 'routine') === 'exec_stmt_raise' || code.startsWith('P0')) {
    const [where = ''] = text(error, 'where').split('\n');
    // A block without a name is a statement of ours.
    return where.startsWith('PL/pgSQL function inline_code_block')
      ? error.message
      : `a trigger or a function refused it${where === '' ? '' : `, ${where}`}`;
  }
  if (code.startsWith('22')) {
    return withNames(POSTGRES[code] ?? 'a value of a row is refused', error);
  }
  return code.startsWith('38') || code.startsWith('39') ? 'a function of the database failed' : error.message;
}

function withNames(words: string, error: Error): string {
  const names = ['table', 'column', 'constraint']
    .map((kind) => [kind, text(error, kind)])
    .filter(([, name]) => name !== '')
    .map((pair) => pair.join(' '));
  return names.length === 0 ? words : `${words} (${names.join(', ')})`;
}

/**
 * Messages of MariaDB and MySQL that quote a value, by number. Source: their error message files.
 */
const MYSQL: readonly { readonly numbers: readonly number[]; readonly words: string }[] = [
  {
    numbers: [1062, 1169, 1557, 1582, 1586, 1761, 1762],
    words: 'a value that must be unique occurs twice',
  },
  {
    numbers: [1292, 1300, 1366, 1367, 1411, 1525, 1690, 1977],
    words: 'a value of a row cannot be read or written as its type',
  },
  { numbers: [1526, 1591], words: 'no partition takes a row' },
  {
    numbers: [3140, 3141, 3143, 3144, 3146, 3147, 3156, 4036, 4037, 4038],
    words: 'a text that must be JSON is not',
  },
  { numbers: [1643, 1644], words: 'a trigger or a function refused it' },
];

/** Of the classes 22 and 23, those that name columns and constraints only. */
const NAMES_ONLY: readonly number[] = [1048, 1216, 1217, 1264, 1265, 1364, 1406, 1451, 1452, 3819, 4025];

function ofMysql(number: number, state: string, message: string): string {
  const words =
    MYSQL.find(({ numbers }) => numbers.includes(number))?.words ??
    (/^(22|23|44|45)/.test(state) && !NAMES_ONLY.includes(number)
      ? 'a value of a row is refused'
      : undefined);
  if (words === undefined) {
    return message;
  }
  // What comes last is the server's own, whatever the value before it.
  const key = /for key '([^']*)'$/.exec(message)?.[1];
  const column = /for column ([^\s']+|'[^']*') at row \d+$/.exec(message)?.[1]?.replaceAll(/['`]/g, '');
  const named = key === undefined ? (column === undefined ? '' : ` (column ${column})`) : ` (key ${key})`;
  return `${words}${named}`;
}

function text(error: Error, name: string): string {
  const value = property(error, name);
  return typeof value === 'string' ? value : '';
}

function property(error: Error, name: string): unknown {
  return Object.getOwnPropertyDescriptor(error, name)?.value;
}
