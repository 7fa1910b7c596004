import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { seedNewton } from '../../lab/databases/glance-data.ts';
import { type Environment, startEnvironment, type Tenant } from '../../lab/kubernetes/environment.ts';
import { type Flux, startFlux } from '../../lab/kubernetes/flux.ts';
import { type GitServer, startGitServer } from '../../lab/kubernetes/git-server.ts';
import type { Operator } from '../../lab/kubernetes/operator.ts';
import type { KubeObject } from '../../lab/kubernetes/test-api.ts';
import { eventually } from '../../lab/process/eventually.ts';
import { freePort } from '../../lab/process/free-port.ts';
import { standInApi } from '../support/stand-in-api.ts';

const SAMPLES = fileURLToPath(new URL('../../manifests/samples/gitops', import.meta.url));
const FLUX = '/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/kustomizations';
const LONG_WAIT = { timeoutMilliseconds: 60_000, everyMilliseconds: 200 };

// The samples as they stand, but for the connection, the port and Flux's intervals.
describe('Flux expands, rolls the API out and contracts by three commits of the samples', () => {
  let environment: Environment;
  let operator: Operator;
  let flux: Flux;
  let repository: GitServer;
  let tenant: Tenant;
  let url: string;
  let port: number;

  before(async () => {
    port = await freePort();
    environment = await startEnvironment({ images: { 'glance-api': standInApi(port) } });
    operator = await environment.operator(['--no-leader-elect']);
    url = await environment.postgres.createDatabase('glance');
    await seedNewton(url, { images: 10 });
    tenant = await environment.tenant('openstack', url);
    // The sample of the API has no security context, as it is about the order alone.
    await tenant.kubectl(
      'label',
      'namespace',
      'openstack',
      'pod-security.kubernetes.io/enforce=baseline',
      '--overwrite',
    );
    repository = await startGitServer();
    await repository.commit('The cloud on Newton', {
      ...samples('secret', 'schema', 'api'),
      'api/glance-api.yaml': read('api/glance-api.yaml').replace('glance-api:ocata', 'glance-api:newton'),
      'schema/glance-schema.yaml': read('schema/glance-schema.yaml').replace('"ocata01"', '"mitaka02"'),
      'flux/kustomization.yaml': 'resources: []\n',
    });
    flux = await startFlux(environment.plane);
    const source = `/apis/source.toolkit.fluxcd.io/v1/namespaces/flux-system/gitrepositories`;
    await environment.api.call('POST', source, {
      apiVersion: 'source.toolkit.fluxcd.io/v1',
      kind: 'GitRepository',
      metadata: { name: 'openstack' },
      spec: { url: repository.url, ref: { branch: 'main' }, interval: '1s' },
    });
    await environment.api.call('POST', FLUX, {
      apiVersion: 'kustomize.toolkit.fluxcd.io/v1',
      kind: 'Kustomization',
      metadata: { name: 'cluster' },
      spec: {
        interval: '10s',
        retryInterval: '1s',
        timeout: '2m',
        sourceRef: { kind: 'GitRepository', name: 'openstack' },
        path: './flux',
        prune: true,
      },
    });
  });

  after(async () => {
    await flux?.stop();
    repository?.stop();
    await operator?.stop();
    await environment?.stop();
  });

  afterEach(async () => {
    const shown = await tenant.kubectl('get', 'kustomizations,glanceschemas', '--all-namespaces');
    process.stdout.write(`${shown.stdout.replaceAll(/^/gm, '      ')}\n`);
  });

  function read(path: string): string {
    return readFileSync(`${SAMPLES}/${path}`, 'utf8')
      .replace(/connection: .*/, `connection: ${url}`)
      .replaceAll('9292', String(port))
      .replaceAll(/interval: \d+m/g, 'interval: 10s')
      .replaceAll(/retryInterval: .*/g, 'retryInterval: 1s');
  }

  function samples(...folders: readonly string[]): Readonly<Record<string, string>> {
    const paths = folders.flatMap((folder) =>
      readdirSync(`${SAMPLES}/${folder}`).map((name) => `${folder}/${name}`),
    );
    return Object.fromEntries(paths.map((path) => [path, read(path)]));
  }

  async function isReady(name: string, commit: string): Promise<void> {
    await eventually(async () => {
      const { status } = await environment.api.call('GET', `${FLUX}/${name}`);
      const ready = status?.conditions?.find(({ type }: KubeObject) => type === 'Ready');
      expect(ready?.status, ready?.message).to.equal('True');
      expect(status.lastAppliedRevision).to.contain(commit);
    }, LONG_WAIT);
  }

  async function recorded(): Promise<readonly [string, string]> {
    const { status } = await tenant.reaches('UpToDate');
    return [status.recordedRevision, status.recordedPhase];
  }

  /** The image of each pod of the API that is there. */
  async function images(): Promise<readonly string[]> {
    const own = (await tenant.pods()).filter(({ metadata }) => metadata?.labels?.app === 'glance-api');
    return [...new Set(own.map(({ spec }) => String(spec.containers[0].image)))];
  }

  it('first the expand, and the old API after it', async () => {
    const commit = await repository.commit('Expand', {
      ...samples('flux'),
      'schema/glance-schema.yaml': read('schema/glance-schema.yaml'),
    });
    await isReady('glance-api', commit);
    expect(await recorded()).to.deep.equal(['ocata01', 'Expand']);
    expect(await images()).to.deep.equal(['glance-api:newton']);
  });

  it('then the new API', async () => {
    const commit = await repository.commit('Roll out Ocata', {
      'api/glance-api.yaml': read('api/glance-api.yaml'),
    });
    await isReady('glance-api', commit);
    await eventually(async () => expect(await images()).to.deep.equal(['glance-api:ocata']), LONG_WAIT);
    expect(await recorded()).to.deep.equal(['ocata01', 'Expand']);
  });

  it('then the contract, which has waited for the roll-out', async () => {
    const commit = await repository.commit('Contract', {
      'flux/kustomization.yaml': read('flux/kustomization.yaml').replace('- expand.yaml', '- contract.yaml'),
    });
    await isReady('glance-schema', commit);
    expect(await recorded()).to.deep.equal(['ocata01', 'Contract']);
  });

  it('and a revert of the contract is refused with our sentence, and changes nothing', async () => {
    const before = await tenant.read();
    await repository.revert();
    await eventually(async () => {
      const { status } = await environment.api.call('GET', `${FLUX}/glance-schema`);
      const ready = status?.conditions?.find(({ type }: KubeObject) => type === 'Ready');
      expect(ready?.status).to.equal('False');
      expect(ready?.message).to.contain('Cannot lower');
    }, LONG_WAIT);
    expect((await tenant.read()).spec).to.deep.equal(before.spec);
    expect(await tenant.jobs()).to.have.length(2);
  });
});
