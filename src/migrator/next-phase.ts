import { REGISTRY } from '../../migrations/registry.ts';
import { type NextPhase, nextPhase } from '../glance/plan.ts';
import type { ConnectionTarget } from './connection/url.ts';
import type { Outcome } from './outcome.ts';
import { detectIn, outcomeOfReading, whyNotDetected, withDatabaseReading } from './read-database.ts';
import { describeDifferences, findDifferences } from './verify.ts';

/**
 * Finds which phase is next on the way to a revision. Never changes anything.
 *
 * @param withSchema whether to compare the schema too, where no phase is next
 */
export function readNextPhase(
  target: ConnectionTarget,
  revision: string,
  withSchema: boolean,
): Promise<Outcome & { readonly next?: NextPhase }> {
  return withDatabaseReading(target, async ({ state, facts }) => {
    const detected = detectIn(facts);
    const seen = outcomeOfReading(facts, detected);
    if (detected.kind === 'refused') {
      return { ...seen, ...whyNotDetected(facts, detected) };
    }
    const next = nextPhase(facts, revision, REGISTRY);
    if (next !== undefined) {
      return { ...seen, next };
    }
    const applied = detected.kind === 'at' ? detected.applied : new Set<string>();
    return withSchema
      ? { ...seen, ...describeDifferences(await findDifferences(state, applied), facts.address, seen.to) }
      : seen;
  });
}
