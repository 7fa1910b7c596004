import type { GlanceSchemaStatus } from '../../../contract/glance-schema.ts';
import { beforeContract } from '../../../glance/goal.ts';
import { comparePositions, type Position, wantedPosition } from '../../../glance/position.ts';
import { resolveRevision } from '../../../glance/resolve.ts';
import { LATEST_SUPPORTED, REVISIONS } from '../../../glance/revisions.ts';
import type { ObservedSchema } from '../facts/observe.ts';
import { recordedPosition } from '../status/recorded-position.ts';

export { recordedPosition };

/**
 * The position that the spec asks for. `status.targetRevision` is set by the time it matters; where
 * it is not, the latest revision is used as a placeholder.
 */
export function targetPosition({ spec }: ObservedSchema, { targetRevision }: GlanceSchemaStatus): Position {
  return wantedPosition(targetRevision ?? LATEST_SUPPORTED, spec.through);
}

/**
 * Where the next migration leads. A contract that `spec.contractAfter` holds is a migration of its
 * own: the first one stops before it.
 */
export function nextPosition(schema: ObservedSchema, status: GlanceSchemaStatus): Position {
  const target = targetPosition(schema, status);
  const recorded = recordedPosition(status);
  if (recorded === undefined || !contractIsHeld(schema, status)) {
    return target;
  }
  const before = beforeContract(recorded, target);
  return comparePositions(recorded, before) < 0 ? before : target;
}

/** Whether `spec.contractAfter` holds the contract on the way to where the database is wanted. */
export function contractIsHeld({ spec }: ObservedSchema, { targetRevision }: GlanceSchemaStatus): boolean {
  const isPhased = REVISIONS.some(({ name, phased }) => phased && name === targetRevision);
  return spec.contractAfter !== undefined && spec.through === 'Contract' && isPhased;
}

/** The status with the revision that the spec names, aliases and `latest` resolved. */
export function withTarget(
  status: GlanceSchemaStatus,
  wanted: string | number | undefined,
): GlanceSchemaStatus {
  const { targetRevision: _before, ...rest } = status;
  const resolved = wanted === undefined ? undefined : resolveRevision(wanted);
  return resolved?.kind === 'revision' ? { ...rest, targetRevision: resolved.revision } : rest;
}
