import { setTimeout as sleep } from 'node:timers/promises';
import { databaseError, isDeadlock, isLockTimeout } from './database-error.ts';
import type { Row, Writer } from './engines/engine.ts';
import type { DataMigration, Engine } from './step.ts';

export interface MoveOptions {
  readonly writer: Writer;
  readonly engine: Engine;
  readonly data: DataMigration;
  /** Whether nodes of Glance may be at work: then it goes in batches. */
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

/** How long a batch waits for a row that another session has locked, in milliseconds, with its own rows locked. */
const PATIENCE_MILLISECONDS = 100;

/** Rows that nodes write behind the batches need a further pass; each is shorter than the one before. */
const MOST_PASSES = 20;

/**
 * Moves every pending row, each in one write: in one statement where nobody is at work, else in short transactions along
 * the primary key. Ended anywhere, the next run goes on, as the rows themselves tell what is done. Gives how many rows it
 * moved.
 */
export async function moveRows(options: MoveOptions): Promise<number> {
  const { writer, engine, data } = options;
  if (!options.online) {
    return writer.changeAlone(`UPDATE ${data.table} SET ${data.set[engine]} WHERE ${data.pending[engine]}`);
  }
  const total = await countPending(writer, engine, data);
  let done = 0;
  for (let pass = 0; pass < MOST_PASSES; pass += 1) {
    const moved = await movePass(options, (rows) => {
      done += rows;
      options.progress(done, Math.max(done, total));
    });
    if (moved === 0) {
      break;
    }
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

/** Goes once along the whole key. */
async function movePass(options: MoveOptions, moved: (rows: number) => void): Promise<number> {
  const { writer, engine, data, signal } = options;
  const pending = data.pending[engine];
  let after: unknown;
  let size = FIRST_BATCH;
  let sum = 0;
  let stuckSince: number | undefined;
  for (;;) {
    signal.throwIfAborted();
    const from: Row = after === undefined ? {} : { after };
    const bound = after === undefined ? '' : `${data.key} > :after AND `;
    const [batch] = await writer.query(
      `SELECT max(batch.k) AS last FROM (SELECT ${data.key} AS k FROM ${data.table} WHERE ${bound}(${pending}) ORDER BY ${data.key} LIMIT ${size}) batch`,
      from,
    );
    const last = batch?.last;
    if (last === undefined || last === null) {
      return sum;
    }
    const started = performance.now();
    try {
      // A row that changes meanwhile is looked at again by the database before it is written.
      const rows = await writer.changeAlone(
        `UPDATE ${data.table} SET ${data.set[engine]} WHERE ${bound}${data.key} <= :last AND (${pending})`,
        { ...from, last },
        PATIENCE_MILLISECONDS,
      );
      sum += rows;
      moved(rows);
      after = last;
      stuckSince = undefined;
      const elapsed = Math.max(performance.now() - started, 1);
      size = clamp(Math.round(size * Math.min(2, BATCH_MILLISECONDS / elapsed)), 1, LARGEST_BATCH);
    } catch (error) {
      const cause = databaseError(error);
      stuckSince ??= started;
      const patient = performance.now() - stuckSince < options.lockTimeoutSeconds * 1000;
      if (!patient || !(isLockTimeout(cause) || isDeadlock(cause))) {
        throw error;
      }
      // Smaller, so that a row which somebody keeps locked holds up few others.
      size = clamp(Math.floor(size / 4), 1, LARGEST_BATCH);
      await sleep(50 + Math.random() * 200, undefined, { signal });
    }
  }
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
