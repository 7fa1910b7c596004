import { expect } from 'chai';
import { askMysql } from '../../../lab/databases/mysql-client.ts';
import { suiteMariaDb } from '../../../lab/databases/suite-server.ts';
import { startCli } from '../../../lab/process/bundle.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { driftCases } from '../../support/cases/drift.ts';
import { obstacleCases, verifyCases } from '../../support/cases/verify.ts';
import { db, succeeds } from '../../support/db-command.ts';
import { mysqlEngine } from '../../support/mysql-engine.ts';
import { newtonDatabase } from '../../support/test-engine.ts';

describe('the schema that a run on MariaDB leaves', () => {
  const server = suiteMariaDb();
  const engine = mysqlEngine(server);

  obstacleCases(engine, [
    [
      'a column generated from is_public',
      ['ALTER TABLE images ADD COLUMN closed boolean AS (NOT is_public) PERSISTENT'],
      'column images.closed needs images.is_public',
    ],
    [
      'a CHECK over is_public and another column',
      ['ALTER TABLE images ADD CONSTRAINT ours CHECK (is_public = 0 OR protected IN (0, 1))'],
      'constraint ours of images needs images.is_public',
    ],
    [
      'a foreign key to a table of the artifacts',
      [
        'CREATE TABLE ours (id varchar(36) CHARACTER SET utf8mb3, CONSTRAINT ours_key FOREIGN KEY (id) REFERENCES artifacts (id))',
      ],
      'foreign key ours_key of ours needs artifacts',
    ],
  ]);

  it('two collations, as a restore can leave them: refused before the first change, with how to fix it', async () => {
    const url = await newtonDatabase(engine, 20);
    await askMysql(
      url,
      'ALTER TABLE image_members DROP FOREIGN KEY image_members_ibfk_1; ALTER TABLE image_members CONVERT TO CHARACTER SET utf8mb3 COLLATE utf8mb3_unicode_ci',
    );
    const before = await engine.readTables(url);
    const { code, stderr } = await db(url, 'sync');
    expect(code, stderr).to.equal(1);
    expect(stderr).to.match(
      /images\.id has the collation utf8mb3_general_ci and image_members\.image_id utf8mb3_unicode_ci/,
    );
    expect(await engine.readTables(url)).to.deep.equal(before);
    await askMysql(url, /ALTER TABLE image_members .*$/m.exec(stderr)?.[0] ?? '');
    await succeeds(url, 'sync');
  });

  for (const [fact, statement] of [
    ['dropped', "DROP USER expander@'%'"],
    ['left without its rights', "REVOKE ALL PRIVILEGES, GRANT OPTION FROM expander@'%'"],
  ] as const) {
    it(`the user that ran expand, ${fact} before contract: nobody can write an image, and the next expand repairs it`, async () => {
      const url = await newtonDatabase(engine, 20);
      const expected = await engine.expectedImages(url);
      const admin = server().adminUrl('mysql');
      await askMysql(admin, "CREATE OR REPLACE USER expander@'%' IDENTIFIED BY 'glance-secret'");
      await askMysql(admin, "GRANT ALL PRIVILEGES ON *.* TO expander@'%'");
      await succeeds(url.replace('//glance:', '//expander:'), 'expand', 'ocata01');
      await askMysql(admin, statement);
      const write = () => engine.query(url, 'UPDATE images SET status = status LIMIT 1');
      const refused = await write().catch((error: Error) => error.message);
      expect(refused).to.match(/definer|denied/);
      const { hash, mostRows } = JSON.parse(await succeeds(url, 'plan', 'ocata01', '--output', 'json'));
      const planned = await db(url, 'sync', 'ocata01', '--plan-hash', hash, '--plan-rows', String(mostRows));
      expect(planned.code, planned.stderr).to.equal(1);
      expect(planned.stderr).to.contain(
        'their definer is gone, and a plan cannot see that. Nothing was changed.',
      );
      const told = await db(url, 'expand', 'ocata01');
      expect(told.code, told.stderr).to.equal(0);
      expect(told.stdout).to.contain('remade_triggers');
      await write();
      expect((await db(url, 'check', 'ocata01')).code, 'migrate is next').to.equal(4);
      expect(await succeeds(url, 'expand', 'ocata01'), 'recreated once').to.contain('No migrations needed');
      await succeeds(url, 'migrate', 'ocata01');
      await succeeds(url, 'contract', 'ocata01');
      expect(await engine.readImages(url)).to.deep.equal(expected);
    });
  }

  driftCases(engine, {
    dropOwnerIndex: 'DROP INDEX owner_image_idx ON images',
    widenName: 'ALTER TABLE images MODIFY COLUMN name varchar(512)',
    script: {
      addVisibility: [
        "ALTER TABLE images ADD COLUMN visibility ENUM('private','public','shared','community') NOT NULL DEFAULT 'shared'",
      ],
      dropIndex: 'DROP INDEX ix_images_is_public ON images',
    },
  });

  for (const [before, after] of [
    [[], ['ocata01']],
    [[], ['ocata01', '--through', 'Migrate']],
    [['ocata01', '--through', 'Migrate'], ['ocata01']],
    [['pike01', '--through', 'Migrate'], ['pike01']],
  ] as const) {
    const way = [...before, 'to', ...after].join(' ');
    it(`a script of ours that was ended in the middle is no drift: ${way}`, async () => {
      const url = await newtonDatabase(engine, 0);
      if (before.length > 0) await succeeds(url, 'sync', ...before);
      const { steps } = JSON.parse(await succeeds(url, 'plan', ...after, '--output', 'json')) as {
        readonly steps: readonly { readonly statements: readonly { readonly sql: string }[] }[];
      };
      const statements = steps.flatMap((step) => step.statements.map(({ sql }) => sql));
      for (const sql of statements.filter((each) => /^(CREATE|ALTER|DROP)/.test(each))) {
        await askMysql(url, sql);
        const told = await db(url, 'diff', '--drift', '--output', 'json');
        expect(JSON.parse(told.stdout), `after ${sql}`).to.deep.include({ differences: [], also: [] });
      }
      const { code, stderr } = await db(url, 'sync', ...after, '--drift', 'block');
      expect(code, stderr).to.equal(0);
    });
  }

  verifyCases(engine, {
    dropIndex: (index, table) => `DROP INDEX ${index} ON ${table}`,
    widen: (column, type) => `ALTER TABLE images MODIFY COLUMN ${column} ${type}`,
    dropForeignKey: 'ALTER TABLE image_tags DROP FOREIGN KEY image_tags_ibfk_1',
    dropUnique: 'ALTER TABLE image_members DROP INDEX image_members_image_id_member_deleted_at_key',
    years: [
      'DROP INDEX checksum_image_idx ON images',
      'ALTER TABLE images RENAME INDEX owner_image_idx TO images_by_owner',
      'CREATE INDEX ours ON images (status, disk_format)',
      'ALTER TABLE images MODIFY COLUMN name text, MODIFY COLUMN min_ram int NULL, ADD COLUMN cost_centre varchar(20)',
      'ALTER TABLE image_tags MODIFY COLUMN value varchar(800) NOT NULL, DROP FOREIGN KEY image_tags_ibfk_1',
      'CREATE TABLE audit (id integer PRIMARY KEY)',
    ],
    told: [
      [
        'column images.name is text instead of varchar(255)',
        'ALTER TABLE images MODIFY COLUMN `name` VARCHAR(255) NULL',
        'cuts or refuses each name that no varchar(255) holds',
      ],
      [
        'column images.min_ram is int instead of int not null',
        'ALTER TABLE images MODIFY COLUMN `min_ram` INTEGER NOT NULL',
        'refuses or empties each min_ram that is NULL',
      ],
      [
        'index checksum_image_idx on images (checksum) is missing',
        'ALTER TABLE images ADD INDEX checksum_image_idx (checksum)',
      ],
      [
        'index owner_image_idx on images (owner) is missing',
        'ALTER TABLE images ADD INDEX owner_image_idx (owner)',
      ],
      [
        'column image_tags.value is varchar(800) not null instead of varchar(255) not null',
        'ALTER TABLE image_tags MODIFY COLUMN `value` VARCHAR(255) NOT NULL',
        'cuts or refuses each value that no varchar(255) holds',
      ],
      [
        'foreign key of image_tags (image_id) to images (id) is missing',
        'ALTER TABLE image_tags ADD FOREIGN KEY (image_id) REFERENCES images (id)',
      ],
    ],
    emptyTrigger: [
      'DROP TRIGGER insert_visibility',
      'CREATE TRIGGER insert_visibility BEFORE INSERT ON images FOR EACH ROW SET NEW.name = NEW.name',
    ],
  });

  it('another tool is at work between two repairs: the second is not begun', async () => {
    const url = await engine.createDatabase();
    await succeeds(url, 'sync');
    await askMysql(url, 'ALTER TABLE images DROP INDEX checksum_image_idx, DROP INDEX owner_image_idx');
    const reader = await engine.connect(url);
    await reader.query('START TRANSACTION');
    await reader.query('SELECT COUNT(*) FROM images');
    const run = startCli(['db', 'sync'], { DATABASE_CONNECTION: url });
    await eventually(async () =>
      expect(
        await askMysql(
          url,
          "SELECT ID FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND INFO LIKE 'ALTER TABLE images%'",
        ),
      ).to.have.length(1),
    );
    await askMysql(url, "UPDATE alembic_version SET version_num = 'theirs'");
    await reader.end();
    const { code, stderr } = await run.done;
    expect(code, stderr).to.equal(1);
    expect(stderr).to.contain('another tool has changed alembic_version to theirs meanwhile');
    const there = await askMysql(
      url,
      `SELECT DISTINCT INDEX_NAME AS name FROM information_schema.STATISTICS
        WHERE TABLE_SCHEMA = DATABASE() AND INDEX_NAME IN ('checksum_image_idx', 'owner_image_idx')`,
    );
    expect(there).to.have.length(1);
  });

  it('a check that is gone: reported, with how to fix it; none at all is what an older server has left', async () => {
    const url = await engine.createDatabase();
    await succeeds(url, 'sync');
    await askMysql(url, 'ALTER TABLE images DROP CONSTRAINT CONSTRAINT_2');
    const { code, stdout } = await db(url, 'diff', '--output', 'json');
    expect(code).to.equal(16);
    const { differences } = JSON.parse(stdout);
    expect(differences).to.deep.equal([
      {
        what: 'check that images.deleted is 0 or 1 is missing',
        sql: ['ALTER TABLE images ADD CHECK (deleted IN (0, 1))'],
      },
    ]);
    await askMysql(url, differences[0].sql[0]);
    expect((await db(url, 'diff')).code).to.equal(0);
    for (const { tab, name } of await askMysql(
      url,
      'SELECT TABLE_NAME AS tab, CONSTRAINT_NAME AS name FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = DATABASE()',
    )) {
      await askMysql(url, `ALTER TABLE ${tab} DROP CONSTRAINT ${name}`);
    }
    expect((await db(url, 'diff')).code).to.equal(0);
  });
});
