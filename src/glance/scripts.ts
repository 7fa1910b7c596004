/** What a revision script is to Alembic's graph: part of the trunk, or of one of the two branches after it. */
export type ScriptKind = 'trunk' | 'expand' | 'contract';

/** One of Glance's revision scripts, by the name that Alembic writes into `alembic_version`. */
export interface Script {
  readonly name: string;
  /** The revision that this script belongs to, as the manual names it (`ocata01`). */
  readonly revision: string;
  readonly kind: ScriptKind;
  /** The scripts that must be there first: Alembic's `down_revision`, and for a contract also its `depends_on`. */
  readonly after: readonly string[];
}

const TRUNK = ['liberty', 'mitaka01', 'mitaka02'];

const BRANCHED = [
  'ocata01',
  'pike01',
  'queens01',
  'rocky01',
  'rocky02',
  'train01',
  'ussuri01',
  'wallaby01',
  'xena01',
  'yoga01',
  'zed01',
  '2023_1_01',
  '2024_1_01',
];

/**
 * The whole chain of Glance up to 2026.2, in an order in which each script comes after all that it needs.
 *
 * Source: the scripts under `glance/db/sqlalchemy/alembic_migrations/versions` of glance 33.0.0.
 */
export const SCRIPTS: readonly Script[] = [
  ...TRUNK.map(
    (name, index): Script => ({ name, revision: name, kind: 'trunk', after: TRUNK.slice(index - 1, index) }),
  ),
  ...BRANCHED.flatMap((revision, index): Script[] => {
    const before = BRANCHED[index - 1];
    const expand = branchName(revision, 'expand');
    return [
      {
        name: expand,
        revision,
        kind: 'expand',
        after: [before === undefined ? 'mitaka02' : branchName(before, 'expand')],
      },
      {
        name: branchName(revision, 'contract'),
        revision,
        kind: 'contract',
        after: [before === undefined ? 'mitaka02' : branchName(before, 'contract'), expand],
      },
    ];
  }),
];

/** `rocky02` and `expand` give `rocky_expand02`; `2024_1_01` and `contract` give `2024_1_contract01`. */
function branchName(revision: string, kind: 'expand' | 'contract'): string {
  return `${revision.slice(0, -2).replace(/_$/, '')}_${kind}${revision.slice(-2)}`;
}
