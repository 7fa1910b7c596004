import { basename } from 'node:path';
import { Command } from 'commander';
import { VERSION } from './cli/version.ts';

/** Named here, so that the help lists them all and a command loads only its own room. */
const GROUPS: Readonly<Record<string, { readonly description: string; load(): Promise<Command> }>> = {
  db: {
    description: "migrate and inspect Glance's database",
    load: async () => (await import('./cli/db.ts')).dbCommand(),
  },
  controller: {
    description: 'run the operator in a Kubernetes cluster',
    load: async () => (await import('./cli/operator.ts')).operatorCommand(),
  },
  kubectl: {
    description: 'look at GlanceSchemas and steer them; `kubectl glanceschema` is the same',
    load: () => loadKubectl('kubectl'),
  },
};

/** The name under which kubectl finds this program as its plugin. */
const PLUGIN = /^kubectl-glanceschema\b/;

async function main(path: string, args: readonly string[]): Promise<void> {
  const program = PLUGIN.test(basename(path))
    ? await loadKubectl('kubectl glanceschema')
    : await withGroups(args);
  // Behind a verb `--version` is the revision that the verb is about, as glance-manage takes it.
  program.version(VERSION).enablePositionalOptions();
  throwInsteadOfExit(program);
  await program.parseAsync([...args], { from: 'user' });
}

async function loadKubectl(name: string): Promise<Command> {
  return (await import('./cli/kubectl.ts')).kubectlCommand(name);
}

async function withGroups(args: readonly string[]): Promise<Command> {
  const program = new Command('glance-schema')
    .description(
      'The schema of the OpenStack Glance database: its migrations, and the operator that runs them.',
    )
    .helpCommand(false);
  const chosen = args.find((argument) => !argument.startsWith('-')) ?? '';
  for (const [name, group] of Object.entries(GROUPS)) {
    program.addCommand(
      name === chosen ? await group.load() : new Command(name).description(group.description),
    );
  }
  return program;
}

function throwInsteadOfExit(command: Command): void {
  command.exitOverride();
  command.commands.forEach(throwInsteadOfExit);
}

async function run(): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) {
    // Whoever read what is said may have gone (`| head`); what is under way is finished all the same.
    stream.on('error', () => undefined);
  }
  try {
    await main(process.argv[1] ?? '', process.argv.slice(2));
  } catch (error) {
    const { endWith } = await import('./cli/exit.ts');
    process.exitCode = endWith(error);
  }
}

void run();
