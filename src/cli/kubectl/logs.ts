import { type Command, InvalidArgumentError, Option } from 'commander';
import { CONTAINER_NAME } from '../../contract/names.ts';
import { type ClusterAccess, type SchemaAccess, type SchemaFlags, withSchema } from './schema-access.ts';
import { schemaCommand } from './schema-command.ts';

interface LogsFlags extends SchemaFlags {
  readonly follow?: boolean;
  readonly tail?: number;
}

/** `kubectl glanceschema logs NAME` */
export function logsCommand(): Command {
  return schemaCommand<LogsFlags>({
    verb: 'logs',
    description: 'Print what the newest pod of the newest Job has logged.',
    run: logs,
  })
    .option('-f, --follow', 'go on with what it logs, until it ends')
    .addOption(new Option('--tail <lines>', 'the last lines only').argParser(parseLines));
}

async function logs(name: string, flags: LogsFlags): Promise<void> {
  await withSchema(name, flags, async (schema, cluster) => {
    const pod = await newestPod(schema, cluster);
    const tail = flags.tail === undefined ? {} : { tailLines: String(flags.tail) };
    const follow = flags.follow === true ? { follow: 'true' } : {};
    // Nobody reads it any more, as behind `| head`.
    process.stdout.once('error', () => process.exit());
    await cluster.follow(
      {
        method: 'GET',
        path: `/api/v1/namespaces/${encodeURIComponent(cluster.namespace)}/pods/${pod}/log`,
        query: { container: CONTAINER_NAME, ...tail, ...follow },
      },
      { doing: `read the log of ${schema.title}`, right: "'get' on pods/log" },
      (text) => void process.stdout.write(text),
    );
  });
}

interface Pod {
  readonly metadata: { readonly name: string; readonly creationTimestamp: string };
}

async function newestPod(schema: SchemaAccess, { namespace, request }: ClusterAccess): Promise<string> {
  const { job } = (await schema.read()).status ?? {};
  const doing = `read the log of ${schema.title}`;
  if (job === undefined) {
    throw new Error(
      `Cannot ${doing}: no Job has run for it. See what it waits for: ${schema.commandFor('status')}`,
    );
  }
  const { items } = await request<{ readonly items: readonly Pod[] }>(
    {
      method: 'GET',
      path: `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`,
      query: { labelSelector: `job-name=${job.name}` },
    },
    { doing, right: "'list' on pods" },
  );
  const newest = items.toSorted((one, other) =>
    other.metadata.creationTimestamp.localeCompare(one.metadata.creationTimestamp),
  )[0];
  if (newest === undefined) {
    throw new Error(
      `Cannot ${doing}: Job ${job.name} has no pod, or its pod was deleted. For the result, run '${schema.commandFor('history')}'.`,
    );
  }
  return newest.metadata.name;
}

function parseLines(text: string): number {
  if (!/^\d{1,9}$/.test(text)) {
    throw new InvalidArgumentError(`'${text}' is no number of lines.`);
  }
  return Number(text);
}
