import type { Command } from 'commander';
import { changeCommand } from './change-command.ts';

/** `kubectl glanceschema resume NAME` */
export function resumeCommand(): Command {
  return changeCommand({
    verb: 'resume',
    description: 'Start migrations again after suspend.',
    patch: () => ({ spec: { suspend: false } }),
    done: 'starts migrations again',
    next: 'wait',
  });
}
