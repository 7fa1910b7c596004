import { databaseName } from '../../../contract/database-name.ts';
import { withoutUndefined } from '../../../glance/without-undefined.ts';
import { migrationJobName, type Purpose, podTemplateHash } from '../job/job.ts';
import { wantedBackup } from '../job/job-backup.ts';
import type { Effect, Facts } from './policy.ts';

/** What a Job is for, of which the rest follows from the facts. */
type Wanted = Pick<Purpose, 'kind' | 'target' | 'plans' | 'approved' | 'why'>;

/** The effect that makes the next Job. */
export function startJob(facts: Facts, wanted: Wanted): Effect {
  const { kind } = wanted;
  const { schema, status, lastSequence } = facts;
  const last = status.job;
  const failed = last?.failure !== undefined || (last !== undefined && last.finishedAt === undefined);
  const again = failed && last.generation === schema.generation && last.purpose === kind;
  const purpose: Purpose = {
    ...wanted,
    // Whoever reserved a sequence number may still be about to make that Job: only under the same
    // name can there be no second one.
    sequence: Math.max((last?.sequence ?? 0) + 1, lastSequence + 1, schema.reservedSequence),
    attempt: again ? last.attempt + 1 : 1,
    generation: schema.generation,
    ...(kind === 'Observe' && schema.observe !== undefined ? { observe: schema.observe } : {}),
    // What a person has asked for is not answered by a drift check.
    ...(kind === 'DriftCheck' ? {} : withoutUndefined({ retry: schema.retry })),
    ...(kind === 'Migrate' ? backupOf(schema.spec) : {}),
    podTemplateHash: podTemplateHash(schema),
    database: databaseName(schema.spec.database),
    image: schema.image,
  };
  return {
    kind: 'startJob',
    name: migrationJobName(schema, purpose.sequence),
    purpose,
  };
}

/** Where the backup goes that a migration takes first. */
function backupOf(spec: Facts['schema']['spec']): Pick<Purpose, 'backup'> {
  const backup = wantedBackup(spec);
  return backup === undefined
    ? {}
    : { backup: { claim: backup.volumeClaimName ?? '', retain: backup.retain } };
}
