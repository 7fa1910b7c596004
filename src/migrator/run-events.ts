import type { Baseline } from '../glance/detect.ts';
import type { DataMigration, Migration, Step } from '../glance/steps.ts';
import type { LockHolder } from './engine/engine.ts';

/** What a run reports while it goes on. */
export interface RunEvents {
  stamped(baseline: Baseline): void;
  started(migration: Migration): void;
  step(migration: Migration, step: Step, index: number): void;
  /** The migration and its record are committed. */
  applied(migration: Migration, milliseconds: number): void;
  /** So many rows of a data migration are moved; reported after each batch. */
  moving(data: DataMigration, done: number, total: number): void;
  /** A data migration has nothing left to move. */
  moved(data: DataMigration, rows: number, milliseconds: number): void;
  /** Tables are in use by others; it is tried again and again. */
  waitingForTables(tables: readonly string[], seconds: number, holders: readonly LockHolder[]): void;
}
