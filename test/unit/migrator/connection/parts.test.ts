import { expect } from 'chai';
import { resolveConnection } from '../../../../src/cli/db/connection-options.ts';
import { CONNECTION_SOURCE_VARIABLE, PART_VARIABLES } from '../../../../src/contract/names.ts';
import { Failure } from '../../../../src/migrator/errors/failure.ts';

const PARTS = {
  engine: 'mysql',
  host: 'db.example.org',
  name: 'glance',
  user: 'glance',
  password: 'secret',
};

type Parts = Partial<Record<keyof typeof PART_VARIABLES, string>>;

/** The environment of a Job's container. */
function ofJob(changes: Parts): Readonly<Record<string, string>> {
  const parts = Object.entries({ ...PARTS, ...changes }) as [keyof typeof PART_VARIABLES, string][];
  return {
    [CONNECTION_SOURCE_VARIABLE]: 'spec.database',
    ...Object.fromEntries(parts.map(([part, value]) => [PART_VARIABLES[part], value])),
  };
}

describe('a connection whose parts are kept apart', () => {
  it('is read part by part', () => {
    expect(resolveConnection({}, ofJob({}))).to.deep.include({
      engine: 'mysql',
      host: 'db.example.org',
      port: 3306,
      user: 'glance',
      password: 'secret',
      database: 'glance',
      tls: { mode: 'prefer', fromGlanceSchema: true },
    });
    const postgres = resolveConnection({}, ofJob({ engine: 'postgresql', host: 'fd00::7', port: '6432' }));
    expect(postgres).to.deep.include({ engine: 'postgres', host: 'fd00::7', port: 6432, password: 'secret' });
  });

  it('has no TLS but what the GlanceSchema says', () => {
    const flags = { tlsCa: '/etc/glance-schema/tls/ca.crt', tlsMode: 'verify-full' };
    expect(resolveConnection(flags, ofJob({})).tls).to.deep.include({ mode: 'verify-full', ca: flags.tlsCa });
  });

  for (const engine of ['mysql', 'postgresql']) {
    for (const text of ['p@ss:w/o?r#d', '%41', '$(HOME)', '\'"\\', 'two\nlines', ' spaces ', 'ünïcode', '']) {
      it(`${engine}: takes ${JSON.stringify(text)} for a password as it is`, () => {
        expect(resolveConnection({}, ofJob({ engine, password: text })).password).to.equal(text);
      });
    }
    it(`${engine}: takes any user as it is`, () => {
      expect(resolveConnection({}, ofJob({ engine, user: 'a@b:c/d?x=1' })).user).to.equal('a@b:c/d?x=1');
    });
  }

  it('leaves out the line break that echo puts at the end of a Secret', () => {
    const target = resolveConnection({}, ofJob({ user: 'glance\n', password: 'secret\r\n' }));
    expect([target.user, target.password]).to.deep.equal(['glance', 'secret']);
  });

  const REFUSED: readonly (readonly [Parts, string])[] = [
    [{ engine: 'sqlite' }, 'found another engine than mysql and postgresql. Write one of these.'],
    [{ host: '' }, "found nothing in what 'host' says."],
    [{ name: '' }, "found nothing in what 'name' says."],
    [{ user: '\n' }, "found nothing in what 'userSecretRef' says."],
    [{ user: 'my-secret\nname' }, "found a control character in what 'userSecretRef' says."],
    [{ host: '/run/mysqld/mysqld.sock' }, "found more than the name or the address of one host in 'host'."],
    [{ host: 'a,b' }, "found more than the name or the address of one host in 'host'."],
    [
      { host: 'db/glance?ssl_mode=DISABLED' },
      "found more than the name or the address of one host in 'host'.",
    ],
    [{ port: '3306x' }, 'found a port that is no number'],
  ];
  for (const [changes, says] of REFUSED) {
    it(`refuses ${JSON.stringify(changes)}, and shows no secret`, () => {
      expect(() => resolveConnection({}, ofJob(changes)))
        .to.throw(Failure, `Cannot use spec.database: ${says}`)
        .that.satisfies(
          ({ reason, message }: Failure) => reason === 'ConnectionInvalid' && !message.includes('secret'),
        );
    });
  }

  it('names the field of the GlanceSchema that would fix its TLS', () => {
    expect(() => resolveConnection({ tlsMode: 'verify-ca' }, ofJob({}))).to.throw(
      Failure,
      "Cannot use spec.database: found the TLS mode 'verify-ca' with no authority of its own",
    );
  });
});
