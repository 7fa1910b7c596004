import type { GlanceSchemaSpec } from '../../../contract/glance-schema.ts';
import { BACKUP_CONTAINER_NAME, BACKUP_FOLDER } from '../../../contract/names.ts';
import type { Position } from '../../../glance/position.ts';
import { parseDuration } from '../../time/duration.ts';

type Backup = NonNullable<GlanceSchemaSpec['backup']>;

/** How long a backup may take where what the spec says cannot be read, in milliseconds. */
const DEFAULT_TIMEOUT = 3_600_000;

/** A day, whatever an older CRD has let in, in milliseconds. */
const LONGEST_TIMEOUT = 86_400_000;

/** What `spec.backup` asks for before a migration; undefined where it asks for nothing. */
export function wantedBackup({ backup }: GlanceSchemaSpec): Backup | undefined {
  return backup?.policy === 'BeforeUpgrade' ? backup : undefined;
}

/** How long it may take, in whole seconds. */
export function backupSeconds({ timeout }: Backup): number {
  return Math.min(parseDuration(timeout) ?? DEFAULT_TIMEOUT, LONGEST_TIMEOUT) / 1000;
}

/** What the init container of a migration runs, but for the options of the connection. */
export function backupArguments(
  backup: Backup,
  schema: { readonly namespace: string; readonly name: string; readonly uid: string },
  { revision, phase }: Position,
): readonly string[] {
  return [
    ...['db', 'backup', BACKUP_FOLDER, '--before', revision],
    ...(phase === 'Contract' ? [] : ['--through', phase]),
    // Whose it is: retention removes no other's, and no other's is used again.
    ...['--for', schema.uid, '--name', `${schema.namespace}.${schema.name}`],
    ...['--retain', String(backup.retain), '--timeout', String(backupSeconds(backup))],
    ...['--format', backup.format.toLowerCase()],
    ...['--report', '/dev/termination-log'],
  ];
}

/** The volume of the claim, and how a container has it. */
export function backupVolume(volumeClaimName: string) {
  return {
    mount: { name: BACKUP_CONTAINER_NAME, mountPath: BACKUP_FOLDER },
    volume: { name: BACKUP_CONTAINER_NAME, persistentVolumeClaim: { claimName: volumeClaimName } },
  };
}
