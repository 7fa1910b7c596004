import { readFileSync } from 'node:fs';
import { REASONS, type Reason } from '../../src/contract/reasons.ts';

const GITOPS = readFileSync(new URL('../../docs/gitops.md', import.meta.url), 'utf8');

/** What kstatus and Argo CD say of a reason, as the table of docs/gitops.md has it. */
export function documentedHealth(reason: Reason): readonly string[] {
  const { also } = REASONS[reason];
  const row = GITOPS.split('\n').find(
    (line) =>
      line.startsWith(`| \`${reason}\` |`) ||
      (also !== undefined && line.startsWith(`| a reason with \`${also}\``)),
  );
  const [, _state, ...cells] = row?.split('|') ?? [];
  return cells.slice(0, 2).map((cell) => /\w+/.exec(cell)?.[0] ?? '');
}
