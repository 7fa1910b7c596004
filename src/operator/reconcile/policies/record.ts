import { databaseName, describeDatabase } from '../../../contract/database-name.ts';
import { agrees } from '../../../glance/detect.ts';
import { unknownHeads } from '../../../glance/heads.ts';
import { nextAttemptNotDue } from './attempts.ts';
import { startJob } from './next-job.ts';
import { type Facts, unlessRefused, type Verdict } from './policy.ts';
import { recordedPosition } from './positions.ts';

/** The annotation `observe` is new. */
export function observeAsked(facts: Facts): Verdict | undefined {
  const { schema, status } = facts;
  return schema.observe === undefined || schema.observe === status.handledObserve
    ? undefined
    : readAgain(facts, 'The annotation observe asks for the database to be read again.');
}

/** What is recorded was read from the database of another Secret. */
export function databaseMoved(facts: Facts): Verdict | undefined {
  const { schema, status } = facts;
  const now = databaseName(schema.spec.database);
  return status.recordedFrom === undefined || status.recordedFrom === now
    ? undefined
    : readAgain(
        facts,
        `Reading the database ${describeDatabase(now)}, which the spec names now. The record is of the one ${describeDatabase(status.recordedFrom)}.`,
      );
}

/** What is recorded is not what the rows beside it say: the status was edited. */
export function recordContradicted(facts: Facts): Verdict | undefined {
  const { recordedRevision, databaseHeads } = facts.status;
  if (recordedRevision === undefined) {
    return undefined;
  }
  const recorded = recordedPosition(facts.status);
  const isTrue =
    recorded === undefined
      ? unknownHeads(databaseHeads ?? []).length > 0
      : databaseHeads !== undefined && agrees(recorded, databaseHeads);
  if (isTrue) {
    return undefined;
  }
  const rows = databaseHeads?.map((head) => `'${head}'`).join(', ') ?? '';
  return readAgain(
    facts,
    `The status says '${recordedRevision}' and that the database has ${rows === '' ? 'no rows' : rows} in alembic_version, which contradict each other. The status was edited or restored, so the operator reads the database again.`,
    true,
  );
}

/**
 * A Job that only reads the database is due.
 *
 * @param withMessage whether the status is to keep the message while the Job reads
 */
export function readAgain(facts: Facts, message: string, withMessage = false): Verdict {
  if (facts.status.job?.purpose === 'Observe') {
    const waiting = nextAttemptNotDue(facts);
    if (waiting !== undefined) {
      return waiting;
    }
  }
  return unlessRefused(facts, {
    reason: 'Observing',
    message,
    effect: startJob(facts, { kind: 'Observe', target: null, ...(withMessage ? { why: message } : {}) }),
  });
}

/**
 * Whether the newest Job may have changed the database after what is recorded was read: it was
 * lost, perhaps before the status reported it, or it ended without having read the database again.
 * Then only another Job can find out. A drift check begins only where it is not so, and changes nothing.
 */
export function recordMayBeOld({ schema, status }: Facts): boolean {
  const { job } = status;
  const last = job?.sequence ?? 0;
  // A drift check is the only Job since, where its sequence number is the next one.
  if (
    schema.reservedSequence > last &&
    !(schema.reservedForDriftCheck && schema.reservedSequence === last + 1)
  ) {
    return true;
  }
  // Of a status that was wiped meanwhile it has not kept what was read before.
  if (job?.purpose === 'DriftCheck' && status.databaseHeads !== undefined) {
    return false;
  }
  // One that only reads too: a lost migration may have been before it.
  return job !== undefined && (job.finishedAt === undefined || job.failure?.databaseRead === false);
}
