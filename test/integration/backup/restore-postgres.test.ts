import { expect } from 'chai';
import { startPostgres, type TestPostgres } from '../../../lab/databases/postgres.ts';
import { leaveOut } from '../../../lab/process/needs.ts';
import { findPostgres } from '../../../lab/tools/distribution-packages.ts';
import { restoreCases } from '../../support/cases/restore.ts';
import { succeeds } from '../../support/db-command.ts';
import { postgresEngine } from '../../support/postgres-engine.ts';
import { POSTGRES_KINDS } from '../../support/postgres-kinds.ts';
import { newtonDatabase } from '../../support/test-engine.ts';

const NO_CLIENTS =
  'PostgreSQL with its clients is not on this machine. Run `make test`, which brings it on Debian and Ubuntu, or install it.';

/** What there is, and how it is made, as far as the catalog says it in words. */
const ALL_OBJECTS = `
SELECT o.type, o.identity, CASE d.classid WHEN 'pg_proc'::regclass THEN d.objid::regprocedure::text
  WHEN 'pg_class'::regclass THEN pg_get_viewdef(d.objid) END AS made
FROM pg_depend d CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, 0) o
WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = 'public'::regnamespace AND o.type <> 'default acl'
UNION ALL SELECT 'trigger', tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT 'rule', rulename, pg_get_ruledef(oid) FROM pg_rewrite WHERE oid > 16384
UNION ALL SELECT 'policy', polname, pg_get_expr(polqual, polrelid) FROM pg_policy
ORDER BY 1, 2, 3`;

describe('db restore on PostgreSQL', () => {
  let server: TestPostgres;
  const engine = postgresEngine(() => server);

  before(async function () {
    const bin = findPostgres();
    if (bin === null) leaveOut(this, NO_CLIENTS);
    server = await startPostgres({ bin });
  });

  after(() => server?.stop());

  restoreCases(engine, {
    program: 'psql',
    transactional: true,
    ocata: {
      addVisibility: [
        "CREATE TYPE image_visibility AS ENUM ('private', 'public', 'shared', 'community')",
        "ALTER TABLE images ADD COLUMN visibility image_visibility NOT NULL DEFAULT 'shared'",
      ],
      dropIndex: 'DROP INDEX ix_images_is_public',
    },
    oddTable: `CREATE TABLE "An odd ""table"". (it's 100%)" (id integer);
      INSERT INTO "An odd ""table"". (it's 100%)" VALUES (1), (2)`,
    kinds: POSTGRES_KINDS,
    asked: [ALL_OBJECTS, "SELECT nextval('numbers') AS n"],
    loseRows: (clients) =>
      clients.replace(
        'pg_restore',
        `case "$1" in --version|--list) exec "$REAL" "$@";; esac
"$REAL" "$@" | sed '/^COPY public.image_locations/,/^\\\\\\.$/d'`,
      ),
    crash: () => server.crash(),
    restart: () => server.restart(),
    more({ run, backedUp, restored, refused, content }) {
      it('whoever could use the tables can still, and a view of somebody else keeps all as it is', async () => {
        const url = await newtonDatabase(engine, 30);
        const reader = await engine.createReader(url);
        const file = await backedUp(url);
        await succeeds(url, 'sync', 'ocata01');
        await engine.query(
          url,
          'CREATE SCHEMA reports; CREATE VIEW reports.images AS SELECT * FROM public.images',
        );
        const before = await content(url);
        await refused(
          run(url, 'restore', file, '--replace'),
          'reports.images in another schema depends on its tables. Drop that',
        );
        expect(await content(url)).to.deep.equal(before);
        await engine.query(url, 'DROP SCHEMA reports CASCADE');
        await restored(url, file, '--replace');
        expect(await engine.query(reader, 'SELECT count(*) AS n FROM images')).to.deep.equal([{ n: '30' }]);
      });

      it('what neither Glance nor the backup has is not dropped: it is named', async () => {
        const url = await newtonDatabase(engine, 5);
        await engine.query(url, "CREATE FUNCTION kept() RETURNS integer LANGUAGE sql AS 'SELECT 1'");
        const file = await backedUp(url);
        await succeeds(url, 'sync', 'ocata01');
        for (const [made, named] of [
          ['VIEW mine AS SELECT id FROM images', 'view public.mine'],
          ['MATERIALIZED VIEW mine AS SELECT id FROM images', 'materialized view public.mine'],
          [
            "FUNCTION kept(text) RETURNS integer LANGUAGE sql AS 'SELECT 1'",
            'function public.kept(pg_catalog.text)',
          ],
          ["TYPE mine AS ENUM ('x')", 'type public.mine'],
          ['SEQUENCE mine', 'sequence public.mine'],
          ['AGGREGATE mine(integer) (SFUNC = int4pl, STYPE = integer)', 'aggregate public.mine(integer)'],
        ] as const) {
          await engine.query(url, `CREATE ${made}`);
          const before = await content(url);
          const { stderr } = await refused(
            run(url, 'restore', file, '--replace'),
            'its schema has what neither Glance nor the backup has, and that would be lost',
          );
          expect(stderr).to.include(`(${named})`).and.include('pg_dump --schema-only');
          expect(await content(url)).to.deep.equal(before);
          await engine.query(url, `DROP ${named}`);
        }
        await restored(url, file, '--replace');
        expect(await engine.query(url, 'SELECT kept() AS one')).to.deep.equal([{ one: 1 }]);
      });

      it('a publication that would forget a table keeps all as it is', async () => {
        const url = await newtonDatabase(engine, 5);
        const file = await backedUp(url);
        await engine.query(url, 'CREATE PUBLICATION told FOR TABLE images');
        await refused(
          run(url, 'restore', file, '--replace'),
          'its tables are in the publication told, which would lose them',
        );
        await engine.query(url, 'DROP PUBLICATION told');
        await restored(url, file, '--replace');
      });

      it('tables go into the schema in which they were, if that is on the search path', async () => {
        const url = await engine.createDatabase();
        await engine.query(url, 'CREATE SCHEMA image');
        const database = new URL(url).pathname.slice(1);
        await engine.query(url, `ALTER DATABASE ${database} SET search_path = image, public`);
        await engine.seedNewton(url, { images: 20 });
        const file = await backedUp(url);
        await refused(run(await engine.createDatabase(), 'restore', file), "tables in the schema 'image'");
        await succeeds(url, 'sync', 'ocata01');
        await restored(url, file, '--replace');
        expect(
          await engine.query(
            url,
            'SELECT count(*) AS n, to_regtype($$image.image_visibility$$) AS t FROM image.images WHERE is_public IS NOT NULL',
          ),
        ).to.deep.equal([{ n: '20', t: null }]);
      });
    },
  });
});
