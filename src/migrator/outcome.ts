import type { AppliedScript } from '../contract/report.ts';
import type { Baseline } from '../glance/detect.ts';
import type { Position } from '../glance/position.ts';
import type { DriftInWords } from './drift.ts';
import type { Failure } from './errors/failure.ts';

/** How reading a database, or changing it, ended. */
export interface Outcome {
  /** Where it was; absent when it was empty or was not read. */
  readonly from?: Position;
  /** Where it is. */
  readonly to?: Position;
  /** The rows of `alembic_version`, sorted; absent when they were not read. */
  readonly heads?: readonly string[];
  /** What this run wrote into `alembic_version` for a database of the old tool. */
  readonly baseline?: Baseline;
  readonly applied: readonly AppliedScript[];
  /** How far a data migration came that did not end. */
  readonly progress?: { readonly migration: string; readonly done: number; readonly total: number };
  /** What was missing of the schema of the revision and is there now, in words. */
  readonly repaired?: readonly string[];
  /**
   * What of the schema is not that of the revision, in words; absent when it was not compared, or
   * nothing is.
   */
  readonly differences?: readonly string[];
  /** What was found of the schema as drift has it, in words; absent when nobody asked for it. */
  readonly drift?: DriftInWords;
  readonly error?: Failure;
}
