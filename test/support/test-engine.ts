import type { SeedOptions } from '../../lab/databases/glance-data.ts';
import type { GoldenOptions } from '../../lab/databases/golden-database.ts';
import type { Tables } from '../../lab/databases/populated.ts';

export type Row = Readonly<Record<string, unknown>>;

/** A schema as the engine's catalog tells it; two are compared with one another only. */
export interface EngineSchema {
  readonly dialect: string;
  readonly tables: Readonly<Record<string, unknown>>;
}

/** A connection that stays open over several statements. */
export interface Session {
  query(sql: string): Promise<readonly Row[]>;
  end(): Promise<void>;
}

/**
 * A running server, as the cases see it that hold on every engine; all that differs between engines
 * is behind this.
 */
export interface TestEngine {
  /** What a column of truth values gives for false. */
  readonly no: unknown;
  /** What `db plan` says of the lock of Ocata's expand. */
  readonly planLock: RegExp;
  /** What a run says of Ocata's expand when it got no lock on the table and gave up. */
  readonly notExpanded: string;
  /** Makes an empty database, of a name of its own where none is given, and returns its URL. */
  createDatabase(name?: string): Promise<string>;
  /** Makes an empty database into what a real Glance left; see `golden-database.ts`. */
  buildGolden(url: string, options: GoldenOptions): Promise<void>;
  /**
   * Makes an empty database into one of Glance's Newton release with images; see `glance-data.ts`.
   */
  seedNewton(url: string, options: SeedOptions): Promise<unknown>;
  /** Fills a database that has Glance's tables already. */
  fillNewton(url: string, options: SeedOptions): Promise<unknown>;
  /** Every image as it is, dates as text. */
  readImages(url: string): Promise<readonly Row[]>;
  /** Every image as it has to be at `ocata01`, computed from the rows before. */
  expectedImages(url: string): Promise<readonly Row[]>;
  /** The rows of each table that has some, but for `alembic_version`. */
  readTables(url: string): Promise<Tables>;
  readSchema(url: string): Promise<EngineSchema>;
  /** The schema that the real Glance leaves at a revision, together with `alembic_version`. */
  goldenSchema(name: string): EngineSchema;
  /**
   * The same of an expand, together with the triggers that ours has from Ocata's expand on to its
   * contract.
   */
  expandedSchema(name: string): EngineSchema;
  /** Runs SQL that gives rows, with `?` for the values. */
  query(url: string, sql: string, values?: readonly unknown[]): Promise<readonly Row[]>;
  connect(url: string): Promise<Session>;
  /** The URL of a user of this database who may read all of it and change nothing. */
  createReader(url: string): Promise<string>;
  /**
   * From now on each UPDATE of an image puts its id into a table `writes`, and takes so many
   * seconds longer.
   */
  countWrites(url: string, pause?: number): Promise<void>;
  /**
   * Has one image, `u`, with these two columns, whatever the triggers would have made of them:
   * `false, 'shared'`.
   */
  insertUnseen(url: string, columns: string): Promise<void>;
}

/** A database as Newton left it, with this many images. */
export async function newtonDatabase(engine: TestEngine, images: number): Promise<string> {
  const url = await engine.createDatabase();
  await engine.seedNewton(url, { images });
  return url;
}

/** A database as a real Glance left it, without rows. */
export async function goldenDatabase(engine: TestEngine, options: GoldenOptions): Promise<string> {
  const url = await engine.createDatabase();
  await engine.buildGolden(url, options);
  return url;
}

/**
 * A golden schema of a database that has been adopted: where it had `migrate_version`, it has that
 * still.
 */
export function withLegacyVersion(
  engine: TestEngine,
  golden: string,
  { migrate }: Pick<GoldenOptions, 'migrate'>,
): EngineSchema {
  const schema = engine.goldenSchema(golden);
  if (migrate === undefined) return schema;
  const { migrate_version } = engine.goldenSchema('ocata_era__liberty').tables;
  return { ...schema, tables: { ...schema.tables, migrate_version } };
}

/** How many rows there are: `count(engine, url, 'images WHERE visibility IS NULL')`. */
export async function count(engine: TestEngine, url: string, from: string): Promise<number> {
  const [row] = await engine.query(url, `SELECT count(*) AS n FROM ${from}`);
  return Number(row?.n);
}
