import type { Command } from 'commander';
import { changeCommand } from './change-command.ts';

/** `kubectl glanceschema suspend NAME` */
export function suspendCommand(): Command {
  return changeCommand({
    verb: 'suspend',
    description: 'Start no more migrations; one that runs is left to finish.',
    patch: () => ({ spec: { suspend: true } }),
    done: 'starts no more migrations',
    next: 'status',
  });
}
