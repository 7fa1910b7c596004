import { REGISTRY } from '../../migrations/registry.ts';
import type { AppliedScript } from '../contract/report.ts';
import type { Facts } from '../glance/detect.ts';
import { headsOf, positionOf } from '../glance/heads.ts';
import { openData, type Run } from '../glance/plan.ts';
import type { DataMigration } from '../glance/steps.ts';
import { withoutUndefined } from '../glance/without-undefined.ts';
import type { Outcome } from './outcome.ts';
import type { RunEvents } from './run-events.ts';

/** What a run has done so far; it is true whatever ends the run. */
export interface RunRecord {
  /** The scripts that the database has had. */
  readonly done: ReadonlySet<string>;
  /** For the run to report what it does; handed on to whoever else listens. */
  readonly events: RunEvents;
  /**
   * Says which revisions have rows left to move, which only the rows show; absent where nobody
   * could read it.
   */
  leaves(pending: ReadonlySet<string> | undefined): void;
  /** The outcome, had the run ended now. */
  outcome(): Outcome;
}

/** Keeps a record of a run, from what a reading had found. */
export function recordRun(
  { applied: whenStamped, detected }: Run,
  { pending: unmoved = new Set() }: Facts,
  found: Outcome,
  events: RunEvents,
): RunRecord {
  const done = new Set(detected.kind === 'at' ? detected.applied : []);
  let pending = new Set(unmoved);
  const moved = new Set<DataMigration>();
  const applied: AppliedScript[] = [];
  let outcome = found;
  return {
    done,
    leaves(left) {
      pending = new Set(left ?? pending);
    },
    outcome() {
      const to = positionOf(done, pending);
      return { ...outcome, ...withoutUndefined({ to }), applied };
    },
    events: {
      ...events,
      stamped(baseline) {
        for (const script of whenStamped) {
          done.add(script);
        }
        outcome = { ...outcome, heads: [...baseline.heads].sort(), baseline };
        events.stamped(baseline);
      },
      applied(migration, milliseconds) {
        for (const script of migration.scripts) {
          done.add(script);
        }
        // Until the rows are read again, they count as not moved.
        for (const data of openData(done, REGISTRY)) {
          if (!moved.has(data)) {
            pending.add(data.revision);
          }
        }
        applied.push({ name: migration.name, milliseconds: Math.round(milliseconds) });
        outcome = { ...outcome, heads: headsOf(done) };
        events.applied(migration, milliseconds);
      },
      moving(data, rows, total) {
        outcome = { ...outcome, progress: { migration: data.name, done: rows, total } };
        events.moving(data, rows, total);
      },
      moved(data, rows, milliseconds) {
        pending.delete(data.revision);
        moved.add(data);
        if (rows > 0) {
          applied.push({ name: data.name, milliseconds: Math.round(milliseconds), rows });
        }
        const { progress: _ended, ...rest } = outcome;
        outcome = rest;
        events.moved(data, rows, milliseconds);
      },
    },
  };
}
