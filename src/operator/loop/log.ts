import winston from 'winston';

/** What is known in addition to the message: the object, the reason, an error. Never a password. */
export type LogFields = Readonly<Record<string, unknown>>;

/** The log of the controller: one JSON object a line. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/**
 * Opens the log on standard error. An `error` field is written as its message, with its stack at
 * level debug only.
 */
export function openLog(level: string): Log {
  const logger = winston.createLogger({
    level,
    format: winston.format.combine(
      winston.format.timestamp(),
      winston.format((entry) => {
        const { error } = entry;
        if (error instanceof Error) {
          entry.error = error.message;
          if (level === 'debug') {
            entry.stack = error.stack;
          }
        }
        return entry;
      })(),
      // What a person reads first comes first.
      winston.format.printf(({ timestamp, level: of, message, ...fields }) =>
        JSON.stringify({ timestamp, level: of, message, ...fields }),
      ),
    ),
    transports: [new winston.transports.Console({ stderrLevels: ['error', 'warn', 'info', 'debug'] })],
  });
  return {
    debug: (message, fields) => void logger.debug(message, fields),
    info: (message, fields) => void logger.info(message, fields),
    warn: (message, fields) => void logger.warn(message, fields),
    error: (message, fields) => void logger.error(message, fields),
  };
}

/** What an error says, whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
