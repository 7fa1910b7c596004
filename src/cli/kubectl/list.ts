import { Command } from 'commander';
import { GROUP, PLURAL } from '../../contract/names.ts';
import { objectText, outputOption } from './object-output.ts';
import { pathOf, type SchemaFlags, type SchemaView, withCluster } from './schema-access.ts';
import { addClusterOptions } from './schema-command.ts';
import { tableLines } from './table.ts';
import { formatAge } from './times.ts';

interface ListFlags extends SchemaFlags {
  readonly allNamespaces?: boolean;
  readonly selector?: string;
  readonly output?: 'json' | 'yaml' | 'wide';
}

/** `kubectl glanceschema list` */
export function listCommand(): Command {
  const command = new Command('list')
    .description('List GlanceSchemas, those that need a person first.')
    .option('-A, --all-namespaces', 'those of all namespaces')
    .option('-l, --selector <labels>', 'those with these labels, as kubectl takes them')
    .addOption(outputOption(['json', 'yaml', 'wide']))
    .action(list);
  return addClusterOptions(command);
}

async function list(flags: ListFlags): Promise<void> {
  await withCluster(flags, async ({ namespace, request }) => {
    const within = flags.allNamespaces === true ? undefined : namespace;
    const where = within === undefined ? 'in all namespaces' : `in namespace ${within}`;
    const answer = await request<{ readonly items: readonly SchemaView[] }>(
      {
        method: 'GET',
        path: pathOf(within),
        ...(flags.selector === undefined ? {} : { query: { labelSelector: flags.selector } }),
      },
      { doing: `list the GlanceSchemas ${where}`, right: `'list' on ${PLURAL}.${GROUP}` },
    );
    const { output } = flags;
    if (output === 'json' || output === 'yaml') {
      process.stdout.write(await objectText(answer, output));
    } else if (answer.items.length === 0) {
      process.stderr.write(`No GlanceSchemas found ${where}.\n`);
    } else {
      const rows = rowsOf(answer.items, { wide: output === 'wide', namespaces: within === undefined });
      process.stdout.write(`${tableLines(rows).join('\n')}\n`);
    }
  });
}

interface Columns {
  readonly wide: boolean;
  readonly namespaces: boolean;
}

function rowsOf(
  schemas: readonly SchemaView[],
  { wide, namespaces }: Columns,
): readonly (readonly string[])[] {
  const now = new Date().toISOString();
  const head = [
    ...(namespaces ? ['NAMESPACE'] : []),
    ...['NAME', 'DESIRED', 'RECORDED', 'READY', 'REASON', 'AGE'],
    ...(wide ? ['TARGET', 'PHASE', 'JOB', 'PROGRESS', 'MESSAGE'] : []),
  ];
  const rows = schemas.toSorted(byNeed).map(({ metadata, spec, status = {} }) => {
    const ready = status.conditions?.find(({ type }) => type === 'Ready');
    const { progress } = status;
    return [
      ...(namespaces ? [metadata.namespace] : []),
      metadata.name,
      spec.revision === undefined ? '-' : String(spec.revision),
      status.recordedRevision ?? '-',
      ready?.status ?? '-',
      ready?.reason ?? '-',
      formatAge(metadata.creationTimestamp, now),
      ...(wide
        ? [
            status.targetRevision ?? '-',
            status.recordedPhase ?? '-',
            status.job?.name ?? '-',
            progress === undefined ? '-' : `${progress.done}/${progress.total}`,
            ready?.message ?? '-',
          ]
        : []),
    ];
  });
  return [head, ...rows];
}

/** Stalled ones, then those that are not ready, then the rest; each by name. */
function byNeed(one: SchemaView, other: SchemaView): number {
  return (
    need(other) - need(one) ||
    one.metadata.namespace.localeCompare(other.metadata.namespace) ||
    one.metadata.name.localeCompare(other.metadata.name)
  );
}

function need({ status }: SchemaView): number {
  const isTrue = (type: string) =>
    status?.conditions?.some((condition) => condition.type === type && condition.status === 'True') ?? false;
  if (isTrue('Stalled')) {
    return 2;
  }
  return isTrue('Ready') ? 0 : 1;
}
