import type { Command } from 'commander';
import { phaseCommand } from './migration.ts';

/** `glance-schema db migrate [VERSION]` */
export function dbMigrateCommand(): Command {
  return phaseCommand(
    'migrate',
    'Second phase of an upgrade without downtime: move the rows to their new form in small batches, while old and new Glance servers are at work.',
    'the newest that is expanded',
  );
}
