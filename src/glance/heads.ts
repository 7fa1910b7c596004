import type { Position } from './position.ts';
import { REVISIONS, SCRIPTS, type Script } from './revisions.ts';

const BY_NAME = new Map(SCRIPTS.map((script) => [script.name, script]));

/**
 * The scripts that a set of heads implies: themselves and all that they come after. Unknown names
 * are left out.
 */
export function appliedScripts(heads: readonly string[]): ReadonlySet<string> {
  const applied = new Set(heads.filter((head) => BY_NAME.has(head)));
  // Every script stands after those that it comes after.
  for (const { name, after } of SCRIPTS.toReversed()) {
    for (const before of applied.has(name) ? after : []) {
      applied.add(before);
    }
  }
  return applied;
}

/**
 * The rows that Alembic has in `alembic_version` once `applied` scripts have run: those that no
 * other one comes after. What a contract depends on is absorbed by it.
 *
 * Source: alembic/runtime/migration.py, `HeadMaintainer`.
 */
export function headsOf(applied: ReadonlySet<string>): readonly string[] {
  const implied = new Set([...applied].flatMap((name) => scriptNamed(name).after));
  return [...applied].filter((name) => !implied.has(name)).sort();
}

/** The rows of `heads` that are no script of the chain. */
export function unknownHeads(heads: readonly string[]): readonly string[] {
  return heads.filter((head) => !BY_NAME.has(head));
}

/**
 * Where a database is that has had these scripts: the first revision not contracted if it is
 * expanded, else the last one contracted. Undefined for a database with none. An expanded revision
 * whose data is all moved, or that has none to move, is at `Migrate`.
 *
 * @param pending the revisions with rows that are still to be moved, which only the rows show
 */
export function positionOf(
  applied: ReadonlySet<string>,
  pending: ReadonlySet<string> = new Set(),
): Position | undefined {
  let reached: Position | undefined;
  for (const revision of REVISIONS) {
    const scripts = scriptsOf(revision.name).filter((script) => applied.has(script.name));
    if (scripts.some((script) => script.kind !== 'expand')) {
      reached = { revision: revision.name, phase: 'Contract' };
    } else if (scripts.length > 0) {
      return { revision: revision.name, phase: pending.has(revision.name) ? 'Expand' : 'Migrate' };
    }
  }
  return reached;
}

/** The scripts that may come next: all that they need is there. */
export function nextScripts(applied: ReadonlySet<string>): readonly string[] {
  return SCRIPTS.filter(
    (script) => !applied.has(script.name) && script.after.every((name) => applied.has(name)),
  ).map((script) => script.name);
}

/** The revisions that are expanded and not contracted, oldest first. */
export function expandedOnly(applied: ReadonlySet<string>): readonly string[] {
  return REVISIONS.filter(({ name }) => {
    const scripts = scriptsOf(name).filter((script) => applied.has(script.name));
    return scripts.length > 0 && scripts.every((script) => script.kind === 'expand');
  }).map(({ name }) => name);
}

/** The scripts of one revision: one of the trunk, or an expand and a contract. */
export function scriptsOf(revision: string): readonly Script[] {
  return SCRIPTS.filter((script) => script.revision === revision);
}

function scriptNamed(name: string): Script {
  const script = BY_NAME.get(name);
  if (script === undefined) {
    throw new RangeError(`Cannot find the script '${name}': it is not in Glance's chain`);
  }
  return script;
}
