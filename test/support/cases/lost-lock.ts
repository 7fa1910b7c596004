import { expect } from 'chai';
import { eventually } from '../../../lab/process/eventually.ts';
import { type ProxiedConnection, startTcpProxy } from '../../../lab/process/tcp-proxy.ts';
import { db, succeeds } from '../db-command.ts';
import { goldenDatabase, newtonDatabase, type TestEngine } from '../test-engine.ts';

/** How the lock of a run is taken away on an engine. */
export interface LockTaker {
  /** The port that a run reaches the server at. */
  port(): number;
  /** Whether what a connection sends is the statement by which it gets the lock. */
  readonly takes: RegExp;
  /** The numbers of the sessions that have the lock on this database. */
  holders(url: string): Promise<readonly number[]>;
  end(url: string, session: number): Promise<void>;
  /**
   * What must not be sent any more once the lock is lost: on an engine with transactions what is
   * not committed is undone.
   */
  readonly lasting: RegExp;
  dropIndex(index: string): string;
  /**
   * The runs that are tried, by their names; absent means all. Whether a silent connection is told
   * of is tried with all only.
   */
  readonly only?: readonly string[];
}

/** A statement that changes something, behind the five bytes that each protocol has before it. */
const CHANGE =
  /^.{5}\s*(ALTER|CREATE|DROP|UPDATE|INSERT INTO alembic(?!.*glance-schema lock)|DELETE|COMMIT)\b/s;

const WHOLE = process.env.STATES === 'all';

interface Run {
  readonly name: string;
  make(): Promise<string>;
  readonly args: readonly string[];
  /** Without STATES=all only each so manieth statement is tried, and the last two. */
  readonly each: number;
  /** Whether it is tried with a connection that tells nothing of the loss, too. */
  readonly silent?: true;
}

/** The cases of a lock that is lost in the middle of a run: it changes nothing any more. */
export function lostLockCases(engine: TestEngine, taker: LockTaker): void {
  const phases = async (...done: readonly string[]): Promise<string> => {
    const url = await newtonDatabase(engine, 600);
    for (const command of done) await succeeds(url, command);
    return url;
  };
  const runs: readonly Run[] = [
    { name: 'sync', make: () => phases(), args: ['sync'], each: 9 },
    { name: 'expand', make: () => phases(), args: ['expand'], each: 8 },
    { name: 'migrate', make: () => phases('expand'), args: ['migrate'], each: 4 },
    { name: 'contract', make: () => phases('expand', 'migrate'), args: ['contract'], each: 8 },
    {
      name: 'version_control',
      make: () => goldenDatabase(engine, { schema: 'mitaka02' }),
      args: ['version_control', 'mitaka02'],
      each: 1,
    },
    {
      name: 'a sync that has only repairs to make',
      async make() {
        const url = await engine.createDatabase();
        await succeeds(url, 'sync');
        for (const index of ['checksum_image_idx', 'owner_image_idx', 'visibility_image_idx']) {
          await engine.query(url, taker.dropIndex(index));
        }
        return url;
      },
      args: ['sync'],
      each: 1,
      silent: true,
    },
  ];
  const chosen = runs.filter(({ name }) => taker.only?.includes(name) ?? true);
  for (const [run, muted] of chosen.flatMap((each) => [
    [each, false] as const,
    ...(each.silent === true && taker.only === undefined ? [[each, true] as const] : []),
  ])) {
    const heard = muted ? ', and its connection is silent' : '';
    it(`${run.name}: whatever statement its lock is lost before${heard}, none that changes anything comes after it`, async () => {
      const whole = await attempt(run, undefined, false);
      expect(whole.code, whole.stderr).to.equal(0);
      const count = whole.sent.length;
      expect(count).to.be.greaterThan(1);
      const wrong: string[] = [];
      for (let at = 0; at < count; at += 1) {
        // Before and behind the changes there is only to read, for which a silent network lets it
        // wait.
        if (muted && (at === 0 || at === count - 1)) continue;
        if (!WHOLE && at % run.each !== 0 && at < count - 2) continue;
        const { code, stderr, sent, url } = await attempt(run, at, muted);
        const after = sent.slice(at + 1).filter((sql) => taker.lasting.test(sql));
        // Behind the last one there was nothing to stop.
        const right = after.length === 0 && (code === 20 || (code === 0 && at === count - 1));
        if (!right) wrong.push(`${at} ${sent[at]}: exit ${code} ${stderr}, then ${after.join('; ')}`);
        else await succeeds(url, ...run.args);
      }
      expect(wrong).to.deep.equal([]);
    });
  }

  /** Runs it, and takes its lock away when this statement is on its way to the server. */
  async function attempt(
    { make, args }: Run,
    at: number | undefined,
    muted: boolean,
  ): Promise<{ code: number; stderr: string; sent: readonly string[]; url: string }> {
    const url = await make();
    const sent: string[] = [];
    let holder: ProxiedConnection | undefined;
    const proxy = await startTcpProxy(taker.port(), {
      async before(packet, connection) {
        const text = packet.toString('latin1');
        if (taker.takes.test(text)) holder = connection;
        if (!CHANGE.test(text)) return;
        sent.push(text.slice(5).replaceAll(/\s+/g, ' ').slice(0, 120));
        if (sent.length - 1 !== at) return;
        if (muted) holder?.mute();
        for (const session of await taker.holders(url)) await taker.end(url, session);
        await eventually(async () => expect(await taker.holders(url)).to.deep.equal([]), {
          everyMilliseconds: 5,
        });
      },
    });
    const through = url.replace(`:${taker.port()}/`, `:${proxy.port}/`);
    const { code, stderr } = await db(through, ...args);
    await proxy.stop();
    return { code: code ?? -1, stderr, sent, url };
  }
}
