// `make test-guards`: takes each guard of the decisions, of the effects and of what is recorded out of a copy of the
// controller, one at a time, and lets the simulation find that it is gone. Prints after how many histories it did.
//
//   node test/simulation/guards.ts [TEXT...]      TEXT: part of a guard's name
//   SEED=N SIMULATIONS=N                          histories of another seed, or more of them

import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A guard, and the edits that take it out: each text is there once, and gives way to the other. */
interface Guard {
  readonly name: string;
  readonly file: string;
  readonly edits: readonly (readonly [from: string, to: string])[];
}

const DECIDE = 'src/operator/reconcile/decide.ts';
const RECONCILE = 'src/operator/reconcile/reconciler.ts';
const RECORD = 'src/operator/reconcile/result.ts';
const OBSERVE = 'src/operator/reconcile/observe.ts';
const JOB = 'src/operator/reconcile/job.ts';
const PUT_OFFS = 'src/operator/reconcile/put-offs.ts';

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
    'databaseNewerThanCarried',
    'targetBeforeRecorded',
    'targetReached',
    'failedForGood',
    'nextAttemptNotDue',
  ].map((check): Guard => guard(`check ${check}`, DECIDE, [`\n  ${check},\n`, '\n'])),
  guard(
    'a result is stored before anything else',
    DECIDE,
    [
      'effect: resultIsNew ? undefined : (housekeeping(observed, answer.effect) ?? answer.effect)',
      'effect: housekeeping(observed, answer.effect) ?? answer.effect',
    ],
    ['job !== undefined && (schema.deleting || isRecorded(schema.status, job))', 'job !== undefined'],
  ),
  guard('older Jobs get their TTL', DECIDE, [
    'older !== undefined',
    'older !== undefined && older.name === ""',
  ]),
  guard('a Job has no owner while it runs', JOB, [
    '      namespace: schema.namespace,\n',
    '      namespace: schema.namespace,\n      ownerReferences: [{ uid: schema.uid, name: schema.name }],\n',
  ]),
  guard('a Job at work is taken off its owner', DECIDE, ['owned !== undefined', "owned?.name === ''"]),
  guard('a deleted schema gets no new dependents', OBSERVE, [
    'schema.metadata.deletionTimestamp !== undefined || isOwnedBy(job, schema)',
    'isOwnedBy(job, schema)',
  ]),
  guard('a Job gets the schema as its owner', OBSERVE, [
    'schema.metadata.deletionTimestamp !== undefined || isOwnedBy(job, schema)',
    'job.metadata.name !== ""',
  ]),
  guard(
    'what is refused holds up nothing else',
    RECONCILE,
    ['        later.add(key, acted.uid);\n', ''],
    [
      'done at once.\n        return pass(key, schema)',
      "done at once.\n        return { kind: 'requeue', why: acted.message }",
    ],
  ),
  guard('a clock put back does not make what was refused wait', PUT_OFFS, [
    'wait > 0 && wait <= delay',
    'wait > 0',
  ]),
  guard('a Job whose schema is gone gets its TTL', RECONCILE, [
    '    if (isFinished(job)) {\n      return cluster',
    '    if (job.metadata.name === "") {\n      return cluster',
  ]),
  guard('whose schema is gone is asked before its Job is touched', RECONCILE, [
    '!isArranged && (await cluster.isGone(',
    '!isArranged && (true || await cluster.isGone(',
  ]),
  guard('a suspended Job is said', OBSERVE, ['job.spec.suspend === true ?', 'job.metadata.name === "" ?']),
  guard('a Job gets its TTL', DECIDE, [
    "job?.state.kind === 'finished' && !job.ttlArmed",
    "job?.state.kind === 'finished' && job.name === ''",
  ]),
  guard('the finalizer stays while a migrator may run', DECIDE, [
    'schema.hasFinalizer &&\n    !mayRun(observed)',
    'schema.hasFinalizer',
  ]),
  guard('the finalizer stays while a Job cannot be made', DECIDE, ["    next?.kind !== 'startJob' &&\n", '']),
  guard('a pod that has started is not taken away', RECONCILE, [
    'if (pods.some(isRunning))',
    "if (effect.name === '')",
  ]),
  guard('a clock put back does not make it wait for a pod', DECIDE, [
    'Math.min(patience, Math.max(0, Date.parse(since) + patience - now))',
    'Math.max(0, Date.parse(since) + patience - now)',
  ]),
  guard('the record is of one database', RECORD, ['{ recordedFrom: purpose.database }', '{}']),
  guard('the finalizer goes', DECIDE, [
    'schema.hasFinalizer &&\n    !mayRun(observed)',
    'schema.hasFinalizer && schema.name === ""',
  ]),
  guard('a deletion waits for what runs', DECIDE, [
    'schema.deleting && !mayRun(observed)',
    'schema.deleting',
  ]),
  guard('a pod that outlives its Job may run', DECIDE, [
    "job?.state.kind === 'active' || livePods.length > 0",
    "job?.state.kind === 'active'",
  ]),
  guard('a blocked Job of this very spec stays', DECIDE, [
    'job.purpose === undefined || job.purpose.shape === podTemplateHash(schema)',
    'job.purpose === undefined',
  ]),
  guard('a Job that was about to be made makes the record doubtful', DECIDE, [
    'schema.reservedSequence > (job?.sequence ?? 0)',
    'schema.reservedSequence < 0',
  ]),
  guard('a Job that was lost makes the record doubtful', DECIDE, [
    'job.finishedAt === undefined || job.failure?.databaseRead === false',
    'job.failure?.databaseRead === false',
  ]),
  guard('a Job without a report makes the record doubtful', DECIDE, [
    'job.finishedAt === undefined || job.failure?.databaseRead === false',
    'job.finishedAt === undefined',
  ]),
  guard('a lower revision is refused by no doubtful record', DECIDE, [
    'if (recordMayBeOld(facts)) {\n    return readAgain(',
    'if (facts.now === 0) {\n    return readAgain(',
  ]),
  guard('a reading that failed is not repeated at once', DECIDE, [
    'if (waiting !== undefined)',
    "if (waiting?.message === '')",
  ]),
  guard('a clock put back does not make the next attempt wait', DECIDE, [
    'Math.min(due - facts.now, delay)',
    'due - facts.now',
  ]),
  guard('a changed spec is tried anew', DECIDE, ['status.job?.generation !== schema.generation ||', '']),
  guard('a retry is tried anew', DECIDE, [
    '    (schema.retry !== undefined && schema.retry !== status.handledRetry)\n  );',
    '    schema.retry === ""\n  );',
  ]),
  guard('a retry is taken once', DECIDE, [
    '    (schema.retry !== undefined && schema.retry !== status.handledRetry)\n  );',
    '    schema.retry !== undefined\n  );',
  ]),
  guard('an observe is taken once', DECIDE, [
    'schema.observe === undefined || schema.observe === status.handledObserve',
    'schema.observe === undefined',
  ]),
  guard('the next Job has the place that was noted', DECIDE, [
    'Math.max((last?.sequence ?? 0) + 1, lastSequence + 1, schema.reservedSequence)',
    'Math.max((last?.sequence ?? 0) + 1, lastSequence + 1)',
  ]),
  guard('the next Job has a place after all that are there', DECIDE, [
    'Math.max((last?.sequence ?? 0) + 1, lastSequence + 1, schema.reservedSequence)',
    'Math.max((last?.sequence ?? 0) + 1, schema.reservedSequence)',
  ]),
  guard('Jobs are counted', DECIDE, [
    'Math.max((last?.sequence ?? 0) + 1, lastSequence + 1, schema.reservedSequence)',
    'Math.max(last?.sequence ?? 0, schema.reservedSequence, 1)',
  ]),
  guard('attempts are counted', DECIDE, ['again ? last.attempt + 1 : 1', '1']),
  guard(
    'who decided on an old state starts nothing',
    RECONCILE,
    ['const fenced = await cluster.mark(', 'let fenced = await cluster.mark('],
    [
      "if (fenced === 'stale') {",
      "if (fenced === 'stale') fenced = schema;\n    if (schema.metadata.name === '') {",
    ],
  ),
  guard('pods are read before a Job is made', RECONCILE, [
    'if (alive !== undefined)',
    "if (alive?.metadata.name === '')",
  ]),
  guard('no Job is made while another is unseen', RECONCILE, [
    'if (unseen !== undefined)',
    "if (unseen?.metadata.name === '')",
  ]),
  guard('no Job is made while the one before was made anew', RECONCILE, [
    'reservedSequence === 0 || reservedSequence >= sequence',
    'reservedSequence >= 0',
  ]),
  guard('what is at work is read before the finalizer goes', RECONCILE, [
    'observed.schema.deleting && (await isAtWork(observed))',
    "observed.schema.name === '' && (await isAtWork(observed))",
  ]),
  guard('pods are read for the result', RECONCILE, [
    'await cluster.readPods(namespace, uid), defaultImage',
    'cluster.podsOf(uid), defaultImage',
  ]),
  guard('the Job that the status names is read', RECONCILE, [
    'known === undefined || known.finishedAt !== undefined',
    'known === undefined || known.name !== ""',
  ]),
  guard('a refused Job takes its finalizer along', RECONCILE, [
    'const released = await cluster.mark(fenced, {\n      finalizers: others,\n      ...(ours ? { reservedSequence: null } : {}),\n    })',
    'const released = fenced',
  ]),
  guard('a place that was noted before is not given back', RECONCILE, [
    'const ours = observed.schema.reservedSequence < effect.purpose.sequence',
    'const ours = true',
  ]),
  guard('a Job that the API server cannot settle is not asked for at once', RECONCILE, [
    "return { kind: 'requeue', why: message, notBefore: retryAfter }",
    "return { kind: 'done', requeueAfter: 0 }",
  ]),
  guard('a refused Job is not asked for at once', RECONCILE, [
    'refusal?.uid !== uid || decision.effect?.kind !== refusal.effect',
    "refusal === undefined || refusal.message !== ''",
  ]),
  guard('a changed spec is asked for at once', RECONCILE, [
    'refusal.generation !== generation || wait <= 0',
    'wait <= 0',
  ]),
  guard('a clock put back does not make a refusal last', RECONCILE, [
    'wait <= 0 || wait > REFUSAL_BACKOFF.most',
    'wait <= 0',
  ]),
  guard('nothing is written at rest', RECONCILE, [
    'if (!isDeepStrictEqual(plain(before), plain(decision.status)))',
    'if (plain(before) !== 0)',
  ]),
  guard(
    'a result is taken once',
    RECORD,
    ['isRecorded(status, job)) {\n    return status;', 'false) {\n    return status;'],
    ['createdAt <= known.startedAt', 'createdAt < known.startedAt'],
  ),
  guard('an older Job is no news', RECORD, [
    'newest !== undefined && isOlder(status, newest) ? undefined : newest',
    'newest',
  ]),
  guard('of two Jobs of one place the later counts', RECORD, [
    'known.finishedAt === undefined ? createdAt < known.startedAt : createdAt <= known.startedAt',
    'false',
  ]),
  guard('a place counts before a time', RECORD, [
    'return purpose.sequence < known.sequence;',
    'return createdAt < known.startedAt;',
  ]),
  guard('the record follows the database', RECORD, ['...recordPosition(before, job, report)', '...before']),
  guard('progress ends with its Job', RECORD, [
    'const { progress: live, ...before } = status',
    'const before = status, live = status.progress',
  ]),
  guard('a Job that is gone is not made again at once', DECIDE, [
    'failedJob(facts) ?? lostJob(facts)',
    'failedJob(facts)',
  ]),
  guard('what is short of its target has failed', RECORD, [
    'isReached(position, target) || isPast(position, target)',
    'position.revision !== ""',
  ]),
  guard('a report without rows has failed', RECORD, [
    'if (reading === undefined) {\n    const why',
    'if (name === "") {\n    const why',
  ]),
  guard('a report that contradicts itself is not believed', RECORD, [
    'known !== undefined && !agrees(known, heads)',
    'known === null',
  ]),
  guard('the status of another object is not believed', OBSERVE, [
    'isOfAnother(schema, near) ? onlyHistory(status) : status',
    'status',
  ]),
  guard('the word of an ended container counts', DECIDE, [
    "pod?.kind === 'held' && isLastEnd",
    "pod?.kind === 'held' && job.name === '' && isLastEnd",
  ]),
  guard('a Job that a sidecar holds is deleted', DECIDE, ['job?.held === true &&', "job?.name === '' &&"]),
  guard('of two Jobs of one second the later counts', OBSERVE, [
    'placeOf(b.purpose) - placeOf(a.purpose) ||',
    '',
  ]),
  guard('a pod that is gone may have been the last', OBSERVE, ['isMissingOne(job, ended)\n', 'false\n']),
  guard('the last pod knows', OBSERVE, [
    'byCreation(b, a) ||\n    b.metadata.name.localeCompare',
    'byCreation(a, b) ||\n    a.metadata.name.localeCompare',
  ]),
  guard(
    'the pod that succeeded knows',
    OBSERVE,
    ["? ended.find((pod) => pod.status?.phase === 'Succeeded')", '? ended[0]'],
    ["Number(b.status?.phase === 'Succeeded') - Number(a.status?.phase === 'Succeeded') ||", ''],
  ),
];

function guard(name: string, file: string, ...edits: Guard['edits']): Guard {
  return { name, file, edits };
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const wanted = process.argv.slice(2);
const seed = process.env.SEED ?? String(Date.now() % 2 ** 31);
const histories = process.env.SIMULATIONS ?? '10000';
const folder = mkdtempSync(join(tmpdir(), 'glance-schema-guards-'));
let unseen = 0;
try {
  for (const part of ['src', 'migrations', 'test/simulation', 'package.json', 'tsconfig.json']) {
    cpSync(join(root, part), join(folder, part), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  console.log(`SEED=${seed}, up to ${histories} histories for each\n`);
  console.log('| guard taken out | found after | seconds | as |');
  console.log('|---|---|---|---|');
  for (const each of GUARDS.filter(({ name }) => wanted.every((text) => name.includes(text)))) {
    await takeOut(each);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
if (unseen > 0) {
  console.error(`\n${unseen} guards can be taken out and the simulation does not see it.`);
  process.exitCode = 1;
}

async function takeOut({ name, file, edits }: Guard): Promise<void> {
  const path = join(folder, file);
  const whole = readFileSync(path, 'utf8');
  let edited = whole;
  for (const [from, to] of edits) {
    if (edited.split(from).length !== 2) {
      throw new Error(`Cannot take '${name}' out: '${from}' is not once in ${file}`);
    }
    edited = edited.replace(from, () => to);
  }
  writeFileSync(path, edited);
  const began = performance.now();
  const output = await simulate();
  writeFileSync(path, whole);
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
