import { DATA_MIGRATION_NAMES } from '../glance/revisions.ts';
import type { ReportedProgress } from './report.ts';

/** How far a log says that a data migration is; `none` once it has said that the last one ended. */
export type ProgressReport = ReportedProgress | 'none';

/**
 * The line by which a run reports how far a data migration is: the operator reads it in the log of
 * the pod.
 */
export function progressLine({ migration, done, total }: ReportedProgress): string {
  return `${migration}: ${done} of ${total} rows`;
}

/**
 * What the end of a log reports: its newest line about a data migration that we know. Whoever names
 * the image writes the log, so that a line counts only if it is one of ours to the letter;
 * undefined when there is none.
 */
export function parseProgress(log: string): ProgressReport | undefined {
  for (const line of log.split('\n').reverse()) {
    const [, migration = '', done, total] = LINE.exec(line) ?? [];
    if (!DATA_MIGRATION_NAMES.some(({ name }) => name === migration)) {
      continue;
    }
    if (done === undefined) {
      return 'none';
    }
    if (Number(done) <= Number(total)) {
      return { migration, done: Number(done), total: Number(total) };
    }
  }
  return undefined;
}

/** Fifteen digits are a number that JSON represents exactly. */
const LINE = /^([a-z0-9_]{1,64}): (?:(\d{1,15}) of (\d{1,15}) rows|\d{1,15} rows moved after .{1,20})$/;
