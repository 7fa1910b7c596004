import { expect } from 'chai';
import {
  type GlanceManage,
  runGlanceManage,
  startGlanceManage,
  withDriver,
} from '../../lab/glance/glance-manage.ts';
import { installGlance, type RealGlance } from '../../lab/glance/real-glance.ts';
import { leaveOut } from '../../lab/process/needs.ts';
import { appliedScripts, headsOf, scriptsOf } from '../../src/glance/heads.ts';
import { REVISIONS, SCRIPTS } from '../../src/glance/revisions.ts';
import { db, succeeds } from '../support/db-command.ts';
import { ENGINES, type EngineServer } from './engine.ts';

/** A state that the real tool can leave: by what commands, and what its version table then says. */
interface RealState {
  readonly heads: readonly string[];
  /** The states whose database is copied and the target of the upgrade that then follows. */
  readonly from: string | null;
  readonly upgrade: string;
}

const head = headsOf(new Set(SCRIPTS.map((script) => script.name)));

/**
 * Every set of heads that the real tool makes on its two ways: each revision whole before the next,
 * and all expands first. Each is made from the one before it, so that no revision is run twice.
 */
function realStates(): readonly RealState[] {
  const states = new Map<string, RealState>();
  const expandFirst = ['trunk', 'expand', 'contract'].flatMap((kind) =>
    SCRIPTS.filter((script) => script.kind === kind),
  );
  for (const way of [SCRIPTS, expandFirst]) {
    const applied = new Set<string>();
    let from: string | null = null;
    for (const script of way) {
      applied.add(script.name);
      const heads = headsOf(applied);
      const key = heads.join();
      if (!states.has(key)) states.set(key, { heads, from, upgrade: script.name });
      from = key;
    }
  }
  return [...states.values()];
}

const states = realStates();

for (const engine of ENGINES) {
  describe(`the real Glance and we on ${engine.name}, taking turns`, () => {
    let glance: RealGlance;
    let server: EngineServer;
    let manage: GlanceManage;
    let reference: unknown;

    before(async function () {
      glance = await installGlance().catch((error: Error) => leaveOut(this, error.message));
      const missing = engine.missing();
      if (missing !== null) leaveOut(this, missing);
      server = await engine.start();
      manage = startGlanceManage(glance);
      const url = await server.createDatabase('reference');
      // Once with the program itself, as an operator runs it; from here on with its code loaded
      // only once.
      const synced = await runGlanceManage(glance, url, 'db', 'sync');
      expect(synced.code, synced.stderr).to.equal(0);
      reference = await server.readSchema(url);
    });

    after(async () => {
      await manage?.stop();
      await server?.stop();
    });

    /** As an operator does who has a URL that both take. */
    function ours(url: string, ...args: readonly string[]): Promise<string> {
      return succeeds(withDriver(url), ...args);
    }

    async function expectSameCheck(url: string): Promise<void> {
      const check = await db(withDriver(url), 'check');
      const theirs = await manage.run(url, 'db', 'check');
      expect([0, 3, 4, 5], theirs.stderr).to.include(theirs.code);
      expect(check.code, `${check.stdout}${check.stderr}`).to.equal(theirs.code);
    }

    describe('glance-manage reads and continues what we leave', () => {
      const turns = twoAtATime<string>(async (name) => {
        const url = await server.createDatabase(`ours_${name}`);
        await ours(url, 'sync', name);
        const version = await ours(url, 'version');
        const heads = headsOf(appliedScripts(scriptsOf(name).map((script) => script.name)));
        expect(lines(version)).to.deep.equal(heads);
        expect(lines(await manage.must(url, 'db', 'version'))).to.deep.equal(heads);
        if (engine.hasPhases) await expectSameCheck(url);
        const synced = await manage.must(url, 'db', 'sync');
        expect(synced).to.include(heads.join() === head.join() ? 'is up to date' : 'is synced successfully');
        expect(lines(await manage.must(url, 'db', 'version'))).to.deep.equal(head);
        expect(await server.readSchema(url)).to.deep.equal(reference);
      });

      before(() => turns.start(REVISIONS.map(({ name }) => name)));

      for (const { name } of REVISIONS) it(name, () => turns.of(name));
    });

    describe('glance-manage reads what our phases leave', () => {
      it('all expands first, then all contracts', async () => {
        const url = await server.createDatabase('expand_first');
        await ours(url, 'sync', 'mitaka02');
        const applied = new Set(appliedScripts(['mitaka02']));
        for (const verb of ['expand', 'contract']) {
          for (const script of SCRIPTS.filter(({ kind }) => kind === verb)) {
            await ours(url, verb, script.revision);
            applied.add(script.name);
            expect(lines(await manage.must(url, 'db', 'version')), script.name).to.deep.equal(
              headsOf(applied),
            );
          }
          if (engine.hasPhases) await expectSameCheck(url);
        }
        expect(await server.readSchema(url)).to.deep.equal(reference);
      });

      for (const [name, commands] of [
        ['expanded', [['expand']]],
        ['expanded and moved', [['expand'], ['migrate']]],
        ["at Ocata's expand", [['expand', 'ocata01']]],
        ["at Ocata's contract with all expands", [['expand'], ['migrate'], ['contract', 'ocata01']]],
      ] as const) {
        it(`${name}: real db sync goes on from there, and leaves at most the triggers, which ours takes away`, async () => {
          const url = await server.createDatabase(`half_way_${name.replaceAll(/\W/g, '_')}`);
          await ours(url, 'sync', 'mitaka02');
          for (const command of commands) await ours(url, ...command);
          if (engine.hasPhases) await expectSameCheck(url);
          expect(await manage.must(url, 'db', 'sync')).to.include('is synced successfully');
          expect(lines(await manage.must(url, 'db', 'version'))).to.deep.equal(head);
          expect(lines(await ours(url, 'version'))).to.deep.equal(head);
          await ours(url, 'sync');
          expect(await server.readSchema(url)).to.deep.equal(reference);
        });
      }

      it('each of the three phases once', async () => {
        const url = await server.createDatabase('phases');
        await ours(url, 'sync', 'mitaka02');
        for (const verb of ['expand', 'migrate', 'contract']) {
          if (engine.hasPhases) await expectSameCheck(url);
          await ours(url, verb);
        }
        if (engine.hasPhases) await expectSameCheck(url);
        expect(await manage.must(url, 'db', 'sync')).to.include('is up to date');
        expect(await server.readSchema(url)).to.deep.equal(reference);
      });
    });

    describe('an upgrade from Newton that glance-manage fails on', () => {
      const IMAGES = 300;

      it(
        engine.hasPhases
          ? 'has lost is_public: ours refuses with the number of images'
          : 'is rolled back, and ours does it',
        async () => {
          const url = await server.createDatabase('newton_by_theirs');
          await server.seedNewton(url, { images: IMAGES });
          // It knows databases of that age by alembic_version alone.
          await server.query(
            url,
            'CREATE TABLE alembic_version (version_num varchar(32) NOT NULL PRIMARY KEY)',
          );
          await server.query(url, "INSERT INTO alembic_version VALUES ('mitaka02')");
          const theirs = await manage.run(url, 'db', 'sync');
          expect(theirs.code, theirs.stdout).to.not.equal(0);
          const before = await server.readSchema(url);
          const result = await db(withDriver(url), 'sync');
          if (engine.hasPhases) {
            expect(result.code, result.stderr).to.equal(13);
            expect(result.stderr).to.include(
              `images.is_public is gone and ${IMAGES} rows have no visibility`,
            );
            expect(await server.readSchema(url)).to.deep.equal(before);
          } else {
            expect(result.code, result.stderr).to.equal(0);
          }
        },
      );
    });

    describe('triggers that nobody wants any more', () => {
      const MADE_BY: Readonly<Record<string, (url: string) => Promise<unknown>>> = {
        us: async (url) => {
          await ours(url, 'expand', 'ocata01');
          await ours(url, 'migrate');
        },
        ...(engine.hasPhases ? { them: (url) => manage.must(url, 'db', 'upgrade', 'ocata_expand01') } : {}),
      };
      for (const [maker, expand] of Object.entries(MADE_BY)) {
        it(`made by ${maker}, left behind by db sync of theirs, are dropped by ours`, async () => {
          const url = await server.createDatabase(`left_by_${maker}`);
          await ours(url, 'sync', 'mitaka02');
          await expand(url);
          expect(await ours(url, 'diff')).to.include('nothing is missing or different');
          await manage.must(url, 'db', 'sync');
          const insert = (id: string) =>
            server.query(
              url,
              `INSERT INTO images (id, status, created_at, deleted, min_disk, min_ram, protected, os_hidden)
                VALUES (?, 'active', now(), ?, 0, 0, ?, ?)`,
              [id, false, false, false],
            );
          expect(await insert('before').catch((error: Error) => error.message)).to.match(/is_public/);
          expect(await ours(url, 'sync')).to.include('applied left_triggers');
          await insert('after');
          await server.query(url, 'DELETE FROM images');
          expect(await server.readSchema(url)).to.deep.equal(reference);
        });
      }
    });

    describe('we read and continue what glance-manage leaves', () => {
      const urls = new Map<string, string>();

      before(async () => {
        for (const { heads, from, upgrade } of states) {
          const name = `theirs_${heads.join('_and_')}`;
          const url =
            from === null
              ? await server.createDatabase(name)
              : await server.copyDatabase(`theirs_${from.replaceAll(',', '_and_')}`, name);
          await manage.must(url, 'db', 'upgrade', upgrade);
          urls.set(heads.join(), url);
        }
        turns.start(states.map(({ heads }) => heads));
      });

      const turns = twoAtATime<readonly string[]>(async (heads) => {
        const url = urls.get(heads.join()) ?? '';
        expect(lines(await manage.must(url, 'db', 'version'))).to.deep.equal(heads);
        expect(lines(await ours(url, 'version'))).to.deep.equal(heads);
        if (engine.hasPhases) await expectSameCheck(url);
        await ours(url, 'sync');
        expect(await server.readSchema(url)).to.deep.equal(reference);
        expect(lines(await manage.must(url, 'db', 'version'))).to.deep.equal(head);
      });

      for (const { heads } of states) it(heads.join(' and '), () => turns.of(heads));
    });

    describe("Glance's own models, by Alembic's autogenerate", () => {
      it('differ from our head no more than from its own', async () => {
        const url = await server.createDatabase('ours_for_models');
        await ours(url, 'sync');
        const theirs = await manage.compareModels(
          await server.copyDatabase('reference', 'theirs_for_models'),
        );
        expect(await manage.compareModels(url)).to.deep.equal(theirs);
      });

      it('are compared so that a missing column, a missing default and a wrong type are seen', async () => {
        const url = await server.copyDatabase('reference', 'faulty');
        const before = await manage.compareModels(url);
        await server.query(url, 'ALTER TABLE metadef_tags DROP COLUMN updated_at');
        await server.query(url, 'ALTER TABLE images ALTER COLUMN visibility DROP DEFAULT');
        await server.query(url, 'ALTER TABLE tasks DROP COLUMN request_id');
        await server.query(url, 'ALTER TABLE tasks ADD COLUMN request_id varchar(63)');
        const found = (await manage.compareModels(url)).filter((line) => !before.includes(line)).join('\n');
        for (const fault of ['updated_at', 'visibility', 'request_id']) expect(found).to.include(fault);
      });
    });
  });
}

interface Turns<T> {
  /** Begins the work, and does not wait for it. */
  start(all: readonly T[]): void;
  /** The end of the work on one of them. */
  of(one: T): Promise<void>;
}

/**
 * Most of a turn is the start of one process after another, which leaves the second core of a
 * machine idle.
 */
function twoAtATime<T>(work: (one: T) => Promise<void>): Turns<T> {
  const done = new Map<T, Promise<void>>();
  return {
    start(all) {
      const ends = [Promise.resolve(), Promise.resolve()];
      for (const [index, one] of all.entries()) {
        const turn = (ends[index % 2] ?? Promise.resolve()).then(() => work(one));
        // Whoever asks for it gets the failure; the next turn goes on.
        ends[index % 2] = turn.catch(() => undefined);
        done.set(one, turn);
      }
    },
    of: (one) => done.get(one) ?? Promise.reject(new Error('it was not started')),
  };
}

function lines(output: string): readonly string[] {
  return output.trim().split('\n').sort();
}
