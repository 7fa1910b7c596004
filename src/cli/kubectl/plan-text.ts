import { REGISTRY } from '../../../migrations/registry.ts';
import type { Facts } from '../../glance/detect.ts';
import { planScripts } from '../../glance/goal.ts';
import { appliedScripts, headsOf, unknownHeads } from '../../glance/heads.ts';
import { knownSchema } from '../../glance/known-schema.ts';
import { planRun, stepsOf } from '../../glance/plan.ts';
import { formatPosition, wantedPosition } from '../../glance/position.ts';
import { explainUnresolved, isLatest, resolveRevision } from '../../glance/resolve.ts';
import { REVISIONS } from '../../glance/revisions.ts';
import { describeStep } from '../../glance/steps.ts';
import type { SchemaView } from './schema-access.ts';

/**
 * The plan by the code that makes that of the Job.
 *
 * @throws Error with a sentence for a person, where no Job would change anything.
 */
export function planText({ metadata, spec, status = {} }: SchemaView, title: string): string {
  if (spec.revision === undefined) {
    throw new Error(`Cannot plan ${title}: it names no revision. Set spec.revision.`);
  }
  // The latest is the operator's, which may be of another version, once that has read the
  // spec.
  const latest = status.observedGeneration === metadata.generation ? status.targetRevision : undefined;
  const named = isLatest(spec.revision) ? (latest ?? spec.revision) : spec.revision;
  const resolved = resolveRevision(named);
  if (resolved.kind !== 'revision') {
    throw new Error(`Cannot plan ${title}: ${explainUnresolved(named, resolved)}`);
  }
  const target = wantedPosition(resolved.revision, spec.through ?? 'Contract');
  const run = planRun(factsOf(status, title), { kind: 'position', target }, REGISTRY);
  if (run.kind === 'refused') {
    throw new Error(run.message);
  }
  const planned = run.kind === 'run' ? stepsOf(run.units) : [];
  const from = run.detected.kind === 'at' ? formatPosition(run.detected.position) : 'nothing';
  const what =
    planned.length === 0
      ? 'nothing to run'
      : `${planned.length} to run, with Glance ${run.online ? 'at work' : 'stopped'}`;
  const lines = planned.flatMap((step) => {
    if (!('steps' in step)) {
      return [`${step.name}: ${step.what}`];
    }
    const { name, steps } = step;
    return [
      `${name}${steps.length === 0 ? ': its record only' : ''}`,
      ...steps.map((each) => `  ${describeStep(each)}`),
    ];
  });
  return `${[`${title}, from ${from} to ${formatPosition(target)}: ${what}`, ...lines].join('\n')}\n`;
}

/** A database that is where the status says, as one would find it who reads it. */
function factsOf(status: NonNullable<SchemaView['status']>, title: string): Facts {
  const { databaseHeads: heads, recordedRevision, recordedPhase, job } = status;
  if (heads === undefined) {
    throw new Error(
      `Cannot plan ${title}: its database has not been read yet. Wait for the operator, or ask for it by observe.`,
    );
  }
  if (recordedRevision === undefined && heads.length === 0) {
    if (job?.failure?.reason === 'DatabaseNotGlance') {
      throw new Error(
        `Cannot plan ${title}: its database is not Glance's. Point the Secret at the right one, and then retry.`,
      );
    }
    // What was read before may have been of such a database too.
    if (job !== undefined && (job.finishedAt === undefined || job.failure?.databaseRead === false)) {
      throw new Error(
        `Cannot plan ${title}: Job ${job.name} has not read its database. Ask again once one has.`,
      );
    }
    return { address: title, transactional: true, tables: new Map() };
  }
  const revision = REVISIONS.find(({ name }) => name === recordedRevision)?.name;
  if (revision === undefined) {
    throw new Error(
      `Cannot plan ${title}: its database is at '${recordedRevision ?? unknownHeads(heads).join(', ')}', which this version does not know. Use a newer one.`,
    );
  }
  const position = { revision, phase: recordedPhase ?? 'Contract' };
  // By both: a database of the old tool has no heads, and phases can have run further than the
  // position says.
  const applied = new Set([
    ...planScripts(new Set(), { kind: 'position', target: position }),
    ...appliedScripts(heads),
  ]);
  return {
    address: title,
    transactional: true,
    tables: knownSchema(REGISTRY, true).after(applied),
    alembic: headsOf(applied),
    pending: new Set(position.phase === 'Expand' ? [revision] : []),
  };
}
