/** A name of a table, a column or a schema as SQL has it. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A block of PL/pgSQL, as a literal: no name in it can end it. */
export function block(body: string): string {
  return `DO ${literal(body)};`;
}

/** A value as an SQL literal, with its quotes doubled. */
export function literal(value: string | boolean): string {
  return typeof value === 'string' ? `'${value.replaceAll("'", "''")}'` : String(value);
}
