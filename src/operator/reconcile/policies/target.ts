import type { GlanceSchemaStatus } from '../../../contract/glance-schema.ts';
import { isPast, isReached } from '../../../glance/goal.ts';
import { formatPosition } from '../../../glance/position.ts';
import { explainUnresolved, resolveRevision } from '../../../glance/resolve.ts';
import { LATEST, LATEST_SUPPORTED, REVISIONS } from '../../../glance/revisions.ts';
import { withoutUndefined } from '../../../glance/without-undefined.ts';
import { approvedPlan } from './approval.ts';
import { startJob } from './next-job.ts';
import { type Facts, sentence, unlessRefused, type Verdict } from './policy.ts';
import { nextPosition, recordedPosition, targetPosition } from './positions.ts';
import { readAgain, recordMayBeOld } from './record.ts';

/** The spec says that nothing is started. */
export function suspended({ schema, status }: Facts): Verdict | undefined {
  if (!schema.spec.suspend) {
    return undefined;
  }
  const recorded = recordedPosition(status);
  const where = recorded === undefined ? 'has not been read' : `was last read at ${formatPosition(recorded)}`;
  return {
    reason: 'Suspended',
    message: `spec.suspend is true: no migration is started. The database ${where}.`,
  };
}

/** The CRD requires a revision, but older CRDs did not: then no target is known. */
export function revisionAbsent({ schema }: Facts): Verdict | undefined {
  return schema.spec.revision === undefined
    ? {
        reason: 'RevisionNotFound',
        message: `The spec names no revision, so nothing is migrated. Set spec.revision to the one that is wanted, or to '${LATEST}' for the newest that the operator supports, which is '${LATEST_SUPPORTED}' now.`,
      }
    : undefined;
}

/** The spec names a revision that this operator does not know. */
export function revisionNotSupported({ schema }: Facts): Verdict | undefined {
  const { revision = LATEST } = schema.spec;
  const resolved = resolveRevision(revision);
  return resolved.kind === 'revision'
    ? undefined
    : {
        reason: 'RevisionNotFound',
        message: `Cannot use spec.revision: ${explainUnresolved(revision, resolved)}`,
      };
}

/** A newer operator has written this status, and this one was put back in its place. */
export function databaseNewerThanSupported({ status }: Facts): Verdict | undefined {
  const { recordedRevision } = status;
  if (recordedRevision === undefined || REVISIONS.some(({ name }) => name === recordedRevision)) {
    return undefined;
  }
  return {
    reason: 'DatabaseNewer',
    message: `Cannot work on this database: it is at '${recordedRevision}', and the latest revision that this operator supports is '${LATEST_SUPPORTED}'. Nothing was changed. Upgrade the operator.`,
  };
}

/** What is wanted is before what was read. */
export function targetBeforeRecorded(facts: Facts): Verdict | undefined {
  const { schema, status } = facts;
  const recorded = recordedPosition(status);
  const target = targetPosition(schema, status);
  if (recorded === undefined || !isPast(recorded, target)) {
    return undefined;
  }
  if (recordMayBeOld(facts)) {
    return readAgain(
      facts,
      'The newest Job ended without a report of where the database is. It is read again.',
    );
  }
  return {
    reason: 'DowngradeNotSupported',
    message: `Cannot migrate to '${formatPosition(target)}': the database is already at '${formatPosition(recorded)}', which is later. Nothing was changed. ${recorded.revision === target.revision ? `Set spec.through to ${recorded.phase}` : `Set spec.revision to '${recorded.revision}' or later`}, or restore a backup and then set the annotation db.glance.openstack.org/observe.${moved(status)}`,
  };
}

/** The database is where it is wanted. */
export function targetReached(facts: Facts): Verdict | undefined {
  const { schema, status } = facts;
  if (recordMayBeOld(facts)) {
    return undefined;
  }
  const recorded = recordedPosition(status);
  const target = targetPosition(schema, status);
  if (recorded === undefined || !isReached(recorded, target)) {
    return undefined;
  }
  const { schemaDifferences } = status;
  if (schemaDifferences !== undefined && schema.retry !== undefined && schema.retry !== status.handledRetry) {
    return undefined;
  }
  // The revision is reached; what others have made of the schema is reported, and is no
  // reason to stop those who wait.
  const differs = schemaDifferences === undefined ? '' : ` ${sentence(schemaDifferences)}`;
  return {
    reason: 'UpToDate',
    message: `The database is at ${formatPosition(recorded)}.${moved(status)}${differs}`,
  };
}

/** That it was not the operator which migrated the database. */
function moved({ drift }: GlanceSchemaStatus): string {
  return drift?.movedMessage === undefined ? '' : ` ${drift.movedMessage}`;
}

/** No policy has found anything: the database is to be migrated. */
export function migrationDue(facts: Facts): Verdict {
  const target = nextPosition(facts.schema, facts.status);
  const approved = approvedPlan(facts);
  return unlessRefused(facts, {
    reason: 'MigrationPending',
    message: `A Job that brings the database to ${formatPosition(target)} is about to start.`,
    effect: startJob(facts, { kind: 'Migrate', target, ...withoutUndefined({ approved }) }),
  });
}
