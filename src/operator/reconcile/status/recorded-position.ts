import type { GlanceSchemaStatus } from '../../../contract/glance-schema.ts';
import type { Position } from '../../../glance/position.ts';
import { REVISIONS } from '../../../glance/revisions.ts';

/**
 * Where the database was read to be; undefined for one that was not read, is empty, or is newer
 * than this operator.
 */
export function recordedPosition(status: GlanceSchemaStatus): Position | undefined {
  const known = REVISIONS.find(({ name }) => name === status.recordedRevision);
  return known && { revision: known.name, phase: status.recordedPhase ?? 'Contract' };
}
