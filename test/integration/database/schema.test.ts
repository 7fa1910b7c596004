import { expect } from 'chai';
import { goldenSchema, readSchema } from '../../../lab/databases/golden.ts';
import { suitePostgres } from '../../../lab/databases/suite-server.ts';
import { schemaCases } from '../../support/cases/schema.ts';
import { succeeds } from '../../support/db-command.ts';
import { postgresEngine } from '../../support/postgres-engine.ts';
import { goldenDatabase, withLegacyVersion } from '../../support/test-engine.ts';

const NEWEST = '2024_1_contract01';

describe('the schema that is left on PostgreSQL', () => {
  const engine = postgresEngine(suitePostgres());

  schemaCases(engine);

  it('follows the search path', async () => {
    const url = await engine.createDatabase();
    await engine.query(url, 'CREATE SCHEMA imaging; CREATE TABLE public.images (x int)');
    const inSchema = `${url}?options=-csearch_path%3Dimaging`;
    await succeeds(inSchema, 'sync');
    expect(await readSchema(inSchema)).to.deep.equal(engine.goldenSchema(NEWEST));
    expect(await engine.query(inSchema, 'SELECT * FROM alembic_version')).to.deep.equal([
      { version_num: NEWEST },
    ]);
    expect(Object.keys((await readSchema(url)).tables)).to.deep.equal(['images']);
  });

  it("from the real Ocata's migrate_version 0 with nothing else", async () => {
    const url = await engine.createDatabase();
    await engine.query(
      url,
      `CREATE TABLE migrate_version (repository_id varchar(250) PRIMARY KEY, repository_path text,
      version integer); INSERT INTO migrate_version VALUES ('Glance Migrations', '/x', 0)`,
    );
    await succeeds(url, 'sync');
    expect(await readSchema(url)).to.deep.equal(withLegacyVersion(engine, NEWEST, { migrate: 0 }));
    expect(await engine.query(url, 'SELECT * FROM alembic_version')).to.deep.equal([{ version_num: NEWEST }]);
  });

  it('is the same on a server that cannot turn a generated column into a plain one', async () => {
    const { renderStep } = await import('../../../src/migrator/postgres/render-step.ts');
    const { SQUASHED } = await import('../../../migrations/registry.ts');
    const url = await goldenDatabase(engine, { schema: 'mitaka02' });
    await engine.query(
      url,
      SQUASHED.flatMap(({ steps }) =>
        steps.flatMap((step) => renderStep(step, { serverVersion: 120_000 })),
      ).join(';\n'),
    );
    expect(await readSchema(url)).to.deep.equal(goldenSchema('ocata_contract01'));
  });
});
