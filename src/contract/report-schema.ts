import { z } from 'zod';
import { PHASES } from '../glance/phase.ts';
import { FAILURES, type FailureReason } from './failures.ts';
import { PLAN_HASH } from './plan-hash.ts';
import { printable } from './printable.ts';
import { type MigrationReport, REPORTED_COMMANDS } from './report.ts';

/**
 * A word of the pod, whose image anybody may have made: it must fit the status, or the status could
 * not be written.
 */
function text(longest: number) {
  return z.string().transform((value) => printable(value, longest));
}

function few<T extends z.ZodType>(item: T) {
  return z.array(item).transform((items) => items.slice(0, 64));
}

const position = z.object({ revision: text(32), phase: z.enum(PHASES) });

/** What the parts mean is said in report.ts. */
export const reportSchema = z.object({
  version: z.literal(1),
  command: z.enum(REPORTED_COMMANDS),
  target: position.nullable(),
  from: position.nullable(),
  to: position.nullable(),
  heads: few(text(64)).nullable(),
  adopted: z.boolean(),
  applied: few(
    z.object({ name: text(64), milliseconds: z.number(), rows: z.int().nonnegative().optional() }),
  ),
  progress: z.object({ migration: text(64), done: z.int(), total: z.int() }).optional(),
  next: z.enum(['expand', 'migrate', 'contract']).optional(),
  repaired: few(text(256)).optional(),
  differences: few(text(256)).optional(),
  drift: z.object({ differences: few(text(256)), also: few(text(256)) }).optional(),
  plan: z
    .object({
      hash: z.string().regex(PLAN_HASH),
      steps: few(text(64)),
      rows: z.int().nonnegative(),
      mostRows: z.int().nonnegative(),
      locks: few(text(256)),
      warnings: few(text(256)),
    })
    .optional(),
  backup: z
    .object({
      file: text(253),
      bytes: z.int().nonnegative(),
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
      position,
      tables: z.int().nonnegative(),
      rows: z.int().nonnegative(),
      takenAt: z.iso.datetime(),
    })
    .optional(),
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  error: z
    .object({
      reason: z.enum(Object.keys(FAILURES) as FailureReason[]),
      message: text(4096),
      migration: text(64).nullable(),
    })
    .nullable(),
});

/**
 * Reads a report from a pod's termination message; undefined when it is none, as when the process
 * was killed.
 */
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
