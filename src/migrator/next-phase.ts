import { REGISTRY } from '../../migrations/registry.ts';
import { type NextPhase, nextPhase } from '../glance/plan.ts';
import type { ConnectionTarget } from './connection/url.ts';
import type { Outcome } from './outcome.ts';
import { lookAtDatabase, outcomeOfLook, placeOf, whyNotPlaced } from './read-database.ts';
import { findDifferences, tellDifferences } from './verify.ts';

/**
 * Looks which phase is next on the way to a revision. Never changes anything.
 *
 * @param withSchema whether to compare the schema too, where no phase is next
 */
export function readNextPhase(
  target: ConnectionTarget,
  revision: string,
  withSchema: boolean,
): Promise<Outcome & { readonly next?: NextPhase }> {
  return lookAtDatabase(target, async ({ state, facts }) => {
    const located = placeOf(facts);
    const seen = outcomeOfLook(facts, located);
    if (located.kind === 'refused') {
      return { ...seen, ...whyNotPlaced(facts, located) };
    }
    const next = nextPhase(facts, revision, REGISTRY);
    if (next !== undefined) {
      return { ...seen, next };
    }
    const applied = located.kind === 'at' ? located.applied : new Set<string>();
    return withSchema
      ? { ...seen, ...tellDifferences(await findDifferences(state, applied), facts.place, seen.to) }
      : seen;
  });
}
