import { expect } from 'chai';
import {
  expectedMysqlImages,
  fillMysqlNewton,
  readMysqlImages,
} from '../../../lab/databases/glance-data-mysql.ts';
import { askMysql, withMysql } from '../../../lab/databases/mysql-client.ts';
import { suiteMariaDb } from '../../../lab/databases/suite-server.ts';
import { dataCases } from '../../support/cases/data.ts';
import { succeeds } from '../../support/db-command.ts';
import { mysqlEngine } from '../../support/mysql-engine.ts';
import { goldenDatabase, newtonDatabase } from '../../support/test-engine.ts';

interface PlannedStep {
  readonly statements: readonly { readonly sql: string; readonly autocommit: boolean }[];
}

describe('the data after db sync on MariaDB', () => {
  const engine = mysqlEngine(suiteMariaDb());

  dataCases(engine);

  it('continues an expanded database: what has a visibility keeps it, but private images with members', async () => {
    const url = await goldenDatabase(engine, { schema: 'ocata_expand01', alembic: ['ocata_expand01'] });
    // Rows from before the expand have no visibility; those written since have both, by the
    // triggers.
    await withMysql(url, async (client) => {
      await client.query('DROP TRIGGER insert_visibility; DROP TRIGGER update_visibility');
    });
    await fillMysqlNewton(url, { images: 3000 });
    await withMysql(url, async (client) => {
      await client.query(`UPDATE images SET visibility = ELT(size DIV 1024 % 4 + 1, 'private', 'public', 'shared', 'community')
        WHERE size DIV 1024 % 3 = 0`);
      await client.query(
        'UPDATE images SET is_public = (visibility = "public") WHERE visibility IS NOT NULL',
      );
    });
    const expected = await expectedMysqlImages(url);
    await succeeds(url, 'sync', 'ocata01');
    expect(await readMysqlImages(url)).to.deep.equal(expected);
  });

  it('agrees with what old nodes of Glance write between any two statements of db expand', async () => {
    const url = await goldenDatabase(engine, { schema: 'mitaka02', alembic: ['mitaka02'] });
    const plan = await succeeds(url, 'plan', 'ocata01', '--through', 'Expand', '--output', 'json');
    const [expand] = JSON.parse(plan).steps as readonly PlannedStep[];
    const statements = expand?.statements.filter(({ autocommit }) => autocommit) ?? [];
    expect(statements).to.have.length.greaterThan(3);
    await withMysql(url, async (client) => {
      // One image for each place at which it can be made, and later one at which it can be changed.
      for (let place = 0; ; place += 1) {
        for (let later = place; later <= statements.length; later += 1) {
          for (const isPublic of [true, false]) {
            await client.query(
              `INSERT INTO images (id, is_public, status, created_at, deleted, min_disk, min_ram)
                VALUES (?, ?, 'queued', now(), false, 0, 0)`,
              [`${place}-${later}-${isPublic}`, isPublic],
            );
          }
        }
        await client.query(`UPDATE images SET is_public = NOT is_public WHERE id LIKE '%-${place}-%'`);
        const statement = statements[place];
        if (statement === undefined) return;
        await client.query(statement.sql);
      }
    });
    for (const phase of ['expand', 'migrate']) {
      await succeeds(url, phase, 'ocata01');
    }
    expect(
      await askMysql(url, `SELECT id FROM images WHERE NOT is_public <=> (visibility <=> 'public')`),
    ).to.deep.equal([]);
    expect(
      await askMysql(url, `SELECT id FROM images WHERE NOT is_public <=> (id LIKE '%-false')`),
      'each was changed once',
    ).to.deep.equal([]);
  });

  it('has the key backend renamed by Train, in that spelling only', async () => {
    const url = await newtonDatabase(engine, 30);
    await withMysql(url, (client) =>
      client.query(`UPDATE image_locations SET meta_data = '{"Backend": "x"}' WHERE id = 1`),
    );
    await succeeds(url, 'sync');
    const rows = await askMysql(
      url,
      'SELECT meta_data, count(*) AS n FROM image_locations GROUP BY 1 ORDER BY 1',
    );
    expect(rows).to.deep.equal([
      { meta_data: '{"Backend": "x"}', n: 1 },
      { meta_data: '{"store": "ceph"}', n: 10 },
      { meta_data: '{}', n: 19 },
    ]);
  });
});
