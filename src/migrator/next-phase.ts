import { planScripts } from '../glance/plan.ts';
import { SCRIPTS } from '../glance/revisions.ts';
import { connect } from './connect.ts';
import type { ConnectionTarget } from './connection/url.ts';
import { lookAt, REGISTRY } from './detect-database.ts';
import type { Connection } from './engine/engine.ts';
import { asFailure, Failure } from './errors/failure.ts';
import { look, type Outcome, tellDifferences } from './migrate.ts';
import { leftTriggers } from './plan-migrations.ts';
import { findDifferences } from './verify.ts';

/** What `db check` tells: the phase that comes next, if any does. */
export type NextPhase = 'expand' | 'migrate' | 'contract';

/**
 * Looks which phase is next on the way to a revision. Never changes anything.
 *
 * @param withSchema whether to compare the schema too, where no phase is next
 */
export async function nextPhase(
  target: ConnectionTarget,
  revision: string,
  withSchema = false,
): Promise<Outcome & { readonly next?: NextPhase }> {
  let connection: Connection | undefined;
  try {
    connection = await connect(target);
    const { state, placed } = await lookAt(connection);
    const { located, pending, triggers } = placed;
    const seen: Outcome = { ...look(state, located), applied: [] };
    if (located.kind === 'refused') {
      return {
        ...seen,
        error: new Failure(located.reason, `Cannot place ${connection.place}: ${located.message}`),
      };
    }
    const applied: ReadonlySet<string> = located.kind === 'at' ? located.applied : new Set();
    const expands = planScripts(applied, { kind: 'expand', revision });
    const contracts = planScripts(applied, { kind: 'contract', revision });
    const waiting = contracts.some((script) => pending.has(revisionOf(script)));
    const left = leftTriggers({ applied, ...(triggers === undefined ? {} : { triggers }) }, REGISTRY);
    const next =
      expands.length > 0
        ? 'expand'
        : waiting
          ? 'migrate'
          : contracts.length > 0 || left !== undefined
            ? 'contract'
            : undefined;
    if (next !== undefined) {
      return { ...seen, next };
    }
    return withSchema
      ? { ...seen, ...tellDifferences(await findDifferences(state, applied), connection.place, seen.to) }
      : seen;
  } catch (error) {
    return { applied: [], error: asFailure(error) };
  } finally {
    await connection?.close();
  }
}

function revisionOf(script: string): string {
  return SCRIPTS.find((candidate) => candidate.name === script)?.revision ?? '';
}
