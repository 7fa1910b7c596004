import { scriptsOf } from './heads.ts';
import { comparePositions, type Position } from './position.ts';
import type { Script } from './revisions.ts';
import { REVISIONS } from './revisions.ts';

/** What a run is to reach. */
export type Goal =
  /**
   * A position in the chain: each revision is taken through its whole cycle before the next begins. An
   * empty database is filled, unless it is to be left alone.
   */
  | { readonly kind: 'position'; readonly target: Position; readonly leaveEmpty?: boolean }
  /**
   * One phase of every revision up to this one, as `glance-manage db expand`, `db migrate` and `db
   * contract` do it.
   */
  | { readonly kind: 'expand' | 'migrate' | 'contract'; readonly revision: string };

/** A phase of whatever is expanded. */
export interface OpenGoal {
  readonly kind: 'migrate' | 'contract';
  readonly revision: undefined;
}

/** To write into the version table that a database is at a revision, whole, and nothing else. */
export interface StampGoal {
  readonly kind: 'stamp';
  readonly revision: string;
}

/** The position that a goal leads to at the most. */
export function targetOf(goal: Goal): Position {
  switch (goal.kind) {
    case 'position':
      return goal.target;
    case 'expand':
      return { revision: goal.revision, phase: 'Expand' };
    case 'migrate':
      return { revision: goal.revision, phase: 'Migrate' };
    case 'contract':
      return { revision: goal.revision, phase: 'Contract' };
  }
}

/**
 * The scripts that lead to a goal from a database that has had `applied`, in the order in which to
 * run them. Empty when nothing is pending. The caller has refused lower targets already.
 */
export function planScripts(applied: ReadonlySet<string>, goal: Goal): readonly string[] {
  const target = targetOf(goal);
  return REVISIONS.filter(
    (revision) => comparePositions({ revision: revision.name, phase: 'Expand' }, target) <= 0,
  )
    .flatMap((revision) => scriptsOf(revision.name))
    .filter((script) => !applied.has(script.name) && belongsTo(script, goal))
    .map((script) => script.name);
}

/** Of a revision that is within reach, whether this script is. */
function belongsTo(script: Script, goal: Goal): boolean {
  if (goal.kind === 'position') {
    const { kind, revision } = script;
    return kind === 'expand' || comparePositions({ revision, phase: 'Contract' }, goal.target) <= 0;
  }
  return script.kind === 'contract' ? goal.kind === 'contract' : goal.kind === 'expand';
}

/**
 * How far a database at `at` can go towards `target` before anything of an old form is dropped. A
 * contract on the way that only is recorded drops nothing.
 */
export function beforeContract(at: Position, target: Position): Position {
  const first = REVISIONS.find(({ name }) => {
    const whole: Position = { revision: name, phase: 'Contract' };
    return (
      comparePositions(at, whole) < 0 &&
      comparePositions(whole, target) < 0 &&
      scriptsOf(name).some(({ kind, changes }) => kind === 'contract' && changes !== undefined)
    );
  });
  return { revision: first?.name ?? target.revision, phase: 'Migrate' };
}

/**
 * Whether a database at `at` is where `target` asks for: an expanded one without rows to move is at
 * Migrate already.
 */
export function isReached(at: Position, target: Position): boolean {
  return comparePositions(at, target) === 0 || isExpanded(at, target);
}

/** Whether a database at `at` is past `target`, which no migration can take back. */
export function isPast(at: Position, target: Position): boolean {
  return comparePositions(target, at) < 0 && !isExpanded(at, target);
}

function isExpanded(at: Position, target: Position): boolean {
  return at.revision === target.revision && at.phase === 'Migrate' && target.phase === 'Expand';
}
