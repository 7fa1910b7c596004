import { type Command, Option } from 'commander';
import { exitCodeOf } from '../../contract/failures.ts';
import type { MigrationReport } from '../../contract/report.ts';
import type { Position } from '../../glance/position.ts';
import { withoutUndefined } from '../../glance/without-undefined.ts';
import type { DatabasePlan } from '../../migrator/database-plan.ts';
import { Failure } from '../../migrator/errors/failure.ts';
import type { Outcome } from '../../migrator/outcome.ts';
import { buildReport, encodeReport, prepareReport, writeReport } from '../../migrator/report.ts';
import { say, withoutPassword } from '../say.ts';

/** What the options of `addOutputOptions` leave. */
export interface OutputFlags {
  readonly output: 'text' | 'json';
  readonly report?: string;
}

/** Gives a command the options that say where its result goes. */
export function addOutputOptions(command: Command): Command {
  return addReportOption(
    command.addOption(
      new Option('--output <format>', 'of the result on stdout').choices(['text', 'json']).default('text'),
    ),
  );
}

/** Gives a command the option that names a file for its report. */
export function addReportOption(command: Command): Command {
  return command
    .option('--report <file>', 'also write the result there, as JSON of at most 4,096 bytes')
    .hook('preAction', () => {
      const path: unknown = command.opts().report;
      if (typeof path === 'string') {
        prepareReport(path);
      }
    });
}

/** What a verb did, as it is printed and written to the report. */
export interface Result {
  readonly command: MigrationReport['command'];
  readonly target: Position | undefined;
  readonly startedAt: Date;
  readonly outcome: Outcome;
  readonly flags: OutputFlags;
  readonly next?: MigrationReport['next'];
  readonly plan?: DatabasePlan | undefined;
  readonly backup?: MigrationReport['backup'];
  readonly log: { failed(reason: string, message: string): void };
  /** What stdout has as text; a failed command's is left out where it is empty. */
  readonly summary: string;
}

/** An outcome whose error may quote the command line, as others may read it. */
function sayable(outcome: Outcome): Outcome {
  const { error } = outcome;
  if (error === undefined) {
    return outcome;
  }
  const { reason, message, migration, cause } = error;
  const details = { cause, ...withoutUndefined({ migration }) };
  return { ...outcome, error: new Failure(reason, withoutPassword(message), details) };
}

/** Reports how a command ended: report, stdout, stderr, exit code. */
export function finish(result: Result): void {
  const { flags } = result;
  const outcome = sayable(result.outcome);
  const report = encodeReport(buildReport({ ...result, outcome, finishedAt: new Date() }));
  process.exitCode = exitCodeOf(outcome.error?.reason ?? 'Done');
  if (outcome.error !== undefined) {
    result.log.failed(outcome.error.reason, outcome.error.message);
  }
  if (flags.output === 'json') {
    process.stdout.write(`${report}\n`);
  } else if (outcome.error === undefined || result.command === 'version') {
    process.stdout.write(result.summary === '' ? '' : `${result.summary}\n`);
  }
  if (flags.report !== undefined) {
    try {
      writeReport(flags.report, report);
    } catch (error) {
      // What was done is done: the exit code still says so.
      say(error instanceof Error ? error.message : String(error));
    }
  }
}
