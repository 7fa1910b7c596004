import { createHash } from 'node:crypto';
import type { Baseline } from '../glance/detect.ts';
import { formatPosition, type Position } from '../glance/position.ts';
import type { PlannedStatement } from './engine/engine.ts';

/** What a run would do, without any of it done. */
export interface DatabasePlan {
  /** `host:port/database`. */
  readonly database: string;
  readonly engine: 'postgres' | 'mysql';
  /** Where the database is; null when it is empty. */
  readonly from: Position | null;
  readonly target: Position;
  /** Whether it is done so that Glance servers can be at work meanwhile. */
  readonly online: boolean;
  readonly adopt: Baseline | null;
  readonly steps: readonly DatabasePlanStep[];
  /**
   * What has to go before the run, which refuses to begin as long as it is there; a phrase for
   * each.
   */
  readonly obstacles: readonly string[];
  /** How many rows it writes in all. */
  readonly rows: number;
  /** How many it may write before it counts as another plan. */
  readonly mostRows: number;
  /** By which it is approved. */
  readonly hash: string;
}

/** One line of what `db plan` shows: what is run next, and with which statements. */
export interface DatabasePlanStep {
  readonly name: string;
  /**
   * `control` is what brings the database under version control, before any script; `repair`
   * completes its schema, after all of them.
   */
  readonly kind: 'control' | 'script' | 'data' | 'repair';
  /** The rows that it writes, where it writes any. */
  readonly rows?: number;
  readonly statements: readonly PlannedStatement[];
}

/** For whom a plan is made, and by what: a plan of another hash is another plan. */
export interface PlanScope {
  /** The version of the scripts, which is that of this program. */
  readonly version: string;
  /** What the plan is for, as its UID; empty for nothing in particular. */
  readonly planFor: string;
}

/** A plan that a person has approved. */
export interface ApprovedPlan extends PlanScope {
  readonly hash: string;
  /** How many rows it may write. */
  readonly mostRows: number;
}

/**
 * Stands for all that a plan runs: the database, start and goal, each statement and how it is
 * committed, the version of the scripts. Not for how many rows there are, but for the bound that
 * the plan names.
 */
export function planHash(plan: Omit<DatabasePlan, 'hash'>, { version, planFor }: PlanScope): string {
  const { database, engine, from, target, online, adopt, steps, mostRows } = plan;
  const what = [
    'glance-schema plan 1',
    version,
    planFor,
    database,
    engine,
    from && formatPosition(from),
    formatPosition(target),
    online,
    adopt && [adopt.from, ...adopt.heads],
    steps.map(({ name, kind, statements }) => [
      name,
      kind,
      statements.map(({ sql, autocommit }) => [sql, autocommit]),
    ]),
    mostRows,
  ];
  return createHash('sha256').update(JSON.stringify(what)).digest('hex');
}

/**
 * How many rows a plan may write that counted so many: ten times as many and 10,000, rounded up to
 * a power of ten, so that a plan which is made again has the same bound while nothing much happens.
 */
export function mostRowsOf(rows: number): number {
  let most = 10_000;
  while (most < 10 * rows + 10_000) {
    most *= 10;
  }
  return most;
}
