/**
 * What a database of Glance may have besides Glance's own: each is to be in a backup and back after a
 * restore. A name says what it is.
 */
export const MYSQL_KINDS: Readonly<Record<string, string>> = {
  'columns that are computed': `CREATE TABLE computed (id integer PRIMARY KEY, twice integer AS (id * 2) VIRTUAL,
    kept integer AS (id + 1) STORED, KEY (kept), CHECK (id <> 99)); INSERT INTO computed (id) VALUES (1), (2)`,
  'types of all sorts': `CREATE TABLE sorts (id integer PRIMARY KEY, doc json, bits bit(9), bin varbinary(20), place point,
    word enum('a','b'), words set('x','y'), amount decimal(30,10), real_one double, short year, clock time(6),
    latin varchar(20) CHARACTER SET latin1, three varchar(20) CHARACTER SET utf8, four varchar(20) CHARACTER SET utf8mb4,
    stamp timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6), FULLTEXT KEY (four));
    INSERT INTO sorts VALUES (1, '{"a": [1, "é"]}', b'101010101', x'00ff27', POINT(1, 2), 'b', 'x,y', -1.0000000001, 1e-300,
    2026, '-12:34:56.7', 'é', '日', '🦉', '2026-11-29 01:02:03.4')`,
  'dates that strict mode refuses': `SET sql_mode = '';
    CREATE TABLE dates (id integer PRIMARY KEY, no datetime NOT NULL DEFAULT '0000-00-00 00:00:00', odd date);
    INSERT INTO dates (id, odd) VALUES (0, '2026-00-00')`,
  'a table in parts': `CREATE TABLE parts (id integer PRIMARY KEY) PARTITION BY HASH (id) PARTITIONS 3;
    INSERT INTO parts VALUES (1), (2), (3)`,
  'names of all sorts and a key to them': `CREATE TABLE \`Odd \`\`Näme\`\` 日\` (\`the id\` integer PRIMARY KEY);
    CREATE TABLE children (id integer PRIMARY KEY, \`the parent\` integer, KEY (\`the parent\`),
      CONSTRAINT \`odd key\` FOREIGN KEY (\`the parent\`) REFERENCES \`Odd \`\`Näme\`\` 日\` (\`the id\`));
    INSERT INTO \`Odd \`\`Näme\`\` 日\` VALUES (1); INSERT INTO children VALUES (1, 1)`,
  'a table of another engine': `CREATE TABLE isam (id integer PRIMARY KEY, t text, FULLTEXT KEY (t)) ENGINE = MyISAM;
    INSERT INTO isam VALUES (1, 'x')`,
  'a table without a key': 'CREATE TABLE keyless (id integer); INSERT INTO keyless VALUES (1), (1)',
  'a view on one that comes later': `CREATE VIEW zz_first AS SELECT id, name FROM images WHERE name LIKE '%é%';
    CREATE VIEW aa_second AS SELECT COUNT(*) AS n FROM zz_first`,
  'a trigger with odd text': `CREATE TRIGGER odd_text BEFORE UPDATE ON image_tags FOR EACH ROW BEGIN
      -- Dump completed; INSERT INTO \`images\` VALUES (1);
      IF NEW.value = ';;' THEN SET NEW.value = 'x'; END IF;
    END`,
};

/** What only MariaDB has. */
export const MARIADB_KINDS: Readonly<Record<string, string>> = {
  ...MYSQL_KINDS,
  'a sequence':
    'CREATE SEQUENCE numbers START WITH 5 INCREMENT BY 2 NOCACHE; DO NEXTVAL(numbers); DO NEXTVAL(numbers)',
  'a table of Aria, and columns that are hidden or compressed': `CREATE TABLE hidden (id integer PRIMARY KEY,
      seen varchar(10), unseen varchar(10) INVISIBLE DEFAULT 'd', packed longtext COMPRESSED, who uuid, where_from inet6);
    INSERT INTO hidden (id, seen, unseen, packed, who, where_from) VALUES (1, 'a', 'b', REPEAT('c', 1000), UUID(), '::1');
    CREATE TABLE crashsafe (id integer PRIMARY KEY DEFAULT (1 + 1)) ENGINE = Aria; INSERT INTO crashsafe VALUES (7)`,
  'a table wider than strict mode allows': `SET innodb_strict_mode = 0;
    CREATE TABLE wide (id integer PRIMARY KEY, ${Array.from({ length: 40 }, (_, index) => `c${index} char(250)`).join(', ')})
      CHARACTER SET latin1; INSERT INTO wide (id) VALUES (1)`,
};

/** What no dump brings back as it was, with what a backup says of it. */
export const MARIADB_REFUSED: Readonly<Record<string, readonly [statements: string, says: RegExp]>> = {
  'earlier rows': [
    `CREATE TABLE versioned (id integer PRIMARY KEY, v integer) WITH SYSTEM VERSIONING;
      INSERT INTO versioned VALUES (1, 1); UPDATE versioned SET v = 2`,
    /the table versioned keeps its earlier rows \(system versioning\)/,
  ],
  'a table of tables': [
    `CREATE TABLE part_a (id integer) ENGINE = MyISAM; INSERT INTO part_a VALUES (1);
      CREATE TABLE together (id integer) ENGINE = MERGE UNION = (part_a)`,
    /table together has 1 rows, and 0 of them in the dump/,
  ],
  'a view on what is gone': [
    'CREATE TABLE gone (id integer); CREATE VIEW broken AS SELECT id FROM gone; DROP TABLE gone',
    /failed: .*'database_\d+\.broken' references invalid table/,
  ],
};
