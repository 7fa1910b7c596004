/** A name of a table, a column or a database as SQL has it. */
export function quoted(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}
