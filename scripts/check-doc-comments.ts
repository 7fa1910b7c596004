import { globSync, readFileSync } from 'node:fs';

// Each export of the product and of the lab says in a doc comment what it is: `make lint` fails for
// one that does not.

const EXPORT =
  /^export (?:declare |default |async |abstract )*(?:function\*?|const|let|class|interface|type|enum) (\w+)/;

/**
 * The names that a source file exports without a doc comment on the line before, each with its line
 * from 1.
 */
export function undocumentedExports(
  source: string,
): readonly { readonly line: number; readonly name: string }[] {
  const lines = source.split('\n');
  return lines.flatMap((line, index) => {
    const name = EXPORT.exec(line)?.[1];
    const documented = lines[index - 1]?.trimEnd().endsWith('*/') ?? false;
    return name === undefined || documented ? [] : [{ line: index + 1, name }];
  });
}

if (import.meta.main) {
  const missing = globSync(['src/**/*.ts', 'migrations/**/*.ts', 'lab/**/*.ts']).flatMap((file) =>
    undocumentedExports(readFileSync(file, 'utf8')).map(({ line, name }) => `${file}:${line}: ${name}`),
  );
  if (missing.length > 0) {
    console.error(
      `These exports have no doc comment. Say above each what it is.\n${missing.sort().join('\n')}`,
    );
    process.exitCode = 1;
  }
}
