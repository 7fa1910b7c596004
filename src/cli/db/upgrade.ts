import type { Command } from 'commander';
import { migrationCommand } from './migration.ts';

/** `glance-schema db upgrade [VERSION]` */
export function dbUpgradeCommand(): Command {
  return migrationCommand(
    'upgrade',
    'Upgrade an existing database; an empty one is left alone. Take a backup first: there is no downgrade.',
  );
}
