import type { Command } from 'commander';
import { RETRY_ANNOTATION } from '../../contract/names.ts';
import { changeCommand } from './change-command.ts';

/** `kubectl glanceschema retry NAME` */
export function retryCommand(): Command {
  return changeCommand({
    verb: 'retry',
    description: 'Have a migration tried again that failed for good, or now instead of at the next attempt.',
    patch: () => ({ metadata: { annotations: { [RETRY_ANNOTATION]: new Date().toISOString() } } }),
    done: 'will be tried again',
    next: 'wait',
  });
}
