import type { Command } from 'commander';
import { phaseCommand } from './migration.ts';

/** `glance-schema db contract [VERSION]` */
export function dbContractCommand(): Command {
  return phaseCommand(
    'contract',
    'Last phase of an upgrade without downtime: remove what only the old release needs. Every node must be of the new release by then.',
    'the newest that is expanded',
  );
}
