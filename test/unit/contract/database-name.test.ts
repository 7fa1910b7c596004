import { expect } from 'chai';
import { databaseName, describeDatabase } from '../../../src/contract/database-name.ts';

const CREDENTIALS = {
  userSecretRef: { name: 'glance-db', key: 'username' },
  passwordSecretRef: { name: 'glance-db', key: 'password' },
};
const PARTS = { engine: 'mysql', host: 'db.example.org', name: 'glance', ...CREDENTIALS } as const;

describe('the name of a database', () => {
  const NAMES = [
    [{ secretRef: { name: 'glance-db', key: 'connection' } }, 'glance-db/connection'],
    [PARTS, 'mysql://db.example.org:3306/glance'],
    [{ ...PARTS, engine: 'postgresql' }, 'postgresql://db.example.org:5432/glance'],
    [{ ...PARTS, port: 3307 }, 'mysql://db.example.org:3307/glance'],
    [{ ...PARTS, host: 'fd00::7' }, 'mysql://[fd00::7]:3306/glance'],
  ] as const;
  for (const [database, name] of NAMES) {
    it(name, () => {
      expect(databaseName(database)).to.equal(name);
    });
  }

  it('is the same with the standard port or without it, for other users, and for a host in other case', () => {
    const other = { ...PARTS, port: 3306, host: 'DB.example.org', userSecretRef: { name: 'x', key: 'y' } };
    expect(databaseName(other)).to.equal(databaseName(PARTS));
  });

  it('is said with the words that belong to it', () => {
    expect(describeDatabase('glance-db/connection')).to.equal('of Secret glance-db/connection');
    expect(describeDatabase('mysql://db:3306/glance')).to.equal('at mysql://db:3306/glance');
  });
});
