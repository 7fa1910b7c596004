import { Command } from 'commander';
import { runProgram } from './cli/run-program.ts';

/** Named here, so that the help lists them all and a command loads only what it needs. */
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
    description: 'show GlanceSchemas and steer them; `kubectl glanceschema` is the same',
    load: async () => (await import('./cli/kubectl.ts')).kubectlCommand('kubectl'),
  },
};

async function withGroups(args: readonly string[]): Promise<Command> {
  const program = new Command('glance-schema')
    .description(
      'The schema of the OpenStack Glance database: its migrations, and the operator that runs them.',
    )
    .helpCommand(false);
  const chosen = args.find((argument) => !argument.startsWith('-')) ?? '';
  const completes = chosen === 'complete';
  for (const [name, group] of Object.entries(GROUPS)) {
    program.addCommand(
      name === chosen || completes ? await group.load() : new Command(name).description(group.description),
    );
  }
  if (completes) {
    await (await import('./cli/completion.ts')).addCompletion(program, args);
  } else {
    program.addCommand(
      new Command('complete').description('print a script by which a shell completes words'),
    );
  }
  return program;
}

// Whoever imports the program, as tests do, sees it end.
await runProgram(withGroups);
