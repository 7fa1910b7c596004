import { readFileSync } from 'node:fs';

/** A row of a table of settings in docs/operations.md. */
export interface DocumentedSettings {
  readonly names: readonly string[];
  readonly outcome: string;
}

/** The rows of the table that follows the word in bold. */
export function documentedSettings(heading: string): readonly DocumentedSettings[] {
  const document = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
  const [, after = ''] = document.split(`\n**${heading}**`);
  const [table = ''] = after.split('\n**');
  return [...table.matchAll(/^\| (`.*?) \| (.*) \|$/gm)].map(([, names = '', outcome = '']) => ({
    names: [...names.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
    outcome,
  }));
}
