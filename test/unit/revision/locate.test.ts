import { expect } from 'chai';
import { KNOWN_SCHEMA } from '../../../src/database/place-database.ts';
import { appliedScripts } from '../../../src/revision/heads.ts';
import { type Found, type Located, locate } from '../../../src/revision/locate.ts';
import { formatPosition } from '../../../src/revision/position.ts';

/** The tables of a revision, as a real database would show them. */
function tablesAt(...heads: readonly string[]): Map<string, Set<string>> {
  return new Map(
    [...KNOWN_SCHEMA.after(appliedScripts(heads))].map(([table, columns]) => [table, new Set(columns)]),
  );
}

interface Look {
  readonly schema?: string;
  /** A head of the other branch that the schema has too. */
  readonly also?: string;
  readonly pending?: readonly string[];
  readonly alembic?: readonly string[];
  readonly migrate?: number | null;
  readonly repository?: string;
  readonly extra?: readonly string[];
}

function found(look: Look): Found {
  const tables =
    look.schema === undefined
      ? new Map<string, Set<string>>()
      : tablesAt(look.schema, ...(look.also === undefined ? [] : [look.also]));
  for (const table of look.extra ?? []) {
    tables.set(table, new Set(['id']));
  }
  if (look.alembic !== undefined) {
    tables.set('alembic_version', new Set(['version_num']));
  }
  if (look.migrate !== undefined) {
    tables.set('migrate_version', new Set(['repository_id', 'repository_path', 'version']));
  }
  return {
    tables,
    ...(look.pending === undefined ? {} : { pending: new Set(look.pending) }),
    ...(look.alembic === undefined ? {} : { alembic: look.alembic }),
    ...(look.migrate === undefined
      ? {}
      : { migrate: [{ repository: look.repository ?? 'Glance Migrations', version: look.migrate }] }),
  };
}

/** `empty`, `mitaka02`, `mitaka02 adopted from ...` or the reason of a refusal. */
function brief(located: Located): string {
  switch (located.kind) {
    case 'empty':
      return 'empty';
    case 'refused':
      return located.reason;
    case 'at': {
      const at = `${formatPosition(located.position)}${located.underWay ? ', under way' : ''}`;
      return located.adopt === undefined
        ? at
        : `${at}, from ${located.adopt.from} to ${located.adopt.heads.join()}`;
    }
  }
}

describe('locate', () => {
  const rows: readonly (readonly [string, Look, string])[] = [
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
      'alembic_version goes before migrate_version',
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
    ['a stamp behind the schema', { schema: 'ocata_contract01', alembic: ['mitaka02'] }, 'DatabaseNotGlance'],
    ['a stamp on nothing', { alembic: ['mitaka02'] }, 'DatabaseNotGlance'],
    ['an old stamp ahead of the schema', { schema: 'mitaka02', migrate: 45 }, 'DatabaseNotGlance'],
    ['an old stamp on nothing', { migrate: 44 }, 'DatabaseNotGlance'],
    [
      'a table of somebody beside Glance',
      { schema: 'mitaka02', alembic: ['mitaka02'], extra: ['audit'] },
      'mitaka02',
    ],
  ];
  for (const [name, look, expected] of rows) {
    it(`${name}: ${expected}`, () => {
      expect(brief(locate(found(look), KNOWN_SCHEMA))).to.equal(expected);
    });
  }

  it('says which column is missing', () => {
    const look = found({ schema: 'mitaka02', migrate: 44 });
    const tables = new Map(look.tables);
    tables.set('images', new Set([...(tables.get('images') ?? [])].filter((name) => name !== 'is_public')));
    const located = locate({ ...look, tables }, KNOWN_SCHEMA);
    expect(located).to.deep.include({
      kind: 'refused',
      message:
        "migrate_version says 44 ('mitaka02'), but images.is_public is not there, do restore a backup or correct the version table",
    });
  });

  it('says the number of a database from before Liberty', () => {
    expect(locate(found({ schema: 'liberty', migrate: 37 }), KNOWN_SCHEMA)).to.deep.include({
      message:
        "migrate_version says 37, which is before Liberty (42), do upgrade to Liberty with Glance's own tool first",
    });
  });
});
