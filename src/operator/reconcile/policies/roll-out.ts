import { formatPosition, type Position } from '../../../glance/position.ts';
import type { ObservedSchema } from '../facts/observe.ts';
import type { RollOut, RollOutState } from '../facts/roll-out.ts';
import { type Facts, sentence, type Verdict } from './policy.ts';
import { contractIsHeld, nextPosition, recordedPosition, targetPosition } from './positions.ts';
import { readAgain, recordMayBeOld } from './record.ts';

/** What is to be contracted depends on where the database is, and that has not been read. */
export function notReadBeforeContract(facts: Facts): Verdict | undefined {
  const { schema, status } = facts;
  return contractIsHeld(schema, status) && status.databaseHeads === undefined
    ? readAgain(
        facts,
        'The database has not been read yet. Reading it now: spec.contractAfter does not delay that.',
      )
    : undefined;
}

/** How often the workloads are read while a contract waits for them, in milliseconds. */
const POLL = 10_000;

/** The same while the operator has no right to read them, which people have to give it. */
const POLL_FORBIDDEN = 60_000;

/** A contract is due, and not all workloads that it waits for are rolled out. */
export function notRolledOut(facts: Facts): Verdict | undefined {
  const { schema, status, rollOuts } = facts;
  const recorded = recordedPosition(status);
  const next = nextPosition(schema, status);
  // An empty database has no nodes.
  if (!contractIsHeld(schema, status) || recorded === undefined || next.phase !== 'Contract') {
    return undefined;
  }
  const waiting = rollOuts?.filter(isWaitedFor);
  if (waiting?.length === 0) {
    return undefined;
  }
  if (recordMayBeOld(facts)) {
    return readAgain(
      facts,
      'The newest Job ended without a report of where the database is. Reading it again: spec.contractAfter does not delay that.',
    );
  }
  return {
    reason: 'WaitingForRollOut',
    message: [
      sayWaiting(recorded, waiting),
      ...sayRights(schema, waiting),
      ...saySkipped(recorded, targetPosition(schema, status)),
      'It starts by itself once they are rolled out; to contract without waiting, remove spec.contractAfter.',
    ].join(' '),
    requeueAfter: pollAfter(waiting),
  };
}

/** A workload that is not rolled out, or of which it is unknown. */
interface Waiting extends RollOut {
  readonly state: Exclude<RollOutState, { readonly kind: 'rolled out' }>;
}

function isWaitedFor(rollOut: RollOut): rollOut is Waiting {
  return rollOut.state.kind !== 'rolled out';
}

/** The most workloads that a message names. */
const MOST_NAMED = 3;

function sayWaiting({ revision }: Position, waiting: readonly Waiting[] | undefined): string {
  const contract = `The contract of '${revision}' waits for the workloads of spec.contractAfter`;
  if (waiting === undefined) {
    return `${contract}, which are about to be read.`;
  }
  const named = waiting.slice(0, MOST_NAMED).map(sayRollOut).join(', ');
  const more = waiting.length > MOST_NAMED ? `, and ${waiting.length - MOST_NAMED} more` : '';
  return sentence(`${contract}: ${named}${more}`);
}

function sayRollOut({ workload, state }: Waiting): string {
  const name = `${workload.kind} ${workload.name}`;
  switch (state.kind) {
    case 'under way':
      return `${name} ${state.why}`;
    case 'forbidden':
      return `${name} cannot be read: the operator has no right to`;
    case 'unreadable':
      return `${name} cannot be read for now (${state.why})`;
  }
}

function sayRights({ namespace }: ObservedSchema, waiting: readonly Waiting[] = []): readonly string[] {
  return waiting.some(({ state }) => state.kind === 'forbidden')
    ? [
        `The right is given by 'kubectl apply -n ${namespace} -k manifests/roll-outs', or by rbac.rollOuts of the chart.`,
      ]
    : [];
}

/** On the way to a later release an earlier one is contracted, and its nodes were never there. */
function saySkipped({ revision }: Position, target: Position): readonly string[] {
  return revision === target.revision
    ? []
    : [
        `Old and new Glance API servers can run side by side across one release only: set spec.revision to '${revision}', with the image of that release, before you go to '${formatPosition(target)}'.`,
      ];
}

function pollAfter(waiting: readonly Waiting[] = []): number {
  const isForbidden = waiting.some(({ state }) => state.kind === 'forbidden');
  const asked = waiting.map(({ state }) => (state.kind === 'unreadable' ? (state.retryAfter ?? 0) : 0));
  return Math.max(isForbidden ? POLL_FORBIDDEN : POLL, ...asked);
}
