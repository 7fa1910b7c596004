import { Command } from 'commander';
import { endWith } from '../exit.ts';
import type { SchemaFlags } from './schema-access.ts';

/** A verb that is about GlanceSchemas, whose names are its arguments. */
export interface SchemaCommandOptions<Flags extends SchemaFlags> {
  readonly verb: string;
  readonly description: string;
  readonly run: (name: string, flags: Flags) => Promise<void>;
  /** Exit codes in addition to those that all verbs have, as lines of the help. */
  readonly exitCodes?: readonly string[];
}

/** A verb that is about GlanceSchemas, one after the other. */
export function schemaCommand<Flags extends SchemaFlags>(options: SchemaCommandOptions<Flags>): Command {
  const codes = [
    '  0  done',
    '  1  it could not be done; the message says why',
    '  2  the command line cannot be understood',
    ...(options.exitCodes ?? []),
  ];
  const command = new Command(options.verb)
    .description(options.description)
    .argument('<name...>', 'the GlanceSchema, or several')
    .addHelpText('after', `\nExit codes:\n${codes.join('\n')}\n`)
    .action((names: readonly string[], flags: Flags) => forEach(names, (name) => options.run(name, flags)));
  return addClusterOptions(command);
}

/** Gives a command the options that say which cluster is meant, and where in it. */
export function addClusterOptions(command: Command): Command {
  return command
    .option('-n, --namespace <namespace>', "where it is (default: the context's namespace)")
    .option('--context <name>', 'the context of the kubeconfig (default: the current one)')
    .option('--kubeconfig <file>', 'how to reach Kubernetes (default: $KUBECONFIG, then ~/.kube/config)')
    .option('--as <user>', 'who the API server is to take you for, where you may');
}

/** What fails of one is reported and holds up no other; the first exit code that is not 0 stays. */
async function forEach(names: readonly string[], run: (name: string) => Promise<void>): Promise<void> {
  const [only] = names;
  if (only !== undefined && names.length === 1) {
    return run(only);
  }
  for (const [index, name] of names.entries()) {
    const before = process.exitCode;
    process.exitCode = undefined;
    if (index > 0 && process.stdout.isTTY) {
      process.stdout.write('\n');
    }
    try {
      await run(name);
    } catch (error) {
      process.exitCode = endWith(error);
    }
    process.exitCode = before || process.exitCode;
  }
}
