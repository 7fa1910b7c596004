import type { Command } from 'commander';
import { OBSERVE_ANNOTATION } from '../../contract/names.ts';
import { changeCommand } from './change-command.ts';

/** `kubectl glanceschema observe NAME` */
export function observeCommand(): Command {
  return changeCommand({
    verb: 'observe',
    description:
      'Have the database read again by a Job that changes nothing; the record follows it, down too. For after a restore.',
    patch: () => ({ metadata: { annotations: { [OBSERVE_ANNOTATION]: new Date().toISOString() } } }),
    done: 'will have its database read again',
    next: 'status',
  });
}
