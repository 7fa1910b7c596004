import type { Command } from 'commander';
import { REVISIONS } from '../glance/revisions.ts';
import type { SchemaFlags } from './kubectl/schema-access.ts';

/** Pressing a key must not hang on a cluster that does not answer. */
const COMPLETION_TIMEOUT = 2_000;

/**
 * Gives a program the command `complete`, by which shells and kubectl complete what is typed:
 * commands, options and their choices, revisions, and the GlanceSchemas that the kubeconfig leads
 * to.
 *
 * @param args the whole command line; what is typed stands behind `--`
 */
export async function addCompletion(program: Command, args: readonly string[]): Promise<void> {
  const { default: tab } = await import('@bomb.sh/tab/commander');
  const root = tab(program);
  const typed = args.slice(args.indexOf('--') + 1);
  const revisions = REVISIONS.map(({ name, aliases }) => [name, aliases.join(', ')] as const);
  for (const [path, { arguments: own, options }] of root.commands) {
    const [version, name] = [own.get('version'), own.get('name')];
    for (const place of [version, version === undefined ? undefined : options.get('version')]) {
      if (place !== undefined) {
        place.handler = (complete) => offer(complete, revisions);
      }
    }
    if (name !== undefined && path.split(' ').every((word, index) => word === typed[index])) {
      const names = await schemaNames(typed);
      name.handler = (complete) =>
        offer(
          complete,
          names.map((each) => [each, '']),
        );
    }
  }
}

function offer(
  complete: (value: string, description: string) => void,
  words: readonly (readonly [string, string])[],
): void {
  for (const [value, description] of words) {
    complete(value, description);
  }
}

/** The GlanceSchemas that could be meant and are not named yet; none where they cannot be had. */
async function schemaNames(typed: readonly string[]): Promise<readonly string[]> {
  const { pathOf, withCluster } = await import('./kubectl/schema-access.ts');
  try {
    return await withCluster(flagsOf(typed), async ({ namespace, request }) => {
      const answer = await request<{
        readonly items: readonly { readonly metadata: { readonly name: string } }[];
      }>(
        { method: 'GET', path: pathOf(namespace) },
        { doing: 'list', right: 'list' },
        AbortSignal.timeout(COMPLETION_TIMEOUT),
      );
      const before = typed.slice(0, -1);
      return answer.items.map(({ metadata }) => metadata.name).filter((name) => !before.includes(name));
    });
  } catch {
    return [];
  }
}

const FLAGS: Readonly<Record<string, keyof SchemaFlags>> = {
  '-n': 'namespace',
  '--namespace': 'namespace',
  '--context': 'context',
  '--kubeconfig': 'kubeconfig',
  '--as': 'as',
};

/** Which cluster is meant, of a command line that is not whole yet. */
function flagsOf(typed: readonly string[]): SchemaFlags {
  const words = typed.flatMap((word) => /^(--[a-z]+)=(.*)$/s.exec(word)?.slice(1) ?? [word]);
  const flags = words.flatMap((word, index): [string, string][] => {
    const [name, value] = [FLAGS[word], words[index + 1]];
    return name === undefined || value === undefined ? [] : [[name, value]];
  });
  return Object.fromEntries(flags);
}
