import { expect } from 'chai';
import { seedNewton } from '../../lab/databases/glance-data.ts';
import { type Environment, startEnvironment, type Tenant } from '../../lab/kubernetes/environment.ts';
import { type Flux, startFlux } from '../../lab/kubernetes/flux.ts';
import { type GitServer, startGitServer } from '../../lab/kubernetes/git-server.ts';
import type { Operator } from '../../lab/kubernetes/operator.ts';
import type { KubeObject } from '../../lab/kubernetes/test-api.ts';
import { eventually } from '../../lab/process/eventually.ts';
import { holdMigration } from '../support/held-migration.ts';

const NAMESPACE = 'flux-system';
const KUSTOMIZATION = `/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/${NAMESPACE}/kustomizations/glance-schema`;
const LONG_WAIT = { timeoutMilliseconds: 60_000, everyMilliseconds: 200 };

// Flux's own controllers, a Git repository on loopback, and commits; the node alone is not real.
describe('Flux and a Git repository', () => {
  let environment: Environment;
  let operator: Operator;
  let flux: Flux;
  let repository: GitServer;
  let tenant: Tenant;
  let url: string;

  before(async () => {
    environment = await startEnvironment();
    operator = await environment.operator(['--no-leader-elect']);
    url = await environment.postgres.createDatabase('glance');
    await seedNewton(url, { images: 10 });
    tenant = await environment.tenant('openstack', url);
    repository = await startGitServer();
    await repository.commit('Say what this is', {
      'README.md': 'OpenStack\n',
      'schema/kustomization.yaml': 'resources: []\n',
    });
    flux = await startFlux(environment.plane);
    await environment.api.call(
      'POST',
      `/apis/source.toolkit.fluxcd.io/v1/namespaces/${NAMESPACE}/gitrepositories`,
      {
        apiVersion: 'source.toolkit.fluxcd.io/v1',
        kind: 'GitRepository',
        metadata: { name: 'openstack' },
        spec: { url: repository.url, ref: { branch: 'main' }, interval: '1s' },
      },
    );
    await environment.api.call('POST', KUSTOMIZATION.replace(/\/[^/]*$/, ''), {
      apiVersion: 'kustomize.toolkit.fluxcd.io/v1',
      kind: 'Kustomization',
      metadata: { name: 'glance-schema' },
      spec: {
        interval: '10s',
        retryInterval: '1s',
        timeout: '2m',
        sourceRef: { kind: 'GitRepository', name: 'openstack' },
        path: './schema',
        targetNamespace: 'openstack',
        prune: true,
        wait: true,
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

  function commit(message: string, revision: string): Promise<string> {
    return repository.commit(message, {
      'schema/kustomization.yaml': 'resources: [glance-schema.yaml]\n',
      'schema/glance-schema.yaml': `apiVersion: db.glance.openstack.org/v1alpha1
kind: GlanceSchema
metadata:
  name: glance
spec:
  revision: ${revision}
  database:
    secretRef:
      name: glance-db
`,
    });
  }

  /** What Flux says of this commit. */
  async function fluxSays(commit: string, status: 'True' | 'False' | 'Unknown'): Promise<string> {
    return eventually(async () => {
      const { status: its } = await environment.api.call('GET', KUSTOMIZATION);
      const ready = its?.conditions?.find(({ type }: KubeObject) => type === 'Ready');
      expect(its?.lastAttemptedRevision ?? '').to.contain(commit);
      expect(ready?.status, ready?.message).to.equal(status);
      if (status === 'True') expect(its.lastAppliedRevision).to.contain(commit);
      return String(ready.message);
    }, LONG_WAIT);
  }

  it('a commit that names a revision migrates, and is not finished before the migration is', async () => {
    const held = await holdMigration(url);
    const named = await commit('Take the database to Ocata', 'ocata01');
    await held.waits();
    await fluxSays(named, 'Unknown');
    await held.release();
    await fluxSays(named, 'True');
    expect((await tenant.reaches('UpToDate')).status.recordedRevision).to.equal('ocata01');
  });

  it('a commit that lowers it is a failed sync with our sentence, and changes nothing', async () => {
    const before = await tenant.read();
    const lowered = await commit('Back to Mitaka', 'mitaka02');
    const message = await fluxSays(lowered, 'False');
    expect(message).to.contain('mitaka02').and.to.contain('ocata01');
    process.stdout.write(`      ${message}\n`);
    const after = await tenant.read();
    expect(after.spec).to.deep.equal(before.spec);
    expect(after.metadata?.generation).to.equal(before.metadata?.generation);
    expect(await tenant.jobs()).to.have.length(1);
  });

  it('its git revert is a sync that finds nothing to do', async () => {
    const reverted = await repository.revert();
    await fluxSays(reverted, 'True');
    expect((await tenant.reaches('UpToDate')).status.recordedRevision).to.equal('ocata01');
    expect(await tenant.jobs()).to.have.length(1);
  });

  it('a commit that raises it migrates', async () => {
    const raised = await commit('Take the database to the newest revision', 'latest');
    await fluxSays(raised, 'True');
    expect((await tenant.reaches('UpToDate')).status.recordedRevision).to.equal('2024_1_01');
  });

  it('a resource that is removed from Git is pruned', async () => {
    const removed = await repository.commit('Remove it', {
      'schema/glance-schema.yaml': null,
      'schema/kustomization.yaml': 'resources: []\n',
    });
    await fluxSays(removed, 'True');
    await eventually(async () => {
      expect((await environment.api.request('GET', `${tenant.path}/glance`)).status).to.equal(404);
    }, LONG_WAIT);
  });
});
