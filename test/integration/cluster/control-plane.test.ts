import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { ensureBinaries } from '../../../lab/cluster/binaries.ts';
import {
  type ClusterContent,
  type ControlPlane,
  contentKey,
  startControlPlane,
} from '../../../lab/kubernetes/control-plane.ts';
import { kubectl } from '../../../lab/kubernetes/kubectl.ts';
import { type KubeObject, testApi } from '../../../lab/kubernetes/test-api.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { keptFolder } from '../../../lab/tools/initialised-folder.ts';

describe('control plane', () => {
  let plane: ControlPlane;

  before(async () => {
    plane = await startControlPlane();
  });

  after(() => plane?.stop());

  it('a real kubectl and the client library reach it', async () => {
    const version = await kubectl(plane.kubeconfigPath, ['version', '--output=json']);
    expect(JSON.parse(version.stdout).serverVersion.gitVersion).to.equal(plane.binaries.versions.kubernetes);

    const { CoreV1Api } = await import('@kubernetes/client-node');
    const library = (await plane.kubeconfig()).makeApiClient(CoreV1Api);
    const names = (await library.listNamespace()).items.map((each) => each.metadata?.name);
    expect(names).to.include('kube-system');
  });

  it('kubectl leaves nothing in the home of who runs it', async () => {
    await kubectl(plane.kubeconfigPath, ['get', 'namespaces']);
    const cached = (folder: string) =>
      join(folder, '.kube/cache/discovery', new URL(plane.server).host.replace(':', '_'));
    expect(existsSync(cached(dirname(plane.kubeconfigPath))), 'kubectl caches here').to.equal(true);
    expect(existsSync(cached(homedir()))).to.equal(false);
  });

  it('a ServiceAccount has the rights that it is given and no others', async () => {
    const path = await plane.serviceAccountKubeconfig('default', 'default');
    const refused = await kubectl(path, ['get', 'secrets']);
    expect(refused.code).to.equal(1);
    expect(refused.stderr).to.match(
      /User "system:serviceaccount:default:default" cannot list resource "secrets"/,
    );
    const identity = await kubectl(path, ['auth', 'whoami', '--output=json']);
    expect(JSON.parse(identity.stdout).status.userInfo.username).to.equal(
      'system:serviceaccount:default:default',
    );
  });

  it('Pod Security admission is on', async () => {
    const namespace = {
      kind: 'Namespace',
      metadata: { name: 'strict', labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
    };
    await plane.api().call('POST', '/api/v1/namespaces', { apiVersion: 'v1', ...namespace });
    await eventually(async () => {
      const run = await kubectl(plane.kubeconfigPath, [
        'run',
        'loose',
        '--image=node:24',
        '--namespace=strict',
      ]);
      expect(run.stderr).to.include('violates PodSecurity "restricted:latest"');
    });
  });

  it('what was asked is in the audit log', async () => {
    const before = new Date();
    const api = plane.api(plane.adminToken, 'audit-test');
    await api.call('GET', '/api/v1/namespaces/default/configmaps');
    await eventually(() => {
      const events = plane.auditEvents({ userAgent: 'audit-test', since: before });
      const seen = events.map((event) => [event.user.username, event.verb, event.objectRef?.resource]);
      expect(seen).to.deep.equal([['admin', 'list', 'configmaps']]);
    });
    expect(await plane.metrics()).to.match(/^apiserver_request_total\{/m);
  });

  it('the API server comes back on its port with its data', async () => {
    const api = plane.api();
    await api.call('POST', '/api/v1/namespaces/default/configmaps', { metadata: { name: 'kept' } });
    await plane.stopApiServer();
    const refused = testApi({ server: plane.server, token: '', ca: '' });
    await refused.request('GET', '/readyz').then(
      () => expect.fail('it still answers'),
      (error: NodeJS.ErrnoException) => expect(error.code).to.equal('ECONNREFUSED'),
    );
    await plane.startApiServer();
    const kept = await api.call('GET', '/api/v1/namespaces/default/configmaps/kept');
    expect(kept.metadata?.name).to.equal('kept');
  });

  it('what it started ends with the process that started it, even by SIGKILL', async () => {
    const module = new URL('../../../lab/kubernetes/control-plane.ts', import.meta.url).href;
    const script = `
      import { startControlPlane } from ${JSON.stringify(module)};
      const plane = await startControlPlane({ controllers: false });
      console.log(plane.folder);
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = await child.stdout.take(1).toArray();
    const folder = String(line).trim();
    expect(processesOf(folder), 'while it runs').to.have.length(2);
    child.kill('SIGKILL');
    await eventually(() => expect(processesOf(folder)).to.deep.equal([]));
    await eventually(() => expect(existsSync(folder)).to.equal(false));
  });
});

describe('a control plane with content', () => {
  it('has it from the start, and what is changed in one is not in the next', async () => {
    const path = '/api/v1/namespaces/default/configmaps';
    let made = 0;
    const content: ClusterContent = {
      key: [randomUUID()],
      make: async (plane) => {
        made += 1;
        await plane.api().call('POST', path, { metadata: { name: 'from-the-start' } });
      },
    };
    async function start(): Promise<readonly unknown[]> {
      const plane = await startControlPlane({ content });
      try {
        const { items } = await plane.api().call('GET', path);
        await plane.api().call('POST', path, { metadata: { name: 'later' } });
        const usable = await plane.serviceAccountKubeconfig('default', 'default');
        expect((await kubectl(usable, ['auth', 'whoami'])).code, 'a token of its own').to.equal(0);
        return items.map((map: KubeObject) => map.metadata?.name).sort();
      } finally {
        await plane.stop();
      }
    }
    try {
      const first = await start();
      expect(first).to.deep.equal(['from-the-start', 'kube-root-ca.crt']);
      expect(await start()).to.deep.equal(first);
      expect(made, 'how often it was made').to.equal(1);
    } finally {
      rmSync(keptFolder(contentKey(content, await ensureBinaries())), { recursive: true });
    }
  });
});

/**
 * The programs of the control plane whose files are in this folder. Source: proc(5), as not every
 * machine has `ps`.
 */
function processesOf(folder: string): readonly string[] {
  const commands = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(commandOf);
  return commands.filter((command) => command.includes(folder) && /\/(etcd|kube-apiserver) /.test(command));
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}
