import { writeFileSync } from 'node:fs';
import type { MigrationReport, ReportedPlan, ReportedPosition } from '../contract/report.ts';
import type { Position } from '../glance/position.ts';
import { withoutUndefined } from '../glance/without-undefined.ts';
import type { DatabasePlan } from './database-plan.ts';
import { Failure } from './errors/failure.ts';
import type { Outcome } from './outcome.ts';

/** What a kubelet keeps of a termination message, in bytes. */
export const MAX_REPORT_BYTES = 4096;

/** Rows of a foreign version table beyond these say nothing more. */
const MAX_HEADS = 20;

/** What a report is made of. */
export interface ReportInput {
  readonly command: MigrationReport['command'];
  readonly target: Position | undefined;
  readonly startedAt: Date;
  readonly finishedAt: Date;
  readonly outcome: Outcome;
  readonly next?: MigrationReport['next'];
  readonly plan?: DatabasePlan | undefined;
  readonly backup?: MigrationReport['backup'];
}

/** Of differences and repairs: the message and `db diff` have the rest. */
const MOST_DIFFERENCES = 10;

/** What the operator takes of each of these, and of a row of a version table, in characters. */
const LONGEST_DIFFERENCE = 256;
const LONGEST_HEAD = 64;

function first(texts: readonly string[]): readonly string[] {
  return texts.slice(0, MOST_DIFFERENCES).map((text) => cut(text, LONGEST_DIFFERENCE));
}

function cut(text: string, longest: number): string {
  const points = [...text];
  return points.length <= longest ? text : `${points.slice(0, longest - 1).join('')}…`;
}

/** The result of a run in the form that the operator reads. */
export function buildReport(input: ReportInput): MigrationReport {
  const { outcome } = input;
  return {
    version: 1,
    command: input.command,
    target: reported(input.target),
    from: reported(outcome.from),
    to: reported(outcome.to),
    heads: outcome.heads?.slice(0, MAX_HEADS).map((head) => cut(head, LONGEST_HEAD)) ?? null,
    adopted: outcome.baseline !== undefined,
    applied: outcome.applied,
    ...withoutUndefined({ progress: outcome.progress, next: input.next }),
    ...(outcome.repaired === undefined ? {} : { repaired: first(outcome.repaired) }),
    ...(outcome.differences === undefined ? {} : { differences: first(outcome.differences) }),
    ...(outcome.drift === undefined
      ? {}
      : { drift: { differences: first(outcome.drift.differences), also: first(outcome.drift.also) } }),
    ...(input.plan === undefined ? {} : { plan: reportedPlan(input.plan) }),
    ...withoutUndefined({ backup: input.backup }),
    startedAt: input.startedAt.toISOString(),
    finishedAt: input.finishedAt.toISOString(),
    error:
      outcome.error === undefined
        ? null
        : {
            reason: outcome.error.reason,
            message: outcome.error.message,
            migration: outcome.error.migration ?? null,
          },
  };
}

function reportedPlan({ hash, steps, rows, mostRows, obstacles }: DatabasePlan): ReportedPlan {
  const locks = steps.flatMap(({ statements }) => statements.flatMap(({ lock }) => lock ?? []));
  return {
    hash,
    steps: steps.map(({ name }) => name),
    rows,
    mostRows,
    locks: [...new Set(locks.map(({ table, mode, effect }) => `${mode} on ${table}: ${effect}`))],
    warnings: obstacles.map((what) => `In the way: ${what}`),
  };
}

/** A message that is longer keeps as much at least, in characters, before anything else is left out. */
const MESSAGE_AT_LEAST = 1024;

/**
 * One line of JSON of at most `MAX_REPORT_BYTES` bytes; a message that is too long loses its end,
 * and so does a list of a plan, of drift or of differences. The log has all of it.
 */
export function encodeReport(report: MigrationReport): string {
  const whole = JSON.stringify(report);
  const { drift, error, plan } = report;
  if (fits(whole)) {
    return whole;
  }
  if (plan !== undefined) {
    return encodeWithPlan(report, plan);
  }
  const fewer = withOneLess(report);
  const isBesides = drift !== undefined && drift.also.length > 0;
  if (fewer !== undefined && (isBesides || error === null || !fits(withMessage(report, MESSAGE_AT_LEAST)))) {
    return encodeReport(fewer);
  }
  let kept = 0;
  let tooLong = [...(error?.message ?? '')].length;
  while (tooLong - kept > 1) {
    const middle = Math.floor((kept + tooLong) / 2);
    if (fits(withMessage(report, middle))) {
      kept = middle;
    } else {
      tooLong = middle;
    }
  }
  return withMessage(report, kept);
}

function fits(text: string): boolean {
  return Buffer.byteLength(text) <= MAX_REPORT_BYTES;
}

/** By code points, so that none is cut in two. */
function withMessage(report: MigrationReport, length: number): string {
  const { error } = report;
  const points = [...(error?.message ?? '')];
  return error === null || points.length <= length
    ? JSON.stringify(report)
    : JSON.stringify({ ...report, error: { ...error, message: `${points.slice(0, length).join('')}…` } });
}

/** What is wrong is kept for longer than what is not, and never as if nothing were. */
function withOneLess(report: MigrationReport): MigrationReport | undefined {
  const { drift, heads, repaired = [], differences = [] } = report;
  if (drift !== undefined && drift.also.length > 0) {
    return { ...report, drift: { ...drift, also: drift.also.slice(0, -1) } };
  }
  if (repaired.length > 1) {
    return { ...report, repaired: repaired.slice(0, -1) };
  }
  if (differences.length > 1) {
    return { ...report, differences: differences.slice(0, -1) };
  }
  if (drift !== undefined && drift.differences.length > 1) {
    return { ...report, drift: { ...drift, differences: drift.differences.slice(0, -1) } };
  }
  // So many are of no database of Glance.
  return heads === null || heads.length <= 2 ? undefined : { ...report, heads: heads.slice(0, -1) };
}

function encodeWithPlan(report: MigrationReport, plan: ReportedPlan): string {
  for (let most = Math.max(plan.locks.length, plan.warnings.length) - 1; ; most -= 1) {
    const locks = firstOf(plan.locks, most);
    const text = JSON.stringify({
      ...report,
      plan: { ...plan, locks, warnings: firstOf(plan.warnings, most) },
    });
    if (Buffer.byteLength(text) <= MAX_REPORT_BYTES || most <= 0) {
      return text;
    }
  }
}

function firstOf(texts: readonly string[], most: number): readonly string[] {
  const left = texts.length - most;
  return left <= 0 ? texts : [...texts.slice(0, most), `${left} more, which the log has`];
}

/**
 * Empties the report's file, so that it is never that of an earlier run, and shows that it can be
 * written.
 *
 * @throws Failure `Usage`
 */
export function prepareReport(path: string): void {
  writeReport(path, '');
}

/**
 * Writes in place: a kubelet mounts the file itself, so another cannot be put in its stead.
 *
 * @throws Failure `Usage`
 */
export function writeReport(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw new Failure(
      'Usage',
      `Cannot write the report ${path}: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
}

function reported(position: Position | undefined): ReportedPosition | null {
  return position === undefined ? null : { revision: position.revision, phase: position.phase };
}
