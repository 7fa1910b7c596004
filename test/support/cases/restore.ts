import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { ClientFolder } from '../../../lab/databases/backup-clients.ts';
import { type CliResult, type CliRun, startCli } from '../../../lab/process/bundle.ts';
import { runCliInThread } from '../../../lab/process/cli-threads.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { random } from '../../../lab/process/random.ts';
import { REVISIONS } from '../../../src/glance/revisions.ts';
import { connect } from '../../../src/migrator/connect.ts';
import { parseConnectionUrl } from '../../../src/migrator/connection/url.ts';
import { withBackupFolder } from '../backup-folder.ts';
import { succeeds } from '../db-command.ts';
import { newtonDatabase, type TestEngine } from '../test-engine.ts';
import { type OcataScript, statementsOf } from './half-way.ts';

/** What of restores differs between the engines. */
export interface RestoreSubject {
  /** The program that runs the dump. */
  readonly program: 'psql' | 'mariadb' | 'mysql';
  /** Whether a restore that breaks off leaves the database as it was; else it is marked. */
  readonly transactional: boolean;
  /** How Ocata's script of the old tools begins, each statement committed by itself. */
  readonly ocata: OcataScript;
  /** Makes a table of an odd name, with 2 rows. */
  readonly oddTable: string;
  /** What a database may have besides Glance's own, each by what it is. */
  readonly kinds: Readonly<Record<string, string>>;
  /** What of that is asked besides schema and rows. */
  readonly asked: readonly string[];
  /** Replaces the program, or the one before it, by one that loses the rows of `image_locations`. */
  loseRows(clients: ClientFolder): void;
  crash(): Promise<void>;
  restart(): Promise<void>;
  /** What is to be shown of this engine alone. */
  more(tools: RestoreTools): void;
}

/** What cases of a single engine are made with. */
export interface RestoreTools {
  run(url: string, ...args: readonly string[]): Promise<CliResult>;
  /** Gives the path of the dump. */
  backedUp(url: string, ...args: readonly string[]): Promise<string>;
  restored(url: string, file: string, ...args: readonly string[]): Promise<string>;
  refused(result: Promise<CliResult>, says: string | RegExp, code?: number): Promise<CliResult>;
  /** All that there is, in a form that can be compared. */
  content(url: string): Promise<unknown>;
  /** The programs, which are the real ones again after each test. */
  clients(): ClientFolder;
}

/**
 * The cases of restores that hold on every engine.
 *
 * @param sample those alone that the program may make wrong.
 */
export function restoreCases(engine: TestEngine, subject: RestoreSubject, { sample = false } = {}): void {
  let clients: ClientFolder;
  let folder: string;

  withBackupFolder((given) => {
    ({ clients, folder } = given);
  });

  afterEach(() => {
    for (const name of [subject.program, 'pg_restore'] as const) clients.replace(name, 'exec "$REAL" "$@"');
  });

  const run = (url: string, ...args: readonly string[]): Promise<CliResult> =>
    runCliInThread(['db', ...args], { DATABASE_CONNECTION: url, PATH: clients.path });

  function start(url: string, ...args: readonly string[]): CliRun {
    return startCli(['db', 'restore', ...args], {
      DATABASE_CONNECTION: url,
      PATH: `${clients.path}:${process.env.PATH}`,
    });
  }

  /** Gives the path of the dump. */
  async function backedUp(url: string, ...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await run(url, 'backup', folder, ...args);
    expect(code, stderr).to.equal(0);
    return join(folder, /backed up as .*\/(\S+) \(/.exec(stdout)?.[1] ?? stdout);
  }

  async function restored(url: string, file: string, ...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await run(url, 'restore', file, ...args);
    expect(code, stderr).to.equal(0);
    return stdout;
  }

  const document = (file: string) => JSON.parse(readFileSync(`${file}.json`, 'utf8'));

  /** All that there is, in a form that can be compared. */
  async function content(url: string): Promise<unknown> {
    const version = await engine.query(url, 'SELECT * FROM alembic_version').catch(() => 'none');
    return {
      schema: withoutNumbers(await engine.readSchema(url)),
      rows: sorted(await engine.readTables(url)),
      version,
    };
  }

  async function refused(
    result: Promise<CliResult>,
    says: string | RegExp,
    code: number = 24,
  ): Promise<CliResult> {
    const found = await result;
    expect(found.stderr).to.match(
      typeof says === 'string' ? new RegExp(says.replaceAll(/[.*()|+?]/g, '\\$&')) : says,
    );
    expect(found.code, found.stderr).to.equal(code);
    expect(found.stderr).not.to.include('    at ');
    return found;
  }

  const newton = (images = 30): Promise<string> => newtonDatabase(engine, images);

  it('puts every row and the schema into an empty database, and says what to do next', async () => {
    const url = await newton();
    await engine.query(url, subject.oddTable);
    const before = await content(url);
    for (const format of ['compressed', 'plain']) {
      const older = await backedUp(url, '--for', 'uid');
      const file = await backedUp(url, '--for', 'uid', '--format', format);
      const other = await backedUp(url, '--for', 'another');
      const empty = await engine.createDatabase();
      const said = await restored(empty, file);
      expect(said).to.include('is at mitaka02: restored from').and.include('db.glance.openstack.org/observe');
      expect(said).to.include('spec.revision to "mitaka02"');
      expect(await content(empty)).to.deep.equal(before);
      for (const each of [older, file]) {
        expect(document(each).restoredAt).to.match(/^\d{4}-.*Z$/);
      }
      expect(document(other)).not.to.have.property('restoredAt');
      expect(readdirSync(folder).filter((name) => /partial|tmp/.test(name))).to.deep.equal([]);
      // It is a backup still.
      await restored(empty, file, '--replace');
    }
  });

  it('whatever kinds of objects there are come back, into an empty database and with --replace', async () => {
    const url = await newton(5);
    for (const statements of Object.values(subject.kinds)) await engine.query(url, statements);
    const all = async (at: string): Promise<unknown> => {
      const answers = new Map<string, unknown>();
      for (const sql of subject.asked) answers.set(sql, await engine.query(at, sql));
      return { content: await content(at), answers };
    };
    const file = await backedUp(url);
    const before = await all(url);
    const empty = await engine.createDatabase();
    await restored(empty, file);
    expect(await all(empty)).to.deep.equal(before);
    await restored(url, file, '--replace');
    expect(await all(url)).to.deep.equal(before);
  });

  it('with --replace nothing of a later revision is left, and an upgrade succeeds again', async () => {
    const url = await newton();
    await succeeds(url, 'version_control', 'mitaka02');
    const before = await content(url);
    const file = await backedUp(url, '--before', 'ocata01');
    await succeeds(url, 'sync', 'rocky02');
    const later = await content(url);
    await refused(run(url, 'restore', file), 'it is not empty, it has a database of Glance at rocky02');
    expect(await content(url)).to.deep.equal(later);
    await restored(url, file, '--replace');
    expect(await content(url)).to.deep.equal(before);
    expect((await run(url, 'backup', folder, '--before', 'ocata01')).stdout, 'another one').not.to.include(
      'still holds',
    );
    await succeeds(url, 'sync', 'rocky02');
    expect(await content(url)).to.deep.equal(later);
  });

  it('a database that is broken is one of Glance all the same', async () => {
    const url = await newton();
    const before = await content(url);
    const file = await backedUp(url);
    await engine.query(url, 'ALTER TABLE images DROP COLUMN is_public');
    expect((await run(url, 'version')).code).to.equal(13);
    await refused(run(url, 'restore', file), 'it is not empty');
    await restored(url, file, '--replace');
    expect(await content(url)).to.deep.equal(before);
  });

  if (sample) return;

  it('refuses a database that is not only Glance’s, in use, or being migrated, and changes nothing', async () => {
    const url = await newton();
    const file = await backedUp(url);
    const other = await engine.createDatabase();
    await engine.query(other, 'CREATE TABLE volumes (id integer)');
    await refused(run(other, 'restore', file, '--replace'), "tables that are not Glance's");
    await engine.query(url, 'CREATE TABLE of_mine (id integer)');
    const before = await content(url);
    await refused(
      run(url, 'restore', file, '--replace'),
      'neither Glance nor the backup has, and they would be lost (of_mine)',
    );
    await engine.query(url, 'DROP TABLE of_mine');
    const session = await engine.connect(url);
    const used = await refused(
      run(url, 'restore', file, '--replace'),
      /: 1 other session is in it \(user glance/,
    );
    expect(used.stderr).to.include('Stop Glance');
    await session.end();
    const lock = await connect(parseConnectionUrl(url));
    await lock.tryLock();
    await refused(run(url, 'restore', file, '--replace', '--lock-timeout', '0'), 'another migrator', 21);
    await lock.close();
    await engine.query(url, 'CREATE TABLE of_mine (id integer)');
    expect(await content(url)).to.deep.equal(before);
  });

  it('refuses a file that is not what its document says, and changes nothing', async () => {
    const url = await newton();
    const before = await content(url);
    const file = await backedUp(url);
    const [text, about] = [readFileSync(file), readFileSync(`${file}.json`, 'utf8')];
    const restore = (path = file) => run(url, 'restore', path, '--replace');
    const withDocument = (changes: object) =>
      writeFileSync(`${file}.json`, JSON.stringify({ ...JSON.parse(about), ...changes }));
    for (const at of [60, text.length >> 1, text.length - 1]) {
      writeFileSync(file, Buffer.from(text.map((byte, index) => (index === at ? byte ^ 1 : byte))));
      await refused(restore(), 'its SHA-256 is not the one of its document');
    }
    truncateSync(file, text.length - 1);
    await refused(restore(), `it has ${text.length - 1} bytes, and its document says ${text.length}`);
    rmSync(file);
    await refused(restore(), 'there is no such file');
    writeFileSync(file, text);
    withDocument({ file: 'another.dump' });
    await refused(restore(), "the document beside it is that of 'another.dump'");
    for (const wrong of [{ file: '../x' }, { version: 2 }, { tables: 'many' }]) {
      withDocument(wrong);
      await refused(restore(), "is no document of 'db backup'. To load a dump that was made by hand");
    }
    withDocument({ engine: JSON.parse(about).engine === 'mysql' ? 'postgres' : 'mysql' });
    await refused(restore(), 'Name a backup, or a database, of the same kind.');
    rmSync(`${file}.json`);
    await refused(restore(), 'so that it is no backup');
    writeFileSync(`${file}.json`, about);
    const nowhere = await runCliInThread(['db', 'restore', file, '--replace'], {
      DATABASE_CONNECTION: url,
      PATH: '/nonexistent',
    });
    await refused(Promise.resolve(nowhere), `found no ${subject.program}`);
    const wrong = new URL(url);
    wrong.password = 'not-the-password';
    const denied = await refused(run(wrong.href, 'restore', file, '--replace'), 'Cannot connect', 20);
    expect(denied.stderr).not.to.include('not-the-password');
    expect((await run(url, 'restore', file, '--lock-timeout', 'x')).code).to.equal(2);
    expect(await content(url)).to.deep.equal(before);
    await restored(url, file, '--replace');
  });

  /** A program that stops after so many bytes, until its file `.go` is there; `.held` has its number. */
  const HELD = `case "$*" in *--version*|*--execute=*) exec "$REAL" "$@";; esac
alive() { kill -0 $$ 2>/dev/null; }
{ head -c 20000; echo $$ >"$0.new"; mv "$0.new" "$0.held"; while [ ! -e "$0.go" ] && alive; do sleep 0.05; done; alive && cat; } | "$REAL" "$@"`;

  const beside = (ending: string): string => `${clients.program(subject.program)}${ending}`;

  const heldBy = async (): Promise<number> => {
    const path = beside('.held');
    await eventually(() => expect(existsSync(path)).to.equal(true));
    return Number(readFileSync(path, 'utf8'));
  };

  const letGo = (): void => writeFileSync(beside('.go'), '');

  /** What a restore that broke off has left: the old database, or one that says what it is. */
  async function leftWell(url: string, file: string, before: unknown, goal: unknown): Promise<void> {
    clients.replace(subject.program, 'exec "$REAL" "$@"');
    if (subject.transactional) {
      await eventually(async () => expect(await content(url)).to.deep.equal(before));
      return;
    }
    for (const args of [
      ['version'],
      ['sync'],
      ['version_control', 'mitaka02'],
      ['backup', folder],
      ['plan'],
    ]) {
      await refused(run(url, ...args), /a restore of '\S+' has not ended/, 13);
    }
    await eventually(async () => restored(url, file));
    expect(await content(url)).to.deep.equal(goal);
  }

  it('a restore that is interrupted leaves the old database, or one that is marked and can be restored again', async () => {
    const url = await newton(300);
    const goal = await content(url);
    const file = await backedUp(url);
    for (const end of ['program', 'itself', 'asked to end', 'server'] as const) {
      const there = await content(url);
      clients.replace(subject.program, HELD);
      for (const ending of ['.held', '.go']) rmSync(beside(ending), { force: true });
      const broken = start(url, file, '--replace');
      const pid = await heldBy();
      switch (end) {
        case 'program':
          process.kill(pid, 'SIGKILL');
          break;
        case 'itself':
          broken.kill('SIGKILL');
          break;
        case 'asked to end':
          broken.kill('SIGTERM');
          break;
        case 'server':
          await subject.crash();
          letGo();
          break;
      }
      const { code, stderr } = await broken.done;
      letGo();
      if (end === 'server') {
        await subject.restart();
      }
      if (end !== 'itself') {
        expect(code, `${end}: ${stderr}`).to.equal(end === 'asked to end' && subject.transactional ? 22 : 25);
        expect(stderr, end).to.include(
          subject.transactional ? 'the database is as it was before' : 'The database may be incomplete',
        );
      }
      await leftWell(url, file, there, goal);
      if (end === 'program') {
        await succeeds(url, 'sync', 'ocata01');
      }
    }
  });

  it('a program that loses rows is seen before anything is believed', async () => {
    const url = await newton(300);
    const goal = await content(url);
    const file = await backedUp(url);
    await succeeds(url, 'sync', 'ocata01');
    const there = await content(url);
    subject.loseRows(clients);
    await refused(
      run(url, 'restore', file, '--replace'),
      /image_locations has 0 rows, and the backup has 300/,
      25,
    );
    clients.replace('pg_restore', 'exec "$REAL" "$@"');
    await leftWell(url, file, there, goal);
  });

  subject.more({ run, backedUp, restored, refused, content, clients: () => clients });

  it('killed at any moment, it has ended or is as if it had not been', async function () {
    const rounds = Number(process.env.RESTORE_KILLS ?? 2);
    this.timeout(600_000 + rounds * 60_000);
    const url = await newton(300);
    const goal = await content(url);
    const file = await backedUp(url);
    const draw = random(Number(process.env.SEED ?? 16));
    const begun = performance.now();
    expect((await start(url, file, '--replace').done).code).to.equal(0);
    const length = performance.now() - begun;
    const found = new Map<string, number>();
    for (let round = 0; round < rounds; round += 1) {
      await succeeds(url, 'sync', 'ocata01');
      const there = await content(url);
      const killed = start(url, file, '--replace');
      const timer = setTimeout(() => killed.kill('SIGKILL'), length * (0.3 + 0.7 * draw()));
      await killed.done;
      clearTimeout(timer);
      const left = await eventually(async () => {
        const version = await run(url, 'version', '--output', 'json');
        const now = version.code === 13 ? 'marked' : JSON.stringify(await content(url));
        expect(now).to.be.oneOf([
          JSON.stringify(there),
          JSON.stringify(goal),
          ...(subject.transactional ? [] : ['marked']),
        ]);
        return now === JSON.stringify(there) ? 'old' : now === 'marked' ? now : 'new';
      });
      found.set(left, (found.get(left) ?? 0) + 1);
      await eventually(async () => restored(url, file, ...(left === 'marked' ? [] : ['--replace'])));
      expect(await content(url), `round ${round}`).to.deep.equal(goal);
    }
    if (process.env.RESTORE_KILLS !== undefined) {
      process.stdout.write(`      ${JSON.stringify([...found])} of ${rounds} kills\n`);
    }
  });

  it('no backup is listed that does not restore: databases at random revisions and with random rows', async function () {
    const states = Number(process.env.RESTORE_STATES ?? 2);
    this.timeout(600_000 + states * 60_000);
    const draw = random(Number(process.env.SEED ?? 17));
    const pick = <T>(list: readonly T[]): T => list[Math.floor(draw() * list.length)] as T;
    const halfWays = statementsOf(subject.ocata);
    for (let state = 0; state < states; state += 1) {
      const url = await newton(Math.floor(draw() * 200));
      for (let row = 0; row < 10; row += 1) {
        await engine.query(
          url,
          `INSERT INTO image_properties (image_id, name, value, created_at, deleted)
            SELECT id, ?, ?, '2026-11-29 01:02:03', deleted FROM images ORDER BY id LIMIT 1`,
          [`random ${row}`, text(draw)],
        );
      }
      const revision = pick(REVISIONS.filter(({ name }) => !/liberty|mitaka/.test(name))).name;
      let way: string;
      if (draw() < 0.3) {
        const ran = Math.floor(draw() * (halfWays.length + 1));
        way = `${ran} statements of Ocata`;
        for (const statement of halfWays.slice(0, ran)) await engine.query(url, statement);
      } else if (draw() < 0.5) {
        way = `expand ${revision}`;
        await succeeds(url, 'expand', revision);
      } else {
        const phase = pick(['Expand', 'Migrate', 'Contract']);
        way = `sync ${revision} --through ${phase}`;
        await succeeds(url, 'sync', revision, '--through', phase);
      }
      const where = `state ${state}: ${way}`;
      const before = await content(url);
      const file = await backedUp(url, '--format', pick(['compressed', 'plain']));
      const empty = await engine.createDatabase();
      await restored(empty, file);
      expect(await content(empty), where).to.deep.equal(before);
      if (process.env.RESTORE_STATES !== undefined) {
        process.stdout.write(`      ${where}: ${Object.keys(document(file).tables).length} tables\n`);
      }
    }
  });
}

/** Without the numbers of columns, which count those that are gone. */
function withoutNumbers(schema: unknown): unknown {
  return JSON.parse(JSON.stringify(schema, (key, value) => (key === 'attnum' ? undefined : value)));
}

/** Rows come in any order. */
function sorted(tables: Readonly<Record<string, readonly unknown[]>>): unknown {
  return Object.fromEntries(
    Object.entries(tables).map(([name, rows]) => [name, rows.map((row) => JSON.stringify(row)).sort()]),
  );
}

/** What formats of dumps have to quote. */
function text(draw: () => number): string {
  const pieces = [
    "'",
    '\\',
    '"',
    '`',
    '\n',
    '\t',
    '\r',
    ';',
    '\\.',
    '\\N',
    '--',
    '/*',
    '),(',
    'é',
    '日',
    'x',
    ' ',
    '\u0001',
    '$$',
    ':v',
  ];
  return Array.from(
    { length: Math.floor(draw() * 60) },
    () => pieces[Math.floor(draw() * pieces.length)],
  ).join('');
}
