import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { type NodeStyle, type NodeTally, startGlanceNodes } from '../../lab/glance/glance-nodes.ts';
import { runCli } from '../../lab/process/bundle.ts';
import type { Row, TestEngine } from './test-engine.ts';

export interface OnlineOptions {
  readonly engine: TestEngine;
  /** A database of Newton, with images. */
  readonly url: string;
  /** The same for the nodes, where they connect as another user. */
  readonly nodesUrl?: string;
  readonly images: number;
}

/**
 * How long the nodes work alone before the expand and after the contract, in milliseconds: what a
 * query takes without a migration.
 */
const ALONE = Number(process.env.ONLINE_ALONE ?? 1000);

/**
 * Takes a database through Ocata phase by phase while nodes of the release before and of Ocata work
 * on it, and proves that no query fails, that both columns of each row agree at any time until
 * contract, and that what no node has changed is as it has to be.
 */
export async function upgradeOcataOnline(options: OnlineOptions): Promise<readonly NodeTally[]> {
  const { engine, url, nodesUrl = url, images } = options;
  const phases: { readonly name: string; readonly started: number }[] = [];
  async function db(...args: readonly string[]): Promise<void> {
    const started = performance.now();
    phases.push({ name: args.join(' '), started });
    const result = await runCli(['db', ...args], { DATABASE_CONNECTION: url });
    expect(result.code, `${args.join(' ')}: ${result.stderr}`).to.equal(0);
    process.stdout.write(`      ${args.join(' ')}: ${((performance.now() - started) / 1000).toFixed(1)} s\n`);
  }
  const expected = new Map((await engine.expectedImages(url)).map((image) => [image.id, image]));
  const alone = async (style: NodeStyle): Promise<NodeTally> => {
    const nodes = await startGlanceNodes(nodesUrl, style, 4, `alone-${style}`);
    await sleep(ALONE);
    const tally = await nodes.stop();
    printNodes(`${style} nodes, no migration at work`, tally);
    return tally;
  };
  const oldAlone = await alone('old');
  const old = await startGlanceNodes(nodesUrl, 'old', 4);
  await sleep(500);
  await db('expand', 'ocata01');
  const watch = watchTorn(options);
  const fresh = await startGlanceNodes(nodesUrl, 'new', 4);
  await db('migrate', 'ocata01');
  await sleep(500);
  const oldTally = await old.stop();
  const checks = await watch.stop();
  process.stdout.write(`      checked ${checks} times whether both columns of each row agree\n`);
  expect(checks).to.be.greaterThan(1);
  expect(await torn(options, true), 'both columns are there and agree').to.deep.equal([]);
  // What the old nodes shared at the end.
  await db('migrate', 'ocata01');
  await db('contract', 'ocata01');
  await sleep(500);
  const newTally = await fresh.stop();
  for (const [name, tally] of [
    ['old nodes', oldTally],
    ['new nodes', newTally],
  ] as const) {
    const phase = phases.findLast(({ started }) => started < tally.longestAt);
    const after = ((tally.longestAt - (phase?.started ?? 0)) / 1000).toFixed(1);
    printNodes(`${name}, the longest ${after} s into ${phase?.name}`, tally);
  }
  const newAlone = await alone('new');
  const touched = new Set([oldAlone, oldTally, newTally, newAlone].flatMap((tally) => [...tally.touched]));
  const untouched = (await engine.readImages(url)).filter(
    ({ id }) => expected.has(id) && !touched.has(String(id)),
  );
  expect(untouched.length).to.be.greaterThan(images / 20);
  for (const image of untouched) {
    expect(image).to.deep.equal(expected.get(image.id));
  }
  return [oldTally, newTally];
}

/**
 * Images whose two columns contradict each other; where none may lack its visibility any more,
 * those that do too.
 */
function torn({ engine, url }: OnlineOptions, moved: boolean): Promise<readonly Row[]> {
  return engine.query(
    url,
    `SELECT id, is_public, visibility FROM images WHERE CASE WHEN visibility IS NULL THEN ${moved}
      ELSE coalesce(is_public <> (visibility = 'public'), true) END LIMIT 5`,
  );
}

/**
 * Checks again and again, with pauses that leave the server to the others, until it is stopped;
 * tells how often.
 */
function watchTorn(options: OnlineOptions): { stop(): Promise<number> } {
  const stop = new AbortController();
  let checks = 0;
  const watching = (async () => {
    while (!stop.signal.aborted) {
      const started = performance.now();
      expect(await torn(options, false), 'both columns agree').to.deep.equal([]);
      checks += 1;
      await sleep(4 * (performance.now() - started), undefined, { signal: stop.signal }).catch(
        () => undefined,
      );
    }
  })();
  // Told by stop.
  watching.catch(() => undefined);
  return {
    async stop() {
      stop.abort();
      await watching;
      return checks;
    },
  };
}

/** Prints what nodes saw, and fails when a query of theirs did. */
export function printNodes(what: string, tally: NodeTally): void {
  const statement = tally.longestStatement.replaceAll(/\s+/g, ' ').slice(0, 50);
  process.stdout.write(
    `      ${what}: ${tally.queries} queries, longest ${tally.longest.toFixed(0)} ms (${statement})\n`,
  );
  expect(tally.errors, what).to.deep.equal([]);
}
