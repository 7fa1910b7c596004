import { Option } from 'commander';

/** Says in which form a verb writes what it found, other than the text for people. */
export function outputOption(formats: readonly string[]): Option {
  return new Option('-o, --output <format>', 'print the object in this format instead of text').choices(
    formats,
  );
}

/** Objects as the API server has them, in the form that kubectl would write. */
export async function objectText(object: unknown, format: 'json' | 'yaml'): Promise<string> {
  if (format === 'json') {
    return `${JSON.stringify(object, undefined, 2)}\n`;
  }
  const { toYaml } = await import('../../operator/kube/to-yaml.ts');
  const text = toYaml(object);
  return `---\n${text.endsWith('\n') ? text : `${text}\n`}`;
}
