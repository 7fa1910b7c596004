import { isMap, isScalar, type Pair, parseDocument, type YAMLMap } from 'yaml';

/** Puts the table of values into a chart's README, between its markers. */
export function chartReadme(readme: string, values: string): string {
  const { contents } = parseDocument(values);
  if (!isMap(contents)) {
    throw new Error('Cannot read the values of the chart: found no map at the top.');
  }
  const table = ['| value | default | meaning |', '|---|---|---|', ...rowsOf(contents, '')].join('\n');
  return readme.replace(/(<!-- generated: values -->\n)[\s\S]*?(<!-- end -->)/, `$1${table}\n$2`);
}

/** A map whose own line has a meaning is one value; any other is a folder of values. */
function rowsOf(map: YAMLMap, prefix: string): readonly string[] {
  return map.items.flatMap((pair, index) => {
    const name = `${prefix}${String(pair.key)}`;
    const meaning = meaningOf(pair, index === 0 ? map.commentBefore : undefined);
    const { value } = pair;
    if (isMap(value) && value.items.length > 0 && meaning === '') {
      return rowsOf(value, `${name}.`);
    }
    const text = JSON.stringify(
      isMap(value) || isScalar(value) ? value.toJSON() : (value as YAMLMap).toJSON(),
    );
    return [`| \`${name}\` | \`${text}\` | ${meaning} |`];
  });
}

/** The comment that begins with `--`; the parser has that of a map's first key at the map. */
function meaningOf({ key }: Pair, ofMap: string | null | undefined): string {
  const comment = (isScalar(key) ? key.commentBefore : undefined) ?? ofMap ?? '';
  return /^ -- (.*)$/m.exec(comment)?.[1] ?? '';
}
