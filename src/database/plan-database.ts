import { headsOf } from '../revision/heads.ts';
import type { Adoption } from '../revision/locate.ts';
import type { Goal } from '../revision/plan.ts';
import type { Position } from '../revision/position.ts';
import { connect } from './connect.ts';
import { decideRun } from './decide-run.ts';
import type { Connection, DatabaseState, PlannedStatement } from './engines/engine.ts';
import { asFailure, type Failure } from './failure.ts';
import { look } from './migrate.ts';
import { countPending } from './move-rows.ts';
import { placeDatabase } from './place-database.ts';
import type { PlannedStep } from './plan-migrations.ts';
import { planControl, planRecord } from './plan-version-table.ts';
import type { DataMigration, Migration } from './step.ts';
import type { ConnectionTarget } from './url.ts';

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
  readonly adopt: Adoption | null;
  readonly steps: readonly DatabasePlanStep[];
}

export interface DatabasePlanStep {
  readonly name: string;
  /** `control` is what places the database under version control, before any script. */
  readonly kind: 'control' | 'script' | 'data';
  /** The rows that it writes, where it writes any. */
  readonly rows?: number;
  readonly statements: readonly PlannedStatement[];
}

/** Makes the plan of a run by reading alone. */
export async function planDatabase(
  connectionTarget: ConnectionTarget,
  target: Position,
): Promise<{ readonly plan?: DatabasePlan; readonly error?: Failure }> {
  let connection: Connection | undefined;
  try {
    connection = await connect(connectionTarget);
    const state = await connection.readState();
    const placed = await placeDatabase(connection, state);
    const goal: Goal = { kind: 'position', target };
    const run = decideRun(placed, { goal, fillEmpty: true, place: connection.place });
    if (run.refusal !== undefined) {
      return { error: run.refusal };
    }
    const applied = new Set(run.applied);
    let rows: readonly string[] = run.adopt?.heads ?? state.found.alembic ?? [];
    const control = planControl(state.engine, state.found.alembic, run);
    const steps: DatabasePlanStep[] =
      control.length === 0 ? [] : [{ name: 'alembic_version', kind: 'control', statements: control }];
    for (const step of run.steps) {
      if (step.kind === 'data') {
        steps.push(await planData(step.data, connection, state, run.online));
        continue;
      }
      for (const script of step.migration.scripts) {
        applied.add(script);
      }
      const after = headsOf(applied);
      steps.push({
        ...(await planScript(step.migration, connection, state, run)),
        statements: [...state.statements(step.migration.steps, run.online), ...planRecord(rows, after)],
      });
      rows = after;
    }
    return {
      plan: {
        database: connection.place,
        engine: state.engine,
        from: look(state, placed.located).from ?? null,
        target,
        online: run.online,
        adopt: run.adopt ?? null,
        steps,
      },
    };
  } catch (error) {
    return { error: asFailure(error) };
  } finally {
    await connection?.close();
  }
}

async function planScript(
  migration: Migration,
  connection: Connection,
  state: DatabaseState,
  run: { readonly steps: readonly PlannedStep[] },
): Promise<Omit<DatabasePlanStep, 'statements'>> {
  const written = migration.steps.find(
    (step) => step.do === 'change data' || step.do === 'add filled column',
  );
  const base = { name: migration.name, kind: 'script' as const };
  if (written === undefined || run.steps.length === 0) {
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
    ...(rows === undefined ? {} : { rows }),
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
