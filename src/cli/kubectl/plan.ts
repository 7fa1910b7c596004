import type { Command } from 'commander';
import { type SchemaFlags, type SchemaView, withSchema } from './schema-access.ts';
import { schemaCommand } from './schema-command.ts';

/** `kubectl glanceschema plan NAME` */
export function planCommand(): Command {
  return schemaCommand({
    verb: 'plan',
    description:
      'Show what would run from where the database was last read to where it is wanted. The database is not touched.',
    run: plan,
  });
}

async function plan(name: string, flags: SchemaFlags): Promise<void> {
  await withSchema(name, flags, async (schema) => {
    process.stdout.write(await planText(await schema.read(), schema.title));
  });
}

/**
 * The plan by the code that makes that of the Job.
 *
 * @throws Error with a sentence for a person, where no Job would change anything.
 */
async function planText({ metadata, spec, status = {} }: SchemaView, title: string): Promise<string> {
  const { explainUnresolved, isLatest, resolveRevision } = await import('../../glance/resolve.ts');
  const { formatPosition, wantedPosition } = await import('../../glance/position.ts');
  const { planRun, stepsOf } = await import('../../glance/plan.ts');
  const { REGISTRY } = await import('../../../migrations/registry.ts');
  const { describeStep } = await import('../../glance/steps.ts');

  if (spec.revision === undefined) {
    throw new Error(`Cannot plan ${title}: it names no revision. Set spec.revision.`);
  }
  // The latest is the operator's, which may be of another version, once that has looked at the
  // spec.
  const latest = status.observedGeneration === metadata.generation ? status.targetRevision : undefined;
  const named = isLatest(spec.revision) ? (latest ?? spec.revision) : spec.revision;
  const resolved = resolveRevision(named);
  if (resolved.kind !== 'revision') {
    throw new Error(`Cannot plan ${title}: ${explainUnresolved(named, resolved)}`);
  }
  const target = wantedPosition(resolved.revision, spec.through ?? 'Contract');
  const run = planRun(await factsOf(status, title), { kind: 'position', target }, REGISTRY);
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
async function factsOf(
  status: NonNullable<SchemaView['status']>,
  title: string,
): Promise<import('../../glance/detect.ts').Facts> {
  const { appliedScripts, headsOf, unknownHeads } = await import('../../glance/heads.ts');
  const { planScripts } = await import('../../glance/goal.ts');
  const { knownSchema } = await import('../../glance/known-schema.ts');
  const { REVISIONS } = await import('../../glance/revisions.ts');
  const { REGISTRY } = await import('../../../migrations/registry.ts');
  const { databaseHeads: heads, recordedRevision, recordedPhase, job } = status;
  if (heads === undefined) {
    throw new Error(
      `Cannot plan ${title}: its database has not been read yet. Wait for the operator, or ask for it by observe.`,
    );
  }
  if (recordedRevision === undefined && heads.length === 0) {
    if (job?.failure?.reason === 'DatabaseNotGlance') {
      throw new Error(
        `Cannot plan ${title}: its database is not one of Glance. Point the Secret at the right one, and then retry.`,
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
