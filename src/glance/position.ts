import { PHASES, type Phase } from './phase.ts';
import { REVISIONS } from './revisions.ts';

/** Where a database is, or is wanted, in the chain: a revision, and how far through its cycle. */
export interface Position {
  readonly revision: string;
  readonly phase: Phase;
}

/**
 * The index of a position in the total order, the only notion of "lower" there is.
 *
 * @throws RangeError for a revision name that is not in REVISIONS; resolve names first.
 */
export function ordinal(position: Position): number {
  const index = REVISIONS.findIndex((revision) => revision.name === position.revision);
  if (index < 0) {
    throw new RangeError(`Cannot order '${position.revision}': it is not a revision of Glance`);
  }
  return index * PHASES.length + PHASES.indexOf(position.phase);
}

/**
 * Negative when `a` comes before `b`, zero when they are the same, positive when `a` comes after
 * `b`.
 */
export function comparePositions(a: Position, b: Position): number {
  return ordinal(a) - ordinal(b);
}

/** Where a revision is wanted through a phase: one that has no phases is whole or not there. */
export function wantedPosition(revision: string, through: Phase): Position {
  const phased = REVISIONS.some((known) => known.name === revision && known.phased);
  return { revision, phase: phased ? through : 'Contract' };
}

/** `ocata01` for a revision that is whole, `ocata01 (Expand)` for one that is under way. */
export function formatPosition(position: Position): string {
  return position.phase === 'Contract' ? position.revision : `${position.revision} (${position.phase})`;
}
