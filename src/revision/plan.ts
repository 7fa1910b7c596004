import { scriptsOf } from './heads.ts';
import { comparePositions, ordinal, type Position } from './position.ts';
import { REVISIONS } from './revisions.ts';

/**
 * The scripts that lead to `target` from a database that has had `applied`, in the order in which to run them: revision
 * by revision, expand before contract. Empty when nothing is pending. The caller has refused lower targets already.
 */
export function planScripts(applied: ReadonlySet<string>, target: Position): readonly string[] {
  const last = ordinal(target);
  return REVISIONS.filter(
    (revision) => comparePositions({ revision: revision.name, phase: 'Expand' }, target) <= 0,
  )
    .flatMap((revision) => scriptsOf(revision.name))
    .filter(
      (script) =>
        !applied.has(script.name) &&
        ordinal({ revision: script.revision, phase: script.kind === 'expand' ? 'Expand' : 'Contract' }) <=
          last,
    )
    .map((script) => script.name);
}
