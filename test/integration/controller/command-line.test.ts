import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { bundle, type CliRun, startCli } from '../../../lab/process/bundle.ts';
import { leaveOut } from '../../../lab/process/needs.ts';

const IPV6 = Object.values(networkInterfaces()).some((each) =>
  each?.some(({ address }) => address === '::1'),
);
const TAKEN_OF_IPV6 = 'no host, and a port that is taken at one address of IPv6';

describe('glance-schema controller, wrong input', () => {
  const folder = mkdtempSync(join(tmpdir(), 'glance-schema-command-'));
  const nonsense = join(folder, 'nonsense');
  const nobody = join(folder, 'nobody');
  const taken = createServer();
  const takenOfIpv6 = createServer();
  let run: CliRun | undefined;

  before(async () => {
    writeFileSync(nonsense, 'a: [b\n');
    writeFileSync(
      nobody,
      JSON.stringify({
        clusters: [{ name: 'c', cluster: { server: 'https://127.0.0.1:1' } }],
        contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
        users: [{ name: 'u', user: {} }],
        'current-context': 'c',
      }),
    );
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    if (IPV6) {
      await new Promise<void>((resolve) => takenOfIpv6.listen(0, '::1', resolve));
    }
  });

  afterEach(() => run?.kill('SIGKILL'));

  after(() => {
    taken.close();
    takenOfIpv6.close();
    rmSync(folder, { recursive: true });
  });

  const portOf = (server: Server) => (server.address() as AddressInfo).port;
  const address = () => `127.0.0.1:${portOf(taken)}`;
  const ROWS: readonly (readonly [string, () => readonly string[], number, string])[] = [
    ['no image', () => [], 2, "option '--image <image>' is missing"],
    ['an unknown option', () => ['--image', 'x', '--imagine'], 2, "unknown option '--imagine'"],
    [
      'an address without a port',
      () => ['--image', 'x', '--health-address', 'here'],
      2,
      "'here' is no address. Write HOST:PORT",
    ],
    [
      'a port that is none',
      () => ['--image', 'x', '--health-address', ':70000'],
      2,
      "':70000' is no address",
    ],
    [
      'no workers',
      () => ['--image', 'x', '--workers', '0'],
      2,
      "'0' is not in range. Write a whole number from 1 to 64",
    ],
    [
      'a namespace that can be none',
      () => ['--image', 'x', '--namespaces', 'openstack,'],
      2,
      "'' is no namespace. Write names of namespaces",
    ],
    [
      'a namespace that would change the path',
      () => ['--image', 'x', '--namespaces', '../..'],
      2,
      "'../..' is no namespace. Write names of namespaces",
    ],
    ['an unknown level', () => ['--image', 'x', '--log-level', 'loud'], 2, "argument 'loud' is invalid"],
    [
      'a kubeconfig that is not there',
      () => ['--image', 'x', '--kubeconfig', `${folder}/none`],
      1,
      'Cannot read the kubeconfig: ',
    ],
    [
      'a kubeconfig that is none',
      () => ['--image', 'x', '--kubeconfig', nonsense],
      1,
      'Cannot read the kubeconfig: ',
    ],
    [
      'an address that is taken',
      () => ['--image', 'x', '--kubeconfig', nobody, '--health-address', address()],
      1,
      'Cannot serve the health endpoints',
    ],
    [
      'an address for metrics that is taken',
      () => [
        ...['--image', 'x', '--kubeconfig', nobody, '--health-address', '127.0.0.1:0'],
        ...['--metrics-address', address()],
      ],
      1,
      'Cannot serve the metrics: listen EADDRINUSE',
    ],
    [
      'no host, and a port that is taken at one address of IPv4',
      () => ['--image', 'x', '--kubeconfig', nobody, '--health-address', `:${portOf(taken)}`],
      1,
      'Cannot serve the health endpoints: listen EADDRINUSE',
    ],
    [
      TAKEN_OF_IPV6,
      () => ['--image', 'x', '--kubeconfig', nobody, '--health-address', `:${portOf(takenOfIpv6)}`],
      1,
      'Cannot serve the health endpoints: listen EADDRINUSE',
    ],
  ];

  it('an API server that is away at the start is waited for, as the help says', async () => {
    const addresses = ['--health-address', '127.0.0.1:0', '--metrics-address', '0'];
    run = startCli(['controller', '--image', 'x', '--kubeconfig', nobody, ...addresses]);
    await run.says('Cannot read or renew the Lease');
    await run.says('Trouble with the watch of Jobs');
    run.kill('SIGTERM');
    expect((await run.done).code).to.equal(0);
    run = startCli(['controller', '--help']);
    expect((await run.done).stdout).to.contain(
      "\n  1  the Lease was lost, the kubeconfig or the operator's own pod cannot be read, or an address is taken\n",
    );
  });

  it('a reader that has gone is no error', () => {
    const script = '"$0" "$1" db sync --help 2>&1 >&- | cat; "$0" "$1" db sync --help 2>&1 | head -n 1';
    const said = execFileSync('sh', ['-c', script, process.execPath, bundle()], { encoding: 'utf8' });
    expect(said).to.equal('Usage: glance-schema db sync [options] [version]\n');
  });

  for (const [what, args, code, says] of ROWS) {
    it(what, async function () {
      if (what === TAKEN_OF_IPV6 && !IPV6) {
        leaveOut(this, 'This machine has no IPv6.');
      }
      run = startCli(['controller', ...args()]);
      const result = await run.done;
      expect(result.code, result.stderr).to.equal(code);
      expect(result.stderr).to.contain(says);
      expect(result.stderr).not.to.match(/^ {4}at /m);
    });
  }
});
