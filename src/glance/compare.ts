import type { ExpectedTable } from './expected-schema.ts';
import type { Column, ColumnType, Engine, ForeignKey, Index, Trigger, Unique } from './steps.ts';
import { withoutUndefined } from './without-undefined.ts';

/** A table as the catalog of a database describes it. */
export interface FoundTable {
  readonly columns: ReadonlyMap<string, FoundColumn>;
  readonly indexes: readonly FoundIndex[];
  readonly foreignKeys: readonly ForeignKey[];
  /** The columns that take 0 and 1 only, by a CHECK. */
  readonly checked: ReadonlySet<string>;
  /** What its triggers run for a row. */
  readonly triggers: ReadonlyMap<string, string>;
}

/** A column as the catalog describes it, in a form that both engines share. */
export interface FoundColumn {
  /** As the catalog has it, in lower case: `varchar(36)`, `character varying(36)`. */
  readonly type: string;
  readonly nullable: boolean;
  /** Without quotes and casts; null for none. */
  readonly default: string | null;
  /** Whether the database counts it up. */
  readonly counted: boolean;
}

/** An index as the catalog describes it, primary keys included. */
export interface FoundIndex {
  readonly name: string;
  readonly columns: readonly string[];
  readonly unique: boolean;
  readonly primary: boolean;
  /** False for one that is not finished, has a condition or is over expressions. */
  readonly usable: boolean;
}

/**
 * Something that a database has otherwise than the scripts leave it. What it has in addition is no
 * difference.
 */
export type Difference =
  | { readonly what: 'table'; readonly table: string; readonly expected: ExpectedTable }
  | {
      readonly what: 'column';
      readonly table: string;
      readonly column: Column;
      /** Absent where it is missing. */
      readonly found?: string;
      readonly wanted: string;
      /** What a change of it may do to the rows; absent where it does nothing. */
      readonly caution?: string;
    }
  | { readonly what: 'index'; readonly table: string; readonly index: Index; readonly found?: FoundIndex }
  | { readonly what: 'unique'; readonly table: string; readonly unique: Unique }
  | { readonly what: 'primary key'; readonly table: string; readonly columns: readonly string[] }
  | { readonly what: 'foreign key'; readonly table: string; readonly key: ForeignKey }
  | { readonly what: 'check'; readonly table: string; readonly column: string }
  | {
      readonly what: 'trigger';
      readonly table: string;
      readonly trigger: Trigger;
      readonly missing: boolean;
    }
  | {
      /** Only drift has it: a column of one of Glance's tables that no script makes. */
      readonly what: 'other column';
      readonly table: string;
      readonly column: string;
      readonly found: string;
      readonly caution: string;
    };

/** Compares the tables of a revision with those of a database. Pure. */
export function compareSchema(
  expected: ReadonlyMap<string, ExpectedTable>,
  found: ReadonlyMap<string, FoundTable>,
  engine: Engine,
): readonly Difference[] {
  // A server that keeps no CHECK may have made all of it.
  const hasChecks = [...found.values()].some(({ checked }) => checked.size > 0);
  return [...expected.values()].flatMap((table): readonly Difference[] => {
    const there = found.get(table.name);
    return there === undefined
      ? [{ what: 'table', table: table.name, expected: table }]
      : [
          ...compareColumns(table, there, engine),
          ...compareIndexes(table, there),
          ...compareKeys(table, there),
          ...(hasChecks ? compareChecks(table, there) : []),
          ...compareTriggers(table, there, engine),
        ];
  });
}

/** A difference in a few words: `index owner_image_idx on images (owner) is missing`. */
export function describeDifference(difference: Difference): string {
  const { table } = difference;
  switch (difference.what) {
    case 'table':
      return `table ${table} is missing`;
    case 'column': {
      const name = `column ${table}.${difference.column.name}`;
      return difference.found === undefined
        ? `${name} is missing`
        : `${name} is ${difference.found} instead of ${difference.wanted}`;
    }
    case 'index': {
      const { index, found } = difference;
      const name = `index ${index.name} on ${table} (${index.columns.join(', ')})`;
      if (found === undefined) return `${name} is missing`;
      const columns = found.columns.join(', ');
      return columns === index.columns.join(', ')
        ? `${name} is ${found.unique ? 'unique' : 'partial or not finished'}`
        : `${name} is on (${columns})`;
    }
    case 'unique':
      return `unique key on ${table} (${difference.unique.columns.join(', ')}) is missing`;
    case 'primary key':
      return `primary key of ${table} is not (${difference.columns.join(', ')})`;
    case 'foreign key': {
      const { columns, references } = difference.key;
      return `foreign key of ${table} (${columns.join(', ')}) to ${references.table} (${references.columns.join(', ')}) is missing`;
    }
    case 'check':
      return `check that ${table}.${difference.column} is 0 or 1 is missing`;
    case 'trigger':
      return `trigger ${difference.trigger.name} on ${table} ${difference.missing ? 'is missing' : 'does something else'}`;
    case 'other column':
      return `column ${table}.${difference.column} is not Glance's: ${difference.found}`;
  }
}

/** Whether it can be completed without reading any row, and so without a decision of a person. */
export function canRepair(difference: Difference): boolean {
  // One that is not finished may be somebody's who is building it just now.
  if (difference.what === 'index') return difference.found?.usable !== false;
  return ['unique', 'primary key', 'foreign key'].includes(difference.what);
}

function compareColumns(table: ExpectedTable, found: FoundTable, engine: Engine): readonly Difference[] {
  return [...table.columns.values()].flatMap((column): readonly Difference[] => {
    const wanted = describeColumn(asFound(column, engine));
    const there = found.columns.get(column.name);
    const difference = { what: 'column', table: table.name, column, wanted } as const;
    if (there === undefined) return [difference];
    const is = describeColumn(there);
    const caution = whatMayBeLost(column.name, there, asFound(column, engine));
    return is === wanted ? [] : [{ ...difference, found: is, ...withoutUndefined({ caution }) }];
  });
}

/**
 * What a change of a column from one form to another does to rows that only the first one has room
 * for.
 */
function whatMayBeLost(name: string, from: FoundColumn, to: FoundColumn): string | undefined {
  const parts = [
    ...(hasRoomFor(to.type, from.type) ? [] : [`cuts or refuses each ${name} that no ${to.type} holds`]),
    ...(from.nullable && !to.nullable ? [`refuses or empties each ${name} that is NULL`] : []),
  ];
  return parts.length === 0 ? undefined : parts.join(' and ');
}

/** Whether every value of one type is one of the other too, as far as Glance's types go. */
function hasRoomFor(to: string, from: string): boolean {
  return to === from || lengthOf(from) <= lengthOf(to) || (to === 'bigint' && /^int(eger)?$/.test(from));
}

/** How many characters a text has room for; NaN, which is neither more nor less, where it is none. */
function lengthOf(type: string): number {
  return type === 'text'
    ? Number.POSITIVE_INFINITY
    : Number(/^(?:var|character var)\w*\((\d+)\)$/.exec(type)?.[1]);
}

function compareIndexes(table: ExpectedTable, found: FoundTable): readonly Difference[] {
  return [...table.indexes.values()].flatMap((index): readonly Difference[] => {
    const there = found.indexes.find(({ name }) => name === index.name);
    const difference = { what: 'index', table: table.name, index } as const;
    if (there === undefined) return [difference];
    const isIt = there.usable && !there.unique && there.columns.join() === index.columns.join();
    return isIt ? [] : [{ ...difference, found: there }];
  });
}

function compareKeys(table: ExpectedTable, found: FoundTable): readonly Difference[] {
  const isUnique = (columns: readonly string[]): boolean =>
    found.indexes.some((each) => each.unique && each.usable && each.columns.join() === columns.join());
  const primary = found.indexes.find((each) => each.primary);
  const isThere = ({ columns, references }: ForeignKey): boolean =>
    found.foreignKeys.some(
      (each) =>
        each.columns.join() === columns.join() &&
        each.references.table === references.table &&
        each.references.columns.join() === references.columns.join(),
    );
  return [
    ...(primary?.columns.join() === table.primaryKey.join()
      ? []
      : [{ what: 'primary key', table: table.name, columns: table.primaryKey } as const]),
    ...table.uniques
      .filter(({ columns }) => !isUnique(columns))
      .map((unique): Difference => ({ what: 'unique', table: table.name, unique })),
    ...table.foreignKeys
      .filter((key) => !isThere(key))
      .map((key): Difference => ({ what: 'foreign key', table: table.name, key })),
  ];
}

function compareChecks({ name, checked }: ExpectedTable, found: FoundTable): readonly Difference[] {
  return [...checked]
    .filter((column) => found.columns.has(column) && !found.checked.has(column))
    .map((column) => ({ what: 'check', table: name, column }));
}

/** Where there is none, nobody needs them, or this user may not see them. */
function compareTriggers(
  { name, triggers }: ExpectedTable,
  found: FoundTable,
  engine: Engine,
): readonly Difference[] {
  const isAny = [...triggers.keys()].some((each) => found.triggers.has(each));
  return [...(isAny ? triggers.values() : [])].flatMap((trigger): readonly Difference[] => {
    const body = found.triggers.get(trigger.name);
    const right = engine === 'mysql' ? [trigger.body.mysql, trigger.glances] : [trigger.body.postgres];
    return body !== undefined && right.map(plainBody).includes(plainBody(body))
      ? []
      : [{ what: 'trigger', table: name, trigger, missing: body === undefined }];
  });
}

/** Without comments and the way in which it is laid out. */
function plainBody(body: string): string {
  return body
    .replaceAll(/--\s.*/g, '')
    .replaceAll(/\s+/g, ' ')
    .replace(/[\s;]+$/, '')
    .trim();
}

/** `varchar(36) not null default 'x'` */
export function describeColumn({ type, nullable, default: standard, counted }: FoundColumn): string {
  const value = counted ? ' counted up' : standard === null ? '' : ` default '${standard}'`;
  return `${type}${nullable ? '' : ' not null'}${value}`;
}

function asFound(column: Column, engine: Engine): FoundColumn {
  const { type, default: standard } = column;
  const value = typeof standard === 'boolean' ? BOOLEANS[engine][standard ? 1 : 0] : standard;
  return {
    type: typeof type === 'string' ? (TYPES[engine][type] ?? varchar(type, engine)) : enumType(type, engine),
    nullable: column.nullable === true,
    default: value ?? null,
    counted: type === 'serial' || type === 'bigserial',
  };
}

const BOOLEANS: Readonly<Record<Engine, readonly [string, string]>> = {
  postgres: ['false', 'true'],
  mysql: ['0', '1'],
};

/** The types of the vocabulary in the words of the catalogs, display widths taken off. */
const TYPES: Readonly<Record<Engine, Readonly<Partial<Record<string, string>>>>> = {
  postgres: {
    serial: 'integer',
    bigserial: 'bigint',
    datetime: 'timestamp without time zone',
  },
  mysql: {
    integer: 'int',
    serial: 'int',
    bigserial: 'bigint',
    boolean: 'tinyint(1)',
    numeric: 'decimal(10,0)',
  },
};

function varchar(type: string, engine: Engine): string {
  return engine === 'postgres' ? type.replace('varchar', 'character varying') : type;
}

function enumType(type: Exclude<ColumnType, string>, engine: Engine): string {
  return engine === 'postgres' ? type.enum : `enum(${type.values.map((value) => `'${value}'`).join(',')})`;
}
