import { expect } from 'chai';
import { fillNewton } from '../../../lab/databases/glance-data.ts';
import { expectedImages, readImages, withClient } from '../../../lab/databases/images.ts';
import { suitePostgres } from '../../../lab/databases/suite-server.ts';
import { dataCases } from '../../support/cases/data.ts';
import { succeeds } from '../../support/db-command.ts';
import { postgresEngine } from '../../support/postgres-engine.ts';
import { goldenDatabase, newtonDatabase } from '../../support/test-engine.ts';

describe('the data after db sync on PostgreSQL', () => {
  const engine = postgresEngine(suitePostgres());

  dataCases(engine);

  it('leaves no settings of its own on the table', async () => {
    const url = await newtonDatabase(engine, 3000);
    await succeeds(url, 'sync', 'ocata01');
    expect(await engine.query(url, "SELECT reloptions FROM pg_class WHERE relname = 'images'")).to.deep.equal(
      [{ reloptions: null }],
    );
  });

  it("leaves the table's own settings as they were", async () => {
    const url = await newtonDatabase(engine, 100);
    const options = (sql: string) => withClient(url, (client) => client.query(sql));
    await options('ALTER TABLE images SET (fillfactor = 80, autovacuum_enabled = false)');
    await succeeds(url, 'sync');
    const { rows } = await options("SELECT reloptions FROM pg_class WHERE relname = 'images'");
    expect(rows[0].reloptions).to.have.members(['fillfactor=80', 'autovacuum_enabled=false']);
  });

  it('continues an expanded database: what has a visibility keeps it, but private images with members', async () => {
    const url = await goldenDatabase(engine, { schema: 'ocata_expand01', alembic: ['ocata_expand01'] });
    await fillNewton(url, { images: 3000 });
    await withClient(url, async (client) => {
      await client.query(`UPDATE images SET is_public = NULL, visibility =
        (ARRAY['private', 'public', 'shared', 'community']::image_visibility[])[size / 1024 % 4 + 1]
        WHERE size / 1024 % 3 = 0`);
    });
    const expected = await expectedImages(url);
    await succeeds(url, 'sync', 'ocata01');
    expect(await readImages(url)).to.deep.equal(expected);
  });
});
