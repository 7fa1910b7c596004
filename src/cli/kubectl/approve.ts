import { type Command, Option } from 'commander';
import { type SchemaAccess, type SchemaFlags, type SchemaView, withSchema } from './schema-access.ts';
import { schemaCommand } from './schema-command.ts';
import { formatPlan } from './status.ts';

interface ApproveFlags extends SchemaFlags {
  readonly plan?: string;
}

/** `kubectl glanceschema approve NAME` */
export function approveCommand(): Command {
  return schemaCommand<ApproveFlags>({
    verb: 'approve',
    description: 'Let the migration run whose plan waits for approval, and no other.',
    run: (name, flags) =>
      withSchema(name, flags, async (schema) => {
        const plan = planToApprove(await schema.read(), schema, flags.plan);
        await schema.change({ spec: { approvedPlan: plan.hash } });
        process.stdout.write(
          `${schema.title} may run plan ${plan.hash}: ${formatPlan(plan)}. See what comes of it: ${schema.commandFor('wait')}\n`,
        );
      }),
  }).addOption(
    new Option('--plan <hash>', 'approve only this plan, the one that was read; its first digits are enough'),
  );
}

/**
 * The plan that waits for approval.
 *
 * @throws Error with a sentence for a person, where none does, or it is another.
 */
function planToApprove(
  { metadata, spec, status = {} }: SchemaView,
  { title, commandFor }: SchemaAccess,
  hash = '',
): NonNullable<NonNullable<SchemaView['status']>['plan']> {
  const { plan } = status;
  const ready = status.conditions?.find((condition) => condition.type === 'Ready');
  if (spec.approval !== 'Manual') {
    throw new Error(`Cannot approve a plan of ${title}: its spec.approval is not Manual. Set that first.`);
  }
  const isNewest = ready?.observedGeneration === metadata.generation;
  if (plan === undefined || ready?.reason !== 'AwaitingApproval' || !isNewest) {
    const state = isNewest ? (ready?.reason ?? 'no state') : 'not seen by the operator yet';
    throw new Error(
      `Cannot approve a plan of ${title}: none waits for approval, it is ${state}. Check again with '${commandFor('status')}'.`,
    );
  }
  if (!plan.hash.startsWith(hash)) {
    throw new Error(
      `Cannot approve plan ${hash} of ${title}: the plan that waits is ${plan.hash}. Read that one by 'kubectl logs job/${plan.job} -n ${metadata.namespace}'.`,
    );
  }
  if (status.refusedPlan === plan.hash && spec.approvedPlan === plan.hash) {
    throw new Error(
      `Cannot approve plan ${plan.hash} of ${title} again: its migration has refused it, as it would have done something else then. Have it tried again by '${commandFor('retry')}'.`,
    );
  }
  return plan;
}
