import type { Schema } from './custom-resource-definition.ts';
import { EXIT_CODES, type ExitReason } from './exit-codes.ts';
import { REASONS, type ReasonMeaning } from './reasons.ts';

/** The reasons of the condition Ready, as a table in Markdown. */
export function reasonsTable(): string {
  const rows = Object.entries(REASONS).map(([name, reason]: [string, ReasonMeaning]) =>
    [`\`${name}\``, reason.ready, reason.also ?? '-', reason.meaning, reason.doThis].join(' | '),
  );
  return table(['reason', 'Ready', 'also', 'meaning', 'what you do'], rows);
}

/** The fields below one node of the CRD's schema, as a table in Markdown. */
export function fieldsTable(root: Schema, path: string): string {
  return table(['field', 'type', 'meaning'], fieldRows(root, path));
}

function fieldRows(node: Schema, path: string): string[] {
  return Object.entries(node.properties ?? {}).flatMap(([name, field]) => {
    const inside = field.type === 'array' && field.items !== undefined ? field.items : field;
    const here = `${path}.${name}${field.type === 'array' ? '[]' : ''}`;
    const choices =
      field.enum === undefined ? '' : ` One of ${field.enum.map((value) => `\`${value}\``).join(', ')}.`;
    const preset = field.default === undefined ? '' : ` Default \`${String(field.default)}\`.`;
    const row = [`\`${here}\``, typeOf(field), `${field.description ?? ''}${choices}${preset}`.trim()].join(
      ' | ',
    );
    return [row, ...fieldRows(inside, here)];
  });
}

function typeOf(field: Schema): string {
  if (field['x-kubernetes-int-or-string'] === true) {
    return 'string';
  }
  return field.additionalProperties === undefined ? (field.type ?? 'any') : 'map';
}

const EXIT_MEANINGS: Readonly<Record<ExitReason, string>> = {
  Done: 'Done, or there was nothing to do.',
  MigrationFailed: "A migration failed and was rolled back; the message carries the database's own error.",
  Usage: 'The command line, the URL or the configuration file cannot be understood.',
  DowngradeNotSupported: 'The target comes before where the database is. Nothing was changed.',
  RevisionNotFound: 'The target is no revision that this build carries.',
  DatabaseNewer: 'The database is past what this build carries. Nothing was changed.',
  DatabaseNotGlance:
    'Neither alembic_version nor migrate_version can place the database. Nothing was changed.',
  PartiallyApplied:
    'MySQL and MariaDB only: a statement was applied that cannot be rolled back, and a later one failed.',
  DatabaseUnreachable: 'Cannot connect, or cannot authenticate.',
  LockTimeout: 'Another migrator has kept the lock for longer than was asked to wait.',
  Interrupted: 'SIGTERM or SIGINT; what was running was rolled back.',
};

/** The exit codes of `glance-schema db`, as a table in Markdown. */
export function exitCodesTable(): string {
  const rows = Object.entries(EXIT_MEANINGS).map(([reason, meaning]) =>
    [String(EXIT_CODES[reason as ExitReason]), `\`${reason}\``, meaning].join(' | '),
  );
  return table(['exit code', 'reason', 'meaning'], rows);
}

function table(head: readonly string[], rows: readonly string[]): string {
  const lines = [head.join(' | '), head.map(() => '---').join(' | '), ...rows];
  return lines.map((line) => `| ${line} |`).join('\n');
}
