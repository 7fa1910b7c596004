import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { runCli } from './bundle.ts';
import { type NodeTally, startGlanceNodes } from './glance-nodes.ts';

type Row = Readonly<Record<string, unknown>>;

export interface OnlineOptions {
  /** A database of Newton, with images. */
  readonly url: string;
  readonly images: number;
  /** Every image as it has to be in the end, unless a node changes it meanwhile. */
  readonly expected: readonly Row[];
  readImages(): Promise<readonly Row[]>;
  /** Images whose two columns do not say the same. */
  readTorn(): Promise<readonly Row[]>;
}

/**
 * Takes a database through Ocata phase by phase while nodes of the release before and of Ocata work on it, and proves that no
 * query fails, that both columns of each row agree until contract, and that what no node has changed is as it has to be.
 */
export async function upgradeOcataOnline(options: OnlineOptions): Promise<readonly NodeTally[]> {
  const { url, images } = options;
  const phases: { readonly name: string; readonly started: number }[] = [];
  async function db(...args: readonly string[]): Promise<void> {
    const started = performance.now();
    phases.push({ name: args.join(' '), started });
    const result = await runCli(['db', ...args], { DATABASE_CONNECTION: url });
    expect(result.code, `${args.join(' ')}: ${result.stderr}`).to.equal(0);
    process.stdout.write(`      ${args.join(' ')}: ${((performance.now() - started) / 1000).toFixed(1)} s\n`);
  }
  const expected = new Map(options.expected.map((image) => [image.id, image]));
  const old = await startGlanceNodes(url, 'old', 4);
  await sleep(500);
  await db('expand', 'ocata01');
  const fresh = await startGlanceNodes(url, 'new', 4);
  await db('migrate', 'ocata01');
  await sleep(500);
  expect(await options.readTorn(), 'both columns agree').to.deep.equal([]);
  const oldTally = await old.stop();
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
    tellNodes(`${name}, the longest ${after} s into ${phase?.name}`, tally);
  }
  const untouched = (await options.readImages()).filter(
    ({ id }) => expected.has(id) && !oldTally.touched.has(String(id)) && !newTally.touched.has(String(id)),
  );
  expect(untouched.length).to.be.greaterThan(images / 20);
  for (const image of untouched) {
    expect(image).to.deep.equal(expected.get(image.id));
  }
  return [oldTally, newTally];
}

/** Prints what nodes saw, and fails when a query of theirs did. */
export function tellNodes(what: string, tally: NodeTally): void {
  const statement = tally.longestStatement.replaceAll(/\s+/g, ' ').slice(0, 50);
  process.stdout.write(
    `      ${what}: ${tally.queries} queries, longest ${tally.longest.toFixed(0)} ms (${statement})\n`,
  );
  expect(tally.errors, what).to.deep.equal([]);
}
