// `make test-guards`: takes each guard of the decisions, of the effects and of what is recorded out
// of a copy of the controller, one at a time, and lets the simulation find that it is gone. Prints
// after how many histories it did.
//
// node test/simulation/guards.ts [TEXT...]      TEXT: part of a guard's name
// node test/simulation/guards.ts --check        only whether each text is there, as `make lint` asks
// SEED=N SIMULATIONS=N                          histories of another seed, or more of them

import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * A guard, and the edits that take it out: each text is there once in all of the reconcile, and
 * gives way to the other.
 */
interface Guard {
  readonly name: string;
  readonly edits: readonly (readonly [from: string, to: string])[];
}

const GUARDS: readonly Guard[] = [
  ...[
    'blockedJobUnwanted',
    'jobAtWork',
    'podsOutliveTheirJob',
    'observeAsked',
    'databaseMoved',
    'recordContradicted',
    'suspended',
    'revisionAbsent',
    'revisionNotSupported',
    'windowInvalid',
    'databaseNewerThanSupported',
    'targetBeforeRecorded',
    'targetReached',
    'failedForGood',
    'notReadBeforeContract',
    'notRolledOut',
    'notApproved',
    'outsideWindow',
    'nextAttemptNotDue',
  ].map(
    (check): Guard =>
      guard(`policy ${check}`, [
        `export function ${check}(`,
        `export function ${check}(): undefined {}\nfunction before(`,
      ]),
  ),
  guard('a drift check waits for its turn', ['if (from > now) {', 'if (from > now + 86_400_000) {']),
  guard('a drift check that failed waits', ['Math.max(due, retryOfFailedCheck(facts))', 'due']),
  guard('the record follows a drift check forwards only', [
    'comparePositions(position, recorded) >= 0',
    'comparePositions(position, recorded) > -100',
  ]),
  guard('a drift check leaves Ready as it is', [
    'driftCheckIsAtWork(facts) && leavesTheRest',
    'driftCheckIsAtWork(facts) && facts.now < 0',
  ]),
  guard('a drift check that was reserved is no migration that was lost', [
    '!(schema.reservedForDriftCheck && schema.reservedSequence === last + 1)',
    'schema.reservedSequence > 0',
  ]),
  guard('a drift check compares the schema', [
    "if (kind === 'DriftCheck') {",
    "if (kind === 'DriftCheck' && uid === '') {",
  ]),
  guard('a migration stops at drift', ["'--drift', before.toLowerCase()", "'--drift', 'report'"]),
  guard('the condition is what a drift check has found', [
    'differences: report.drift.differences.slice(0, MOST_DRIFT)',
    'differences: []',
  ]),
  guard('a result is stored before anything else', [
    'effect: resultIsNew ? undefined : (housekeeping(facts, verdict.effect) ?? verdict.effect)',
    'effect: housekeeping(facts, verdict.effect) ?? verdict.effect',
  ]),
  guard('older Jobs get their TTL', ['older !== undefined', 'older !== undefined && older.name === ""']),
  guard('a Job has no owner while it runs', [
    '      namespace: schema.namespace,\n',
    '      namespace: schema.namespace,\n      ownerReferences: [{ uid: schema.uid, name: schema.name }],\n',
  ]),
  guard('a Job at work is taken off its owner', ['owned !== undefined', "owned?.name === ''"]),
  guard('a deleted schema gets no new dependents', [
    'schema.metadata.deletionTimestamp !== undefined || isOwnedBy(job, schema)',
    'isOwnedBy(job, schema)',
  ]),
  guard('a Job gets the schema as its owner', [
    'schema.metadata.deletionTimestamp !== undefined || isOwnedBy(job, schema)',
    'job.metadata.name !== ""',
  ]),
  guard(
    'what is refused holds up nothing else',
    ['        facts.putOffs.add(key, acted.uid);\n', ''],
    [
      'done at once.\n        return pass(key, schema)',
      "done at once.\n        return { kind: 'requeue', why: acted.message }",
    ],
  ),
  guard('a clock put back does not make what was refused wait', ['wait > 0 && wait <= delay', 'wait > 0']),
  guard('a Job whose schema is gone gets its TTL', [
    '  if (isFinished(job)) {\n    return cluster',
    '  if (job.metadata.name === "") {\n    return cluster',
  ]),
  guard('whose schema is gone is asked before its Job is touched', [
    '!isArranged && (await cluster.isGone(',
    '!isArranged && (true || await cluster.isGone(',
  ]),
  guard('a suspended Job is said', ['job.spec.suspend === true ?', 'job.metadata.name === "" ?']),
  guard('a Job gets its TTL', [
    "job?.state.kind === 'finished' && !job.hasTtl",
    "job?.state.kind === 'finished' && job.name === ''",
  ]),
  guard('the finalizer stays while a migrator may run', [
    'schema.hasFinalizer &&\n    !mayRun(facts)',
    'schema.hasFinalizer',
  ]),
  guard('the finalizer stays while a Job cannot be made', ["    next?.kind !== 'startJob' &&\n", '']),
  guard('a pod that has started is not taken away', ['if (pods.some(isRunning))', "if (effect.name === '')"]),
  guard('a clock put back does not make it wait for a pod', [
    'Math.min(grace, Math.max(0, Date.parse(since) + grace - now))',
    'Math.max(0, Date.parse(since) + grace - now)',
  ]),
  guard('the record is of one database', ['recordedFrom: purpose?.database', 'recordedFrom: undefined']),
  guard('the finalizer goes', [
    'schema.hasFinalizer &&\n    !mayRun(facts)',
    'schema.hasFinalizer && schema.name === ""',
  ]),
  guard('a deletion waits for what runs', ['schema.deleting && !mayRun(facts)', 'schema.deleting']),
  guard('a pod that outlives its Job may run', [
    "job?.state.kind === 'active' || livePods.length > 0",
    "job?.state.kind === 'active'",
  ]),
  guard('a blocked Job of this very spec stays', [
    'job.purpose === undefined || job.purpose.podTemplateHash === podTemplateHash(schema)',
    'job.purpose === undefined',
  ]),
  guard('a Job that was about to be made makes the record doubtful', [
    'schema.reservedSequence > last &&',
    'schema.reservedSequence < 0 &&',
  ]),
  guard('a Job that was lost makes the record doubtful', [
    'job.finishedAt === undefined || job.failure?.databaseRead === false',
    'job.failure?.databaseRead === false',
  ]),
  guard('a Job without a report makes the record doubtful', [
    'job.finishedAt === undefined || job.failure?.databaseRead === false',
    'job.finishedAt === undefined',
  ]),
  guard('a lower revision is refused by no doubtful record', [
    "if (recordMayBeOld(facts)) {\n    return readAgain(\n      facts,\n      'The newest Job ended without a report of where the database is. It is read again.'",
    "if (facts.now === 0) {\n    return readAgain(\n      facts,\n      'The newest Job ended without a report of where the database is. It is read again.'",
  ]),
  guard('a reading that failed is not repeated at once', [
    'if (waiting !== undefined)',
    "if (waiting?.message === '')",
  ]),
  guard('a clock put back does not make the next attempt wait', [
    'Math.min(now + delay, stored === undefined ? Number.POSITIVE_INFINITY : Date.parse(stored))',
    'ended + delay',
  ]),
  guard('what a lost Job left is read outside the window', [
    "  if (recordMayBeOld(facts)) {\n    return readAgain(\n      facts,\n      'The newest Job ended without a report of where the database is. Reading it again: spec.window",
    "  if (facts.now === 0) {\n    return readAgain(\n      facts,\n      'The newest Job ended without a report of where the database is. Reading it again: spec.window",
  ]),
  guard('a clock put back does not make the window wait', [
    'Math.min(opensAt - now, LONGEST_REQUEUE)',
    'opensAt - now',
  ]),
  guard('a workload that is not rolled out is waited for', [
    "return rollOut.state.kind !== 'rolled out'",
    "return rollOut.state.kind === 'forbidden'",
  ]),
  guard('a workload has the image that is named', [
    'image !== undefined && !hasImage(spec.template, image)',
    "image === '' && !hasImage(spec.template, image)",
  ]),
  guard('old pods are waited for', ['if (updated < replicas) {', 'if (updated < 0) {']),
  guard('a migration stops before a contract that waits', [
    'comparePositions(recorded, before) < 0 ? before : target',
    'target',
  ]),
  guard('what a lost contract has left is read before its roll-out is waited for', [
    "  if (recordMayBeOld(facts)) {\n    return readAgain(\n      facts,\n      'The newest Job ended without a report of where the database is. Reading it again: spec.contractAfter",
    "  if (facts.now === 0) {\n    return readAgain(\n      facts,\n      'The newest Job ended without a report of where the database is. Reading it again: spec.contractAfter",
  ]),
  guard('a plan is approved by its own hash', ['    plan.hash === spec.approvedPlan &&\n', '']),
  guard('a plan that was refused is not tried again', [
    '    !isRefused(facts, plan)\n',
    '    plan.hash !== ""\n',
  ]),
  guard('a plan is of where the database is wanted', [
    '    plan.to === formatPosition(nextPosition(schema, status)) &&\n',
    '',
  ]),
  guard('a plan is of where the database is', [
    '    plan.from === (recorded && formatPosition(recorded)) &&\n',
    '',
  ]),
  guard('a plan is of this database', ['    plan.database === databaseName(schema.spec.database) &&\n', '']),
  guard('a plan is of this image', ['    plan.image === schema.image\n', '    plan.hash !== ""\n']),
  guard('what a lost Job left is read before approval is waited for', [
    'plan === undefined || recordMayBeOld(facts)',
    'plan === undefined',
  ]),
  guard('a plan that failed is made again after a while', [
    'return nextAttemptNotDue(facts) ?? planAgain(facts)',
    'return planAgain(facts)',
  ]),
  guard('a migration is handed the plan that was approved', [
    "kind: 'Migrate', target, ...withoutUndefined({ approved })",
    "kind: 'Migrate', target",
  ]),
  guard('a plan goes once a migration has found another', [
    '{ ...rest, ...withoutUndefined({ refusedPlan: purpose.approved?.hash }) }',
    '{ ...rest, plan: status.plan, ...withoutUndefined({ refusedPlan: purpose.approved?.hash }) }',
  ]),
  guard('a plan that a migration has refused is remembered', [
    '{ ...rest, ...withoutUndefined({ refusedPlan: purpose.approved?.hash }) }',
    'rest',
  ]),
  guard('a plan without anything to run is none', [
    '  return plan.steps.length > 0 || (position !== undefined && isReached(position, plans))\n',
    "  return name !== ''\n",
  ]),
  guard('a result without a plan is none', [
    '  if (plan === undefined) {\n    return `Job ${name} succeeded, and its report has no plan',
    '  if (plan === undefined) {\n    return undefined && `Job ${name} succeeded, and its report has no plan',
  ]),
  guard('where nothing is due, nothing is planned', [
    "verdict.reason === 'UpToDate' ? {} :",
    'verdict.reason !== undefined ? withoutUndefined({ plan, refusedPlan }) :',
  ]),
  guard('a migration takes the backup that was asked for', ['        ...backupFirst(input, backup),\n', '']),
  guard('a blocked Job of another backup is replaced', [
    'image, ...backup, ...pullSecrets',
    'image, ...pullSecrets',
  ]),
  guard('a backup at work is not taken away', [
    '[container(pod), backupContainer(pod)].some(',
    '[container(pod)].some(',
  ]),
  guard('a backup is listed', [
    'const backups = withBackups(status.backups, job)',
    'const backups = status.backups ?? []',
  ]),
  guard('a backup that is known stays listed', [
    'const all = [...known, ...taken];',
    'const all = [...taken];',
  ]),
  guard('a backup is listed once', [
    'const unique = all.filter((one, index) => all.findIndex((other) => isSame(one, other)) === index);',
    'const unique = all;',
  ]),
  guard('the backups of a restored status stay', [
    'withoutUndefined({ observedGeneration, lastMigration, history, backups, conditions })',
    'withoutUndefined({ observedGeneration, lastMigration, history, conditions })',
  ]),
  guard('a changed spec is tried again', ['job.generation !== schema.generation ||', '']),
  guard('a retry is tried again', [
    '    (schema.retry !== undefined && schema.retry !== status.handledRetry)\n  );',
    '    schema.retry === ""\n  );',
  ]),
  guard('a retry is taken once', [
    '    (schema.retry !== undefined && schema.retry !== status.handledRetry)\n  );',
    '    schema.retry !== undefined\n  );',
  ]),
  guard('an observe is taken once', [
    'schema.observe === undefined || schema.observe === status.handledObserve',
    'schema.observe === undefined',
  ]),
  guard('the next Job has the place that was noted', [
    'Math.max((last?.sequence ?? 0) + 1, lastSequence + 1, schema.reservedSequence)',
    'Math.max((last?.sequence ?? 0) + 1, lastSequence + 1)',
  ]),
  guard('the next Job has a place after all that are there', [
    'Math.max((last?.sequence ?? 0) + 1, lastSequence + 1, schema.reservedSequence)',
    'Math.max((last?.sequence ?? 0) + 1, schema.reservedSequence)',
  ]),
  guard('Jobs are counted', [
    'Math.max((last?.sequence ?? 0) + 1, lastSequence + 1, schema.reservedSequence)',
    'Math.max(last?.sequence ?? 0, schema.reservedSequence, 1)',
  ]),
  guard('attempts are counted', ['again ? last.attempt + 1 : 1', '1']),
  guard(
    'who decided on an old state starts nothing',
    ['const fenced = await cluster.patchMetadata(', 'let fenced = await cluster.patchMetadata('],
    [
      "if (fenced === 'conflict') {",
      "if (fenced === 'conflict') fenced = schema;\n    if (schema.metadata.name === '') {",
    ],
  ),
  guard('pods are read before a Job is made', [
    'if (alive !== undefined) {\n    return {',
    "if (alive?.metadata.name === '') {\n    return {",
  ]),
  guard('no Job is made while another is unseen', [
    'if (unseen !== undefined)',
    "if (unseen?.metadata.name === '')",
  ]),
  guard('no Job is made while the one before was recreated', [
    'reservedSequence === 0 || reservedSequence >= sequence',
    'reservedSequence >= 0',
  ]),
  guard('what is at work is read before the finalizer goes', [
    'deleting && (await isAtWork(target))',
    "schema.metadata.name === '' && (await isAtWork(target))",
  ]),
  guard('pods are read for the result', [
    'await cluster.readPods(namespace, uid), defaultImage',
    'cluster.podsOf(uid), defaultImage',
  ]),
  guard('the Job that the status names is read', [
    'known === undefined || known.finishedAt !== undefined',
    'known === undefined || known.name !== ""',
  ]),
  guard('a refused Job takes its finalizer along', [
    'const released = await cluster.patchMetadata(fenced, {\n    finalizers: others,\n    ...(ours ? { reservedSequence: null } : {}),\n  })',
    'const released = fenced',
  ]),
  guard('a place that was noted before is not given back', [
    'const ours = observed.schema.reservedSequence < effect.purpose.sequence',
    'const ours = true',
  ]),
  guard('a Job that the API server cannot settle is not asked for at once', [
    "transient ? { kind: 'requeue', why: message, notBefore: retryAfter } : outcome",
    "transient ? { kind: 'done', requeueAfter: 0 } : outcome",
  ]),
  guard('a refused Job is not asked for at once', [
    'refusal === undefined || refusal.effect !== verdict.effect.kind',
    "refusal === undefined || refusal.message !== ''",
  ]),
  guard('a changed spec is asked for at once', [
    'refusal?.uid !== uid || refusal.generation !== generation',
    'refusal?.uid !== uid',
  ]),
  guard('a clock put back does not make a refusal last', ['wait <= 0 || wait > BACKOFF.most', 'wait <= 0']),
  guard('nothing is written at rest', [
    'if (!isDeepStrictEqual(plain(before), plain(after)))',
    'if (plain(before) !== 0)',
  ]),
  guard(
    'a result is taken once',
    ['isRecorded(status, job)) {\n    return status;', 'false) {\n    return status;'],
    ['createdAt <= known.startedAt', 'createdAt < known.startedAt'],
  ),
  guard('an older Job is no news', [
    'newest !== undefined && isOlder(status, newest) ? undefined : newest',
    'newest',
  ]),
  guard('of two Jobs of one place the later counts', [
    'known.finishedAt === undefined ? createdAt < known.startedAt : createdAt <= known.startedAt',
    'false',
  ]),
  guard('a place counts before a time', [
    'return purpose.sequence < known.sequence;',
    'return createdAt < known.startedAt;',
  ]),
  guard('the record follows the database', [
    'recordPlan(recordPosition(before, job, report), job, failure)',
    'recordPlan(before, job, failure)',
  ]),
  guard('progress ends with its Job', [
    'const { progress: live, ...withoutProgress } = status',
    'const withoutProgress = status, live = status.progress',
  ]),
  guard('a Job that is gone is not made again at once', [
    'failedJob(facts) ?? lostJob(facts)',
    'failedJob(facts)',
  ]),
  guard('what is short of its target has failed', [
    'isReached(position, target) || isPast(position, target)',
    'position.revision !== ""',
  ]),
  guard('a report without rows has failed', [
    'if (reading === undefined) {\n    const why',
    'if (name === "") {\n    const why',
  ]),
  guard('a report that contradicts itself is not believed', [
    'known !== undefined && !agrees(known, heads)',
    'known === null',
  ]),
  guard('the status of another object is not believed', [
    'isOfAnother(schema, near) ? onlyHistory(status) : status',
    'status',
  ]),
  guard('the word of an ended container counts', [
    'isLastEnd(state.pod.end) &&',
    "isLastEnd(state.pod.end) && job.name === '' &&",
  ]),
  guard('a Job that a sidecar holds is deleted', ['job?.held === true ?', "job?.name === '' ?"]),
  guard('of two Jobs of one second the later counts', [
    'sequenceOf(b.purpose) - sequenceOf(a.purpose) ||',
    '',
  ]),
  guard('a pod that is gone may have been the last', ['isMissingOne(job, ended)\n', 'false\n']),
  guard('the last pod knows', [
    'byCreation(b, a) || b.metadata.name.localeCompare',
    'byCreation(a, b) || a.metadata.name.localeCompare',
  ]),
  guard(
    'the pod that succeeded knows',
    ["? ended.find((pod) => pod.status?.phase === 'Succeeded')", '? ended[0]'],
    ["Number(b.status?.phase === 'Succeeded') - Number(a.status?.phase === 'Succeeded') ||", ''],
  ),
];

function guard(name: string, ...edits: Guard['edits']): Guard {
  return { name, edits };
}

const RECONCILE = 'src/operator/reconcile';
const root = fileURLToPath(new URL('../..', import.meta.url));
const checksOnly = process.argv[2] === '--check';
const wanted = checksOnly ? [] : process.argv.slice(2);
const seed = process.env.SEED ?? String(Date.now() % 2 ** 31);
const histories = process.env.SIMULATIONS ?? '10000';
const folder = mkdtempSync(join(tmpdir(), 'glance-schema-guards-'));
let unseen = 0;
/** The sources of the reconcile, by their paths in the copy. */
const wholes = new Map<string, string>();
try {
  for (const part of ['src', 'migrations', 'test/simulation', 'package.json', 'tsconfig.json']) {
    cpSync(join(root, part), join(folder, part), { recursive: true });
  }
  for (const each of readdirSync(join(folder, RECONCILE), { recursive: true, encoding: 'utf8' })) {
    if (each.endsWith('.ts')) {
      const path = join(folder, RECONCILE, each);
      wholes.set(path, readFileSync(path, 'utf8'));
    }
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  GUARDS.forEach(editsOf);
  if (checksOnly) {
    console.log(`${GUARDS.length} guards are there.`);
  } else {
    console.log(`SEED=${seed}, up to ${histories} histories for each\n`);
    console.log('| guard taken out | found after | seconds | as |');
    console.log('|---|---|---|---|');
    for (const each of GUARDS.filter(({ name }) => wanted.every((text) => name.includes(text)))) {
      await takeOut(each);
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
if (unseen > 0) {
  console.error(`\n${unseen} guards can be taken out and the simulation does not see it.`);
  process.exitCode = 1;
}

/** The sources without a guard, by their paths in the copy. */
function editsOf({ name, edits }: Guard): ReadonlyMap<string, string> {
  const edited = new Map<string, string>();
  for (const [from, to] of edits) {
    const places = [...wholes].filter(([path, text]) => (edited.get(path) ?? text).includes(from));
    const [place] = places;
    const text = place && (edited.get(place[0]) ?? place[1]);
    if (place === undefined || places.length > 1 || text?.split(from).length !== 2) {
      throw new Error(`Cannot take '${name}' out: '${from}' is not once in ${RECONCILE}`);
    }
    edited.set(
      place[0],
      text.replace(from, () => to),
    );
  }
  return edited;
}

async function takeOut(given: Guard): Promise<void> {
  const { name } = given;
  const edited = editsOf(given);
  for (const [path, text] of edited) {
    writeFileSync(path, text);
  }
  const began = performance.now();
  const output = await simulate();
  for (const path of edited.keys()) {
    writeFileSync(path, wholes.get(path) ?? '');
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const after = /Property failed after (\d+) tests/.exec(output)?.[1];
  if (after === undefined && !/ 1 passing/.test(output)) {
    throw new Error(`Cannot tell what came of '${name}':\n${output}`);
  }
  const why = /Caused by: \w*Error: (.{0,80})/.exec(output)?.[1] ?? '';
  unseen += after === undefined ? 1 : 0;
  console.log(`| ${name} | ${after ?? '**not at all**'} | ${seconds} | ${why.replaceAll('|', '/')} |`);
}

function simulate(): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const child = spawn(
    process.execPath,
    [join(root, 'node_modules/mocha/bin/mocha.js'), 'test/simulation/controller.test.ts'],
    { cwd: folder, env: { ...process.env, SEED: seed, SIMULATIONS: histories } },
  );
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (data: Buffer) => {
      output += data.toString();
    });
  }
  child.once('error', reject);
  child.once('close', () => resolve(output));
  return promise;
}
