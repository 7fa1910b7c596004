import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { startCli } from '../../lab/process/bundle.ts';
import { random } from '../../lab/process/random.ts';
import type { Goal } from '../../src/glance/goal.ts';
import { LATEST_SUPPORTED } from '../../src/glance/revisions.ts';
import { parseConnectionUrl } from '../../src/migrator/connection/url.ts';
import { type MigrateOptions, migrateDatabase } from '../../src/migrator/migrate.ts';

/** The engine's part: databases to work on, and what has to be true of them. */
export interface KillSubject {
  /** Recreates a database of this name, empty or as Newton left it, and gives its URL. */
  make(name: string, from: Way['from']): Promise<string>;
  /** Brings Newton's rows into a database that ours has made and that has none. */
  fill(url: string): Promise<void>;
  /** Whatever a run changes, as text: schema, version table, how many rows are moved. */
  state(url: string): Promise<string>;
  /**
   * Proves that a database at the newest revision has all that it should, and that no row was
   * written twice.
   */
  check(url: string, where: string): Promise<void>;
}

interface Step {
  readonly command: readonly string[];
  readonly goal: Goal;
  /** Whether rows come in after it. */
  readonly fills?: boolean;
}

/** A way to the newest revision, each step a command. */
interface Way {
  readonly from: 'nothing' | 'Newton';
  readonly steps: readonly Step[];
}

const WAYS: readonly Way[] = [
  { from: 'Newton', steps: [sync(LATEST_SUPPORTED)] },
  {
    from: 'Newton',
    steps: [
      phase('expand', LATEST_SUPPORTED),
      phase('migrate', LATEST_SUPPORTED),
      phase('contract', LATEST_SUPPORTED),
    ],
  },
  { from: 'Newton', steps: [sync('ocata01', 'Migrate'), sync(LATEST_SUPPORTED)] },
  {
    from: 'Newton',
    steps: [
      phase('expand', LATEST_SUPPORTED),
      phase('migrate', 'ocata01'),
      phase('contract', 'ocata01'),
      phase('contract', 'pike01'),
      phase('migrate', LATEST_SUPPORTED),
      phase('contract', LATEST_SUPPORTED),
    ],
  },
  { from: 'nothing', steps: [{ ...sync('mitaka02'), fills: true }, sync(LATEST_SUPPORTED)] },
];

/** How many databases are worked on at once, where there are enough kills for each way. */
const AT_ONCE = 4;

/** What a run says once it knows what it will do, right before its first change. */
const BEGUN = ': to run ';

function sync(revision: string, through: 'Migrate' | 'Contract' = 'Contract'): Step {
  return {
    command: ['sync', revision, '--through', through],
    goal: { kind: 'position', target: { revision, phase: through } },
  };
}

function phase(kind: 'expand' | 'migrate' | 'contract', revision: string): Step {
  return { command: [kind, revision], goal: { kind, revision } };
}

interface Round {
  readonly number: number;
  readonly way: Way;
  /** The step that is killed, and after which part of the time that it takes. */
  readonly step: number;
  readonly fraction: number;
  /** Whether it goes on by `db sync` and not by the same command again. */
  readonly bySync: boolean;
}

export interface KillTally {
  readonly kills: number;
  /** How often a run had ended before it was killed; then the kill was made again, sooner. */
  readonly late: number;
  /** How many kills left a database that was neither as before the command nor as after it. */
  readonly between: number;
  /** How many different states there were after a kill. */
  readonly states: number;
}

/**
 * So often a kill may come too late in a row: each comes sooner after the run's first word, which a
 * busy machine may be told of when the run is over.
 */
const TRIES = 25;

/** At most so many times the kills that were asked for. */
const MOST = 2;

/**
 * Kills a run by SIGKILL, `kills` times, at random moments on each of the ways: each time after it
 * has begun to change the database and before it has ended. Then goes on without a kill and has the
 * database checked. Where fewer than `half` kills have left a database half done, as on a busy
 * machine, there are more, up to twice as many.
 */
export async function killAtRandom(
  subject: KillSubject,
  { kills, half, seed }: { readonly kills: number; readonly half: number; readonly seed: number },
): Promise<KillTally> {
  const next = random(seed);
  const atOnce = Math.min(AT_ONCE, Math.ceil(kills / WAYS.length));
  const lengths = new Map<Step, number>();
  const ends = new Map<Step, readonly [before: string, after: string]>();
  for (const way of WAYS) {
    await measure(subject, way, atOnce, lengths, ends);
  }
  const newRound = (number: number): Round => {
    const way = WAYS[number % WAYS.length] ?? { from: 'nothing', steps: [] };
    let moment = next() * way.steps.reduce((sum, step) => sum + (lengths.get(step) ?? 0), 0);
    const step = way.steps.findIndex((each) => {
      const length = lengths.get(each) ?? 0;
      moment -= length;
      return moment < 0;
    });
    return { number, way, step: Math.max(step, 0), fraction: next(), bySync: next() < 0.3 };
  };
  let begun = 0;
  let late = 0;
  let between = 0;
  const states = new Set<string>();
  const work = async (database: number): Promise<void> => {
    while (begun < kills || (between < half && begun < MOST * kills)) {
      const round = newRound(begun);
      begun += 1;
      const { way, bySync } = round;
      const where = `SEED=${seed}, round ${round.number}: ${way.from}, ${describe(way, round)}`;
      const killed = way.steps[round.step];
      if (killed === undefined) {
        throw new RangeError('a way without steps');
      }
      let url = '';
      for (let part = round.fraction, tries = 1; ; part *= 0.6, tries += 1) {
        url = await subject.make(`killed_${database}`, way.from);
        for (const step of way.steps.slice(0, round.step)) {
          await run(subject, url, step, where);
        }
        const took = await kill(url, killed, part * (lengths.get(killed) ?? 0));
        if (took === 'killed') {
          break;
        }
        // It was measured while the machine was busy with something else.
        lengths.set(killed, Math.min(took, lengths.get(killed) ?? took));
        expect(tries, `${where}: it always ended before the kill`).to.be.lessThan(TRIES);
        late += 1;
      }
      const state = await subject.state(url);
      states.add(state);
      between += ends.get(killed)?.includes(state) === false ? 1 : 0;
      const left = bySync && killed.fills !== true ? [sync(LATEST_SUPPORTED)] : way.steps.slice(round.step);
      for (const step of left) {
        await run(subject, url, step, where);
      }
      await subject.check(url, where);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, (_, database) => work(database)));
  return { kills: begun, late, between, states: states.size };
}

function describe(way: Way, { step, fraction, bySync }: Round): string {
  const commands = way.steps.map(({ command }, index) =>
    index === step ? `[${command.join(' ')} killed at ${fraction.toFixed(3)}]` : command.join(' '),
  );
  return `${commands.join(', ')}${bySync ? ', then by sync' : ''}`;
}

/**
 * How long each step takes from its first word on, with as many at once as there will be; and what
 * it finds and leaves.
 */
async function measure(
  subject: KillSubject,
  way: Way,
  atOnce: number,
  lengths: Map<Step, number>,
  ends: Map<Step, readonly [string, string]>,
): Promise<void> {
  const runs = Array.from({ length: atOnce }, async (_, database) => {
    const url = await subject.make(`killed_${database}`, way.from);
    for (const step of way.steps) {
      const before = await subject.state(url);
      const process = startCli(['db', ...step.command], { DATABASE_CONNECTION: url });
      await process.says(BEGUN);
      const started = performance.now();
      const { code, stderr } = await process.done;
      expect(code, stderr).to.equal(0);
      lengths.set(step, (lengths.get(step) ?? 0) + (performance.now() - started) / atOnce);
      ends.set(step, [before, await subject.state(url)]);
      if (step.fills === true) {
        await subject.fill(url);
      }
    }
    await subject.check(
      url,
      `without a kill: ${way.steps.map(({ command }) => command.join(' ')).join(', ')}`,
    );
  });
  await Promise.all(runs);
}

/** How long it took, in milliseconds, where the kill did not find it at work. */
async function kill(url: string, step: Step, after: number): Promise<'killed' | number> {
  const process = startCli(['db', ...step.command], { DATABASE_CONNECTION: url });
  await process.says(BEGUN);
  const started = performance.now();
  const ended = process.done.then(() => performance.now() - started);
  await sleep(after);
  process.kill('SIGKILL');
  const took = await ended;
  return (await process.done).signal === 'SIGKILL' ? 'killed' : took;
}

const QUIET: MigrateOptions['events'] = {
  waiting: () => undefined,
  planned: () => undefined,
  drifted: () => undefined,
  stamped: () => undefined,
  started: () => undefined,
  step: () => undefined,
  applied: () => undefined,
  moving: () => undefined,
  moved: () => undefined,
  waitingForTables: () => undefined,
};

/** Runs a step in this process, which spares the start of another. */
async function run(subject: KillSubject, url: string, step: Step, where: string): Promise<void> {
  const { error } = await migrateDatabase({
    connection: parseConnectionUrl(url),
    goal: step.goal,
    lockTimeoutSeconds: 30,
    signal: new AbortController().signal,
    events: QUIET,
  });
  expect(error?.message, where).to.equal(undefined);
  if (step.fills === true) {
    await subject.fill(url);
  }
}
