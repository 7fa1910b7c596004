/**
 * What a database of Glance may have besides Glance's own: each is to be in a backup and back after a
 * restore. A name says what it is.
 */
export const POSTGRES_KINDS: Readonly<Record<string, string>> = {
  'a view on a materialized one on a view': `CREATE VIEW first_view AS SELECT id, name FROM images;
    CREATE MATERIALIZED VIEW a_kept AS SELECT id FROM first_view; CREATE INDEX ON a_kept (id);
    CREATE VIEW a_view AS SELECT count(*) AS n FROM a_kept; COMMENT ON VIEW a_view IS 'of images'`,
  'functions that need tables, and are needed by them': `CREATE FUNCTION one_image() RETURNS SETOF images
      LANGUAGE sql AS 'SELECT * FROM public.images LIMIT 1';
    CREATE FUNCTION named(i images) RETURNS text LANGUAGE sql AS 'SELECT i.name';
    CREATE FUNCTION seven() RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 7';
    CREATE TABLE of_function (id integer DEFAULT seven() CHECK (id < seven() + 1)); INSERT INTO of_function DEFAULT VALUES;
    CREATE INDEX ON of_function ((id + seven()));
    CREATE PROCEDURE nothing(a integer, b text DEFAULT 'x') LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION "odd Name"("a b" integer, OUT c integer) LANGUAGE sql AS 'SELECT 1'`,
  'types of all sorts': `CREATE TYPE mood AS ENUM ('good', 'it''s bad'); CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
    CREATE TYPE pair AS (a mood, b positive); CREATE TYPE span AS RANGE (subtype = float8);
    CREATE TABLE of_types (m mood, p positive, c pair, r span, ms mood[], j jsonb, x xml, b bit(3), i inet);
    INSERT INTO of_types VALUES ('good', 1, ROW('good', 2), '[1,2)', '{good}', '{"a": 1}', NULL, '101', '::1')`,
  'an aggregate, an operator and its class, a collation, a configuration of text search': `
    CREATE FUNCTION plus(a integer, b integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT a + b';
    CREATE AGGREGATE total(integer) (SFUNC = plus, STYPE = integer);
    CREATE OPERATOR @+@ (FUNCTION = plus, LEFTARG = integer, RIGHTARG = integer);
    CREATE COLLATION by_bytes FROM "C"; CREATE TEXT SEARCH CONFIGURATION words (COPY = simple);
    CREATE VIEW totals AS SELECT total(min_disk) AS t, 1 @+@ 2 AS three FROM images`,
  'sequences and columns that count': `CREATE SEQUENCE numbers START 5 INCREMENT 2; SELECT nextval('numbers');
    CREATE TABLE counted (id integer GENERATED ALWAYS AS IDENTITY, n serial, twice integer GENERATED ALWAYS AS (1 * 2) STORED);
    INSERT INTO counted DEFAULT VALUES`,
  'what hangs on a table': `CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER touched BEFORE UPDATE ON images FOR EACH ROW EXECUTE FUNCTION touch();
    CREATE TABLE ruled (id integer, note text COLLATE "C"); INSERT INTO ruled VALUES (1, 'x');
    CREATE RULE quiet AS ON DELETE TO ruled DO INSTEAD NOTHING;
    CREATE POLICY own_rows ON ruled USING (id > 0); CREATE STATISTICS of_ruled ON id, note FROM ruled;
    COMMENT ON COLUMN ruled.note IS 'it''s a note'`,
  'tables of all sorts': `CREATE UNLOGGED TABLE quick (id integer); INSERT INTO quick VALUES (1);
    CREATE TABLE parts (id integer) PARTITION BY LIST (id); CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
    CREATE TABLE parts_rest PARTITION OF parts DEFAULT; INSERT INTO parts VALUES (1), (2);
    CREATE TABLE parent (id integer); CREATE TABLE child (more text) INHERITS (parent); INSERT INTO child VALUES (1, 'x')`,
  'names that quote': `CREATE VIEW "it's $glance_schema$; END" AS SELECT 1 AS ":'x'";
    CREATE TYPE "an odd ""type""" AS ENUM ('x'); CREATE FUNCTION "f(x)"(text) RETURNS text LANGUAGE sql AS 'SELECT $1'`,
  'default privileges': 'ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC',
};
