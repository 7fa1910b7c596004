import { type Command, Option } from 'commander';
import { databaseName } from '../../contract/database-name.ts';
import type { StatusBackup } from '../../contract/glance-schema.ts';
import { type SchemaAccess, type SchemaFlags, type SchemaView, withSchema } from './schema-access.ts';
import { schemaCommand } from './schema-command.ts';

interface RestoreFlags extends SchemaFlags {
  readonly backup: string;
}

/** `kubectl glanceschema restore NAME` */
export function restoreCommand(): Command {
  return schemaCommand<RestoreFlags>({
    verb: 'restore',
    description:
      'Write the Job that puts a backup back, for `kubectl create -f -`, and on stderr what to do before and after it. Nothing is changed.',
    run: (name, flags) =>
      withSchema(name, flags, async (schema) => {
        const view = await schema.read();
        const backup = backupToRestore(view, schema, flags.backup);
        const { restoreJob } = await import('./restore-job.ts');
        const { objectText } = await import('./object-output.ts');
        process.stdout.write(await objectText(restoreJob(view, backup), 'yaml'));
        process.stderr.write(whatToDo(backup, schema, flags.backup));
      }),
  }).addOption(
    new Option('--backup <number>', 'which of the backups that status lists, where 1 is the newest').default(
      '1',
    ),
  );
}

/**
 * The backup of this number.
 *
 * @throws Error with a sentence for a person, where there is none, or something may be at work.
 */
function backupToRestore(
  { spec, status = {} }: SchemaView,
  { title, commandFor }: SchemaAccess,
  number: string,
): StatusBackup {
  const { backups = [], job } = status;
  if (backups.length === 0) {
    throw new Error(
      `Cannot restore ${title}: its status lists no backup. Restore by 'glance-schema db restore FILE', where you have one.`,
    );
  }
  const backup = /^[1-9]\d?$/.test(number) ? backups[Number(number) - 1] : undefined;
  if (backup === undefined) {
    throw new Error(
      `Cannot restore backup ${number} of ${title}: it has ${backups.length}, numbered from 1, the newest. See them by '${commandFor('status')}'.`,
    );
  }
  if (job !== undefined && job.finishedAt === undefined) {
    throw new Error(
      `Cannot restore ${title} now: Job ${job.name} is at work on the database. Wait for its end by '${commandFor('status')}'.`,
    );
  }
  const now = databaseName(spec.database);
  if (backup.database !== undefined && backup.database !== now) {
    throw new Error(
      `Cannot restore backup ${number} of ${title}: it is of the database of ${backup.database}, and spec.database names that of ${now}. Restore it by 'glance-schema db restore' where that is what you want.`,
    );
  }
  if (spec.suspend !== true) {
    throw new Error(
      `Cannot restore ${title} yet: the operator would migrate it again at once. Suspend it first, by '${commandFor('suspend')}' or in Git.`,
    );
  }
  return backup;
}

function whatToDo(
  { file, revision, takenAt, database }: StatusBackup,
  schema: SchemaAccess,
  number: string,
): string {
  const { kubectlFlags } = schema;
  return [
    `This Job puts back ${file}, of ${takenAt}, at ${revision}, into the database of ${database ?? 'this GlanceSchema'}. What was written since is lost.`,
    `1. Stop Glance, and see that no pod of it is left: kubectl get pods${kubectlFlags}`,
    `2. Create the Job: ${schema.commandFor('restore')} --backup ${number} | kubectl create${kubectlFlags} -f -`,
    `3. See how it ends: kubectl logs -f job/NAME${kubectlFlags}`,
    `4. Have the record follow the database: ${schema.commandFor('observe')}`,
    `5. Set spec.revision to '${revision}' (in Git, if it comes from there), then: ${schema.commandFor('resume')}`,
    `6. Start Glance of the release that '${revision}' belongs to`,
    '',
  ].join('\n');
}
