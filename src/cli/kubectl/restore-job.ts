import { type GlanceSchemaSpec, type StatusBackup, storedSpecSchema } from '../../contract/glance-schema.ts';
import { BACKUP_FOLDER, MANAGED_BY, MANAGED_BY_LABEL } from '../../contract/names.ts';
import { backupVolume } from '../../operator/reconcile/job/job-backup.ts';
import { podTemplate } from '../../operator/reconcile/job/pod-template.ts';
import type { SchemaView } from './schema-access.ts';

/**
 * The Job that puts a backup back. Its pod is made as that of a migration is; the operator does not
 * know it, and does not touch it.
 */
export function restoreJob({ metadata, spec, status = {} }: SchemaView, backup: StatusBackup): object {
  const parsed: GlanceSchemaSpec = { revision: backup.revision, ...storedSpecSchema.parse(spec) };
  const { mount, volume } = backupVolume(backup.volumeClaimName);
  // By the first a network policy knows the pods of this operator.
  const labels = { [MANAGED_BY_LABEL]: MANAGED_BY, 'app.kubernetes.io/name': 'glance-schema-restore' };
  const image = parsed.backup?.image ?? parsed.job?.image ?? status.job?.image ?? '';
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      generateName: `${metadata.name.slice(0, 40)}-restore-`,
      namespace: metadata.namespace,
      labels,
    },
    spec: {
      backoffLimit: 0,
      template: podTemplate(
        {
          schema: { ...metadata, uid: '' },
          spec: parsed,
          pullSecrets: parsed.job?.imagePullSecrets ?? [],
        },
        {
          labels,
          main: {
            name: 'restore',
            image,
            args: ['db', 'restore', `${BACKUP_FOLDER}/${backup.file}`, '--replace'],
            mounts: [mount],
          },
          volumes: [volume],
        },
      ),
    },
  };
}
