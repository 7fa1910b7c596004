import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { ClientFolder } from '../../../lab/databases/backup-clients.ts';
import { makeSmallDisk, NO_SMALL_DISK } from '../../../lab/databases/small-disk.ts';
import { type CliResult, type CliRun, startCli } from '../../../lab/process/bundle.ts';
import { runCliInThread } from '../../../lab/process/cli-threads.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { leaveOut } from '../../../lab/process/needs.ts';
import { random } from '../../../lab/process/random.ts';
import { withBackupFolder } from '../backup-folder.ts';
import { succeeds } from '../db-command.ts';
import { newtonDatabase, type TestEngine } from '../test-engine.ts';

/** What of backups differs between the engines. */
export interface BackupSubject {
  /** The program that dumps. */
  readonly program: 'pg_dump' | 'mariadb-dump' | 'mysqldump';
  /** Makes a table `odd` (id, t, b) of any text and any bytes, and one of an odd name with 2 rows. */
  readonly oddTables: string;
  readonly oddDatabase: string;
  /** What a document calls that table. */
  readonly oddName: string;
  /** Keeps everybody from reading `images`, in a session. */
  readonly lock: string;
  /** Gives a row while somebody waits for it. */
  readonly waiting: string;
  /** What the program leaves out a table's rows with: the end of a pipe. */
  readonly loseRows: string;
  /** Another server than the program is good for, or nothing. */
  readonly tooOld?: { readonly says: string; readonly message: string };
  /**
   * Makes a user of odd name and password, and gives the ways to the database of the URL as that
   * one, each with what the program has to be told then, by argument or environment.
   */
  ways(url: string): Promise<readonly (readonly [string, RegExp])[]>;
  /** A way that our own connection can go and the program cannot, with what is said of it. */
  noWay(url: string): readonly [string, string];
  /** Gives a reader what a backup needs besides SELECT. */
  grantRest(url: string, reader: string): Promise<void>;
  /** What the refusal names before. */
  readonly lacksRight: RegExp;
  /** Puts a dump into an empty database by the engine's own client. */
  restore(url: string, file: string, clients: ClientFolder): Promise<void>;
  crash(): Promise<void>;
  restart(): Promise<void>;
}

/** Text that formats of dumps have to quote. */
const ODD_TEXTS: readonly (string | null)[] = [
  null,
  '',
  'it\'s "quoted" `so`, \\ and \\\\',
  '\\.',
  'before\n\\.\nafter',
  "a'),('b');\nINSERT INTO `images` VALUES (1);--",
  '\tTab\r\nand \u0001\b',
  'Grüße, 日本, 🦉',
  '\\N',
  `COPY public.images (id) FROM stdin;\n1\n\\.\n-- Dump completed`,
  'x'.repeat(300_000),
  "\\'".repeat(70_000),
];

/**
 * The cases of backups that hold on every engine.
 *
 * @param sample those alone that the program may make wrong.
 */
export function backupCases(engine: TestEngine, subject: BackupSubject, { sample = false } = {}): void {
  let clients: ClientFolder;
  let folder: string;

  withBackupFolder((given) => {
    ({ clients, folder } = given);
  });

  const backup = (url: string, ...args: readonly string[]): Promise<CliResult> =>
    runCliInThread(['db', 'backup', folder, ...args], { DATABASE_CONNECTION: url, PATH: clients.path });

  function start(url: string, ...args: readonly string[]): CliRun {
    const { PATH = '' } = process.env;
    return startCli(['db', 'backup', folder, ...args], {
      DATABASE_CONNECTION: url,
      PATH: `${clients.path}:${PATH}`,
    });
  }

  async function made(url: string, ...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await backup(url, ...args);
    expect(code, stderr).to.equal(0);
    return /backed up as .*\/(\S+) \(/.exec(stdout)?.[1] ?? stdout;
  }

  const dumps = (): readonly string[] =>
    readdirSync(folder)
      .filter((name) => name.endsWith('.json'))
      .map((name) => name.replace(/\.json$/, ''))
      .sort();

  const document = (file: string) => JSON.parse(readFileSync(join(folder, `${file}.json`), 'utf8'));

  async function failed(result: Promise<CliResult>, says: string | RegExp): Promise<void> {
    const { code, stderr } = await result;
    expect(stderr).to.match(
      typeof says === 'string' ? new RegExp(says.replaceAll(/[.*()|]/g, '\\$&')) : says,
    );
    expect(code, stderr).to.equal(19);
    expect(readdirSync(folder)).to.deep.equal([]);
  }

  const newton = (images = 30): Promise<string> => newtonDatabase(engine, images);

  it('has every row, of whatever content, and its document says what it is', async () => {
    const url = await newton();
    await engine.query(url, subject.oddTables);
    for (const [index, text] of ODD_TEXTS.entries()) {
      await engine.query(url, 'INSERT INTO odd (id, t, b) VALUES (?, ?, ?)', [
        index,
        text,
        text === null ? null : Buffer.from(`\0\xff${text}\0`, 'latin1'),
      ]);
    }
    const rows = await engine.readTables(url);
    for (const format of ['compressed', 'plain']) {
      const report = join(folder, 'report');
      const file = await made(
        url,
        '--for',
        'uid',
        '--name',
        '../a b.glance',
        '--format',
        format,
        '--report',
        report,
      );
      expect(file).to.match(/^a-b\.glance-mitaka02-\d{8}T\d{6}Z(-2)?\.(dump|sql|sql\.gz)$/);
      const { tables, sha256, bytes, takenAt, ...about } = document(file);
      expect(about).to.deep.include({
        version: 1,
        for: 'uid',
        before: null,
        compressed: format === 'compressed',
      });
      expect(about.position).to.deep.equal({ revision: 'mitaka02', phase: 'Contract' });
      expect(tables[subject.oddName]).to.equal(2);
      const text = readFileSync(join(folder, file));
      expect(createHash('sha256').update(text).digest('hex')).to.equal(sha256);
      expect(text).to.have.length(bytes);
      const { backup: reported } = JSON.parse(readFileSync(report, 'utf8'));
      expect(reported).to.deep.include({ file, bytes, sha256, takenAt, tables: Object.keys(tables).length });
      rmSync(report);
      const restored = await engine.createDatabase();
      await subject.restore(restored, join(folder, file), clients);
      expect(await engine.readTables(restored)).to.deep.equal(rows);
      expect(await engine.readSchema(restored)).to.deep.equal(await engine.readSchema(url));
    }
    expect(readdirSync(folder)).to.have.length(4);
  });

  it('is of one moment while others write, on all tables', async () => {
    const url = await newton();
    await engine.query(url, subject.oddTables);
    const session = await engine.connect(url);
    let id = 0;
    let writing = true;
    const write = async (): Promise<void> => {
      id += 1;
      await session.query(`INSERT INTO odd (id, t) VALUES (${id}, 'x')`);
      await session.query(`INSERT INTO image_tags (image_id, value, created_at, deleted)
        SELECT id, 'written ${id}', created_at, false FROM images`);
    };
    await write();
    const writer = (async () => {
      while (writing) await write();
    })();
    try {
      for (let round = 0; round < 3; round += 1) {
        const { tables } = document(await made(url));
        const count = (name: string): number => tables[name] ?? tables[`public.${name}`];
        expect(count('odd')).to.be.greaterThan(0);
        expect(Math.floor(count('image_tags') / 30), 'tags come after').to.be.within(
          count('odd') - 1,
          count('odd'),
        );
      }
    } finally {
      writing = false;
      await writer;
      await session.end();
    }
  });

  if (sample) return;

  it('is taken only before what changes something, and one of an attempt before is used again', async () => {
    expect(await made(await engine.createDatabase(), '--before', 'ocata01')).to.include(
      'no backup is needed',
    );
    const url = await newton();
    expect(await made(url, '--before', 'mitaka01')).to.include('no backup is needed');
    const args = ['--before', 'ocata01', '--for', 'uid', '--retain', '1'];
    const first = await made(url, ...args);
    expect(await made(url, ...args))
      .to.include(`${first} of`)
      .and.include('still holds');
    expect(await made(url, '--before', 'ocata01', '--for', 'another'), 'for another').not.to.include('still');
    expect(await made(url, '--before', 'pike01', '--for', 'uid'), 'before another').not.to.include('still');
    await succeeds(url, 'version_control', 'mitaka02');
    expect(await made(url, ...args), 'placed, and nothing else').to.include('still holds');
    await succeeds(url, 'expand', 'ocata01');
    const second = await made(url, ...args);
    expect(second).not.to.include('still holds');
    expect(dumps(), 'that of the first attempt stays').to.include(first).and.include(second);
    await succeeds(url, 'sync', 'ocata01');
    expect(await made(url, ...args)).to.include('no backup is needed');
  });

  it('is not used again where its file is not what was proven', async () => {
    const url = await newton();
    const args = ['--before', 'ocata01'];
    for (const spoil of [
      (path: string, text: Buffer) =>
        writeFileSync(path, Buffer.from(text.map((byte, at) => (at === 50 ? byte ^ 1 : byte)))),
      (path: string) => truncateSync(path, 100),
      (path: string) => rmSync(path),
      (path: string, text: Buffer) => {
        rmSync(path);
        writeFileSync(`${folder}/elsewhere`, text);
        symlinkSync(`${folder}/elsewhere`, path);
      },
    ]) {
      const file = await made(url, ...args);
      expect(file).not.to.include('still holds');
      spoil(join(folder, file), readFileSync(join(folder, file)));
    }
    expect(await made(url, ...args)).not.to.include('still holds');
  });

  it('older ones go beyond --retain, and nothing else goes', async () => {
    const url = await newton();
    const other = await made(url, '--for', 'another');
    for (const name of ['notes.txt', 'x.json', 'x.dump', 'x.000000000000.partial']) {
      writeFileSync(join(folder, name), '{}');
    }
    const files: string[] = [];
    for (let round = 0; round < 4; round += 1) {
      files.push(await made(url, '--for', 'uid', '--retain', '2'));
    }
    expect(dumps().filter((name) => name !== 'x')).to.have.members([other, ...files.slice(-2)]);
    expect(readdirSync(folder)).to.have.length(4 + 3 * 2);
  });

  it('two at once are one after the other', async () => {
    const url = await newton();
    const args = ['--before', 'ocata01', '--for', 'uid'];
    const results = await Promise.all([backup(url, ...args), backup(url, ...args)]);
    expect(results.map(({ code }) => code)).to.deep.equal([0, 0]);
    expect(dumps()).to.have.length(1);
  });

  it('a program that loses rows, breaks off or fails leaves nothing', async () => {
    const url = await newton(300);
    try {
      for (const [what, script, says] of [
        [
          'loses rows',
          subject.loseRows,
          /table (public\.)?image_locations has \d+ rows, and (0|none) of them in the dump/,
        ],
        ['breaks off', '"$REAL" "$@" | head -c 20000', /cannot read what|end is missing|rows, and/],
        [
          'fails',
          '"$REAL" "$@" | head -c 20000; echo "error: no more" >&2; exit 1',
          `${subject.program} failed: error: no more`,
        ],
        ['is gone', 'kill -9 $$', `${subject.program} failed: it said nothing`],
      ] as const) {
        clients.replace(subject.program, `case "$1" in --version) exec "$REAL" "$@";; esac\n${script}`);
        await failed(backup(url), says).catch((error: Error) => {
          throw new Error(`${what}: ${error.message}`);
        });
      }
      if (subject.tooOld !== undefined) {
        clients.replace(subject.program, `echo '${subject.tooOld.says}'`);
        await failed(backup(url), subject.tooOld.message);
      }
    } finally {
      clients.replace(subject.program, 'exec "$REAL" "$@"');
    }
    const none = await runCliInThread(['db', 'backup', folder], {
      DATABASE_CONNECTION: url,
      PATH: '/nonexistent',
    });
    await failed(Promise.resolve(none), `found no ${subject.program}`);
    expect(none.stderr).to.include('spec.backup.image');
  });

  it('names what is wrong with the folder, the command line, the user and the password', async () => {
    const url = await newton();
    const nowhere = (path: string) =>
      runCliInThread(['db', 'backup', path], { DATABASE_CONNECTION: url, PATH: clients.path });
    writeFileSync(join(folder, 'file'), '');
    for (const [path, says] of [
      [join(folder, 'none'), 'there is no such folder'],
      [join(folder, 'file'), 'it is no folder'],
    ] as const) {
      const { code, stderr } = await nowhere(path);
      expect(stderr).to.include(says);
      expect(code).to.equal(19);
    }
    rmSync(join(folder, 'file'));
    for (const args of [
      ['--retain', '0'],
      ['--retain', 'x'],
      ['--timeout', '-1'],
      ['--lock-timeout', ''],
      ['--format', 'zip'],
    ]) {
      expect((await backup(url, ...args)).code, args.join(' ')).to.equal(2);
    }
    expect((await backup(url, '--before', 'nonsense')).code).to.equal(11);
    const wrong = new URL(url);
    wrong.password = 'not-the-password';
    const refused = await backup(wrong.href);
    expect(refused.code).to.equal(20);
    expect(refused.stderr).not.to.include('not-the-password');
    const reader = await engine.createReader(url);
    await failed(backup(reader), subject.lacksRight);
    await subject.grantRest(url, reader);
    await made(reader);
  });

  it('goes to the server as our own connection does, by whatever way', async () => {
    const url = await engine.createDatabase(subject.oddDatabase);
    await engine.seedNewton(url, { images: 3 });
    const told = join(folder, 'told');
    try {
      clients.replace(subject.program, `echo "$@" > '${told}'; env >> '${told}'; exec "$REAL" "$@"`);
      for (const [way, says] of await subject.ways(url)) {
        const env = { DATABASE_CONNECTION: way, PATH: clients.path, OTHER_SECRET: 'x' };
        const { code, stderr } = await runCliInThread(['db', 'backup', folder], env);
        expect(code, `${way}: ${stderr}`).to.equal(0);
        const [args = '', ...variables] = readFileSync(told, 'utf8').split('\n');
        expect(`${args}\n${variables.join('\n')}`).to.match(says);
        expect(args).not.to.include('s3cret');
        expect(variables.join()).to.include('s3cret').and.not.to.include('OTHER_SECRET');
      }
      const [way, says] = subject.noWay(url);
      const refused = await backup(way);
      expect(refused.stderr).to.include(says);
      expect(refused.code).to.equal(19);
      const files = dumps();
      expect(files).not.to.deep.equal([]);
      expect(files[0]).to.match(/^an-odd-name-+mitaka02-/);
      expect(JSON.stringify(files.map(document))).not.to.include('s3cret');
    } finally {
      clients.replace(subject.program, 'exec "$REAL" "$@"');
    }
  });

  it('a table that others keep is waited for, and a run that waits can be stopped', async () => {
    const url = await newton();
    const session = await engine.connect(url);
    await session.query(subject.lock);
    await failed(backup(url, '--before', 'ocata01', '--lock-timeout', '1'), '--lock-timeout');
    await failed(backup(url, '--before', 'ocata01', '--timeout', '1'), 'it was not done after 1 s');
    const nobodyWaits = () =>
      eventually(async () => expect(await engine.query(url, subject.waiting)).to.deep.equal([]));
    await nobodyWaits();
    const run = start(url, '--before', 'ocata01');
    await eventually(async () => expect(await engine.query(url, subject.waiting)).not.to.be.empty);
    run.kill('SIGTERM');
    const { code, stderr } = await run.done;
    expect(code, stderr).to.equal(22);
    expect(readdirSync(folder)).to.deep.equal([]);
    await nobodyWaits();
    const waits = start(url, '--before', 'ocata01');
    await eventually(async () => expect(await engine.query(url, subject.waiting)).not.to.be.empty);
    await session.end();
    expect((await waits.done).code).to.equal(0);
  });

  it('a server that goes away leaves nothing', async () => {
    const url = await newton();
    const session = await engine.connect(url);
    await session.query(subject.lock);
    const run = start(url, '--before', 'ocata01');
    await eventually(async () => expect(await engine.query(url, subject.waiting)).not.to.be.empty);
    await subject.crash();
    try {
      const { code, stderr } = await run.done;
      expect(code, stderr).to.equal(20);
      expect(readdirSync(folder)).to.deep.equal([]);
    } finally {
      await session.end().catch(() => undefined);
      await subject.restart();
    }
  });

  it('a claim without room leaves nothing', async function () {
    const disk = makeSmallDisk();
    if (disk === undefined) leaveOut(this, NO_SMALL_DISK);
    const small = (url: string) =>
      runCliInThread(['db', 'backup', disk.path], { DATABASE_CONNECTION: url, PATH: clients.path });
    try {
      const url = await newton();
      await engine.query(url, subject.oddTables);
      for (let id = 0; id < 20; id += 1) {
        await engine.query(url, 'INSERT INTO odd (id, b) VALUES (?, ?)', [id, randomBytes(100_000)]);
      }
      for (const room of [900_000, 0]) {
        disk.fillBut(room);
        const { code, stderr } = await small(url);
        expect(stderr).to.match(room === 0 ? /are free in the folder/ : /there is no room left/);
        expect(code).to.equal(19);
        disk.makeRoom();
        expect(readdirSync(disk.path)).to.deep.equal([]);
      }
      expect((await small(url)).code).to.equal(0);
    } finally {
      disk.remove();
    }
  });

  it('killed at any moment, it leaves no backup by half, and the next run takes away what it left', async function () {
    const rounds = Number(process.env.BACKUP_KILLS ?? 4);
    this.timeout(600_000 + rounds * 60_000);
    const url = await newton(3000);
    const draw = random(Number(process.env.SEED ?? 16));
    const args = ['--for', 'uid', '--format', 'plain'];
    const begun = performance.now();
    expect((await start(url, ...args).done).code).to.equal(0);
    const length = performance.now() - begun;
    for (let round = 0; round < rounds; round += 1) {
      const signal = round % 2 === 0 ? 'SIGKILL' : 'SIGTERM';
      const run = start(url, ...args);
      const timer = setTimeout(() => run.kill(signal), length * (0.3 + 0.7 * draw()));
      const { code } = await run.done;
      clearTimeout(timer);
      if (code !== null) expect(code, `round ${round}`).to.be.oneOf([0, 22]);
      for (const file of dumps()) {
        const { sha256 } = document(file);
        const found = createHash('sha256')
          .update(readFileSync(join(folder, file)))
          .digest('hex');
        expect(found, `round ${round}: ${file}`).to.equal(sha256);
      }
    }
    const { code, stderr } = await start(url, ...args).done;
    expect(code, stderr).to.equal(0);
    expect(readdirSync(folder).filter((name) => name.includes('partial'))).to.deep.equal([]);
    const [newest = ''] = dumps().slice(-1);
    const restored = await engine.createDatabase();
    await subject.restore(restored, join(folder, newest), clients);
    expect(await engine.readTables(restored)).to.deep.equal(await engine.readTables(url));
  });
}
