import { expect } from 'chai';
import type { LockHolder } from '../../../src/migrator/engine/engine.ts';
import { describeHolders } from '../../../src/migrator/lock.ts';

describe('who has a lock', () => {
  const since = '2026-11-23T03:00:00Z';
  for (const [fact, holder, says] of [
    [
      'all is known',
      { pid: 4711, application: 'glance-schema', address: '10.0.0.7', since },
      ` (pid 4711, glance-schema, from 10.0.0.7, since ${since})`,
    ],
    [
      'by a Unix socket, without a name',
      { pid: 4711, application: '', address: null, since },
      ` (pid 4711, since ${since})`,
    ],
    [
      'of another user, as PostgreSQL shows him',
      { pid: 4711, application: null, address: null, since: null },
      ' (pid 4711)',
    ],
    [
      'of another user, as MariaDB shows him',
      { pid: 4711, application: 'glance-schema', address: null },
      ' (pid 4711, glance-schema)',
    ],
  ] satisfies readonly (readonly [string, LockHolder, string])[]) {
    it(fact, () => {
      expect(describeHolders([holder])).to.equal(says);
    });
  }

  it('nobody who is known', () => {
    expect(describeHolders([])).to.equal('');
  });
});
