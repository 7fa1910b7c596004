import { setTimeout as sleep } from 'node:timers/promises';
import type { DataMigration, Engine } from '../glance/steps.ts';
import { withoutUndefined } from '../glance/without-undefined.ts';
import type { Row, Writer } from './engine/engine.ts';
import { databaseError, isDeadlock, isLockTimeout } from './errors/database-error.ts';

/** Which rows a data migration rewrites, and how long it may be held up. */
export interface MoveOptions {
  readonly writer: Writer;
  readonly engine: Engine;
  readonly data: DataMigration;
  /** Whether Glance servers may be at work: then it goes in batches. */
  readonly online: boolean;
  /** How long one batch may be in vain for, against rows that others keep locked. */
  readonly lockTimeoutSeconds: number;
  readonly signal: AbortSignal;
  /** Called after each batch. */
  readonly progress: (done: number, total: number) => void;
}

/** How long a batch should take, in milliseconds: its rows are locked meanwhile. */
const BATCH_MILLISECONDS = 80;

const FIRST_BATCH = 500;
const LARGEST_BATCH = 5000;

/**
 * How long a batch waits for a row that another session has locked, in milliseconds, with its own
 * rows locked.
 */
const LOCK_TIMEOUT_MILLISECONDS = 100;

/** So few are not worth a walk along the whole key. */
const FEW = 500;

/**
 * Nodes may write faster than rows are moved; what is left then shows in the position that is
 * reported.
 */
const MOST_STRAGGLER_BATCHES = 1000;

/**
 * Moves every pending row, each in one write: in one statement where nobody is at work, else in
 * short transactions, first along the primary key and then wherever nodes have left rows behind.
 * Ended anywhere, the next run goes on, as the rows themselves show what is done. Gives how many
 * rows it moved.
 */
export async function backfill(options: MoveOptions): Promise<number> {
  const { writer, engine, data } = options;
  if (!options.online) {
    return writer.changeAndCommit(
      `UPDATE ${data.table} SET ${data.set[engine]} WHERE ${data.pending[engine]}`,
    );
  }
  const total = await countPending(writer, engine, data);
  const run: MoveRun = { ...options, stuckSince: undefined };
  let done = 0;
  const moved = (rows: number): void => {
    done += rows;
    options.progress(done, Math.max(done, total));
  };
  if (total > FEW) {
    await moveAlongKey(run, moved);
  }
  for (let batch = 0; batch < MOST_STRAGGLER_BATCHES; batch += 1) {
    const rows = await moveStragglers(run);
    if (rows === undefined) {
      break;
    }
    moved(rows);
  }
  return done;
}

/** How many rows are left to be moved. */
export async function countPending(
  from: { query(sql: string): Promise<readonly Row[]> },
  engine: Engine,
  data: DataMigration,
): Promise<number> {
  const [row] = await from.query(`SELECT count(*) AS n FROM ${data.table} WHERE ${data.pending[engine]}`);
  return Number(row?.n ?? 0);
}

/** Whether any row is left to be moved. */
export async function isPending(
  from: { query(sql: string): Promise<readonly Row[]> },
  engine: Engine,
  data: DataMigration,
): Promise<boolean> {
  const rows = await from.query(`SELECT 1 AS one FROM ${data.table} WHERE ${data.pending[engine]} LIMIT 1`);
  return rows.length > 0;
}

/** Goes once along the whole key, in batches that take about the same time each. */
async function moveAlongKey(run: MoveRun, moved: (rows: number) => void): Promise<void> {
  const { writer, data } = run;
  let after: unknown;
  let size = FIRST_BATCH;
  const beyond = (): string => (after === undefined ? '' : `${data.key} > :after`);
  for (;;) {
    const from: Row = withoutUndefined({ after });
    const [bound] = await writer.query(
      `SELECT ${data.key} AS last FROM ${data.table}${after === undefined ? '' : ` WHERE ${beyond()}`} ORDER BY ${data.key} LIMIT 1 OFFSET ${size - 1}`,
      from,
    );
    const last = bound?.last;
    const range = [beyond(), last === undefined ? '' : `${data.key} <= :last`].filter((part) => part !== '');
    const outcome = await moveBatch(run, range, last === undefined ? from : { ...from, last });
    if (outcome.kind === 'in use' && size > 1) {
      // Smaller, so that a row which somebody keeps locked holds up few others.
      size = Math.max(1, Math.floor(size / 4));
      continue;
    }
    moved(outcome.kind === 'moved' ? outcome.rows : 0);
    if (last === undefined) {
      return;
    }
    after = last;
    if (outcome.kind === 'in use') {
      // That one row: it is left to the stragglers.
      size = FIRST_BATCH;
      continue;
    }
    const wanted = size * Math.min(2, BATCH_MILLISECONDS / outcome.milliseconds);
    size = Math.min(LARGEST_BATCH, Math.max(1, Math.round(wanted)));
  }
}

/** Moves some of the rows that are left, wherever they are; undefined when none is. */
async function moveStragglers(run: MoveRun): Promise<number | undefined> {
  const { writer, engine, data } = run;
  let limit = FIRST_BATCH;
  for (;;) {
    const rows = await writer.query(
      `SELECT ${data.key} AS k FROM ${data.table} WHERE ${data.pending[engine]} LIMIT ${limit}`,
    );
    if (rows.length === 0) {
      return undefined;
    }
    const outcome = await moveBatch(run, [`${data.key} IN (:keys)`], { keys: rows.map((row) => row.k) });
    if (outcome.kind === 'moved') {
      return outcome.rows;
    }
    limit = Math.max(1, Math.floor(limit / 4));
  }
}

interface MoveRun extends MoveOptions {
  /** Since when batches have been in vain, as performance.now() has it. */
  stuckSince: number | undefined;
}

type BatchOutcome =
  | { readonly kind: 'moved'; readonly rows: number; readonly milliseconds: number }
  | { readonly kind: 'in use' };

async function moveBatch(run: MoveRun, where: readonly string[], values: Row): Promise<BatchOutcome> {
  const { writer, engine, data, signal } = run;
  signal.throwIfAborted();
  const started = performance.now();
  try {
    // Wrapped, so that the planner goes by the key and not by an index of what is pending, which is
    // nearly everything.
    const pending = `CASE WHEN ${data.pending[engine]} THEN 1 ELSE 0 END = 1`;
    // A row that changes meanwhile is checked again by the database before it is written.
    const rows = await writer.changeAndCommit(
      `UPDATE ${data.table} SET ${data.set[engine]} WHERE ${[...where, pending].join(' AND ')}`,
      values,
      LOCK_TIMEOUT_MILLISECONDS,
    );
    run.stuckSince = undefined;
    return { kind: 'moved', rows, milliseconds: Math.max(performance.now() - started, 1) };
  } catch (error) {
    const cause = databaseError(error);
    run.stuckSince ??= started;
    const mayRetry = performance.now() - run.stuckSince < run.lockTimeoutSeconds * 1000;
    if (!mayRetry || !(isLockTimeout(cause) || isDeadlock(cause))) {
      throw error;
    }
    await sleep(50 + Math.random() * 200, undefined, { signal });
    return { kind: 'in use' };
  }
}
