import type { Difference } from '../../glance/compare.ts';
import { literal, quoted } from './quoted.ts';
import {
  columnDefinition,
  createTable,
  createTrigger,
  indexName,
  list,
  type SqlTarget,
  typeName,
} from './render-step.ts';

/**
 * The SQL that makes a difference go away. What it needs of the rows, such as that a key is unique,
 * is not read.
 */
export function repairStatements(difference: Difference, target: SqlTarget): readonly string[] {
  const { table } = difference;
  switch (difference.what) {
    case 'table': {
      const { columns, indexes, checked: _, triggers: __, ...rest } = difference.expected;
      return createTable({ ...rest, columns: [...columns.values()], indexes: [...indexes.values()] });
    }
    case 'column': {
      const { column, found } = difference;
      if (found === undefined) return [`ALTER TABLE ${table} ADD COLUMN ${columnDefinition(column)}`];
      const { name, type, nullable, default: standard } = column;
      const isCounted = type === 'serial' || type === 'bigserial';
      const change = (what: string): string => `ALTER COLUMN ${name} ${what}`;
      return [
        `ALTER TABLE ${table} ${[
          ...(isCounted ? [] : [change(`TYPE ${typeName(type)}`)]),
          change(nullable === true ? 'DROP NOT NULL' : 'SET NOT NULL'),
          ...(isCounted
            ? []
            : [change(standard === undefined ? 'DROP DEFAULT' : `SET DEFAULT ${literal(standard)}`)]),
        ].join(', ')}`,
      ];
    }
    case 'index': {
      const { index, found } = difference;
      return [
        ...(found === undefined ? [] : [`DROP INDEX ${indexName(index.name, table, target)}`]),
        `CREATE INDEX ${index.name} ON ${table} (${list(index.columns)})`,
      ];
    }
    case 'unique': {
      const { name, columns } = difference.unique;
      return [
        `ALTER TABLE ${table} ADD ${name === undefined ? '' : `CONSTRAINT ${name} `}UNIQUE (${list(columns)})`,
      ];
    }
    case 'primary key':
      return [`ALTER TABLE ${table} ADD PRIMARY KEY (${list(difference.columns)})`];
    case 'foreign key': {
      const { columns, references } = difference.key;
      return [
        `ALTER TABLE ${table} ADD FOREIGN KEY (${list(columns)}) REFERENCES ${references.table} (${list(references.columns)})`,
      ];
    }
    // It has a type for that.
    case 'check':
      return [];
    case 'trigger':
      return createTrigger(table, difference.trigger);
    case 'other column':
      return [`ALTER TABLE ${table} DROP COLUMN ${quoted(difference.column)}`];
  }
}
