import type { MigrationReport } from '../../../contract/report.ts';
import { agrees } from '../../../glance/detect.ts';
import type { Position } from '../../../glance/position.ts';
import { REVISIONS } from '../../../glance/revisions.ts';

/** What a Job has read of a database. */
export interface Reading {
  /** Undefined where the database is empty, or at nothing that this operator supports. */
  readonly position: Position | undefined;
  readonly heads: readonly string[];
}

/**
 * What a report says of the database; undefined where it did not read that, or contradicts itself.
 */
export function readingOf(report: MigrationReport | undefined): Reading | undefined {
  if (report === undefined || report.heads === null) {
    return undefined;
  }
  const { to, heads } = report;
  const known = to !== null && REVISIONS.some(({ name }) => name === to.revision) ? to : undefined;
  return known !== undefined && !agrees(known, heads) ? undefined : { position: known, heads };
}
