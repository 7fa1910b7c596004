import { expect } from 'chai';
import type { GoldenOptions } from '../../../lab/databases/golden-database.ts';
import { scriptsOf } from '../../../src/glance/heads.ts';
import { LATEST_SUPPORTED, REVISIONS, SCRIPTS } from '../../../src/glance/revisions.ts';
import { succeeds } from '../db-command.ts';
import { headOf, interleaved } from '../golden-names.ts';
import { type EngineSchema, goldenDatabase, type TestEngine, withLegacyVersion } from '../test-engine.ts';

/** The databases that are adopted, and the revision that each is at. */
const ADOPTABLE: readonly (readonly [string, GoldenOptions, string])[] = [
  ['migrate_version 42', { schema: 'ocata_era__liberty', migrate: 42 }, 'liberty'],
  ['migrate_version 43', { schema: 'ocata_era__mitaka01', migrate: 43 }, 'mitaka01'],
  ['migrate_version 44', { schema: 'ocata_era__mitaka02', migrate: 44 }, 'mitaka02'],
  ['migrate_version 45', { schema: 'ocata_era__ocata01', migrate: 45 }, 'ocata01'],
  [
    'an empty alembic_version beside 44',
    { schema: 'ocata_era__mitaka02', migrate: 44, alembic: [] },
    'mitaka02',
  ],
  ["the real Ocata's row", { schema: 'ocata_era__ocata01', migrate: 0, alembic: ['ocata01'] }, 'ocata01'],
  ["the real Pike's row", { schema: 'pike_contract01', alembic: ['pike01'] }, 'pike01'],
  ...SCRIPTS.filter((script) => script.kind !== 'expand').map((script): [string, GoldenOptions, string] => [
    `alembic_version ${script.name}`,
    { schema: script.name, alembic: [script.name] },
    script.revision,
  ]),
  ['alembic_version ocata_expand01', { schema: 'ocata_expand01', alembic: ['ocata_expand01'] }, 'ocata01'],
  [
    'alembic_version 2024_1_expand01',
    { schema: '2024_1_expand01', alembic: ['2024_1_expand01'] },
    LATEST_SUPPORTED,
  ],
  [
    'expanded Wallaby over contracted Rocky',
    { schema: 'wallaby_contract01', alembic: ['wallaby_expand01', 'rocky_contract02'] },
    'wallaby01',
  ],
];

/**
 * Of the databases that are adopted, those where something is different: the first, the old tool's,
 * the halves.
 */
const FEW_ADOPTED: readonly string[] = [
  'migrate_version 44',
  "the real Ocata's row",
  'alembic_version ocata_expand01',
  'expanded Wallaby over contracted Rocky',
];

/**
 * The cases of what a migration makes of the schema that hold on every engine.
 *
 * @param sample whether a few of them will do, where an engine is a relative of one that has them
 *   all.
 */
export function schemaCases(engine: TestEngine, { sample = false } = {}): void {
  async function expectSchema(url: string, schema: EngineSchema, heads: readonly string[]): Promise<void> {
    expect(await engine.readSchema(url), heads.join()).to.deep.equal(schema);
    expect(await rowsOf(url, 'alembic_version')).to.deep.equal(
      [...heads].sort().map((version_num) => ({ version_num })),
    );
  }

  async function expectAt(url: string, revision: string, adopted: { migrate?: number } = {}): Promise<void> {
    const head = headOf(revision);
    await expectSchema(url, withLegacyVersion(engine, head, adopted), [head]);
  }

  const rowsOf = (url: string, table: string) => engine.query(url, `SELECT * FROM ${table} ORDER BY 1`);

  if (!sample) {
    for (const { name } of REVISIONS) {
      it(`from empty to ${name} is the real Glance's`, async () => {
        const url = await engine.createDatabase();
        await succeeds(url, 'sync', name);
        await expectAt(url, name);
      });
    }

    it('is the same one revision at a time, and a second run does nothing', async () => {
      const url = await engine.createDatabase();
      for (const { name } of REVISIONS) {
        await succeeds(url, 'sync', name);
        await expectAt(url, name);
        expect(await succeeds(url, 'sync', name)).to.equal(
          `Database is up to date at ${name}. No migrations needed.\n`,
        );
      }
    });

    it('is that of each of the 29 scripts, revision by revision through the phases', async () => {
      const url = await engine.createDatabase();
      let last = '';
      for (const { name: revision } of REVISIONS) {
        for (const script of scriptsOf(revision)) {
          await succeeds(
            url,
            'sync',
            revision,
            '--through',
            script.kind === 'expand' ? 'Expand' : 'Contract',
          );
          await (script.name === 'ocata_expand01'
            ? expectSchema(url, engine.expandedSchema(script.name), [script.name])
            : expectSchema(url, engine.goldenSchema(interleaved(script)), [
                script.name,
                ...(script.kind === 'expand' ? [last] : []),
              ]));
        }
        last = headOf(revision);
      }
    });
  }

  it('is that of each of the 29 scripts, all expands first and then all contracts', async () => {
    const url = await engine.createDatabase();
    await succeeds(url, 'sync', 'mitaka02');
    const expands = SCRIPTS.filter(({ kind }) => kind === 'expand');
    for (const { name, revision } of expands) {
      await succeeds(url, 'expand', revision);
      await expectSchema(url, engine.expandedSchema(name), [name]);
    }
    await succeeds(url, 'migrate');
    for (const { revision } of expands) {
      await succeeds(url, 'contract', revision);
      const head = engine.goldenSchema(headOf(LATEST_SUPPORTED));
      // No golden file tells of Ocata's contract with all expands: it is the head and what Pike
      // drops. After Pike none changes a thing.
      const dropped = revision === 'ocata01' ? engine.goldenSchema('ocata_contract01').tables : {};
      await expectSchema(url, { ...head, tables: { ...dropped, ...head.tables } }, [
        ...(revision === LATEST_SUPPORTED ? [] : ['2024_1_expand01']),
        headOf(revision),
      ]);
    }
    await expectAt(url, LATEST_SUPPORTED);
  });

  for (const [name, options, at] of ADOPTABLE.filter(([name]) => !sample || FEW_ADOPTED.includes(name))) {
    it(`from ${name} to itself and on to the newest`, async () => {
      const url = await goldenDatabase(engine, options);
      const legacy = options.migrate === undefined ? [] : await rowsOf(url, 'migrate_version');
      await succeeds(url, 'sync', at);
      await expectAt(url, at, options);
      await succeeds(url, 'sync');
      await expectAt(url, LATEST_SUPPORTED, options);
      if (options.migrate !== undefined) {
        expect(await rowsOf(url, 'migrate_version')).to.deep.equal(legacy);
      }
    });
  }
}
