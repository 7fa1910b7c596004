import type { Condition, GlanceSchemaStatus } from '../../../contract/glance-schema.ts';
import { printable } from '../../../contract/printable.ts';
import { REASONS, type Reason, type ReasonMeaning } from '../../../contract/reasons.ts';
import { inSeconds } from '../../time/in-seconds.ts';

/** What the condition `Ready` is to say. */
export interface ReadyCondition {
  readonly reason: Reason;
  /** Whole sentences, for a person. */
  readonly message: string;
}

const LONGEST_MESSAGE = 4096;

/**
 * The status with what `Ready` is to say in its conditions. `lastTransitionTime` moves only when a
 * condition changes its status, so that a status which says the same is equal to the one before.
 */
export function withVerdict(
  status: GlanceSchemaStatus,
  ready: ReadyCondition,
  generation: number,
  now: Date,
): GlanceSchemaStatus {
  const time = inSeconds(now.getTime());
  const meaning: ReasonMeaning = REASONS[ready.reason];
  // The API server's and the kubelet's words carry those of the spec, of any length.
  const more = sharingOf(status).filter((text) => !ready.message.endsWith(text));
  const message = printable([ready.message, ...more].join(' '), LONGEST_MESSAGE);
  const wanted = [
    { type: 'Ready', status: meaning.ready },
    ...(meaning.also === undefined ? [] : [{ type: meaning.also, status: 'True' as const }]),
  ];
  const conditions = wanted.map((condition): Condition => {
    const before = status.conditions?.find((other) => other.type === condition.type);
    return {
      ...condition,
      observedGeneration: generation,
      lastTransitionTime: before?.status === condition.status ? before.lastTransitionTime : time,
      reason: ready.reason,
      message,
    };
  });
  return {
    ...status,
    observedGeneration: generation,
    conditions: [...conditions, ...drifted(status, generation, time)],
  };
}

/** The condition `SchemaDrift`, which is present only while it is true. */
function drifted(
  { drift, conditions = [], recordedRevision }: GlanceSchemaStatus,
  generation: number,
  time: string,
): readonly Condition[] {
  const { differences = [], also = [], behindMessage } = drift ?? {};
  if (differences.length === 0 && behindMessage === undefined) {
    return [];
  }
  const before = conditions.find(({ type }) => type === SCHEMA_DRIFT);
  const extra = also.length === 0 ? '' : ` Extra objects that do no harm: ${also.join('; ')}.`;
  const differs =
    differences.length === 0
      ? ''
      : `At the last check the schema differed from that of ${recordedRevision ?? 'its revision'}: ${differences.join('; ')}. Run 'glance-schema db diff --drift' for the SQL that fixes it, or list intended differences in spec.drift.exclude.`;
  const message = `${[...(behindMessage === undefined ? [] : [behindMessage]), differs].join(' ').trim()}${extra}`;
  return [
    {
      type: SCHEMA_DRIFT,
      status: 'True',
      observedGeneration: generation,
      lastTransitionTime: before?.lastTransitionTime ?? time,
      reason: SCHEMA_DRIFT,
      message: printable(message, LONGEST_MESSAGE),
    },
  ];
}

/** The type of the condition that says so, and its reason. */
const SCHEMA_DRIFT = 'SchemaDrift' satisfies Reason;

/**
 * That an older GlanceSchema is of the same database, where that is so. It holds up nothing, as the
 * lock in the database keeps their migrations apart; but it is rarely what was meant.
 */
export function sharingOf({ sharesDatabaseWith: other }: GlanceSchemaStatus): readonly string[] {
  return other === undefined
    ? []
    : [
        `GlanceSchema ${other}, which is older, names the same database: their migrations wait for each other. Delete one of the two, or give each a database of its own.`,
      ];
}
