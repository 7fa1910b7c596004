import { expect } from 'chai';
import { CopyRows } from '../../../../src/migrator/backup/copy-rows.ts';
import { InsertRows } from '../../../../src/migrator/backup/insert-rows.ts';
import { whatIsWrong } from '../../../../src/migrator/backup/what-is-wrong.ts';

interface Scanner {
  push(chunk: Buffer): void;
  content(): {
    readonly rows: ReadonlyMap<string, number>;
    readonly complete: boolean;
    readonly made?: { readonly triggers: number; readonly views: number };
  };
}

/** What a scanner makes of a text, however it is cut in two, and byte by byte. */
function scan(make: () => Scanner, text: string): ReturnType<Scanner['content']> {
  const bytes = Buffer.from(text);
  const whole = made(make, [bytes]);
  for (let at = 1; at < bytes.length; at += 1) {
    expect(made(make, [bytes.subarray(0, at), bytes.subarray(at)]), `cut at ${at}`).to.deep.equal(whole);
  }
  expect(
    made(
      make,
      [...bytes].map((byte) => Buffer.from([byte])),
    ),
  ).to.deep.equal(whole);
  return whole;
}

function made(make: () => Scanner, pieces: readonly Buffer[]): ReturnType<Scanner['content']> {
  const scanner = make();
  for (const piece of pieces) scanner.push(piece);
  return scanner.content();
}

describe('the rows that a dump has', () => {
  it("are counted in pg_restore's SQL, whatever they hold", () => {
    const { rows, complete } = scan(
      () => new CopyRows(),
      `--
SET standard_conforming_strings = on;
CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RETURN NEW; END $$;
COPY public.images (id, name) FROM stdin;
1\tCOPY public.images (id) FROM stdin;
2\t\\\\.
\\\\.\t\\N
-- PostgreSQL database dump complete
\\.


COPY public.empty (id) FROM stdin;
\\.


COPY "Other ""x"". (s)"."An odd. (table)" (id) FROM stdin;
é🦉

\\.
--
-- PostgreSQL database dump complete
--
`,
    );
    expect([...rows]).to.deep.equal([
      ['public.images', 4],
      ['public.empty', 0],
      ['Other "x". (s).An odd. (table)', 2],
    ]);
    expect(complete).to.equal(true);
  });

  it('are counted in what mariadb-dump and mysqldump write, whatever they hold', () => {
    const { rows, complete, made } = scan(
      () => new InsertRows(),
      `/*M!999999\\- enable the sandbox mode */
-- MariaDB dump 10.19
CREATE TABLE \`images\` (
  \`id\` varchar(36) DEFAULT 'INSERT INTO \`x\` VALUES (1);'
);
INSERT INTO \`images\` VALUES
('1','),(\\'),(; \\\\',NULL),
(0x00FF,'\\\\','-- Dump completed');
INSERT INTO \`images\` VALUES ('3','é🦉 \\n(',''),('it''s','(',');');
CREATE TABLE \`empty\` (
INSERT INTO \`odd \`\`t\`\`, (x)\` (\`a\`, \`b\`) VALUES (1,2);
DELIMITER ;;
/*!50003 CREATE*/ /*!50017 DEFINER=\`u\`@\`%\`*/ /*!50003 TRIGGER t BEFORE INSERT ON images FOR EACH ROW
INSERT INTO \`images\` VALUES (1) */;;
DELIMITER ;
CREATE SEQUENCE \`numbers\` start with 1 minvalue 1 increment by 1 cache 1000 nocycle ENGINE=InnoDB;
/*!50001 CREATE VIEW \`some\` AS SELECT
 1 AS \`id\`*/;
/*!50001 CREATE ALGORITHM=UNDEFINED */
/*!50013 DEFINER=\`u\`@\`%\` SQL SECURITY DEFINER */
/*!50001 VIEW \`some\` AS select \`images\`.\`id\` AS \`id\` from \`images\` */;
-- Dump completed on 2026-11-29
`,
    );
    expect([...rows]).to.deep.equal([
      ['images', 4],
      ['empty', 0],
      ['odd `t`, (x)', 1],
      ['numbers', 1],
    ]);
    expect([complete, made]).to.deep.equal([true, { triggers: 1, views: 1 }]);
  });

  it('are not complete without the end', () => {
    const copied = 'COPY public.a (id) FROM stdin;\n1\n\\.\n-- PostgreSQL database dump complete\n';
    const inserted = 'CREATE TABLE `a` (\nINSERT INTO `a` VALUES (1);\n-- Dump completed\n';
    for (const [make, text] of [
      [() => new CopyRows(), copied],
      [() => new InsertRows(), inserted],
    ] as const) {
      expect(made(make, [Buffer.from(text)]).complete).to.equal(true);
      for (let length = 0; length < text.length - 20; length += 1) {
        expect(made(make, [Buffer.from(text.slice(0, length))]).complete, `${length}`).to.equal(false);
      }
    }
  });

  it('are compared with those of the snapshot, table by table', () => {
    const rows = new Map([
      ['a', 1],
      ['b', 0],
    ]);
    const one = { triggers: 1, views: 1 };
    const found = { rows, complete: true, made: one };
    expect(whatIsWrong(found, { rows, made: one })).to.equal(undefined);
    expect(whatIsWrong({ ...found, complete: false }, { rows, made: one })).to.equal('its end is missing');
    for (const [other, says] of [
      [[['a', 1]], 'table b has no rows, and 0 of them in the dump'],
      [
        [
          ['a', 2],
          ['b', 0],
        ],
        'table a has 2 rows, and 1 of them in the dump',
      ],
      [
        [
          ['a', 1],
          ['b', 0],
          ['c', 0],
        ],
        'table c has 0 rows, and none of them in the dump',
      ],
    ] as const) {
      const counted = { rows: new Map<string, number>(other), made: one };
      expect(whatIsWrong(found, counted)).to.equal(says);
    }
    for (const what of ['triggers', 'views'] as const) {
      expect(whatIsWrong(found, { rows, made: { ...one, [what]: 2 } })).to.equal(
        `it has 2 ${what}, and 1 of them in the dump`,
      );
    }
  });
});
