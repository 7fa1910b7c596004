import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { startCli } from '../../../lab/process/bundle.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { db, succeeds } from '../db-command.ts';
import { count, newtonDatabase, type TestEngine } from '../test-engine.ts';

/** The cases of a migration beside other work that hold on every engine. */
export function onlineCases(engine: TestEngine): void {
  it('a table that is never free: exit 21 after the time given, and nothing is half done', async () => {
    const url = await newtonDatabase(engine, 100);
    const before = await engine.readSchema(url);
    const reader = await engine.connect(url);
    await reader.query('BEGIN');
    await reader.query('SELECT count(*) FROM images');
    const result = await db(url, 'expand', 'ocata01', '--lock-timeout', '1');
    await reader.end();
    expect(result.code, result.stderr).to.equal(21);
    expect(result.stderr).to.include(engine.notExpanded);
    const { tables, ...rest } = await engine.readSchema(url);
    const { alembic_version: _, ...own } = tables;
    expect({ ...rest, tables: own }).to.deep.equal(before);
    await succeeds(url, 'expand', 'ocata01');
  });

  it('a row that somebody keeps locked holds up its batch only, and the rest goes on', async () => {
    const url = await newtonDatabase(engine, 3000);
    await succeeds(url, 'expand', 'ocata01');
    const [first] = await engine.query(url, 'SELECT min(id) AS id FROM images');
    const writer = await engine.connect(url);
    await writer.query('BEGIN');
    await writer.query(`UPDATE images SET name = 'held' WHERE id = '${first?.id}'`);
    const run = startCli(['db', 'migrate', 'ocata01'], { DATABASE_CONNECTION: url });
    const left = (): Promise<number> => count(engine, url, 'images WHERE visibility IS NULL');
    await eventually(async () => expect(await left(), 'the row that is locked').to.equal(1));
    await writer.query('COMMIT');
    await writer.end();
    const result = await run.done;
    expect(result.code, result.stderr).to.equal(0);
    expect((await db(url, 'check', 'ocata01')).code).to.equal(5);
  });

  it('SIGTERM in the middle of the batches: exit 22, and the next run goes on and writes no row twice', async () => {
    const url = await newtonDatabase(engine, 3000);
    const expected = await engine.expectedImages(url);
    await succeeds(url, 'expand', 'ocata01');
    // Slow, so that there is a middle.
    await engine.countWrites(url, 0.001);
    const moved = (): Promise<number> => count(engine, url, 'images WHERE visibility IS NOT NULL');
    // It cannot come to its end before the signal.
    const [last] = await engine.query(url, 'SELECT max(id) AS id FROM images');
    const writer = await engine.connect(url);
    await writer.query('BEGIN');
    await writer.query(`SELECT id FROM images WHERE id = '${last?.id}' FOR UPDATE`);
    const run = startCli(['db', 'migrate', 'ocata01'], { DATABASE_CONNECTION: url });
    while ((await moved()) === 0) {
      await sleep(10);
    }
    run.kill('SIGTERM');
    const result = await run.done;
    await writer.end();
    expect(result.code, result.stderr).to.equal(22);
    expect(result.stderr).to.include('what ocata_migrate01 has moved stays');
    expect(await moved()).to.be.within(1, 2999);
    await succeeds(url, 'migrate', 'ocata01');
    expect(await count(engine, url, 'writes')).to.equal(3000);
    expect(await count(engine, url, '(SELECT DISTINCT id FROM writes) w')).to.equal(3000);
    await succeeds(url, 'contract', 'ocata01');
    expect(await engine.readImages(url)).to.deep.equal(expected);
  });
}
