import { Command, InvalidArgumentError, Option } from 'commander';
import type { Address, OperatorOptions } from '../operator/options.ts';
import { runOperator } from '../operator/run.ts';
import { VERSION } from './version.ts';

/** The command `controller`, whose flags become the options of the operator. */
export function operatorCommand(): Command {
  return new Command('controller')
    .description('Watch GlanceSchemas and bring their databases to the wanted revision, each by a Job.')
    .option(
      '--kubeconfig <file>',
      'how to reach Kubernetes (default: $KUBECONFIG, then the ServiceAccount of the pod)',
    )
    .addOption(
      new Option(
        '--image <image>',
        "the image of the migration's pods where a GlanceSchema names none (default: that of the operator's own pod)",
      ).env('GLANCE_SCHEMA_IMAGE'),
    )
    .addOption(
      new Option('--pod-name <name>', 'the pod that the operator runs in, whose image its Jobs run').env(
        'POD_NAME',
      ),
    )
    .addOption(new Option('--pod-namespace <namespace>', 'where that pod is').env('POD_NAMESPACE'))
    .option('--namespaces <a,b>', 'work in these namespaces only (default: all)', parseNamespaces)
    .addOption(
      new Option('--health-address <host:port>', 'where /healthz and /readyz are served')
        .argParser(parseAddress)
        .default(parseAddress(':8081'), ':8081, at all addresses'),
    )
    .addOption(
      new Option('--metrics-address <host:port>', 'where /metrics is served for Prometheus; 0 turns it off')
        .argParser(parseAddressOrNone)
        .default(parseAddress(':8080'), ':8080, at all addresses'),
    )
    .option('--workers <number>', 'how many GlanceSchemas are worked on at once', parseCount, 10)
    .option('--no-leader-elect', 'do not wait for the Lease: for a single replica that is never rolled')
    .option('--lease-namespace <namespace>', 'where the Lease is (default: the namespace of the pod)')
    .addOption(
      new Option('--log-level <level>', 'the least level that is logged')
        .choices(['debug', 'info', 'warn', 'error'])
        .default('info'),
    )
    .addHelpText('after', EXIT_CODES_HELP)
    .action((flags: Omit<OperatorOptions, 'version'>, command: Command) => {
      if (!flags.image && !flags.podName) {
        command.error(
          "error: option '--image <image>' is missing, and POD_NAME names no pod of the operator's own. Name the image of Jobs",
          { exitCode: 2 },
        );
      }
      const { image, ...others } = flags;
      // A variable that is there and empty names nothing.
      return runOperator({ ...others, ...(image ? { image } : {}), version: VERSION });
    });
}

const EXIT_CODES_HELP = `
Exit codes:
  0  stopped by SIGTERM or SIGINT
  1  the Lease was lost, the kubeconfig or the operator's own pod cannot be read, or an address is taken
  2  the command line cannot be understood
`;

function parseAddressOrNone(text: string): Address | 'none' {
  return text === '' || text === '0' ? 'none' : parseAddress(text);
}

function parseAddress(text: string): Address {
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(text) ?? [];
  if (port === '' || Number(port) > 65535) {
    throw new InvalidArgumentError(
      `'${text}' is no address. Write HOST:PORT, such as 127.0.0.1:8081, or :8081 for all addresses.`,
    );
  }
  return { host: host.replace(/^\[(.*)\]$/, '$1') || undefined, port: Number(port) };
}

function parseNamespaces(text: string): readonly string[] {
  const names = text.split(',').map((name) => name.trim());
  const wrong = names.find((name) => name.length > 63 || !/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name));
  if (wrong !== undefined) {
    throw new InvalidArgumentError(
      `'${wrong}' is no namespace. Write names of namespaces, such as openstack,staging.`,
    );
  }
  return [...new Set(names)];
}

function parseCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > 64) {
    throw new InvalidArgumentError(`'${text}' is not in range. Write a whole number from 1 to 64.`);
  }
  return count;
}
