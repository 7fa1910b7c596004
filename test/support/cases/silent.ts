import { expect } from 'chai';
import { runCli } from '../../../lab/process/bundle.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { type ProxiedConnection, startTcpProxy } from '../../../lab/process/tcp-proxy.ts';
import { succeeds } from '../db-command.ts';
import { newtonDatabase, type TestEngine } from '../test-engine.ts';

/** What an engine is asked, and how a test keeps it from answering. */
export interface Silence {
  /** The port that a run reaches the server at. */
  port(): number;
  /** What is asked at each point of a run, by its name; the server is silent from then on. */
  readonly points: Readonly<Record<string, RegExp>>;
  /** Has the table of images to itself until the session ends. */
  readonly lockImages: readonly string[];
  /** How many connections say something before one is there, as one asks for TLS first. */
  readonly tried: number;
}

/** In seconds; also how long the server may be without an answer. */
const LIMIT = 12;

/** The cases of a server that nothing is heard of any more, though nobody says so. */
export function silentCases(engine: TestEngine, { port, points, lockImages, tried }: Silence): void {
  it(`silent from ${Object.keys(points).join(', or ')} on: exit 20 and a sentence, as long as a connection may take`, async () => {
    const ends = await Promise.all(
      Object.entries(points).map(async ([point, asked]) => {
        const url = await newtonDatabase(engine, 20);
        const connections = new Set<ProxiedConnection>();
        let silent = false;
        const proxy = await startTcpProxy(port(), {
          before(sent, connection) {
            connections.add(connection);
            silent ||= asked.test(sent.toString('latin1'));
            if (silent) for (const each of connections) each.mute();
          },
        });
        const { code, stderr } = await runCli(['db', 'sync'], {
          DATABASE_CONNECTION: `${url.replace(`:${port()}/`, `:${proxy.port}/`)}?connect_timeout=${LIMIT}`,
        });
        await proxy.stop();
        const said = new RegExp(`no answer within ${LIMIT} s`).test(stderr);
        return { point, silent, code, said: said || stderr };
      }),
    );
    expect(ends).to.deep.equal(
      Object.keys(points).map((point) => ({ point, silent: true, code: 20, said: true })),
    );
  });

  it('a query that waits for a table for longer than that goes on, as the server lets others in', async () => {
    const url = await newtonDatabase(engine, 20);
    await succeeds(url, 'expand', 'ocata01');
    const other = await engine.connect(url);
    for (const sql of lockImages) await other.query(sql);
    const connections = new Set<ProxiedConnection>();
    const proxy = await startTcpProxy(port(), {
      before: (_, connection) => void connections.add(connection),
    });
    const run = runCli(['db', 'check', 'ocata01'], {
      DATABASE_CONNECTION: `${url.replace(`:${port()}/`, `:${proxy.port}/`)}?connect_timeout=${LIMIT}`,
    });
    await eventually(async () => expect(connections.size).to.be.greaterThan(tried));
    await other.end();
    const { code, stderr } = await run;
    await proxy.stop();
    expect(code, stderr).to.equal(4);
  });
}
