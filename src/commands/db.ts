import { Command } from 'commander';
import { dbSyncCommand } from './db-sync.ts';
import { dbUpgradeCommand } from './db-upgrade.ts';
import { dbVersionCommand } from './db-version.ts';

/** `glance-schema db`, named and spelled as `glance-manage db`. */
export function dbCommand(): Command {
  return new Command('db')
    .description("Migrate and inspect Glance's database")
    .addCommand(dbSyncCommand())
    .addCommand(dbUpgradeCommand())
    .addCommand(dbVersionCommand());
}
