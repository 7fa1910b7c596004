import { expect } from 'chai';
import { expectedAtHead, ORIGINS, otherRows, sortedRows, WAYS } from '../../../lab/databases/populated.ts';
import { db, succeeds } from '../db-command.ts';
import { goldenDatabase, newtonDatabase, type TestEngine, withLegacyVersion } from '../test-engine.ts';

/**
 * The cases of what a migration makes of the rows that hold on every engine.
 *
 * @param sample whether the oldest release and the one of the triggers will do.
 */
export function dataCases(engine: TestEngine, { sample = false } = {}): void {
  it('has each image of Newton with the visibility that Glance gives it, and all else as it was', async () => {
    const url = await newtonDatabase(engine, 3000);
    const expected = await engine.expectedImages(url);
    await succeeds(url, 'sync', 'ocata01');
    const images = await engine.readImages(url);
    expect(images).to.deep.equal(expected);
    const counts = Object.groupBy(images, (image) => String(image.visibility));
    expect(Object.keys(counts).sort()).to.deep.equal(['private', 'public', 'shared']);
  });

  const origins = sample ? ORIGINS.slice(0, 2) : ORIGINS;
  for (const [origin, way] of origins.flatMap((each) => WAYS.map((way) => [each, way] as const))) {
    it(`of a database of ${origin.release}, at the newest revision by ${way.join(', ')}: each row, and the real Glance's schema`, async () => {
      const url = await goldenDatabase(engine, origin);
      await engine.fillNewton(url, { images: 2000, sinceOcata: origin.sinceOcata });
      for (const insert of otherRows(origin)) await engine.query(url, insert);
      const before = await engine.readTables(url);
      const expected = origin.sinceOcata ? (before.images ?? []) : await engine.expectedImages(url);
      for (const command of way) await succeeds(url, command);
      expect(sortedRows(await engine.readTables(url))).to.deep.equal(
        sortedRows(expectedAtHead(before, expected, engine.no)),
      );
      expect(await engine.readSchema(url)).to.deep.equal(
        withLegacyVersion(engine, '2024_1_contract01', origin),
      );
      expect(await engine.query(url, 'SELECT * FROM alembic_version')).to.deep.equal([
        { version_num: '2024_1_contract01' },
      ]);
      expect((await db(url, 'check')).code).to.equal(0);
    });
  }

  it('has a resource type renamed by mitaka02, and its times as they were', async () => {
    const url = await goldenDatabase(engine, { schema: 'mitaka01', alembic: ['mitaka01'] });
    await engine.query(
      url,
      `INSERT INTO metadef_resource_types (name, protected, created_at, updated_at) VALUES
        ('OS::Nova::Instance', true, '2015-10-15', '2015-11-01'), ('OS::Glance::Image', false, '2015-10-15', NULL)`,
    );
    await succeeds(url, 'sync');
    expect(
      await engine.query(
        url,
        'SELECT name, trim(CAST(updated_at AS char(26))) AS updated_at FROM metadef_resource_types ORDER BY id',
      ),
    ).to.deep.equal([
      { name: 'OS::Nova::Server', updated_at: '2015-11-01 00:00:00' },
      { name: 'OS::Glance::Image', updated_at: null },
    ]);
  });

  it('lets the next image in with the default of Ocata', async () => {
    const url = await engine.createDatabase();
    await succeeds(url, 'sync');
    await engine.query(
      url,
      `INSERT INTO images (id, status, created_at, deleted, min_disk, min_ram)
        VALUES ('a', 'queued', now(), false, 0, 0)`,
    );
    expect(await engine.query(url, 'SELECT visibility, protected, os_hidden FROM images')).to.deep.equal([
      { visibility: 'shared', protected: engine.no, os_hidden: engine.no },
    ]);
  });
}
