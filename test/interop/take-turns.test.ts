import { expect } from 'chai';
import { appliedScripts, headsOf, scriptsOf } from '../../src/revision/heads.ts';
import { REVISIONS } from '../../src/revision/revisions.ts';
import { SCRIPTS } from '../../src/revision/scripts.ts';
import { type CliResult, runCli } from '../support/bundle.ts';
import {
  type GlanceManage,
  runGlanceManage,
  startGlanceManage,
  withDriver,
} from '../support/glance-manage.ts';
import { leaveOut } from '../support/needs.ts';
import { installGlance, type RealGlance } from '../support/real-glance.ts';
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
 * Every set of heads that the real tool makes on its two ways: each revision whole before the next, and all expands
 * first. Each is made from the one before it, so that no revision is run twice.
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

for (const engine of ENGINES) {
  describe(`the real Glance and we on ${engine.name}, taking turns`, function () {
    this.timeout(240_000);
    let glance: RealGlance;
    let server: EngineServer;
    let manage: GlanceManage;
    let reference: unknown;

    before(async function () {
      glance = await installGlance().catch((error: Error) => leaveOut(this, error.message));
      server = await engine.start();
      manage = startGlanceManage(glance);
      const url = await server.createDatabase('reference');
      // Once with the program itself, as an operator runs it; from here on with its code loaded only once.
      const synced = await runGlanceManage(glance, url, 'db', 'sync');
      expect(synced.code, synced.stderr).to.equal(0);
      reference = await engine.readSchema(url);
    });

    after(async () => {
      await manage?.stop();
      await server?.stop();
    });

    async function ours(url: string, ...args: readonly string[]): Promise<string> {
      const result: CliResult = await runCli(args, { DATABASE_CONNECTION: withDriver(url) });
      expect(result.code, `${args.join(' ')}: ${result.stderr}`).to.equal(0);
      return result.stdout;
    }

    describe('glance-manage reads and continues what we leave', () => {
      for (const { name } of REVISIONS) {
        it(name, async () => {
          const url = await server.createDatabase(`ours_${name}`);
          await ours(url, 'db', 'sync', name);
          const version = await ours(url, 'db', 'version');
          const heads = headsOf(appliedScripts(scriptsOf(name).map((script) => script.name)));
          expect(lines(version)).to.deep.equal(heads);
          expect(lines(await manage.must(url, 'db', 'version'))).to.deep.equal(heads);
          const synced = await manage.must(url, 'db', 'sync');
          expect(synced).to.include(
            heads.join() === head.join() ? 'is up to date' : 'is synced successfully',
          );
          expect(lines(await manage.must(url, 'db', 'version'))).to.deep.equal(head);
          expect(await engine.readSchema(url)).to.deep.equal(reference);
        });
      }
    });

    describe('we read and continue what glance-manage leaves', () => {
      const urls = new Map<string, string>();

      before(async () => {
        for (const { heads, from, upgrade } of realStates()) {
          const name = `theirs_${heads.join('_and_')}`;
          const url =
            from === null
              ? await server.createDatabase(name)
              : await server.copyDatabase(`theirs_${from.replaceAll(',', '_and_')}`, name);
          await manage.must(url, 'db', 'upgrade', upgrade);
          urls.set(heads.join(), url);
        }
      });

      for (const { heads } of realStates()) {
        it(heads.join(' and '), async () => {
          const url = urls.get(heads.join()) ?? '';
          expect(lines(await manage.must(url, 'db', 'version'))).to.deep.equal(heads);
          expect(lines(await ours(url, 'db', 'version'))).to.deep.equal(heads);
          await ours(url, 'db', 'sync');
          expect(await engine.readSchema(url)).to.deep.equal(reference);
          expect(lines(await manage.must(url, 'db', 'version'))).to.deep.equal(head);
        });
      }
    });

    describe("Glance's own models, by Alembic's autogenerate", () => {
      it('differ from our head no more than from its own', async () => {
        const url = await server.createDatabase('ours_for_models');
        await ours(url, 'db', 'sync');
        const theirs = await manage.compareModels(
          await server.copyDatabase('reference', 'theirs_for_models'),
        );
        expect(await manage.compareModels(url)).to.deep.equal(theirs);
      });

      it('are compared so that a missing index, a missing default and a wrong type are seen', async () => {
        const url = await server.copyDatabase('reference', 'faulty');
        const before = await manage.compareModels(url);
        await server.query(url, 'DROP INDEX os_hash_value_image_idx');
        await server.query(url, 'ALTER TABLE images ALTER COLUMN visibility DROP DEFAULT');
        await server.query(url, 'ALTER TABLE tasks ALTER COLUMN request_id TYPE varchar(63)');
        const found = (await manage.compareModels(url)).filter((line) => !before.includes(line)).join('\n');
        expect(found)
          .to.include('os_hash_value_image_idx')
          .and.include('visibility')
          .and.include('request_id');
      });
    });
  });
}

function lines(output: string): readonly string[] {
  return output.trim().split('\n').sort();
}
