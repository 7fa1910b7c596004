import { expect } from 'chai';
import type { GoldenOptions } from '../../../lab/databases/golden-database.ts';
import { LATEST_SUPPORTED, REVISIONS, SCRIPTS } from '../../../src/glance/revisions.ts';
import { db, succeeds } from '../db-command.ts';
import type { TestEngine } from '../test-engine.ts';

interface Way {
  readonly from: GoldenOptions | undefined;
  readonly to: string;
  readonly through: string;
}

const PHASES = ['Expand', 'Migrate', 'Contract'] as const;

/** Where something is different: adopted, empty, half of a cycle, and with rows to move. */
const FEW: readonly Way[] = [
  { from: undefined, to: LATEST_SUPPORTED, through: 'Contract' },
  { from: { schema: 'ocata_era__mitaka02', migrate: 44 }, to: LATEST_SUPPORTED, through: 'Contract' },
  { from: { schema: 'mitaka01', alembic: ['mitaka01'] }, to: 'ocata01', through: 'Migrate' },
  { from: { schema: 'ocata_expand01', alembic: ['ocata_expand01'] }, to: 'pike01', through: 'Expand' },
  { from: { schema: 'rocky_contract02', alembic: ['rocky_contract02'] }, to: 'train01', through: 'Contract' },
];

/** From each script of the chain to each revision from there on, in each phase. */
function all(): readonly Way[] {
  const names = REVISIONS.map(({ name }) => name);
  const starts = SCRIPTS.map(({ name, revision }) => ({ name, place: names.indexOf(revision) }));
  return [
    ...FEW,
    ...starts.flatMap(({ name, place }) =>
      names
        .slice(place)
        .flatMap((to) => PHASES.map((through) => ({ from: { schema: name, alembic: [name] }, to, through }))),
    ),
  ];
}

/**
 * That a plan is what then runs, by the server's own log, and that it is taken under the lock for
 * the same. `PAIRS=all` takes every pair of revisions, instead of a few.
 *
 * @param logged the statements that change something, in the order in which the server got them
 */
export function plannedCases(
  engine: TestEngine,
  logged: (url: string, work: () => Promise<unknown>) => Promise<readonly string[]>,
): void {
  for (const { from, to, through } of process.env.PAIRS === 'all' ? all() : FEW) {
    const start =
      from === undefined ? 'nothing' : (from.alembic?.join() ?? `migrate_version ${from.migrate}`);
    it(`from ${start} to ${to}, through ${through}`, async () => {
      const url = await engine.createDatabase();
      if (from !== undefined) {
        await engine.buildGolden(url, from);
      }
      const args = [to, '--through', through];
      const result = await db(url, 'plan', ...args, '--output', 'json');
      if (result.code === 10) {
        // It is there already, or further.
        return;
      }
      expect(result.code, result.stderr).to.equal(0);
      const { steps, hash, mostRows } = JSON.parse(result.stdout);
      const planned = steps.flatMap((step: { statements: readonly { sql: string }[] }) =>
        step.statements.map(({ sql }) => sql),
      );
      const ran = await logged(url, () =>
        succeeds(url, 'sync', ...args, '--plan-hash', hash, '--plan-rows', String(mostRows)),
      );
      expect(compared(ran)).to.deep.equal(compared(planned));
    });
  }
}

/**
 * The changes of the schema, one by one: some are sent together. The records of scripts without
 * steps are written together and planned one by one, and rows that there are not are not moved.
 */
function compared(statements: readonly string[]): readonly string[] {
  return statements
    .flatMap((statement) => statement.split(';'))
    .map((statement) => statement.replaceAll(/\s+/g, ' ').trim())
    .filter(
      (statement) => /^(CREATE|ALTER|DROP)\b/.test(statement) && !statement.includes('alembic_version'),
    );
}
