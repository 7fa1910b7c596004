import { formatPosition } from '../../../glance/position.ts';
import { inSeconds } from '../../time/in-seconds.ts';
import { readWindow } from '../facts/maintenance-window.ts';
import { nextAttempt, reasonToWait } from './attempts.ts';
import { type Facts, sentence, type Verdict } from './policy.ts';
import { nextPosition } from './positions.ts';
import { readAgain, recordMayBeOld } from './record.ts';

/** The window of the spec cannot be read, or never opens. */
export function windowInvalid({ schema }: Facts): Verdict | undefined {
  const window = schema.spec.window && readWindow(schema.spec.window);
  return window?.kind === 'invalid'
    ? { reason: 'WindowInvalid', message: `${window.why} Nothing is migrated until it is corrected.` }
    : undefined;
}

/**
 * How soon it is checked again, in milliseconds: a clock that is put right meanwhile must not
 * make it wait for longer.
 */
const LONGEST_REQUEUE = 60_000;

/** A migration is due, and the window is closed when it could begin. */
export function outsideWindow(facts: Facts): Verdict | undefined {
  const { schema, status, now } = facts;
  const window = schema.spec.window && readWindow(schema.spec.window);
  if (window?.kind !== 'valid') {
    return undefined;
  }
  const next = nextAttempt(facts);
  const from = Math.max(now, next?.due ?? now);
  if (window.isOpen(from)) {
    return undefined;
  }
  if (status.job === undefined && status.recordedRevision === undefined) {
    return readAgain(
      facts,
      'The database has not been read yet. Reading it now: spec.window does not delay that.',
    );
  }
  if (recordMayBeOld(facts)) {
    return readAgain(
      facts,
      'The newest Job ended without a report of where the database is. Reading it again: spec.window does not delay that.',
    );
  }
  const { opensAt, closesAt } = window.nextOpening(from);
  const nextAttemptAt = inSeconds(opensAt);
  const until = closesAt === undefined ? '' : `, and closes at ${inSeconds(closesAt)}`;
  const target = formatPosition(nextPosition(schema, status));
  return {
    reason: (next && reasonToWait(next)) ?? 'OutsideWindow',
    message: [
      ...(next === undefined ? [] : [sentence(next.failure.message)]),
      `The migration to ${target} waits for spec.window, which opens at ${nextAttemptAt}${until}. To migrate before that, remove spec.window.`,
    ].join(' '),
    nextAttemptAt,
    requeueAfter: Math.min(opensAt - now, LONGEST_REQUEUE),
  };
}
