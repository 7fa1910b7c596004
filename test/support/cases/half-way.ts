import { expect } from 'chai';
import type { GoldenOptions } from '../../../lab/databases/golden-database.ts';
import { succeeds } from '../db-command.ts';
import { type EngineSchema, goldenDatabase, type TestEngine, withLegacyVersion } from '../test-engine.ts';

/**
 * What Glance 14.0.0's script ocata01 and the old tool's 045 run, each statement committed by
 * itself: so a killed run leaves any beginning of it. The versions of both are written last.
 *
 * Source:
 * glance/db/sqlalchemy/alembic_migrations/versions/ocata01_add_visibility_remove_is_public.py and
 * glance/db/sqlalchemy/migrate_repo/versions/045_add_visibility.py.
 */
export interface OcataScript {
  readonly addVisibility: readonly string[];
  readonly dropIndex: string;
}

const UPDATES: readonly string[] = [
  'CREATE INDEX visibility_image_idx ON images (visibility)',
  "UPDATE images SET visibility = 'public' WHERE is_public",
  "UPDATE images SET visibility = 'private' WHERE NOT is_public",
  `UPDATE images SET visibility = 'shared' WHERE visibility = 'private'
    AND id IN (SELECT DISTINCT image_id FROM image_members WHERE NOT deleted)`,
];

const ORIGINS: readonly GoldenOptions[] = [
  { schema: 'mitaka02', alembic: ['mitaka02'] },
  { schema: 'ocata_era__mitaka02', migrate: 44 },
];

const WAYS = [['sync'], ['expand', 'migrate', 'contract']] as const;

/** All of the script but its record, in order. */
export function statementsOf(script: OcataScript): readonly string[] {
  return [...script.addVisibility, ...UPDATES, script.dropIndex, 'ALTER TABLE images DROP COLUMN is_public'];
}

export interface HalfWayOptions {
  /** How many images each database has. */
  readonly images?: number;
  /** After which numbers of statements the script was ended; absent means after each. */
  readonly after?: readonly number[];
}

/** The cases of databases that other tools have left in the middle of Ocata, each with images. */
export function halfWayCases(
  engine: TestEngine,
  script: OcataScript,
  { images = 60, after }: HalfWayOptions = {},
): void {
  const statements = statementsOf(script);
  for (const origin of ORIGINS) {
    for (const way of WAYS) {
      for (const ran of after ?? statements.map((_, index) => index + 1)) {
        const from = origin.migrate === undefined ? 'alembic_version mitaka02' : 'migrate_version 44';
        it(`${from} after ${ran} of ${statements.length} statements of ocata01: ${way.join(', ')}`, async () => {
          const url = await goldenDatabase(engine, origin);
          await engine.fillNewton(url, { images });
          const expected = await engine.expectedImages(url);
          for (const statement of statements.slice(0, ran)) await engine.query(url, statement);
          for (const command of way) await succeeds(url, command, 'ocata01');
          expect(await engine.readImages(url)).to.deep.equal(expected);
          expect(withoutNumbers(await engine.readSchema(url))).to.deep.equal(
            withoutNumbers(withLegacyVersion(engine, 'ocata_contract01', origin)),
          );
          expect(await engine.query(url, 'SELECT * FROM alembic_version')).to.deep.equal([
            { version_num: 'ocata_contract01' },
          ]);
        });
      }
    }
  }
}

/** Without the numbers of columns, which count those that are gone. */
function withoutNumbers(schema: EngineSchema): unknown {
  return JSON.parse(JSON.stringify(schema, (key, value) => (key === 'attnum' ? undefined : value)));
}
