import { REGISTRY } from '../../migrations/registry.ts';
import { describeDifference } from '../glance/compare.ts';
import { headsOf } from '../glance/heads.ts';
import { planRun, type Run, type Settled, scriptsIn, stepsOf } from '../glance/plan.ts';
import type { Position } from '../glance/position.ts';
import type { DataMigration, Migration } from '../glance/steps.ts';
import { withoutUndefined } from '../glance/without-undefined.ts';
import { countPending } from './backfill.ts';
import type { ConnectionTarget } from './connection/url.ts';
import {
  type DatabasePlan,
  type DatabasePlanStep,
  mostRowsOf,
  type PlanScope,
  planHash,
} from './database-plan.ts';
import type { Connection, DatabaseState } from './engine/engine.ts';
import { Failure } from './errors/failure.ts';
import { obstaclesOf } from './obstacles.ts';
import type { Outcome } from './outcome.ts';
import { planControl, planRecord } from './plan-version-table.ts';
import { type DatabaseReading, outcomeOfReading, withDatabaseReading } from './read-database.ts';
import { findDifferences, repairable } from './verify.ts';

/** Makes the plan of a run by reading alone. */
export function planDatabase(
  connectionTarget: ConnectionTarget,
  target: Position,
  scope: PlanScope,
): Promise<Outcome & { readonly plan?: DatabasePlan }> {
  return withDatabaseReading(connectionTarget, async (reading, connection) => {
    const run = planRun(reading.facts, { kind: 'position', target }, REGISTRY);
    const outcome = outcomeOfReading(reading.facts, run.detected);
    return run.kind === 'refused'
      ? { ...outcome, error: new Failure(run.reason, run.message) }
      : { ...outcome, plan: await planOfRun({ ...reading, connection, run, target }, scope) };
  });
}

/** A run that was planned, and where. */
export interface PlannedRun extends DatabaseReading {
  readonly connection: Connection;
  readonly run: Settled | Run;
  readonly target: Position;
}

/**
 * What a run does, statement for statement; the same of the same database, whether somebody only
 * reads or holds the lock.
 *
 * @param mostRows how many rows it may write; ten times what it writes now if absent
 * @throws Failure `DatabaseUnreachable`
 */
export async function planOfRun(
  { state, facts, connection, run, target }: PlannedRun,
  scope: PlanScope,
  mostRows?: number,
): Promise<DatabasePlan> {
  const baseline = run.kind === 'run' ? run.baseline : undefined;
  const scripts = scriptsIn(run);
  const statements = await state.statements(
    scripts.map((migration) => migration.steps),
    run.online,
  );
  const control = planControl(state.engine, facts.alembic, run);
  const steps: DatabasePlanStep[] =
    control.length === 0 ? [] : [{ name: 'alembic_version', kind: 'control', statements: control }];
  const applied = new Set(run.applied);
  let heads: readonly string[] = baseline?.heads ?? facts.alembic ?? [];
  for (const step of run.kind === 'run' ? stepsOf(run.units) : []) {
    if (!('steps' in step)) {
      steps.push(await planData(step, connection, state, run.online));
      continue;
    }
    for (const script of step.scripts) {
      applied.add(script);
    }
    const after = headsOf(applied);
    steps.push({
      ...(await planScript(step, connection, state)),
      statements: [...(statements[scripts.indexOf(step)] ?? []), ...planRecord(heads, after)],
    });
    heads = after;
  }
  if (run.detected.kind === 'at') {
    steps.push(...(await planRepair(state, run, applied)));
  }
  const rows = steps.reduce((sum, step) => sum + (step.rows ?? 0), 0);
  const plan = {
    database: facts.address,
    engine: state.engine,
    from: run.detected.kind === 'at' ? run.detected.position : null,
    target,
    online: run.online,
    adopt: baseline ?? null,
    steps,
    obstacles: await obstaclesOf(state, scripts),
    rows,
    mostRows: mostRows ?? mostRowsOf(rows),
  };
  return { ...plan, hash: planHash(plan, scope) };
}

/**
 * What `repairSchema` would do at the end of the run: what is missing now, and what no script makes
 * or takes away.
 */
async function planRepair(
  state: DatabaseState,
  { applied, online }: Settled | Run,
  after: ReadonlySet<string>,
): Promise<readonly DatabasePlanStep[]> {
  const left = new Set((await findDifferences(state, after)).map(describeDifference));
  const due = repairable(await findDifferences(state, applied), online).filter((difference) =>
    left.has(describeDifference(difference)),
  );
  return due.length === 0
    ? []
    : [
        {
          name: 'repair',
          kind: 'repair',
          statements: due.flatMap((difference) =>
            state.repairStatements(difference).map((sql) => ({ sql, autocommit: true })),
          ),
        },
      ];
}

async function planScript(
  migration: Migration,
  connection: Connection,
  state: DatabaseState,
): Promise<Omit<DatabasePlanStep, 'statements'>> {
  const written = migration.steps.find(
    (step) => step.do === 'change data' || step.do === 'add filled column',
  );
  const base = { name: migration.name, kind: 'script' as const };
  if (written === undefined) {
    return base;
  }
  const rows = await count(
    connection,
    state,
    written.table,
    written.do === 'change data' ? written.where : undefined,
  );
  return rows === undefined ? base : { ...base, rows };
}

async function planData(
  data: DataMigration,
  connection: Connection,
  state: DatabaseState,
  online: boolean,
): Promise<DatabasePlanStep> {
  // Before its expand there is no column to ask: then every row of the table is one to move.
  const rows = await countPending(connection, state.engine, data).catch(() =>
    count(connection, state, data.table),
  );
  const condition = online ? `${data.key} > (last key) AND ${data.key} <= (key) AND (` : '';
  return {
    name: data.name,
    kind: 'data',
    ...withoutUndefined({ rows }),
    statements: [
      {
        sql: `UPDATE ${data.table} SET ${data.set[state.engine]} WHERE ${condition}${data.pending[state.engine]}${online ? ')' : ''}`,
        autocommit: true,
        lock: {
          table: data.table,
          mode: 'ROW EXCLUSIVE',
          effect: online
            ? 'the rows of one batch are locked for about a tenth of a second'
            : 'the rows that are changed are locked',
        },
      },
    ],
  };
}

async function count(
  connection: Connection,
  state: DatabaseState,
  table: string,
  where?: string,
): Promise<number | undefined> {
  if (!state.found.tables.has(table)) {
    return undefined;
  }
  const [row] = await connection.query(
    `SELECT count(*) AS n FROM ${table}${where === undefined ? '' : ` WHERE ${where}`}`,
  );
  return Number(row?.n ?? 0);
}
