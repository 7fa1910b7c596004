import { EXIT_REASONS, exitMeaning } from '../contract/failures.ts';
import { REASONS, type ReasonMeaning } from '../contract/reasons.ts';
import type { Schema } from './custom-resource-definition.ts';

/** The reasons of the condition Ready, as a table in Markdown. */
export function reasonsTable(): string {
  const rows = Object.entries(REASONS).map(([name, reason]: [string, ReasonMeaning]) =>
    [`\`${name}\``, reason.ready, reason.also ?? '-', reason.meaning, reason.doThis].join(' | '),
  );
  return table(['reason', 'Ready', 'also', 'meaning', 'what you do'], rows);
}

/** A heading for each reason, which alerts and people link to. */
export function reasonHeadings(): string {
  return Object.entries(REASONS)
    .map(([name, { meaning, doThis }]) =>
      [
        `### ${name}`,
        meaning,
        `**What you do:** ${doThis}`,
        `As it was recorded: [\`${name}\`](../test/golden/reasons/${name}.yaml).`,
      ].join('\n\n'),
    )
    .join('\n\n');
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

/** The exit codes of `glance-schema db`, as a table in Markdown. */
export function exitCodesTable(): string {
  const rows = EXIT_REASONS.map((reason) => {
    const { exitCode, meaning } = exitMeaning(reason);
    return [String(exitCode), `\`${reason}\``, meaning].join(' | ');
  });
  return table(['exit code', 'reason', 'meaning'], rows);
}

/** A table in Markdown; the cells of a row are joined by ` | ` already. */
export function table(head: readonly string[], rows: readonly string[]): string {
  const lines = [head.join(' | '), head.map(() => '---').join(' | '), ...rows];
  return lines.map((line) => `| ${line} |`).join('\n');
}
