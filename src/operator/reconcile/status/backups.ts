import { MOST_BACKUPS, type StatusBackup, type StatusJob } from '../../../contract/glance-schema.ts';
import { printable } from '../../../contract/printable.ts';
import { withoutUndefined } from '../../../glance/without-undefined.ts';
import type { ObservedJob } from '../facts/observe.ts';

/**
 * The backups that were known, and those that this Job has taken: newest first, and no more than
 * the claim keeps. One that was taken before and used again keeps the Job that took it.
 */
export function withBackups(
  known: readonly StatusBackup[] = [],
  { name, purpose, backups }: ObservedJob,
): readonly StatusBackup[] {
  const { claim, retain } = purpose?.backup ?? {};
  if (claim === undefined || retain === undefined) {
    return known;
  }
  const reported = backups.filter((each) => typeof each !== 'string');
  const taken = reported.map(
    ({ file, position, ...backup }): StatusBackup => ({
      file: printable(file, LONGEST_NAME),
      revision: printable(position.revision, LONGEST_REVISION),
      phase: position.phase,
      ...backup,
      volumeClaimName: claim,
      ...withoutUndefined({ database: purpose?.database }),
      job: name,
    }),
  );
  const all = [...known, ...taken];
  const unique = all.filter((one, index) => all.findIndex((other) => isSame(one, other)) === index);
  // In the same order in each reconcile, whatever was known before: else two backups of one Job would take
  // turns in a list that has room for one.
  return unique.length === known.length
    ? known
    : unique.toSorted(newestFirst).slice(0, Math.min(retain, MOST_BACKUPS));
}

function newestFirst(one: StatusBackup, other: StatusBackup): number {
  return other.takenAt.localeCompare(one.takenAt) || other.file.localeCompare(one.file);
}

const LONGEST_NAME = 253;
const LONGEST_REVISION = 64;

function isSame(one: StatusBackup, other: StatusBackup): boolean {
  return (
    one.file === other.file && one.sha256 === other.sha256 && one.volumeClaimName === other.volumeClaimName
  );
}

/** What came of the backup of a Job, by the newest of its pods that was let begin. */
export function outcomeOfBackup({ purpose, backups }: ObservedJob): StatusJob['backup'] {
  const [newest] = backups;
  if (purpose?.backup === undefined || newest === undefined) {
    return undefined;
  }
  return newest === 'unproven' ? 'Unproven' : newest === 'not needed' ? 'NotNeeded' : 'Proven';
}

/**
 * The backup from before the migration of a Job: the oldest of those that its pods took, as each
 * begins where the one before it stopped.
 */
export function backupBefore({ backups }: ObservedJob): string | undefined {
  const oldest = backups.findLast((each) => typeof each !== 'string');
  return typeof oldest === 'object' ? printable(oldest.file, LONGEST_NAME) : undefined;
}
