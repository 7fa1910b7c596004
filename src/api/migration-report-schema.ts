import { z } from 'zod';
import { PHASES } from '../revision/phase.ts';
import { EXIT_CODES, type FailureReason } from './exit-codes.ts';
import { type MigrationReport, REPORTED_COMMANDS } from './migration-report.ts';

const position = z.object({ revision: z.string(), phase: z.enum(PHASES) });

const reportSchema = z.object({
  version: z.literal(1),
  command: z.enum(REPORTED_COMMANDS),
  target: position.nullable(),
  from: position.nullable(),
  to: position.nullable(),
  heads: z.array(z.string()).nullable(),
  adopted: z.boolean(),
  applied: z.array(
    z.object({ name: z.string(), milliseconds: z.number(), rows: z.int().nonnegative().optional() }),
  ),
  progress: z.object({ migration: z.string(), done: z.int(), total: z.int() }).optional(),
  next: z.enum(['expand', 'migrate', 'contract']).optional(),
  startedAt: z.string(),
  finishedAt: z.string(),
  error: z
    .object({
      reason: z.custom<FailureReason>(
        (value) => typeof value === 'string' && value !== 'Done' && value in EXIT_CODES,
      ),
      message: z.string(),
      migration: z.string().nullable(),
    })
    .nullable(),
});

/** Reads a report from a pod's termination message; undefined when it is none, as when the process was killed. */
export function parseMigrationReport(text: string | undefined): MigrationReport | undefined {
  if (text === undefined) {
    return undefined;
  }
  try {
    return reportSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
