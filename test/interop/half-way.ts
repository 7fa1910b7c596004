import { isDeepStrictEqual } from 'node:util';
import { expect } from 'chai';
import type { GoldenOptions } from '../../lab/databases/golden-database.ts';
import { loggedStatements } from '../../lab/databases/mysql-client.ts';
import { expectedAtHead, sortedRows, type Tables } from '../../lab/databases/populated.ts';
import type { GlanceManage } from '../../lab/glance/glance-manage.ts';
import { startTcpProxy } from '../../lab/process/tcp-proxy.ts';
import { db } from '../support/db-command.ts';
import type { TestEngine } from '../support/test-engine.ts';

/** A database that the real tool is let loose on. */
export interface Origin {
  readonly name: string;
  /** Absent for an empty database. */
  readonly golden?: GoldenOptions;
  readonly sinceOcata?: boolean;
}

export const EMPTY: Origin = { name: 'an empty database' };

/** The tool drops its is_public before it finds that it cannot go on. */
export const NEWTON: Origin = { name: 'Newton', golden: { schema: 'mitaka02', alembic: ['mitaka02'] } };

export const ORIGINS: readonly Origin[] = [
  EMPTY,
  NEWTON,
  { name: 'Ocata', golden: { schema: 'ocata_contract01', alembic: ['ocata_contract01'] }, sinceOcata: true },
  {
    name: 'Train',
    golden: { schema: 'train_contract01', alembic: ['train_contract01'] },
    sinceOcata: true,
  },
];

/**
 * Has the real tool run on a database; gives what it has changed, in order, each piece committed by
 * itself.
 */
export type Recorder = (
  engine: TestEngine,
  url: string,
  run: (url: string) => Promise<unknown>,
) => Promise<readonly string[]>;

export interface HalfWay {
  readonly engine: TestEngine;
  /** Absent means statement by statement, as MariaDB and MySQL commit. */
  readonly record?: Recorder;
  readonly manage: () => GlanceManage;
  /** Ours, one command after the other. */
  readonly way?: readonly string[];
  /** Only each so manieth state is tried, and the last; all with STATES=all. */
  readonly each?: number;
}

/** How what a killed run left was ended by ours; a wrong one with why. */
type End = { readonly kind: 'golden' | 'refused' } | { readonly kind: 'wrong'; readonly why: string };

const HEAD = '2024_1_contract01';
/** With more than this, one state of each script is tried. */
const FEW_IMAGES = 40;
const IMAGES = Number(process.env.IMAGES ?? FEW_IMAGES);
/** How many databases are worked on at a time. */
const AT_ONCE = 3;

/**
 * The case of a real `glance-manage db sync` from an origin, which is killed after each statement
 * that stays.
 */
export function halfWayCase(
  origin: Origin,
  { engine, record = recordStatements, manage, way = ['sync'], each = 1 }: HalfWay,
): void {
  it(`from ${origin.name}, after each commit, by ${way.join(', ')}: the newest schema with every row, or refused with nothing changed`, async function () {
    if (IMAGES > FEW_IMAGES && origin.golden === undefined) this.skip();
    let failed = false;
    const statements = await record(engine, await make(FEW_IMAGES), async (url) => {
      failed = (await manage().run(url, 'db', 'sync')).code !== 0;
    });
    // After the last one of a run that succeeded nothing is half-way.
    const all = Array.from(statements.keys()).slice(0, failed ? undefined : -1);
    expect(all.length, 'it has changed something').to.be.greaterThan(0);
    const counts =
      IMAGES > FEW_IMAGES && record === recordStatements
        ? oneOfEachScript(statements)
        : all.filter((at) => process.env.STATES === 'all' || at % each === 0 || at === all.at(-1));
    const ends = new Map<number, End>();
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (let ran = counts.shift(); ran !== undefined; ran = counts.shift()) {
          ends.set(ran, await endOf(statements.slice(0, ran + 1)));
        }
      }),
    );
    const count = (kind: End['kind']): number => [...ends.values()].filter((end) => end.kind === kind).length;
    process.stdout.write(
      `      ${ends.size} states: ${count('golden')} golden, ${count('refused')} refused, ${count('wrong')} wrong\n`,
    );
    const wrong = [...ends].flatMap(([ran, end]) =>
      end.kind === 'wrong' ? [`after ${statements[ran]}: ${end.why}`] : [],
    );
    expect(wrong).to.deep.equal([]);
  });

  async function make(images = IMAGES): Promise<string> {
    const url = await engine.createDatabase();
    if (origin.golden === undefined) return url;
    await engine.buildGolden(url, origin.golden);
    await engine.fillNewton(url, { images, sinceOcata: origin.sinceOcata ?? false });
    return url;
  }

  /**
   * Lets ours loose on what is there after these statements, each of which is committed by itself.
   */
  async function endOf(statements: readonly string[]): Promise<End> {
    const url = await make();
    const start = await engine.readTables(url);
    const images = origin.sinceOcata ? (start.images ?? []) : await expectedOf(url);
    const session = await engine.connect(url);
    // Some of them failed for the real tool too.
    for (const statement of statements) await session.query(statement).catch(() => undefined);
    // A session that was lost on the way would have left an earlier state.
    await session.query('SELECT 1');
    await session.end();
    for (const command of way) {
      const before = await seen(url);
      const { code, stderr } = await db(url, command);
      if (code !== 0) {
        return isDeepStrictEqual(await seen(url), before)
          ? { kind: 'refused' }
          : { kind: 'wrong', why: `${command}: exit ${code} and changed: ${stderr}` };
      }
    }
    if (!isDeepStrictEqual(await engine.readSchema(url), engine.goldenSchema(HEAD))) {
      return { kind: 'wrong', why: 'another schema' };
    }
    const rows = sortedRows(await engine.readTables(url));
    const wanted = sortedRows(expectedAtHead(start, images, engine.no)).filter(([, all]) => all.length > 0);
    return isDeepStrictEqual(rows, wanted) ? { kind: 'golden' } : { kind: 'wrong', why: 'other rows' };
  }

  async function expectedOf(url: string): Promise<Tables[string]> {
    return origin.golden === undefined ? [] : engine.expectedImages(url);
  }

  async function seen(url: string): Promise<unknown> {
    return [await engine.readSchema(url), sortedRows(await engine.readTables(url))];
  }
}

/** What stands in the middle of each script that changes something besides its record. */
function oneOfEachScript(statements: readonly string[]): number[] {
  const middles: number[] = [];
  let first = 0;
  for (const [at, statement] of statements.entries()) {
    if (!/alembic_version/.test(statement)) continue;
    if (at > first) middles.push(Math.floor((first + at - 1) / 2));
    first = at + 1;
  }
  return middles;
}

const CHANGE = /^\s*(CREATE|ALTER|DROP|INSERT|UPDATE|DELETE)\b/i;

/** By the server's own log, where each statement that changes something is committed by itself. */
async function recordStatements(
  _: TestEngine,
  url: string,
  run: (url: string) => Promise<unknown>,
): Promise<readonly string[]> {
  const statements = await loggedStatements(url.replace('//glance:', '//admin:'), () => run(url));
  return statements.filter((statement) => CHANGE.test(statement));
}

/** By what the tool sends to PostgreSQL, where a transaction is there whole or not at all. */
export async function recordTransactions(
  _: TestEngine,
  url: string,
  run: (url: string) => Promise<unknown>,
): Promise<readonly string[]> {
  const port = Number(new URL(url).port);
  const committed: string[] = [];
  let open: string[] = [];
  let rest = Buffer.alloc(0);
  const proxy = await startTcpProxy(port, {
    before(sent) {
      rest = Buffer.concat([rest, sent]);
      // A message without a type begins each connection.
      if (rest[0] === 0) rest = Buffer.alloc(0);
      while (rest.length >= 5 && rest.length > rest.readUInt32BE(1)) {
        const end = rest.readUInt32BE(1) + 1;
        if (rest[0] === 'Q'.charCodeAt(0)) take(rest.toString('utf8', 5, end - 1));
        rest = rest.subarray(end);
      }
    },
  });
  function take(sql: string): void {
    if (/^\s*(BEGIN|ROLLBACK)\s*$/i.test(sql)) open = [];
    else if (CHANGE.test(sql)) open.push(sql);
    else if (/^\s*COMMIT\s*$/i.test(sql) && open.length > 0) committed.push(open.splice(0).join(';\n'));
  }
  await run(url.replace(`:${port}/`, `:${proxy.port}/`));
  await proxy.stop();
  return committed;
}
