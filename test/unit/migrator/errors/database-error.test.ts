import { expect } from 'chai';
import {
  databaseError,
  describeDatabaseError,
  isConnectionLoss,
  isRetryable,
} from '../../../../src/migrator/errors/database-error.ts';

/** What must not get out: a location as Glance stores it. */
const SECRET = 'swift+https://tenant%3Auser:hunter2@keystone/v3/images/1';

function thrown(message: string, more: object): Error {
  return Object.assign(new Error(message), more);
}

describe('an error of a database', () => {
  const rows: readonly (readonly [string, Error, string])[] = [
    [
      'a check of PostgreSQL, whose detail has the row',
      thrown('new row for relation "image_locations" violates check constraint "short"', {
        code: '23514',
        detail: `Failing row contains (1, 7a0c, ${SECRET}).`,
        table: 'image_locations',
        constraint: 'short',
      }),
      'new row for relation "image_locations" violates check constraint "short" (SQLSTATE 23514)',
    ],
    [
      'a key of PostgreSQL that is there twice',
      thrown('duplicate key value violates unique constraint "ix"', {
        code: '23505',
        detail: `Key (value)=(${SECRET}) already exists.`,
      }),
      'duplicate key value violates unique constraint "ix" (SQLSTATE 23505)',
    ],
    [
      'a text that PostgreSQL cannot read',
      thrown(`invalid input syntax for type integer: "${SECRET}"`, { code: '22P02', column: 'size' }),
      'a text cannot be read as a value of its type (column size) (SQLSTATE 22P02)',
    ],
    [
      'one of the kind that has no words of ours',
      thrown(`cannot cast ${SECRET}`, { code: '22030' }),
      'a value of a row is refused (SQLSTATE 22030)',
    ],
    [
      'what a trigger of PostgreSQL raises, under whatever code',
      thrown(`no ${SECRET} here`, {
        code: '42501',
        routine: 'exec_stmt_raise',
        where: `PL/pgSQL function deny() line 3 at RAISE\nSQL statement "SELECT '${SECRET}'"`,
      }),
      'a trigger or a function refused it, PL/pgSQL function deny() line 3 at RAISE (SQLSTATE 42501)',
    ],
    [
      'a statement that PostgreSQL refuses for what it is, which has no values',
      thrown('column "is_public" does not exist', { code: '42703' }),
      'column "is_public" does not exist (SQLSTATE 42703)',
    ],
    [
      'a key of MariaDB that is there twice',
      thrown(`Duplicate entry '${SECRET}' for key 'value_idx'`, { code: 'ER_DUP_ENTRY', errno: 1062 }),
      'a value that must be unique occurs twice (key value_idx) (error 1062)',
    ],
    [
      'a value of MariaDB that looks like the end of the message',
      thrown(`Duplicate entry 'hunter2' for key 'x' for key 'value_idx'`, { errno: 1062 }),
      'a value that must be unique occurs twice (key value_idx) (error 1062)',
    ],
    [
      'a text that MariaDB cannot store',
      thrown(`Incorrect string value: '${SECRET}' for column \`glance\`.\`images\`.\`name\` at row 1`, {
        errno: 1366,
      }),
      'a value of a row cannot be read or written as its type (column glance.images.name) (error 1366)',
    ],
    [
      'what a trigger of MariaDB signals',
      thrown(SECRET, { errno: 1644, sqlState: '45000' }),
      'a trigger or a function refused it (error 1644)',
    ],
    [
      'one of MariaDB that is new to us and about a value',
      thrown(`what is ${SECRET}`, { errno: 4999, sqlState: '22032' }),
      'a value of a row is refused (error 4999)',
    ],
    [
      'a column of MariaDB that takes no NULL',
      thrown("Column 'visibility' cannot be null", { errno: 1048, sqlState: '23000' }),
      "Column 'visibility' cannot be null (error 1048)",
    ],
    [
      'one that a library has wrapped, whose own message has it too',
      thrown(SECRET, { original: thrown(`Data: ${SECRET}`, { errno: 1292, sqlState: '22007' }) }),
      'a value of a row cannot be read or written as its type (error 1292)',
    ],
  ];
  for (const [name, error, expected] of rows) {
    it(`shows no value of a row: ${name}`, () => {
      const said = describeDatabaseError(databaseError(error));
      expect(said).to.equal(expected);
      expect(said).to.not.include('hunter2');
    });
  }

  it('may succeed later where the server lacks something at the moment, has become a replica or was asked to end it', () => {
    const states = ['25006', '40001', '53200', '53300', '55006', '57014', '57P01', '57P02', '57P03', '57P04'];
    const numbers = [
      1040, 1203, 1226, 1290, 1317, 1792, 1836, 1969, 3024, 1020, 1213, 1047, 1053, 1927, 9001,
    ];
    const later = [
      ...states.map((code) => thrown('no', { code })),
      ...numbers.map((errno) => thrown('no', { errno })),
      thrown('no', { code: 'ECONNRESET', errno: -104 }),
    ];
    expect(later.filter((error) => !isRetryable(databaseError(error)))).to.deep.equal([]);
  });

  it('does not get better by itself where a statement or a right is wrong', () => {
    const states = ['42P01', '42501', '42703', '23505', '22001', '0A000'];
    const numbers = [1054, 1142, 1062, 1364, 1406, 1114, 4025];
    const never = [
      ...states.map((code) => thrown('no', { code })),
      ...numbers.map((errno) => thrown('no', { errno })),
    ];
    expect(never.filter((error) => isRetryable(databaseError(error)))).to.deep.equal([]);
  });

  it('is the end of the connection where the server ends sessions, and not where it refuses a statement', () => {
    const lost = (error: object) => isConnectionLoss(databaseError(thrown('no', error)));
    expect([lost({ code: '57P01' }), lost({ errno: 1927 }), lost({ errno: 4031 })]).to.deep.equal([
      true,
      true,
      true,
    ]);
    expect([lost({ code: '25006' }), lost({ errno: 1290 }), lost({ errno: 1040 })]).to.deep.equal([
      false,
      false,
      false,
    ]);
  });
});
