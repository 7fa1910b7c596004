import { expect } from 'chai';
import { whyClientFailed } from '../../../../src/migrator/backup/client-error.ts';

describe('whyClientFailed', () => {
  for (const [said, why] of [
    [
      'psql:<stdin>:12: ERROR:  22P02: invalid input syntax for type integer: "file:///secret"\nCONTEXT:  COPY images, line 1',
      'psql failed: a text cannot be read as a value of its type (SQLSTATE 22P02)',
    ],
    [
      'psql:<stdin>:12: ERROR:  55P03: canceling statement due to lock timeout\nLOCATION:  x',
      'psql failed: canceling statement due to lock timeout (SQLSTATE 55P03)',
    ],
    [
      'psql:<stdin>:99: ERROR:  GS001: public.images has 1 rows, and the backup has 2',
      'psql failed: public.images has 1 rows, and the backup has 2 (SQLSTATE GS001)',
    ],
    [
      "--------------\nERROR 1062 (23000) at line 45: Duplicate entry 'file:///secret' for key 'PRIMARY'",
      'psql failed: a value that must be unique occurs twice (key PRIMARY) (error 1062)',
    ],
    [
      'psql: error: connection to server at "127.0.0.1" failed: server closed the connection unexpectedly',
      'psql failed: psql: error: connection to server at "127.0.0.1" failed: server closed the connection unexpectedly',
    ],
    ['', 'psql failed: it said nothing'],
  ] as const) {
    it(why, () => {
      expect(whyClientFailed('psql', said)).to.equal(why);
    });
  }
});
