import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { seedNewton } from '../../lab/databases/glance-data.ts';
import { seedMysqlNewton } from '../../lab/databases/glance-data-mysql.ts';
import { goldenSchema, readSchema, withAlembicVersion } from '../../lab/databases/golden.ts';
import {
  goldenMysqlSchema,
  readMysqlSchema,
  withMysqlAlembicVersion,
} from '../../lab/databases/golden-mysql.ts';
import { expectedImages, readImages } from '../../lab/databases/images.ts';
import type { KubeObject } from '../../lab/kubernetes/test-api.ts';
import { eventually } from '../../lab/process/eventually.ts';
import { type HeldMigration, holdMigration } from '../support/held-migration.ts';
import { backupJourneys } from './backup-journeys.ts';
import { type Cluster, fromPods, startCluster, type Tenant } from './cluster.ts';

const SYSTEM = '--namespace=glance-schema-system';
const OPERATOR = 'deployment/glance-schema-operator';
const PODS = ['pods', SYSTEM, '--selector=app.kubernetes.io/component=operator'];
const LONG_WAIT = { timeoutMilliseconds: 60_000, everyMilliseconds: 300 };

// What a user does is done by kubectl alone; databases are filled, held up and looked at by their
// own clients.
describe('journeys on a real node', function () {
  this.timeout(1_200_000);
  let cluster: Cluster;

  before(async () => {
    cluster = await startCluster();
  });

  afterEach(async function () {
    if (this.currentTest?.state === 'failed') process.stdout.write(`${await cluster.describe()}\n`);
  });

  after(() => cluster?.stop());

  /** A Newton database on PostgreSQL, and a namespace with its Secret. */
  async function newton(name: string): Promise<{ readonly url: string; readonly tenant: Tenant }> {
    const url = await cluster.postgres.createDatabase(name.replaceAll('-', '_'));
    await seedNewton(url, { images: 20 });
    return { url, tenant: await cluster.tenant(name, fromPods(url)) };
  }

  interface AtWork {
    readonly url: string;
    readonly tenant: Tenant;
    readonly held: HeldMigration;
  }

  /** The same with a migration to ocata01 that is at work, and waits for a table. */
  async function atWork(name: string, spec: Record<string, unknown> = {}): Promise<AtWork> {
    const { url, tenant } = await newton(name);
    const held = await holdMigration(url);
    await tenant.apply({ revision: 'ocata01', ...spec });
    await held.waits();
    return { url, tenant, held };
  }

  async function expectOcata(url: string): Promise<void> {
    expect(await readSchema(url)).to.deep.equal(withAlembicVersion(goldenSchema('ocata_era__ocata01')));
  }

  const gone = (kind: string, name: string, ...more: readonly string[]) =>
    eventually(async () => {
      const left = await cluster.list(kind, ...more);
      expect(left.map(({ metadata }) => metadata?.name)).not.to.include(name);
    }, LONG_WAIT);

  /** The pod that runs; the kubelet may tell so after the migrator has begun. */
  function podOf(tenant: Tenant): Promise<KubeObject> {
    return eventually(async () => {
      const pod = (await tenant.list('pods')).find(({ status }) => status.phase === 'Running');
      if (pod === undefined) throw new Error(`No pod runs in ${tenant.namespace}`);
      return pod;
    });
  }

  it('install: two replicas are ready under Pod Security restricted, and no manifest names a user', async () => {
    await cluster.kubectl('apply', '--kustomize=manifests/overlays/cluster');
    await cluster.kubectl('rollout', 'status', OPERATOR, SYSTEM, '--timeout=5m');
    const pods = await cluster.list(...PODS);
    expect(pods.map(({ status }) => status.phase)).to.deep.equal(['Running', 'Running']);
    for (const { spec } of pods) {
      expect(spec.securityContext.runAsUser).to.equal(undefined);
      expect(spec.containers[0].securityContext.readOnlyRootFilesystem).to.equal(true);
    }
  });

  it("takes over Newton's database, and upgrades it to the newest revision", async () => {
    const { url, tenant } = await newton('takeover');
    const before = await expectedImages(url);
    await tenant.apply({ revision: 'ocata01' });
    expect((await tenant.reaches('UpToDate')).status.recordedRevision).to.equal('ocata01');
    await expectOcata(url);
    expect(await readImages(url)).to.deep.equal(before);
    await tenant.apply({ revision: 'latest' });
    expect((await tenant.reaches('UpToDate')).status.recordedRevision).to.equal('2024_1_01');
    await tenant.kubectl('wait', '--for=condition=Ready', 'glanceschema/glance', '--timeout=1m');
    expect(await tenant.kubectl('get', 'glanceschemas')).to.match(
      /glance +latest +2024_1_01 +True +UpToDate/,
    );
    const jobs = (await tenant.list('jobs')).map(({ spec }) => spec.template.spec);
    expect(jobs[0].securityContext.runAsUser).to.equal(undefined);
    expect(jobs[0].containers[0].image).to.match(/glance-schema:0\.1\.0$/);
  });

  it('the same on MariaDB', async () => {
    const url = await cluster.mariadb.createDatabase('takeover');
    await seedMysqlNewton(url, { images: 20 });
    const tenant = await cluster.tenant('takeover-mariadb', fromPods(url));
    await tenant.apply({ revision: 'ocata01' });
    await tenant.reaches('UpToDate');
    expect(await readMysqlSchema(url)).to.deep.equal(
      withMysqlAlembicVersion(goldenMysqlSchema('ocata_era__ocata01')),
    );
    await tenant.apply({ revision: 'latest' });
    expect((await tenant.reaches('UpToDate')).status.recordedRevision).to.equal('2024_1_01');
  });

  it('a downgrade is refused by kubectl apply, and by the Job of a resource that is new', async () => {
    const { tenant } = await newton('downgrade');
    await tenant.apply({ revision: 'ocata01' });
    await tenant.reaches('UpToDate');
    expect(await tenant.refusal({ revision: 'mitaka02' })).to.match(/mitaka02/);
    await tenant.kubectl('delete', 'glanceschema', 'glance');
    await tenant.apply({ revision: 'mitaka02' });
    const { ready, status } = await tenant.reaches('DowngradeNotSupported');
    expect(ready.message).to.contain('ocata01');
    expect(status.recordedRevision).to.equal('ocata01');
  });

  it('a wrong password is reported, and a corrected Secret is enough', async () => {
    const url = await cluster.postgres.createDatabase('password');
    const tenant = await cluster.tenant('password', fromPods(url).replace('glance-secret', 'wrong-secret'));
    await tenant.apply({ job: { backoffLimit: 0 } });
    const { ready } = await tenant.reaches('DatabaseUnreachable');
    expect(ready.message)
      .to.match(/password/)
      .and.not.contain('wrong-secret');
    await cluster.tenant('password', fromPods(url));
    await tenant.kubectl(
      'annotate',
      'glanceschema',
      'glance',
      'db.glance.openstack.org/retry=the password is right',
    );
    await tenant.reaches('UpToDate');
  });

  backupJourneys(() => cluster);

  it('an image that cannot be pulled blocks the Job; the right one goes on', async () => {
    const { tenant } = await newton('no-image');
    await cluster.kubectl('set', 'env', OPERATOR, 'GLANCE_SCHEMA_IMAGE=localhost/no/such:image', SYSTEM);
    await cluster.kubectl('rollout', 'status', OPERATOR, SYSTEM, '--timeout=5m');
    await tenant.apply({ revision: 'ocata01' });
    expect((await tenant.reaches('JobBlocked')).ready.message).to.match(/no\/such/);
    await cluster.kubectl('set', 'env', OPERATOR, 'GLANCE_SCHEMA_IMAGE-', SYSTEM);
    await cluster.kubectl('rollout', 'status', OPERATOR, SYSTEM, '--timeout=5m');
    await tenant.reaches('UpToDate');
  });

  it('a pod that is killed during a migration is followed by another one', async () => {
    const { url, tenant, held } = await atWork('killed');
    const first = await podOf(tenant);
    await tenant.kubectl('delete', 'pod', first.metadata?.name ?? '', '--grace-period=0', '--force');
    await held.release();
    await tenant.reaches('UpToDate');
    await expectOcata(url);
  });

  for (const cascade of ['foreground', 'background'] as const) {
    it(`deleted in the ${cascade} during a migration: the migration is waited for`, async () => {
      const { url, tenant, held } = await atWork(`deleted-${cascade}`);
      await tenant.kubectl('delete', 'glanceschema', 'glance', `--cascade=${cascade}`, '--wait=false');
      expect(await tenant.list('glanceschemas')).to.have.length(1);
      await held.release();
      await gone('glanceschemas', 'glance', `--namespace=${tenant.namespace}`);
      await expectOcata(url);
    });
  }

  it('pruned with its Secret during a migration, as GitOps tools prune: the migration is waited for', async () => {
    const { url, tenant, held } = await atWork('pruned');
    await tenant.kubectl('label', 'glanceschema/glance', 'secret/glance-db', 'app=glance');
    const folder = mkdtempSync(join(tmpdir(), 'glance-schema-pruned-'));
    const kept = { name: 'kept', labels: { app: 'glance' } };
    writeFileSync(
      join(folder, 'kept.json'),
      JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: kept }),
    );
    const kinds = ['db.glance.openstack.org/v1alpha1/GlanceSchema', 'core/v1/Secret'];
    await tenant.kubectl(
      'apply',
      `--filename=${folder}`,
      ...['--prune', '--selector=app=glance', '--cascade=foreground'],
      ...kinds.map((kind) => `--prune-allowlist=${kind}`),
    );
    rmSync(folder, { recursive: true });
    expect(await tenant.list('secrets')).to.deep.equal([]);
    expect(await tenant.list('glanceschemas')).to.have.length(1);
    await held.release();
    await gone('glanceschemas', 'glance', `--namespace=${tenant.namespace}`);
    await expectOcata(url);
  });

  it('a namespace that is deleted during a migration goes, and the database is whole', async () => {
    const { url, tenant, held } = await atWork('deleted-namespace');
    const pod = (await podOf(tenant)).metadata?.name ?? '';
    await cluster.kubectl('delete', 'namespace', tenant.namespace, '--wait=false');
    await gone('pods', pod, `--namespace=${tenant.namespace}`);
    await held.release();
    await gone('namespaces', tenant.namespace);
    const { tables } = await readSchema(url);
    const { alembic_version: recorded, ...own } = tables;
    const whole = recorded === undefined || !('visibility' in columnsOf(own.images)) ? 'mitaka02' : 'ocata01';
    expect(own).to.deep.equal(goldenSchema(`ocata_era__${whole}`).tables);
  });

  it('the operator is upgraded during a migration, which goes on', async () => {
    const { url, tenant, held } = await atWork('upgraded');
    const before = (await podOf(tenant)).metadata?.uid;
    await cluster.node.tag('docker.io/library/glance-schema:0.1.0', 'docker.io/library/glance-schema:next');
    await cluster.kubectl('set', 'image', OPERATOR, 'operator=glance-schema:next', SYSTEM);
    await cluster.kubectl('rollout', 'status', OPERATOR, SYSTEM, '--timeout=5m');
    expect((await podOf(tenant)).metadata?.uid).to.equal(before);
    await held.release();
    await tenant.reaches('UpToDate');
    await expectOcata(url);
    await tenant.apply({ revision: 'latest' });
    await tenant.reaches('UpToDate');
    const images = (await tenant.list('jobs')).map(({ spec }) => spec.template.spec.containers[0].image);
    expect(images).to.include('glance-schema:next');
  });

  it('of two replicas the other one takes over when the leader is killed', async () => {
    const leader = async (): Promise<string> =>
      (await cluster.get('lease', 'glance-schema', SYSTEM)).spec.holderIdentity;
    const { url, tenant, held } = await atWork('leaders');
    const first = await leader();
    const pod = (await cluster.list(...PODS)).find(({ metadata }) => first.includes(metadata?.name ?? ' '));
    await cluster.kubectl('delete', 'pod', pod?.metadata?.name ?? '', SYSTEM, '--grace-period=0', '--force');
    await held.release();
    await tenant.reaches('UpToDate');
    await expectOcata(url);
    await eventually(async () => expect(await leader()).not.to.equal(first), LONG_WAIT);
    await cluster.kubectl('rollout', 'status', OPERATOR, SYSTEM, '--timeout=5m');
  });

  it('a pod without enough memory is OOM-killed, which is reported; more memory fixes it', async () => {
    const { tenant } = await newton('memory');
    await tenant.apply({
      revision: 'ocata01',
      job: { backoffLimit: 0, resources: { limits: { memory: '20Mi' } } },
    });
    await tenant.reaches('MigrationPending', /OOMKilled/);
    await tenant.apply({
      revision: 'ocata01',
      job: { backoffLimit: 0, resources: { limits: { memory: '256Mi' } } },
    });
    await tenant.reaches('UpToDate');
  });

  it('a pod with a twentieth of a core takes longer, and succeeds', async () => {
    const { url, tenant } = await newton('starved');
    await tenant.apply({ revision: 'ocata01', job: { resources: { limits: { cpu: '50m' } } } });
    await tenant.reaches('UpToDate');
    await expectOcata(url);
  });

  it('a client certificate, from a Secret that the pod mounts', async () => {
    const { url, tenant } = await newton('certificate');
    const { ca, client } = cluster.certificates;
    const text = (path: string): string => readFileSync(path, 'utf8');
    const metadata = { namespace: tenant.namespace };
    await cluster.apply(
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { ...metadata, name: 'client' },
        type: 'kubernetes.io/tls',
        stringData: { 'tls.crt': text(client.cert), 'tls.key': text(client.key) },
      },
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { ...metadata, name: 'glance-db' },
        stringData: { connection: fromPods(url).replace(/\/\/[^@]*@/, '//client@') },
      },
    );
    await cluster.kubectl(
      'create',
      'configmap',
      'trust',
      `--from-file=bundle.pem=${ca}`,
      `--namespace=${tenant.namespace}`,
    );
    const database = {
      secretRef: { name: 'glance-db' },
      tls: {
        certSecretRef: { name: 'client' },
        caConfigMapRef: { name: 'trust', key: 'bundle.pem' },
        mode: 'verify-ca',
      },
    };
    await tenant.apply({ revision: 'ocata01', database });
    await tenant.reaches('UpToDate');
    await expectOcata(url);
  });

  it("a policy that gives each namespace its own range of users, as OpenShift's", async () => {
    const { url, tenant } = await newton('range');
    await cluster.apply(...rangeOfUsers(tenant.namespace));
    await eventually(async () => {
      const dry = [
        'run',
        'probe',
        '--image=none',
        '--dry-run=server',
        '--output=json',
        `--overrides=${RESTRICTED}`,
      ];
      const pod = JSON.parse(await tenant.kubectl(...dry));
      expect(pod.spec.securityContext?.runAsUser).to.equal(FIRST_USER);
    }, LONG_WAIT);
    const held = await holdMigration(url);
    await tenant.apply({ revision: 'ocata01' });
    await held.waits();
    const pod = await podOf(tenant);
    expect(pod.spec.securityContext.runAsUser).to.equal(FIRST_USER);
    await held.release();
    await tenant.reaches('UpToDate');
    await expectOcata(url);
  });

  it('a drained node: the pod of the migration goes, one replica stays; both come back', async () => {
    const { url, tenant, held } = await atWork('drained');
    const drained = await cluster.refusal(
      'drain',
      cluster.node.name,
      '--ignore-daemonsets',
      '--delete-emptydir-data',
      '--timeout=20s',
    );
    expect(drained).to.match(/disruption budget/);
    await eventually(async () => {
      const running = (await cluster.list(...PODS)).filter(({ status }) => status.phase === 'Running');
      expect(running).to.have.length(1);
    });
    await held.release();
    await cluster.kubectl('uncordon', cluster.node.name);
    await tenant.reaches('UpToDate');
    await expectOcata(url);
    await cluster.kubectl('rollout', 'status', OPERATOR, SYSTEM, '--timeout=5m');
  });

  it('a node that is lost during a migration: told, no second Job, and it goes on when the node is back', async () => {
    const { url, tenant, held } = await atWork('lost');
    const pod = await podOf(tenant);
    try {
      await cluster.node.freeze();
      const { ready } = await tenant.reaches('JobBlocked', /Node node-1 does not answer/);
      expect(ready.message).to.contain(`pod ${pod.metadata?.name} still runs there is not known`);
    } finally {
      await cluster.node.thaw();
    }
    await held.release();
    await tenant.reaches('UpToDate');
    await expectOcata(url);
    expect((await tenant.list('pods')).map(({ metadata }) => metadata?.uid)).to.deep.equal([
      pod.metadata?.uid,
    ]);
    expect(await tenant.list('jobs')).to.have.length(1);
    await cluster.kubectl('rollout', 'status', OPERATOR, SYSTEM, '--timeout=5m');
  });

  it('uninstall, as the documents say: nothing of it is left', async () => {
    await cluster.kubectl('delete', 'glanceschemas', '--all', '--all-namespaces', '--timeout=2m');
    for (const what of [
      '--kustomize=manifests/base',
      '--filename=manifests/overlays/cluster/cluster-role.yaml',
      '--kustomize=manifests/users',
      '--kustomize=crds',
    ]) {
      await cluster.kubectl('delete', what, '--timeout=3m');
    }
    for (const kind of ['namespaces', 'customresourcedefinitions', 'clusterroles', 'clusterrolebindings']) {
      const names = (await cluster.list(kind)).map(({ metadata }) => metadata?.name ?? '');
      expect(names.filter((name) => /glance-?schema/.test(name))).to.deep.equal([]);
    }
  });
});

/** The first of the users that the policy gives. */
const FIRST_USER = 1_000_660_000;

const RESTRICTED = JSON.stringify({
  spec: {
    securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    containers: [
      {
        name: 'probe',
        image: 'none',
        securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
      },
    ],
  },
});

/**
 * What the SCC `restricted-v2` does: gives a user where none is named, and refuses one that is not
 * in the range.
 */
function rangeOfUsers(namespace: string): readonly unknown[] {
  const matchConstraints = {
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
    resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }],
  };
  const apiVersion = 'admissionregistration.k8s.io/v1';
  const metadata = { name: 'range-of-users' };
  const range = [FIRST_USER, FIRST_USER + 9_999];
  return [
    {
      apiVersion,
      kind: 'MutatingAdmissionPolicy',
      metadata,
      spec: {
        matchConstraints,
        reinvocationPolicy: 'Never',
        mutations: [
          {
            patchType: 'ApplyConfiguration',
            applyConfiguration: {
              expression: `Object{spec: Object.spec{securityContext: Object.spec.securityContext{
                runAsUser: has(object.spec.securityContext) && has(object.spec.securityContext.runAsUser) ?
                  object.spec.securityContext.runAsUser : ${FIRST_USER}, fsGroup: ${FIRST_USER}}}}`,
            },
          },
        ],
      },
    },
    { apiVersion, kind: 'MutatingAdmissionPolicyBinding', metadata, spec: { policyName: metadata.name } },
    {
      apiVersion,
      kind: 'ValidatingAdmissionPolicy',
      metadata,
      spec: {
        matchConstraints,
        validations: [
          {
            expression: `object.spec.securityContext.runAsUser >= ${range[0]} && object.spec.securityContext.runAsUser <= ${range[1]} &&
              object.spec.containers.all(c, !has(c.securityContext.runAsUser))`,
            message: 'The user is not in the range of the namespace.',
          },
        ],
      },
    },
    {
      apiVersion,
      kind: 'ValidatingAdmissionPolicyBinding',
      metadata,
      spec: { policyName: metadata.name, validationActions: ['Deny'] },
    },
  ];
}

function columnsOf(table: { readonly columns: readonly { readonly name: string }[] } | undefined): object {
  return Object.fromEntries((table?.columns ?? []).map(({ name }) => [name, true]));
}
