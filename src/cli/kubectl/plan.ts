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
  const { decideRun } = await import('../../migrator/decide-run.ts');
  const { describeStep } = await import('../../glance/steps.ts');

  if (spec.revision === undefined) {
    throw new Error(`Cannot plan ${title}: it names no revision. Set spec.revision.`);
  }
  // The latest is the operator's, which may be of another version, once that has looked at the spec.
  const latest = status.observedGeneration === metadata.generation ? status.targetRevision : undefined;
  const named = isLatest(spec.revision) ? (latest ?? spec.revision) : spec.revision;
  const resolved = resolveRevision(named);
  if (resolved.kind !== 'revision') {
    throw new Error(`Cannot plan ${title}: ${explainUnresolved(named, resolved)}`);
  }
  const target = wantedPosition(resolved.revision, spec.through ?? 'Contract');
  const placed = await placedAs(status, title);
  const run = decideRun(placed, {
    goal: { kind: 'position', target },
    fillEmpty: true,
    place: title,
  });
  if (run.refusal !== undefined) {
    throw new Error(run.refusal.message);
  }
  const from = placed.located.kind === 'at' ? formatPosition(placed.located.position) : 'nothing';
  const what =
    run.steps.length === 0
      ? 'nothing to run'
      : `${run.steps.length} to run, with Glance ${run.online ? 'at work' : 'stopped'}`;
  const lines = run.steps.flatMap((step) => {
    if (step.kind === 'data') {
      return [`${step.data.name}: ${step.data.what}`];
    }
    const { name, steps } = step.migration;
    return [
      `${name}${steps.length === 0 ? ': its record only' : ''}`,
      ...steps.map((each) => `  ${describeStep(each)}`),
    ];
  });
  return `${[`${title}, from ${from} to ${formatPosition(target)}: ${what}`, ...lines].join('\n')}\n`;
}

/** Where the status says that the database is, in the words of the one who reads the database itself. */
async function placedAs(
  status: NonNullable<SchemaView['status']>,
  title: string,
): Promise<import('../../migrator/detect-database.ts').Placed> {
  const { appliedScripts, unknownHeads } = await import('../../glance/heads.ts');
  const { planScripts } = await import('../../glance/plan.ts');
  const { REVISIONS } = await import('../../glance/revisions.ts');
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
    return { located: { kind: 'empty' }, pending: new Set() };
  }
  const revision = REVISIONS.find(({ name }) => name === recordedRevision)?.name;
  if (revision === undefined) {
    throw new Error(
      `Cannot plan ${title}: its database is at '${recordedRevision ?? unknownHeads(heads).join(', ')}', which this version does not know. Use a newer one.`,
    );
  }
  const position = { revision, phase: recordedPhase ?? 'Contract' };
  return {
    located: {
      kind: 'at',
      position,
      // By both: a database of the old tool has no heads, and phases can have run further than the position tells.
      applied: new Set([
        ...planScripts(new Set(), { kind: 'position', target: position }),
        ...appliedScripts(heads),
      ]),
      underWay: false,
      lacking: [],
    },
    pending: new Set(position.phase === 'Expand' ? [revision] : []),
  };
}
