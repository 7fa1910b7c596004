import { expect } from 'chai';
import { REGISTRY } from '../../../migrations/registry.ts';
import { agrees, type Detected, detect, type Found, type MigrateRow } from '../../../src/glance/detect.ts';
import { appliedScripts } from '../../../src/glance/heads.ts';
import { type KnownSchema, knownSchema } from '../../../src/glance/known-schema.ts';
import { filledFrom } from '../../../src/glance/lost-columns.ts';
import { formatPosition, type Position } from '../../../src/glance/position.ts';
import { withoutUndefined } from '../../../src/glance/without-undefined.ts';

const KNOWN_SCHEMA = knownSchema(REGISTRY, true);

/** The tables of a revision, as a real database would show them. */
function tablesAt(...heads: readonly string[]): Map<string, Set<string>> {
  return new Map(
    [...KNOWN_SCHEMA.after(appliedScripts(heads))].map(([table, columns]) => [table, new Set(columns)]),
  );
}

interface Seen {
  readonly schema?: string;
  /** A head of the other branch that the schema has too. */
  readonly also?: string;
  readonly pending?: readonly string[];
  readonly alembic?: readonly string[];
  readonly migrate?: number | null;
  readonly repository?: string;
  /** More rows of migrate_version. */
  readonly beside?: readonly MigrateRow[];
  readonly extra?: readonly string[];
}

function found(database: Seen): Found {
  const tables =
    database.schema === undefined
      ? new Map<string, Set<string>>()
      : tablesAt(database.schema, ...(database.also === undefined ? [] : [database.also]));
  for (const table of database.extra ?? []) {
    tables.set(table, new Set(['id']));
  }
  if (database.alembic !== undefined) {
    tables.set('alembic_version', new Set(['version_num']));
  }
  if (database.migrate !== undefined) {
    tables.set('migrate_version', new Set(['repository_id', 'repository_path', 'version']));
  }
  return {
    tables,
    ...(database.pending === undefined ? {} : { pending: new Set(database.pending) }),
    ...withoutUndefined({ alembic: database.alembic }),
    ...(database.migrate === undefined
      ? {}
      : {
          migrate: [
            ...(database.beside ?? []),
            { repository: database.repository ?? 'Glance Migrations', version: database.migrate },
          ],
        }),
  };
}

/** The tables with these columns of one of them gone. */
function without(
  tables: Found['tables'],
  table: string,
  columns: readonly string[],
): Map<string, ReadonlySet<string>> {
  const left = [...(tables.get(table) ?? [])].filter((name) => !columns.includes(name));
  return new Map([...tables, [table, new Set(left)]]);
}

/** `empty`, `mitaka02`, `mitaka02 adopted from ...` or the reason of a refusal. */
function brief(detected: Detected): string {
  switch (detected.kind) {
    case 'empty':
      return 'empty';
    case 'refused':
      return detected.reason;
    case 'at': {
      const at = `${formatPosition(detected.position)}${detected.underWay ? ', under way' : ''}${detected.lacking.map((name) => `, lacking ${name}`).join('')}`;
      return detected.baseline === undefined
        ? at
        : `${at}, from ${detected.baseline.from} to ${detected.baseline.heads.join()}`;
    }
  }
}

describe('the rows of a version table and a position', () => {
  const rows: readonly (readonly [string, Position, readonly string[], boolean])[] = [
    ['its own row', { revision: 'mitaka02', phase: 'Contract' }, ['mitaka02'], true],
    ['no rows, from before Alembic', { revision: 'ocata01', phase: 'Contract' }, [], true],
    [
      'no rows, in a phase that was not there before Alembic',
      { revision: 'ocata01', phase: 'Expand' },
      [],
      false,
    ],
    ['a row of nobody', { revision: 'mitaka02', phase: 'Contract' }, ['x'], false],
    [
      'its own row beside one of nobody',
      { revision: 'mitaka02', phase: 'Contract' },
      ['mitaka02', 'x'],
      false,
    ],
  ];
  for (const [fact, position, heads, expected] of rows) {
    it(`${fact}: ${expected ? 'agree' : 'do not agree'}`, () =>
      expect(agrees(position, heads)).to.equal(expected));
  }
});

describe('locate', () => {
  const rows: readonly (readonly [string, Seen, string])[] = [
    ['nothing', {}, 'empty'],
    ['an empty alembic_version', { alembic: [] }, 'empty'],
    ['migrate_version 0 and nothing else', { migrate: 0 }, 'empty'],
    ['migrate_version 0 beside an empty alembic_version', { migrate: 0, alembic: [] }, 'empty'],
    ['liberty', { schema: 'liberty', alembic: ['liberty'] }, 'liberty'],
    ['mitaka01', { schema: 'mitaka01', alembic: ['mitaka01'] }, 'mitaka01'],
    ['mitaka02', { schema: 'mitaka02', alembic: ['mitaka02'] }, 'mitaka02'],
    [
      'an expanded Ocata',
      { schema: 'ocata_expand01', alembic: ['ocata_expand01'], pending: ['ocata01'] },
      'ocata01 (Expand)',
    ],
    [
      'an expanded Ocata whose rows are moved',
      { schema: 'ocata_expand01', alembic: ['ocata_expand01'] },
      'ocata01 (Migrate)',
    ],
    [
      'an Ocata whose expand was ended in the middle',
      { schema: 'ocata_expand01', alembic: ['mitaka02'] },
      'mitaka02, under way',
    ],
    [
      'all expands before any contract',
      { schema: '2024_1_expand01', alembic: ['2024_1_expand01'], pending: ['ocata01', 'train01'] },
      'ocata01 (Expand)',
    ],
    [
      'contracted Ocata with the expands of later ones',
      {
        schema: '2024_1_expand01',
        also: 'ocata_contract01',
        alembic: ['2024_1_expand01', 'ocata_contract01'],
      },
      'pike01 (Migrate)',
    ],
    [
      "the real Pike's own name",
      { schema: 'pike_contract01', alembic: ['pike01'] },
      "pike01, from alembic_version 'pike01' to pike_contract01",
    ],
    ['Pike', { schema: 'pike_contract01', alembic: ['pike_contract01'] }, 'pike01'],
    ['the newest of all', { schema: '2024_1_contract01', alembic: ['2024_1_contract01'] }, '2024_1_01'],
    ['a contracted Ocata', { schema: 'ocata_contract01', alembic: ['ocata_contract01'] }, 'ocata01'],
    [
      'both rows of Ocata',
      { schema: 'ocata_contract01', alembic: ['ocata_contract01', 'ocata_expand01'] },
      'ocata01',
    ],
    [
      "the real Ocata's own name",
      { schema: 'ocata_contract01', alembic: ['ocata01'], migrate: 0 },
      "ocata01, from alembic_version 'ocata01' to ocata_contract01",
    ],
    ['migrate_version 42', { schema: 'liberty', migrate: 42 }, 'liberty, from migrate_version 42 to liberty'],
    [
      'migrate_version 43',
      { schema: 'mitaka01', migrate: 43 },
      'mitaka01, from migrate_version 43 to mitaka01',
    ],
    [
      'migrate_version 44',
      { schema: 'mitaka02', migrate: 44 },
      'mitaka02, from migrate_version 44 to mitaka02',
    ],
    [
      'migrate_version 45',
      { schema: 'ocata_contract01', migrate: 45 },
      'ocata01, from migrate_version 45 to ocata_contract01',
    ],
    [
      'migrate_version 44 beside an empty alembic_version',
      { schema: 'mitaka02', migrate: 44, alembic: [] },
      'mitaka02, from migrate_version 44 to mitaka02',
    ],
    [
      'alembic_version takes precedence over migrate_version',
      { schema: 'ocata_contract01', migrate: 44, alembic: ['ocata_contract01'] },
      'ocata01',
    ],
    ['migrate_version 1', { schema: 'liberty', migrate: 1 }, 'DatabaseNotGlance'],
    ['migrate_version 41', { schema: 'liberty', migrate: 41 }, 'DatabaseNotGlance'],
    ['migrate_version 46', { schema: 'liberty', migrate: 46 }, 'DatabaseNotGlance'],
    ['migrate_version -1', { schema: 'liberty', migrate: -1 }, 'DatabaseNotGlance'],
    ['migrate_version NULL', { schema: 'liberty', migrate: null }, 'DatabaseNotGlance'],
    ['migrate_version 0 with tables', { schema: 'liberty', migrate: 0 }, 'DatabaseNotGlance'],
    [
      "another project's migrate_version",
      { extra: ['instances'], migrate: 44, repository: 'nova' },
      'DatabaseNotGlance',
    ],
    ['Glance tables and no version table', { schema: 'mitaka02' }, 'DatabaseNotGlance'],
    ['Glance tables and an empty alembic_version', { schema: 'mitaka02', alembic: [] }, 'DatabaseNotGlance'],
    ["another project's tables", { extra: ['instances', 'flavors'] }, 'DatabaseNotGlance'],
    ["another project's row", { extra: ['user'], alembic: ['29e87d24a316'] }, 'DatabaseNotGlance'],
    [
      'a row of a release to come beside one that is not of Glance',
      { schema: '2024_1_contract01', alembic: ['2027_1_expand01', 'x'] },
      'DatabaseNotGlance',
    ],
    [
      'a row that only begins as those of Glance',
      { schema: '2024_1_contract01', alembic: ['2027_1_expand01x'] },
      'DatabaseNotGlance',
    ],
    [
      'a row that only ends as those of Glance',
      { schema: '2024_1_contract01', alembic: ['x-2027_1_expand01'] },
      'DatabaseNotGlance',
    ],
    [
      "the real Pike's own name beside a later expand",
      { schema: 'queens_expand01', also: 'pike_contract01', alembic: ['queens_expand01', 'pike01'] },
      "queens01 (Migrate), from alembic_version 'queens_expand01', 'pike01' to pike_contract01,queens_expand01",
    ],
    [
      "Glance's number after another project's",
      { schema: 'mitaka02', migrate: 44, beside: [{ repository: 'nova', version: 43 }] },
      'mitaka02, from migrate_version 44 to mitaka02',
    ],
    [
      'one number, by another name',
      { schema: 'mitaka02', migrate: 44, repository: 'glance' },
      'mitaka02, from migrate_version 44 to mitaka02',
    ],
    [
      "two numbers, none of them Glance's",
      { migrate: 44, repository: 'cinder', beside: [{ repository: 'nova', version: 43 }] },
      'empty',
    ],
    ['a known and an unknown row', { schema: 'mitaka02', alembic: ['mitaka02', 'x'] }, 'DatabaseNotGlance'],
    ['a release to come', { schema: 'ocata_contract01', alembic: ['2031_1_contract02'] }, 'DatabaseNewer'],
    [
      'an expand of a release to come',
      { schema: '2024_1_contract01', alembic: ['2027_1_expand01'] },
      'DatabaseNewer',
    ],
    [
      'Pike by its stamp, Ocata by its tables',
      { schema: 'ocata_contract01', alembic: ['pike_contract01'] },
      'DatabaseNotGlance',
    ],
    [
      'a stamp ahead of the schema',
      { schema: 'mitaka02', alembic: ['ocata_contract01'] },
      'DatabaseNotGlance',
    ],
    ['a stamp behind the schema', { schema: 'ocata_contract01', alembic: ['mitaka01'] }, 'DatabaseNotGlance'],
    [
      'a tool ended before its record, is_public gone',
      { schema: 'ocata_contract01', alembic: ['mitaka02'] },
      'mitaka02, under way, lacking images.is_public',
    ],
    ['a stamp on nothing', { alembic: ['mitaka02'] }, 'DatabaseNotGlance'],
    ['an old stamp ahead of the schema', { schema: 'mitaka02', migrate: 45 }, 'DatabaseNotGlance'],
    ['an old stamp on nothing', { migrate: 44 }, 'DatabaseNotGlance'],
    [
      'a table of somebody beside Glance',
      { schema: 'mitaka02', alembic: ['mitaka02'], extra: ['audit'] },
      'mitaka02',
    ],
  ];
  for (const [name, database, expected] of rows) {
    it(`${name}: ${expected}`, () => {
      expect(brief(detect(found(database), KNOWN_SCHEMA))).to.equal(expected);
    });
  }

  const messages: readonly (readonly [string, Seen, string])[] = [
    [
      'a release to come',
      { schema: '2024_1_contract01', alembic: ['2027_1_expand01', 'liberty'] },
      "alembic_version says '2027_1_expand01', 'liberty', which is newer than '2024_1_01', the latest revision that this version supports. Use a newer glance-schema.",
    ],
    [
      "another project's row",
      { extra: ['user'], alembic: ['29e87d24a316'] },
      "alembic_version says '29e87d24a316', which is no revision of Glance. Check that this is Glance's database.",
    ],
    [
      'a number before Liberty',
      { schema: 'liberty', migrate: 41 },
      "migrate_version says 41, which is before Liberty (42). Upgrade to Liberty with Glance's own tool first.",
    ],
    [
      'the first number',
      { migrate: 1 },
      "migrate_version says 1, which is before Liberty (42). Upgrade to Liberty with Glance's own tool first.",
    ],
    ...([46, -1, null] as const).map(
      (migrate) =>
        [
          `the number ${migrate}`,
          { schema: 'liberty', migrate },
          `migrate_version says ${migrate}, which is no version that Glance had. Check that this is Glance's database.`,
        ] as const,
    ),
    [
      "Glance's tables beside others and no version",
      { schema: 'mitaka02', extra: ['audit'], alembic: [] },
      "Glance's tables are there (artifact_blob_locations, artifact_blobs, artifact_dependencies and 16 more), but no version in alembic_version or migrate_version. Restore a backup, or stamp the database by 'db version_control REVISION'.",
    ],
    [
      "two tables that are not Glance's",
      { extra: ['instances', 'flavors'] },
      "it has tables that are not Glance's (flavors, instances). Name an empty database, or Glance's own.",
    ],
    [
      "three tables that are not Glance's",
      { extra: ['c', 'b', 'a'] },
      "it has tables that are not Glance's (a, b, c). Name an empty database, or Glance's own.",
    ],
    [
      "four tables that are not Glance's",
      { extra: ['d', 'c', 'b', 'a'] },
      "it has tables that are not Glance's (a, b, c and 1 more). Name an empty database, or Glance's own.",
    ],
    [
      'a stamp behind the schema',
      { schema: 'ocata_contract01', alembic: ['mitaka01'] },
      "alembic_version says 'mitaka01', but images.is_public is missing and images.visibility exists, which 'mitaka01' does not have. Restore a backup, or correct the version table by 'db version_control REVISION'.",
    ],
    [
      'a stamp far behind the schema',
      { schema: '2024_1_contract01', alembic: ['pike_contract01'] },
      "alembic_version says 'pike_contract01', but images.os_hidden, images.os_hash_algo, images.os_hash_value and 5 more exist, which 'pike01' does not have. Restore a backup, or correct the version table by 'db version_control REVISION'.",
    ],
  ];
  for (const [name, database, message] of messages) {
    it(`says of ${name}: ${message}`, () => {
      expect(detect(found(database), KNOWN_SCHEMA)).to.deep.include({ kind: 'refused', message });
    });
  }

  it('says by itself what is not as the revision has it', () => {
    const database = found({ schema: 'ocata_contract01', alembic: ['mitaka01'] });
    expect(detect(database, KNOWN_SCHEMA)).to.deep.include({
      wrong: "images.is_public is missing and images.visibility exists, which 'mitaka01' does not have",
    });
  });

  it('says which columns are missing, and where the stamp claims to be', () => {
    const database = found({ schema: 'mitaka02', alembic: ['mitaka02'] });
    const missing = ['is_public', 'name'];
    expect(
      detect({ ...database, tables: without(database.tables, 'images', missing) }, KNOWN_SCHEMA),
    ).to.deep.equal({
      kind: 'refused',
      reason: 'DatabaseNotGlance',
      message:
        "alembic_version says 'mitaka02', but images.name, images.is_public are missing. Restore a backup, or correct the version table by 'db version_control REVISION'.",
      wrong: 'images.name, images.is_public are missing',
      position: { revision: 'mitaka02', phase: 'Contract' },
    });
  });

  it('says all of a database that is where its version table says', () => {
    expect(detect(found({ schema: 'liberty', alembic: ['liberty'] }), KNOWN_SCHEMA)).to.deep.equal({
      kind: 'at',
      position: { revision: 'liberty', phase: 'Contract' },
      applied: new Set(['liberty']),
      underWay: false,
      lacking: [],
    });
  });

  describe('an expand that was ended in the middle', () => {
    const database = found({ schema: 'ocata_expand01', alembic: ['mitaka02'] });
    const [trigger = '', ...others] = KNOWN_SCHEMA.triggers;
    const rows: readonly (readonly [string, readonly string[] | undefined, string])[] = [
      ['nobody asked for triggers', undefined, 'mitaka02, under way'],
      ['it has one of its triggers', [trigger], 'mitaka02, under way'],
      ['it has no trigger', [], 'mitaka02'],
      ['it has triggers of others', ['audit_insert'], 'mitaka02'],
    ];
    for (const [fact, triggers, expected] of rows) {
      it(`${fact}: ${expected}`, () => {
        expect(others, 'there are more than one').to.not.deep.equal([]);
        const seen = triggers === undefined ? database : { ...database, triggers: new Set(triggers) };
        expect(
          brief(detect(seen, { ...KNOWN_SCHEMA, transactional: false, mayLack: () => new Set() })),
        ).to.equal(expected);
      });
    }

    it('is under way without triggers too where each script is one transaction', () => {
      const seen = { ...database, triggers: new Set<string>() };
      expect(brief(detect(seen, KNOWN_SCHEMA))).to.equal('mitaka02, under way');
    });

    it('is not under way where nothing of it is there, whatever triggers there are', () => {
      const seen = { ...found({ schema: 'mitaka02', alembic: ['mitaka02'] }), triggers: new Set([trigger]) };
      expect(brief(detect(seen, KNOWN_SCHEMA))).to.equal('mitaka02');
    });
  });

  describe('where a script is not one transaction', () => {
    const piecemeal: KnownSchema = {
      ...KNOWN_SCHEMA,
      transactional: false,
      mayLack: () => new Set(['images.is_public']),
    };
    const liberty = tablesAt('liberty');
    const images = new Map([['images', liberty.get('images') ?? new Set<string>()]]);
    const version = new Map([['alembic_version', new Set(['version_num'])]]);
    const begun: readonly (readonly [string, Found, string])[] = [
      ['a first table', { tables: new Map([...version, ...images]), alembic: [] }, 'empty'],
      ['all first tables', { tables: new Map([...version, ...liberty]), alembic: [] }, 'empty'],
      ['a first table and no version table', { tables: images }, 'DatabaseNotGlance'],
      [
        'a first table and one of somebody',
        { tables: new Map([...version, ...images, ['audit', new Set(['id'])]]), alembic: [] },
        'DatabaseNotGlance',
      ],
      [
        'a first table with a column fewer',
        { tables: new Map([...version, ...without(images, 'images', ['name'])]), alembic: [] },
        'DatabaseNotGlance',
      ],
      [
        'a first table with a column by another name',
        {
          tables: new Map([
            ...version,
            ['images', new Set([...(without(images, 'images', ['name']).get('images') ?? []), 'title'])],
          ]),
          alembic: [],
        },
        'DatabaseNotGlance',
      ],
    ];
    for (const [fact, database, expected] of begun) {
      it(`${fact}: ${expected}`, () => expect(brief(detect(database, piecemeal))).to.equal(expected));
    }

    it('a first table is refused where it is one', () => {
      const database = { tables: new Map([...version, ...images]), alembic: [] };
      expect(brief(detect(database, KNOWN_SCHEMA))).to.equal('DatabaseNotGlance');
    });

    const database = found({ schema: 'ocata_expand01', alembic: ['ocata_expand01'] });
    const lacking: readonly (readonly [string, readonly string[], string])[] = [
      ['nothing is gone', [], 'ocata01 (Migrate)'],
      ['what the next script drops is gone', ['is_public'], 'ocata01 (Migrate), lacking images.is_public'],
      ['more is gone than that', ['is_public', 'name'], 'DatabaseNotGlance'],
    ];
    for (const [fact, gone, expected] of lacking) {
      it(`${fact}: ${expected}`, () => {
        const tables = without(database.tables, 'images', gone);
        expect(brief(detect({ ...database, tables }, piecemeal))).to.equal(expected);
      });
    }

    it('refuses a column that is gone with rows that were to be filled from it', () => {
      const tables = without(database.tables, 'images', ['is_public']);
      const gone = filledFrom(['images.is_public', 'images.name'], REGISTRY);
      expect(gone).to.deep.equal([{ table: 'images', column: 'is_public', successor: 'visibility' }]);
      const lost = gone.map((each) => ({ ...each, rows: 13 }));
      expect(detect({ ...database, tables, lost }, piecemeal)).to.deep.equal({
        kind: 'refused',
        reason: 'DatabaseNotGlance',
        message:
          "alembic_version says 'ocata_expand01', but images.is_public is gone and 13 rows have no visibility, as a glance-manage that failed leaves it. Restore a backup.",
        wrong: 'images.is_public is gone and 13 rows have no visibility',
        position: { revision: 'ocata01', phase: 'Migrate' },
      });
    });
  });

  it('names each column that is lost', () => {
    const lost = [
      { table: 'images', column: 'is_public', successor: 'visibility', rows: 13 },
      { table: 'things', column: 'old', successor: 'new', rows: 2 },
    ];
    const database = found({ schema: 'ocata_expand01', alembic: ['ocata_expand01'] });
    expect(detect({ ...database, lost }, KNOWN_SCHEMA)).to.deep.include({
      wrong:
        'images.is_public is gone and 13 rows have no visibility and things.old is gone and 2 rows have no new',
    });
  });

  it('says which column is missing', () => {
    const database = found({ schema: 'mitaka02', migrate: 44 });
    const tables = new Map(database.tables);
    tables.set('images', new Set([...(tables.get('images') ?? [])].filter((name) => name !== 'is_public')));
    const detected = detect({ ...database, tables }, KNOWN_SCHEMA);
    expect(detected).to.deep.include({
      kind: 'refused',
      message:
        "migrate_version says 44 ('mitaka02'), but images.is_public is missing. Restore a backup, or correct the version table by 'db version_control REVISION'.",
    });
  });

  it('says the number of a database from before Liberty', () => {
    expect(detect(found({ schema: 'liberty', migrate: 37 }), KNOWN_SCHEMA)).to.deep.include({
      message:
        "migrate_version says 37, which is before Liberty (42). Upgrade to Liberty with Glance's own tool first.",
    });
  });
});
