import { Command } from 'commander';
import { dbBackupCommand } from './db/backup.ts';
import { dbCheckCommand } from './db/check.ts';
import { dbContractCommand } from './db/contract.ts';
import { dbDiffCommand } from './db/diff.ts';
import { dbExpandCommand } from './db/expand.ts';
import { dbHistoryCommand } from './db/history.ts';
import { dbMigrateCommand } from './db/migrate.ts';
import { dbPlanCommand } from './db/plan.ts';
import { dbRestoreCommand } from './db/restore.ts';
import { dbSyncCommand } from './db/sync.ts';
import { dbUpgradeCommand } from './db/upgrade.ts';
import { dbVersionCommand } from './db/version.ts';
import { dbVersionControlCommand } from './db/version-control.ts';

/** `glance-schema db`, named and spelled as `glance-manage db`. */
export function dbCommand(): Command {
  return new Command('db')
    .description("Migrate and inspect Glance's database")
    .addCommand(dbSyncCommand())
    .addCommand(dbUpgradeCommand())
    .addCommand(dbExpandCommand())
    .addCommand(dbMigrateCommand())
    .addCommand(dbContractCommand())
    .addCommand(dbCheckCommand())
    .addCommand(dbPlanCommand())
    .addCommand(dbBackupCommand())
    .addCommand(dbDiffCommand())
    .addCommand(dbRestoreCommand())
    .addCommand(dbHistoryCommand())
    .addCommand(dbVersionCommand())
    .addCommand(dbVersionControlCommand());
}
