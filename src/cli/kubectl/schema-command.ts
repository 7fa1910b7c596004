import { Command } from 'commander';
import type { SchemaFlags } from './schema-access.ts';

/** A verb that is about one GlanceSchema, which is its only argument. */
export interface SchemaCommandOptions<Flags extends SchemaFlags> {
  readonly verb: string;
  readonly description: string;
  readonly run: (name: string, flags: Flags) => Promise<void>;
  /** Exit codes besides those that all verbs have, as lines of the help. */
  readonly exitCodes?: readonly string[];
}

/** A verb that is about one GlanceSchema. */
export function schemaCommand<Flags extends SchemaFlags>(options: SchemaCommandOptions<Flags>): Command {
  const codes = [
    '  0  done',
    '  1  it could not be done; the message says why',
    '  2  the command line cannot be understood',
    ...(options.exitCodes ?? []),
  ];
  return new Command(options.verb)
    .description(options.description)
    .argument('<name>', 'the GlanceSchema')
    .option('-n, --namespace <namespace>', "where it is (default: the context's namespace)")
    .option('--context <name>', 'the context of the kubeconfig (default: the current one)')
    .option('--kubeconfig <file>', 'how to reach Kubernetes (default: $KUBECONFIG, then ~/.kube/config)')
    .addHelpText('after', `\nExit codes:\n${codes.join('\n')}\n`)
    .action((name: string, flags: Flags) => options.run(name, flags));
}
