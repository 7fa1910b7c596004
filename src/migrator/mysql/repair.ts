import type { Difference } from '../../glance/compare.ts';
import { columnDefinition, createTable, createTrigger, uniqueName } from './plan-steps.ts';
import { quoted } from './quoted.ts';

/**
 * The SQL that makes a difference go away. What it needs of the rows, such as that a key is unique,
 * is not read.
 */
export function repairStatements(difference: Difference): readonly string[] {
  const { table } = difference;
  const alter = (...clauses: readonly string[]): readonly string[] => [
    `ALTER TABLE ${table} ${clauses.join(', ')}`,
  ];
  switch (difference.what) {
    case 'table': {
      const { columns, indexes, checked: _, triggers: __, ...rest } = difference.expected;
      return [createTable({ ...rest, columns: [...columns.values()], indexes: [...indexes.values()] })];
    }
    case 'column':
      return alter(
        `${difference.found === undefined ? 'ADD' : 'MODIFY'} COLUMN ${columnDefinition(difference.column)}`,
      );
    case 'index': {
      const { index, found } = difference;
      return alter(
        ...(found === undefined ? [] : [`DROP INDEX ${index.name}`]),
        `ADD INDEX ${index.name} (${index.columns.join(', ')})`,
      );
    }
    case 'unique': {
      const { unique } = difference;
      return alter(`ADD UNIQUE KEY ${uniqueName(table, unique)} (${unique.columns.join(', ')})`);
    }
    case 'primary key':
      return alter(`ADD PRIMARY KEY (${difference.columns.join(', ')})`);
    case 'foreign key': {
      const { columns, references } = difference.key;
      return alter(
        `ADD FOREIGN KEY (${columns.join(', ')}) REFERENCES ${references.table} (${references.columns.join(', ')})`,
      );
    }
    case 'check':
      return alter(`ADD CHECK (${difference.column} IN (0, 1))`);
    case 'trigger': {
      const { trigger, missing } = difference;
      return [...(missing ? [] : [`DROP TRIGGER ${trigger.name}`]), createTrigger(table, trigger)];
    }
    case 'other column':
      return alter(`DROP COLUMN ${quoted(difference.column)}`);
  }
}
