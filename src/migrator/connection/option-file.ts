/**
 * One section of MySQL's option file, as PyMySQL reads it: names in lower case with `-` for `_`,
 * the values of `[DEFAULT]` beneath, an indented line as a piece of the value before it, and
 * `!include` not followed.
 */
export function parseOptionFile(text: string, section: string): ReadonlyMap<string, string> {
  const sections = new Map<string, Map<string, string>>();
  let values = new Map<string, string>();
  let name: string | undefined;
  for (const line of text.split(/\r?\n/)) {
    const trimmed = line.trim();
    if (trimmed === '' || /^[#;]/.test(trimmed)) {
      continue;
    }
    if (/^\s/.test(line) && name !== undefined) {
      values.set(name, `${values.get(name)}\n${trimmed}`);
      continue;
    }
    const header = /^\[(?<name>.+)\]/.exec(trimmed)?.groups?.name;
    if (header !== undefined) {
      values = sections.get(header) ?? new Map();
      sections.set(header, values);
      name = undefined;
      continue;
    }
    const parts = /^(?<name>[^=:]+?)\s*(?:[=:]\s*(?<value>.*))?$/.exec(trimmed)?.groups;
    name = parts?.name?.toLowerCase().replaceAll('_', '-');
    if (name !== undefined) {
      values.set(name, parts?.value ?? '');
    }
  }
  const merged = [...(sections.get('DEFAULT') ?? []), ...(sections.get(section) ?? [])];
  return new Map(merged.map(([key, value]) => [key, unquote(value)]));
}

function unquote(value: string): string {
  return /^(["']).*\1$/s.test(value) && value.length > 1 ? value.slice(1, -1) : value;
}
