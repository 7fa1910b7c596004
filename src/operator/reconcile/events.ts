import { isDeepStrictEqual } from 'node:util';
import type { GlanceSchemaStatus, StatusBackup } from '../../contract/glance-schema.ts';
import { readyCondition, readyReason } from '../../contract/glance-schema.ts';
import { RECORDED_REVISION_ANNOTATION, TARGET_REVISION_ANNOTATION } from '../../contract/names.ts';
import { reasonMeaning } from '../../contract/reasons.ts';
import { formatPosition } from '../../glance/position.ts';
import { withoutUndefined } from '../../glance/without-undefined.ts';
import type { SchemaEvent, SchemaObject } from '../kube/cluster.ts';
import { sharingOf } from './status/status.ts';

/** The Events for a change of the status; none while only a message or the progress changes. */
export function eventsFor(before: GlanceSchemaStatus, after: GlanceSchemaStatus): readonly SchemaEvent[] {
  return [
    reasonChanged(before, after),
    sharingBegun(before, after),
    driftBegun(before, after),
    backedUp(before, after),
  ].filter((event) => event !== undefined);
}

/** The backups that have come into the status by this write. */
export function newBackups(
  { backups: before = [] }: GlanceSchemaStatus,
  { backups: after = [] }: GlanceSchemaStatus,
): readonly StatusBackup[] {
  return after.filter(
    (one) => !before.some(({ file, sha256 }) => one.file === file && one.sha256 === sha256),
  );
}

/** A backup was taken and proven; or a migration went on though it is unknown whether it was. */
function backedUp(before: GlanceSchemaStatus, after: GlanceSchemaStatus): SchemaEvent | undefined {
  const [taken] = newBackups(before, after);
  if (taken !== undefined) {
    const { file, volumeClaimName, tables, rows, bytes } = taken;
    const where = formatPosition({ revision: taken.revision, phase: taken.phase });
    return {
      type: 'Normal',
      reason: 'BackupTaken',
      message: `Backup ${file} of the database at ${where} is on claim ${volumeClaimName}, and proven: ${tables} tables, ${rows} rows, ${bytes} bytes.`,
    };
  }
  const { job } = after;
  return job?.backup !== 'Unproven' || (before.job?.uid === job.uid && before.job.backup === 'Unproven')
    ? undefined
    : {
        type: 'Warning',
        reason: 'BackupUnproven',
        message: `The step of Job ${job.name} that takes the backup succeeded and left no result that can be read, so that no backup is known. Check that its image is that of this operator.`,
        job: { name: job.name, uid: job.uid },
      };
}

/** That a database has a second GlanceSchema is no reason of a condition. */
function sharingBegun(before: GlanceSchemaStatus, after: GlanceSchemaStatus): SchemaEvent | undefined {
  const [message] = sharingOf(after);
  return message === undefined || before.sharesDatabaseWith === after.sharesDatabaseWith
    ? undefined
    : { type: 'Warning', reason: 'DatabaseShared', message };
}

/** The condition `SchemaDrift` is new; where `Ready` has that reason, its Event says the same. */
function driftBegun(before: GlanceSchemaStatus, after: GlanceSchemaStatus): SchemaEvent | undefined {
  const of = ({ conditions }: GlanceSchemaStatus) => conditions?.find(({ type }) => type === 'SchemaDrift');
  const found = of(after);
  return found === undefined || of(before) !== undefined || readyReason(after) === found.reason
    ? undefined
    : { type: 'Warning', reason: found.reason, message: found.message };
}

/** The reason is another, or a further Job has failed. */
function reasonChanged(before: GlanceSchemaStatus, after: GlanceSchemaStatus): SchemaEvent | undefined {
  const reason = readyReason(after);
  if (reason === undefined || (reason === readyReason(before) && !hasFailedSince(before, after))) {
    return undefined;
  }
  const message = readyCondition(after)?.message ?? reason;
  const type = reasonMeaning(reason)?.warns === true ? 'Warning' : 'Normal';
  const { job, recordedRevision, targetRevision } = after;
  const annotations = withoutUndefined({
    [RECORDED_REVISION_ANNOTATION]: recordedRevision,
    [TARGET_REVISION_ANNOTATION]: targetRevision,
  });
  const about =
    job !== undefined && isAboutTheJob(before, after) ? { job: { name: job.name, uid: job.uid } } : {};
  return { type, reason, message, annotations, ...about };
}

/** The Job is at work, or has just ended; of one that ended before it says nothing. */
function isAboutTheJob(before: GlanceSchemaStatus, { job }: GlanceSchemaStatus): boolean {
  return job?.finishedAt === undefined || !isDeepStrictEqual(before.job, job);
}

function hasFailedSince(before: GlanceSchemaStatus, after: GlanceSchemaStatus): boolean {
  const [old, now] = [before.job, after.job];
  // A drift check that failed says nothing of what is wanted.
  return (
    now?.purpose !== 'DriftCheck' &&
    (!isDeepStrictEqual(old?.failure, now?.failure) || (now?.failure !== undefined && old?.uid !== now.uid))
  );
}

/** Keeps Events from repeating themselves. */
export interface EventDeduplicator {
  isNew(schema: SchemaObject, after: GlanceSchemaStatus, event: SchemaEvent): boolean;
  /** The GlanceSchema with this key is gone. */
  forget(key: string): void;
}

/**
 * How long an API server keeps an Event, in milliseconds. Source: kube-apiserver's flag
 * --event-ttl.
 */
const EVENT_LIFE = 3_600_000;

/**
 * Remembers which Events were sent. A database that is away for a night is tried every five
 * minutes, and each attempt goes through the same reasons: while the Event for one is still there,
 * no other is sent for the same reason and spec.
 */
export function eventDeduplicator(now: () => Date): EventDeduplicator {
  const sent = new Map<string, Map<string, number>>();
  return {
    isNew({ metadata }, after, { reason }) {
      const key = `${metadata.namespace}/${metadata.name}`;
      const time = now().getTime();
      const old = [...(sent.get(key) ?? [])].filter(([, at]) => time - at < EVENT_LIFE);
      // Messages name Jobs and times; the cause of a failure does not.
      const what = JSON.stringify([
        metadata.uid,
        metadata.generation,
        after.handledRetry,
        after.handledObserve,
        reason,
        after.job?.failure?.message,
        reason === 'BackupTaken' ? after.backups?.[0]?.file : undefined,
      ]);
      if (old.some(([known]) => known === what)) {
        return false;
      }
      sent.set(key, new Map([...old, [what, time]]));
      return true;
    },
    forget: (key) => void sent.delete(key),
  };
}
