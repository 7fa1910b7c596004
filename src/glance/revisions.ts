import { withoutUndefined } from './without-undefined.ts';

/**
 * The chain of Glance, the one place that says which revisions there are. All else is derived from
 * this table: the scripts, the names that a user may write, the rules of the CRD, `db history`, the
 * registry of migrations, and the table in docs/migrations.md.
 */

/**
 * A revision as a row of the table. The words say what a script changes; one that is not named
 * changes nothing.
 */
type Row = {
  /** The name in the Glance manual (`ocata01`). */
  readonly name: string;
  /**
   * The releases of OpenStack that ended on it, in lower case. Source: the tags of the Glance
   * repository.
   */
  readonly releases?: readonly string[];
  /** Other names that people know it by: the file names of scripts. */
  readonly fileNames?: readonly string[];
  /** Its number in SQLAlchemy Migrate, which Glance used until Newton. */
  readonly legacyNumber?: number;
} & (
  | { readonly trunk: string }
  | {
      readonly trunk?: never;
      readonly expand?: string;
      /** The rows that are moved between expand and contract. */
      readonly migrate?: string;
      readonly contract?: string;
    }
);

/**
 * Every revision of Glance up to 2026.2, oldest first.
 *
 * Source: the scripts under `glance/db/sqlalchemy/alembic_migrations` of glance 33.0.0, `versions`
 * and `data_migrations`.
 */
const CHAIN: readonly Row[] = [
  {
    name: 'liberty',
    fileNames: ['liberty_initial', 'liberty-initial'],
    legacyNumber: 42,
    trunk: '19 tables, 17 foreign keys, 7 unique constraints, 39 indexes',
  },
  {
    name: 'mitaka01',
    fileNames: ['mitaka01_add_image_created_updated_idx'],
    legacyNumber: 43,
    trunk: 'indexes on `images.created_at` and `images.updated_at`',
  },
  {
    name: 'mitaka02',
    releases: ['mitaka', 'newton'],
    fileNames: ['mitaka02_update_metadef_os_nova_server'],
    legacyNumber: 44,
    trunk: 'in `metadef_resource_types`, `OS::Nova::Instance` becomes `OS::Nova::Server`',
  },
  {
    name: 'ocata01',
    releases: ['ocata'],
    fileNames: ['ocata01_add_visibility_remove_is_public'],
    legacyNumber: 45,
    expand:
      '`images.visibility` and its index, with triggers that keep it and `images.is_public` in agreement',
    migrate: 'each image gets the visibility that follows from `is_public` and its members',
    contract: '`images.is_public` and the triggers go',
  },
  { name: 'pike01', releases: ['pike'], contract: 'the six artifact tables go' },
  { name: 'queens01', releases: ['queens'] },
  { name: 'rocky01', expand: '`images.os_hidden` and its index' },
  {
    name: 'rocky02',
    releases: ['rocky', 'stein'],
    expand: '`images.os_hash_algo`, `images.os_hash_value` and its index',
  },
  {
    name: 'train01',
    releases: ['train'],
    migrate: '`backend` becomes `store` in the metadata of locations',
  },
  { name: 'ussuri01', releases: ['ussuri', 'victoria'] },
  {
    name: 'wallaby01',
    // The xena, yoga and zed scripts were released with 2023.1 only.
    releases: ['wallaby', 'xena', 'yoga', 'zed'],
    expand: '`tasks.image_id`, `tasks.request_id`, `tasks.user_id`, an index',
  },
  { name: 'xena01' },
  { name: 'yoga01' },
  { name: 'zed01' },
  { name: '2023_1_01', releases: ['2023.1', 'antelope', '2023.2', 'bobcat'] },
  {
    name: '2024_1_01',
    releases: [
      '2024.1',
      'caracal',
      '2024.2',
      'dalmatian',
      '2025.1',
      'epoxy',
      '2025.2',
      'flamingo',
      '2026.1',
      'gazpacho',
      '2026.2',
      'hibiscus',
    ],
    expand: 'the tables `node_reference` and `cached_images`',
  },
];

/**
 * What a revision script is to Alembic's graph: part of the trunk, or of one of the two branches
 * after it.
 */
export type ScriptKind = 'trunk' | 'expand' | 'contract';

/** One of Glance's revision scripts, by the name that Alembic writes into `alembic_version`. */
export interface Script {
  readonly name: string;
  /** The revision that this script belongs to, as the manual names it (`ocata01`). */
  readonly revision: string;
  readonly kind: ScriptKind;
  /**
   * The scripts that must be there first: Alembic's `down_revision`, and for a contract also its
   * `depends_on`.
   */
  readonly after: readonly string[];
  /** What it changes, in a few words; absent where it does nothing but be recorded. */
  readonly changes?: string;
}

/** Every revision script, each after all that it needs. */
export const SCRIPTS: readonly Script[] = CHAIN.flatMap((row, index): Script[] => {
  const before = CHAIN[index - 1];
  const revision = row.name;
  if (row.trunk !== undefined) {
    const after = before === undefined ? [] : [before.name];
    return [{ name: revision, revision, kind: 'trunk', after, changes: row.trunk }];
  }
  const script = (kind: 'expand' | 'contract', needs: readonly string[]): Script => ({
    name: branchName(revision, kind),
    revision,
    kind,
    after: [before?.trunk === undefined ? branchName(before?.name ?? '', kind) : before.name, ...needs],
    ...withoutUndefined({ changes: row[kind] }),
  });
  const expand = script('expand', []);
  return [expand, script('contract', [expand.name])];
});

/** What moves rows between the expand and the contract of a revision. */
export interface DataMigrationName {
  readonly name: string;
  readonly revision: string;
  /** What becomes of the rows, in a few words. */
  readonly changes: string;
}

/** The data migrations that move rows, oldest first. */
export const DATA_MIGRATION_NAMES: readonly DataMigrationName[] = CHAIN.flatMap((row) =>
  row.trunk !== undefined || row.migrate === undefined
    ? []
    : [{ name: branchName(row.name, 'migrate'), revision: row.name, changes: row.migrate }],
);

/** A revision that a user may name, in the order in which they follow one another. */
export interface Revision {
  /** The name in the Glance manual (`ocata01`). */
  readonly name: string;
  /**
   * Other names that read as the same revision, in lower case: script names, Alembic's contract
   * name, release names.
   */
  readonly aliases: readonly string[];
  /** The releases of OpenStack that ended on it, in lower case. */
  readonly releases: readonly string[];
  /**
   * Whether the revision is reached by expand, migrate and contract; those before Ocata are not.
   */
  readonly phased: boolean;
}

/** The newest revision that there is. Glance has made none since; a test says when it does. */
export const LATEST_SUPPORTED = CHAIN.at(-1)?.name ?? '';

/** What a user writes for the newest revision that this build supports, whichever that is. */
export const LATEST = 'latest';

/** Every revision of Glance, oldest first. */
export const REVISIONS: readonly Revision[] = CHAIN.map(({ name, trunk, fileNames = [], releases = [] }) => ({
  name,
  aliases: [
    ...fileNames,
    ...(trunk === undefined ? [branchName(name, 'contract')] : []),
    ...releases,
    ...readAsNumber(name),
    ...(name === LATEST_SUPPORTED ? [LATEST] : []),
  ],
  releases,
  phased: trunk === undefined,
}));

/** SQLAlchemy Migrate's numbers (Glance until Newton) and the revision that each corresponds to. */
export const LEGACY_NUMBERS: Readonly<Record<number, string>> = Object.fromEntries(
  CHAIN.flatMap(({ name, legacyNumber }) => (legacyNumber === undefined ? [] : [[legacyNumber, name]])),
);

/**
 * `rocky02` and `expand` give `rocky_expand02`; `2024_1_01` and `contract` give
 * `2024_1_contract01`.
 */
function branchName(revision: string, kind: 'expand' | 'migrate' | 'contract'): string {
  return `${revision.slice(0, -2).replace(/_$/, '')}_${kind}${revision.slice(-2)}`;
}

/**
 * What YAML 1.1, which kubectl, Helm and Flux read, makes of a name without quotes: `2024_1_01` is
 * an integer there. Helm writes the numbers of a values file as Go does, `2.024101e+06`, and a
 * template may put that in quotes.
 */
function readAsNumber(name: string): readonly string[] {
  const integer = name.replaceAll('_', '');
  const number = Number(integer);
  return Number.isNaN(number) ? [] : [integer, `${integer}.0`, number.toExponential().replace('e+', 'e+0')];
}
