import type { Command } from 'commander';
import { phaseCommand } from './migration.ts';

/** `glance-schema db expand [VERSION]` */
export function dbExpandCommand(): Command {
  return phaseCommand(
    'expand',
    'First phase of an upgrade without downtime: add what the new release needs, while the old one is at work. Take a backup first: there is no downgrade.',
    'the newest',
  );
}
