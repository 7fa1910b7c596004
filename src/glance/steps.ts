/**
 * The vocabulary of revision scripts. A script is data: a list of steps that an engine renders as
 * SQL, that a plan can show, that can be asked of a catalog whether it is done already, and from
 * which the schema of a revision is folded.
 */

/** The databases that Glance runs on. MariaDB counts as MySQL. */
export type Engine = 'postgres' | 'mysql';

/** The type of a column, in words that each engine renders in its own. */
export type ColumnType =
  | 'integer'
  /** A 32-bit key that the database counts up by itself. */
  | 'serial'
  /** The same with 64 bits. */
  | 'bigserial'
  | 'bigint'
  | 'numeric'
  | 'boolean'
  | 'text'
  /** A date and time without a zone, in UTC by Glance's custom. */
  | 'datetime'
  | `varchar(${number})`
  | EnumType;

/**
 * A column that takes one of a few words, in this order. PostgreSQL has it as a type of its own
 * name.
 */
export interface EnumType {
  readonly enum: string;
  readonly values: readonly string[];
}

/** A column as a revision script adds it. */
export interface Column {
  readonly name: string;
  readonly type: ColumnType;
  /** Absent means NOT NULL. */
  readonly nullable?: boolean;
  /** The server's default. Absent means none. */
  readonly default?: string | boolean;
}

/** An index over whole columns that is not unique. */
export interface Index {
  readonly name: string;
  readonly columns: readonly string[];
}

/** A foreign key; the engine names it and does nothing on delete or update. */
export interface ForeignKey {
  readonly columns: readonly string[];
  readonly references: { readonly table: string; readonly columns: readonly string[] };
}

/** A unique constraint. */
export interface Unique {
  /** Absent leaves the name to the engine, as Glance's script does. */
  readonly name?: string;
  readonly columns: readonly string[];
}

/** A table as a revision script creates it. */
export interface Table {
  readonly name: string;
  readonly columns: readonly Column[];
  readonly primaryKey: readonly string[];
  readonly uniques?: readonly Unique[];
  readonly foreignKeys?: readonly ForeignKey[];
  readonly indexes?: readonly Index[];
}

/**
 * Text that differs between engines: SQL that the vocabulary has no word for. Empty where there is
 * nothing to do.
 */
export type PerEngine = Readonly<Record<Engine, string>>;

/**
 * What the database does at each row that is written, where old and new Glance servers live side
 * by side.
 */
export interface Trigger {
  readonly name: string;
  readonly before: 'insert' | 'update';
  /** What runs for a row, in the engine's own procedural language. */
  readonly body: PerEngine;
  /** The same as Glance's own script has it, on MySQL, where it makes triggers too. */
  readonly glances: string;
}

/** One change of the schema, of which a revision script is a list; the engines render it to SQL. */
export type Step =
  | { readonly do: 'create table'; readonly table: Table }
  | { readonly do: 'drop table'; readonly table: string }
  | { readonly do: 'create enum'; readonly type: EnumType }
  | { readonly do: 'create index'; readonly table: string; readonly index: Index }
  | { readonly do: 'drop index'; readonly table: string; readonly index: string }
  /**
   * Adds a column. One whose rows are filled later may be there already with rows that nothing
   * keeps up to date: another tool's script was ended in the middle. It counts as done only with
   * one of the triggers `keptBy`; else it is recreated, with no row filled.
   */
  | {
      readonly do: 'add column';
      readonly table: string;
      readonly column: Column;
      readonly keptBy?: readonly string[];
    }
  /**
   * Adds a column that each existing row has `value` in, an expression over the row's other
   * columns. While the column `from` is there, its rows are the truth: each row that has another
   * value is written, whoever made the column.
   */
  | {
      readonly do: 'add filled column';
      readonly table: string;
      readonly column: Column;
      readonly from: string;
      readonly value: PerEngine;
    }
  /** Gives a column another nullability or default; the type and the data stay. */
  | { readonly do: 'change column'; readonly table: string; readonly column: Column }
  | { readonly do: 'drop column'; readonly table: string; readonly column: string }
  | { readonly do: 'create trigger'; readonly table: string; readonly trigger: Trigger }
  /** Drops it where it is there: a tool that knows of no triggers may have made the database. */
  | { readonly do: 'drop trigger'; readonly table: string; readonly trigger: string }
  /**
   * Changes rows of `table`; safe to run again. `where` says which, for a plan; absent means that
   * any may be.
   */
  | {
      readonly do: 'change data';
      readonly table: string;
      readonly what: string;
      readonly sql: PerEngine;
      readonly where?: string;
    };

/** One revision script, or several that are quicker as one. */
export interface Migration {
  /**
   * What people call it: the script's name in `alembic_version`, or the manual's name where it is
   * several in one.
   */
  readonly name: string;
  /** The scripts of Glance's chain that are done when this is done. */
  readonly scripts: readonly string[];
  readonly steps: readonly Step[];
}

/**
 * Moves rows from the old form to the new, between expand and contract. What is done already is
 * seen from the rows, so that it can be stopped anywhere and run again, at once for a whole table
 * or in batches.
 */
export interface DataMigration {
  /** Glance's name for it: `ocata_migrate01`. */
  readonly name: string;
  /** The revision whose contract waits for it. */
  readonly revision: string;
  /** In a few words, for progress and for errors. */
  readonly what: string;
  readonly table: string;
  /** The primary key, along which the batches go. */
  readonly key: string;
  /** A condition over a row: whether it is left to be done. */
  readonly pending: PerEngine;
  /** The assignments that make a pending row a finished one. */
  readonly set: PerEngine;
  /** Whether it can still be done when its revision is contracted. */
  readonly late?: boolean;
}

/** The migrations that a build has. */
export interface Registry {
  /** One for each script of the chain, in its order. */
  readonly migrations: readonly Migration[];
  /** Several scripts in one, for where all of them are pending in a row. */
  readonly squashed: readonly Migration[];
  readonly data: readonly DataMigration[];
}

/**
 * A step in a few words, for progress and for errors: `create index visibility_image_idx on
 * images`.
 */
export function describeStep(step: Step): string {
  switch (step.do) {
    case 'create table':
      return `create table ${step.table.name}`;
    case 'drop table':
      return `drop table ${step.table}`;
    case 'create trigger':
      return `create trigger ${step.trigger.name} on ${step.table}`;
    case 'drop trigger':
      return `drop trigger ${step.trigger} on ${step.table}`;
    case 'create enum':
      return `create type ${step.type.enum}`;
    case 'create index':
      return `create index ${step.index.name} on ${step.table}`;
    case 'drop index':
      return `drop index ${step.index} on ${step.table}`;
    case 'add column':
    case 'add filled column':
      return `add column ${step.table}.${step.column.name}`;
    case 'change column':
      return `change column ${step.table}.${step.column.name}`;
    case 'drop column':
      return `drop column ${step.table}.${step.column}`;
    case 'change data':
      return step.what;
  }
}
