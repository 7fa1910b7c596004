import { REGISTRY } from '../../migrations/registry.ts';
import { describeDifference } from '../glance/compare.ts';
import type { Baseline } from '../glance/detect.ts';
import { headsOf } from '../glance/heads.ts';
import { planRun, type Run, type Settled, scriptsIn, stepsOf } from '../glance/plan.ts';
import type { Position } from '../glance/position.ts';
import type { DataMigration, Migration } from '../glance/steps.ts';
import { withoutUndefined } from '../glance/without-undefined.ts';
import { countPending } from './backfill.ts';
import type { ConnectionTarget } from './connection/url.ts';
import type { Connection, DatabaseState, PlannedStatement } from './engine/engine.ts';
import { Failure } from './errors/failure.ts';
import { obstaclesOf } from './obstacles.ts';
import { planControl, planRecord } from './plan-version-table.ts';
import { lookAtDatabase } from './read-database.ts';
import { findDifferences, repairable } from './verify.ts';

/** What a run would do, without any of it done. */
export interface DatabasePlan {
  /** `host:port/database`. */
  readonly database: string;
  readonly engine: 'postgres' | 'mysql';
  /** Where the database is; null when it is empty. */
  readonly from: Position | null;
  readonly target: Position;
  /** Whether it is done so that nodes of Glance can be at work meanwhile. */
  readonly online: boolean;
  readonly adopt: Baseline | null;
  readonly steps: readonly DatabasePlanStep[];
  /**
   * What has to go before the run, which refuses to begin as long as it is there; a phrase for
   * each.
   */
  readonly obstacles: readonly string[];
}

/** One line of what `db plan` shows: what is run next, and with which statements. */
export interface DatabasePlanStep {
  readonly name: string;
  /**
   * `control` is what places the database under version control, before any script; `repair`
   * completes its schema, after all of them.
   */
  readonly kind: 'control' | 'script' | 'data' | 'repair';
  /** The rows that it writes, where it writes any. */
  readonly rows?: number;
  readonly statements: readonly PlannedStatement[];
}

/** Makes the plan of a run by reading alone. */
export function planDatabase(
  connectionTarget: ConnectionTarget,
  target: Position,
): Promise<{ readonly plan?: DatabasePlan; readonly error?: Failure }> {
  return lookAtDatabase(connectionTarget, async ({ state, facts }, connection) => {
    const run = planRun(facts, { kind: 'position', target }, REGISTRY);
    if (run.kind === 'refused') {
      return { error: new Failure(run.reason, run.message) };
    }
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
    let rows: readonly string[] = baseline?.heads ?? facts.alembic ?? [];
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
        statements: [...(statements[scripts.indexOf(step)] ?? []), ...planRecord(rows, after)],
      });
      rows = after;
    }
    if (run.detected.kind === 'at') {
      steps.push(...(await planRepair(state, run, applied)));
    }
    return {
      plan: {
        database: facts.address,
        engine: state.engine,
        from: run.detected.kind === 'at' ? run.detected.position : null,
        target,
        online: run.online,
        adopt: baseline ?? null,
        steps,
        obstacles: await obstaclesOf(state, scripts),
      },
    };
  });
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
            state.mend(difference).map((sql) => ({ sql, alone: true })),
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
        alone: true,
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
