import type { Command } from 'commander';
import { migrationCommand } from './migration.ts';

/** `glance-schema db sync [VERSION]` */
export function dbSyncCommand(): Command {
  return migrationCommand(
    'sync',
    "Place a database under migration control and upgrade it: an empty one is filled, one of Glance's old tool adopted. Take a backup first: there is no downgrade.",
  );
}
