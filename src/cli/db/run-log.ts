import { progressLine } from '../../contract/progress.ts';
import { stepsOf } from '../../glance/plan.ts';
import { formatPosition } from '../../glance/position.ts';
import { describeStep } from '../../glance/steps.ts';
import type { BackupEvents } from '../../migrator/backup/options.ts';
import { describeHolder, describeHolders } from '../../migrator/lock.ts';
import type { MigrationEvents } from '../../migrator/migrate.ts';
import { onOneLine } from '../say.ts';

/** The form of a log line: text for people, or one JSON object. */
export type LogFormat = 'text' | 'json';

/** How a run is logged. */
export interface RunLogOptions {
  readonly format: LogFormat;
  readonly verbose: boolean;
  /** Whether a person watches: then there is a progress bar. */
  readonly terminal: boolean;
  readonly colour: boolean;
}

/** Logs a run on stderr while it runs. */
export interface RunLog extends MigrationEvents, BackupEvents {
  failed(reason: string, message: string): void;
  /** Leaves the terminal as it was. */
  close(): void;
}

interface Line {
  readonly level: 'info' | 'warn' | 'error' | 'debug';
  readonly message: string;
  readonly facts: Readonly<Record<string, unknown>>;
}

/** Opens the log of a run; what it needs is loaded only when it is wanted. */
export async function openRunLog(options: RunLogOptions): Promise<RunLog> {
  const writeLine = options.format === 'json' ? await jsonWriter(options) : textWriter(options);
  const bar = options.terminal && options.format === 'text' && !options.verbose ? await openBar() : undefined;
  const write: Write = (line) => {
    bar?.clear();
    writeLine(line);
  };
  let loggedAt = Date.now();
  return {
    waiting(holder, seconds) {
      const who = holder === undefined ? 'another migrator' : describeHolder(holder);
      write({
        level: 'warn',
        message: `waiting for the lock, held by ${who}${seconds === 0 ? '' : `; ${seconds} s so far`}`,
        facts: { holder, seconds },
      });
    },
    planned(from, units) {
      const steps = stepsOf(units);
      const names = steps.map(({ name }) => name);
      write({
        level: 'info',
        message: `from ${from === undefined ? 'nothing' : formatPosition(from)}: ${names.length === 0 ? 'nothing to run' : `to run ${names.join(', ')}`}`,
        facts: { from, migrations: names },
      });
      bar?.start(steps.reduce((sum, step) => sum + ('steps' in step ? step.steps.length : 1), 0));
    },
    drifted({ differences, also }) {
      for (const what of differences) {
        write({ level: 'warn', message: `drift: ${what}`, facts: { drift: what } });
      }
      if (also.length > 0) {
        write({ level: 'info', message: `also there: ${also.join('; ')}`, facts: { also } });
      }
    },
    stamped(baseline) {
      write({
        level: 'info',
        message: `adopted: ${baseline.from} is now alembic_version ${baseline.heads.join(', ')}`,
        facts: { ...baseline },
      });
    },
    started(migration) {
      write({ level: 'debug', message: `${migration.name}: start`, facts: { migration: migration.name } });
    },
    step(migration, step, index) {
      bar?.step(`${migration.name}: ${describeStep(step)}`);
      write({
        level: 'debug',
        message: `${migration.name}: ${index + 1}/${migration.steps.length} ${describeStep(step)}`,
        facts: { migration: migration.name, step: describeStep(step) },
      });
    },
    applied(migration, milliseconds) {
      write({
        level: 'info',
        message: `${migration.name}: committed after ${(milliseconds / 1000).toFixed(2)} s`,
        facts: { migration: migration.name, milliseconds: Math.round(milliseconds) },
      });
    },
    moving(data, done, total) {
      const line = progressLine({ migration: data.name, done, total });
      bar?.show(line);
      const now = Date.now();
      if (now - loggedAt >= LOG_EVERY_MILLISECONDS) {
        loggedAt = now;
        bar?.clear();
        write({
          level: 'info',
          message: line,
          facts: { migration: data.name, done, total },
        });
      }
    },
    moved(data, rows, milliseconds) {
      bar?.step(data.name);
      bar?.clear();
      write({
        level: rows === 0 ? 'debug' : 'info',
        message: `${data.name}: ${rows} rows moved after ${(milliseconds / 1000).toFixed(2)} s`,
        facts: { migration: data.name, rows, milliseconds: Math.round(milliseconds) },
      });
    },
    waitingForTables(tables, seconds, holders) {
      const now = Date.now();
      if (now - loggedAt >= LOG_EVERY_MILLISECONDS) {
        loggedAt = now;
        bar?.clear();
        write({
          level: 'warn',
          message: `waiting for ${tables.join(', ')}, in use by others${describeHolders(holders)}; ${seconds.toFixed(0)} s so far`,
          facts: { tables, seconds, holders },
        });
      }
    },
    dumping(bytes, seconds) {
      write({
        level: 'info',
        message: `backup: ${Math.floor(bytes / 1024 / 1024)} MiB written after ${seconds.toFixed(0)} s`,
        facts: { bytes, seconds },
      });
    },
    failed(reason, message) {
      bar?.stop();
      write({ level: 'error', message, facts: { reason } });
    },
    close() {
      bar?.stop();
    },
  };
}

/** How often a long step is logged, in milliseconds. */
const LOG_EVERY_MILLISECONDS = 5_000;

type Write = (line: Line) => void;

function textWriter(options: RunLogOptions): Write {
  const colours: Readonly<Record<Line['level'], string>> = {
    error: '\u001b[31m',
    warn: '\u001b[33m',
    info: '',
    debug: '\u001b[2m',
  };
  return ({ level, message }) => {
    if (level !== 'debug' || options.verbose) {
      const colour = options.colour ? colours[level] : '';
      // A database says what its users have written into it.
      const shown = onOneLine(message);
      process.stderr.write(`${colour}${shown}${colour === '' ? '' : '\u001b[0m'}\n`);
    }
  };
}

async function jsonWriter(options: RunLogOptions): Promise<Write> {
  const { default: winston } = await import('winston');
  const { createLogger, format, transports } = winston;
  const logger = createLogger({
    level: options.verbose ? 'debug' : 'info',
    format: format.combine(format.timestamp(), format.json()),
    transports: [new transports.Stream({ stream: process.stderr })],
  });
  return ({ level, message, facts }) => logger.log({ ...facts, level, message });
}

interface Bar {
  start(total: number): void;
  step(what: string): void;
  /** Says more of the same step. */
  show(what: string): void;
  /** Makes room for a line of text. */
  clear(): void;
  stop(): void;
}

async function openBar(): Promise<Bar> {
  const { default: progress } = await import('cli-progress');
  const bar = new progress.SingleBar({
    format: '{bar} {value}/{total} {what}',
    clearOnComplete: true,
    hideCursor: true,
    stream: process.stderr,
  });
  let done = 0;
  return {
    start: (total) => bar.start(total, 0, { what: '' }),
    step(what) {
      bar.update(done, { what });
      done += 1;
    },
    show: (what) => bar.update({ what }),
    clear: () => process.stderr.write('\r\u001b[K'),
    stop: () => bar.stop(),
  };
}
