import type { GlanceSchemaStatus } from '../../../contract/glance-schema.ts';
import { printable } from '../../../contract/printable.ts';
import type { MigrationReport } from '../../../contract/report.ts';
import { comparePositions, formatPosition } from '../../../glance/position.ts';
import { withoutUndefined } from '../../../glance/without-undefined.ts';
import type { ObservedJob } from '../facts/observe.ts';
import { type Reading, readingOf } from './reading.ts';
import { recordedPosition } from './recorded-position.ts';

const MOST_DRIFT = 10;
const LONGEST_MESSAGE = 2048;

/** The status with what a Job has found of the schema, where it has compared it. */
export function recordDrift(
  before: GlanceSchemaStatus,
  status: GlanceSchemaStatus,
  { purpose, state }: ObservedJob,
): GlanceSchemaStatus {
  if (state.kind !== 'finished') {
    return status;
  }
  const { report, finishedAt } = state;
  const { movedMessage, behindMessage, nextCheckAt, ...rest } = status.drift ?? {};
  const what =
    report?.drift === undefined
      ? {}
      : {
          differences: report.drift.differences.slice(0, MOST_DRIFT),
          also: report.drift.also.slice(0, MOST_DRIFT),
        };
  const reading = readingOf(report);
  if (purpose?.kind !== 'DriftCheck') {
    const drift = {
      ...rest,
      ...what,
      ...withoutUndefined({ nextCheckAt, ...(reading === undefined ? { movedMessage, behindMessage } : {}) }),
    };
    return status.drift === undefined && report?.drift === undefined ? status : { ...status, drift };
  }
  if (report === undefined || reading === undefined) {
    return status;
  }
  const found = ofDriftCheck(before, purpose, reading);
  return {
    ...status,
    drift: {
      ...rest,
      ...what,
      ...withoutUndefined({
        movedMessage: sayMoved(before, status) ?? movedMessage,
        behindMessage: isFollowed(before, purpose, found) ? undefined : sayBehind(before, found, report),
      }),
      checkedAt: finishedAt,
    },
  };
}

/** That another tool has migrated the database, where a drift check has found that. */
function sayMoved(before: GlanceSchemaStatus, after: GlanceSchemaStatus): string | undefined {
  const [from, to] = [recordedPosition(before), recordedPosition(after)];
  return from === undefined || to === undefined || comparePositions(from, to) === 0
    ? undefined
    : `It was migrated from ${formatPosition(from)} to ${formatPosition(to)} by something other than this GlanceSchema.`;
}

function sayBehind(
  before: GlanceSchemaStatus,
  { position }: Reading,
  { error }: MigrationReport,
): string | undefined {
  const recorded = recordedPosition(before);
  const where =
    position === undefined ? 'empty, or at nothing that is known' : `at ${formatPosition(position)}`;
  const found =
    error === null
      ? `the database was ${where}, before ${recorded === undefined ? 'what' : formatPosition(recorded)} as recorded; a backup may have been restored`
      : error.message.replace(/[.]$/, '');
  return printable(
    `At the last drift check: ${found}. Nothing was changed, and the recorded revision was kept. To accept what is in the database, set the annotation db.glance.openstack.org/observe; if a migration is then due, it starts.`,
    LONGEST_MESSAGE,
  );
}

/** A drift check does not ask the rows: where the heads are those of the record, so is the phase. */
export function ofDriftCheck(
  status: GlanceSchemaStatus,
  purpose: ObservedJob['purpose'],
  reading: Reading,
): Reading {
  const isSame =
    purpose?.kind === 'DriftCheck' &&
    reading.position !== undefined &&
    status.databaseHeads?.join() === reading.heads.join() &&
    reading.position.revision === status.recordedRevision;
  return isSame ? { ...reading, position: recordedPosition(status) } : reading;
}

/**
 * Whether the record follows what a Job has read. What a drift check finds is followed forwards only: on a
 * database that is behind, as while a backup is restored, a migration would begin by itself.
 */
export function isFollowed(
  status: GlanceSchemaStatus,
  purpose: ObservedJob['purpose'],
  { position }: Reading,
): boolean {
  const recorded = recordedPosition(status);
  if (purpose?.kind !== 'DriftCheck' || status.recordedRevision === undefined) {
    return true;
  }
  const isSame = status.recordedFrom === undefined || status.recordedFrom === purpose.database;
  return (
    isSame && recorded !== undefined && position !== undefined && comparePositions(position, recorded) >= 0
  );
}
