import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { withoutUndefined } from '../../src/glance/without-undefined.ts';
import { startPostgres, type TestPostgres } from '../databases/postgres.ts';
import { bundle } from '../process/bundle.ts';
import { eventually } from '../process/eventually.ts';
import { NODE_FLAGS, NODE_PROGRAMS } from '../process/node-programs.ts';
import { type ApiProxy, startApiProxy } from './api-proxy.ts';
import { apply, ownContent } from './cluster-content.ts';
import { type ControlPlane, startControlPlane } from './control-plane.ts';
import { type FakeKubelet, type FakeKubeletOptions, startFakeKubelet } from './fake-kubelet.ts';
import { kubectl } from './kubectl.ts';
import { type Operator, type OperatorOptions, startOperator } from './operator.ts';
import type { KubeObject, TestApi } from './test-api.ts';

/**
 * All that the operator lives in, real but for the node: a control plane with our CRD and RBAC, a
 * PostgreSQL, a stand-in
 * node that runs the Job's command, and a proxy through which the operator speaks, with its own ServiceAccount's rights.
 */
export interface Environment {
  readonly plane: ControlPlane;
  readonly node: FakeKubelet;
  readonly postgres: TestPostgres;
  readonly proxy: ApiProxy;
  readonly api: TestApi;
  /** Starts an operator whose requests go through the proxy. */
  operator(
    args?: OperatorOptions['args'],
    more?: Omit<OperatorOptions, 'kubeconfig' | 'args'>,
  ): Promise<Operator>;
  /**
   * Makes a namespace with the Secret `glance-db` for a database, and gives what a test needs in
   * it.
   */
  tenant(name: string, connection: string): Promise<Tenant>;
  stop(): Promise<void>;
}

/** One namespace with GlanceSchemas in it. */
export interface Tenant {
  readonly namespace: string;
  /** Where the API server has its GlanceSchemas. */
  readonly path: string;
  /**
   * Applies a GlanceSchema named `glance`, as `kubectl apply --server-side` does, without the start
   * of a kubectl; throws with the API server's words when it is refused.
   */
  apply(spec: Record<string, unknown>, annotations?: Record<string, string>): Promise<void>;
  /** The words with which kubectl is refused when it applies one. */
  refusal(spec: Record<string, unknown>): Promise<string>;
  read(): Promise<KubeObject>;
  /** Waits until Ready has this reason and the status speaks of the newest spec. */
  reaches(reason: string, timeoutMilliseconds?: number): Promise<KubeObject>;
  jobs(): Promise<readonly KubeObject[]>;
  pods(): Promise<readonly KubeObject[]>;
  events(): Promise<readonly KubeObject[]>;
  kubectl(...args: readonly string[]): ReturnType<typeof kubectl>;
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** What the environment of a test has besides a control plane, a fake kubelet and PostgreSQL. */
export interface EnvironmentOptions {
  /**
   * Where the operator has rights: in the whole cluster, or by a Role in each tenant's namespace.
   * Default: cluster.
   */
  readonly rights?: 'cluster' | 'namespaced' | 'given by the test';
  /** What further images start; see FakeKubeletOptions. */
  readonly images?: FakeKubeletOptions['images'];
  /** The folders that stand for PersistentVolumeClaims; see FakeKubeletOptions. */
  readonly claims?: FakeKubeletOptions['claims'];
  /** Settings of PostgreSQL, as in postgresql.conf. */
  readonly postgresSettings?: Readonly<Record<string, string>>;
}

/**
 * Starts a control plane with the CRD, a proxy, a fake kubelet and PostgreSQL, which take some
 * seconds together.
 *
 * @throws Error when one of them does not start.
 */
export async function startEnvironment({
  rights = 'cluster',
  images = {},
  claims = new Map(),
  postgresSettings = {},
}: EnvironmentOptions = {}): Promise<Environment> {
  const [plane, postgres] = await Promise.all([
    startControlPlane({ content: ownContent(rights === 'given by the test' ? 'none' : rights) }),
    startPostgres({ settings: postgresSettings }),
  ]);
  const [node, proxy] = await Promise.all([
    startFakeKubelet({
      plane,
      images: { 'glance-schema': [process.execPath, ...NODE_FLAGS, bundle()], ...images },
      env: NODE_PROGRAMS,
      claims,
      retryEvery: 100,
    }),
    startApiProxy(plane),
  ]);
  const api = plane.api();
  if (rights === 'cluster') await mayWork(api);
  async function kubeconfig(): Promise<string> {
    const token = await api.call(
      'POST',
      '/api/v1/namespaces/glance-schema-system/serviceaccounts/glance-schema-operator/token',
      { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 7200 } },
    );
    return proxy.kubeconfig(token.status.token);
  }
  return {
    plane,
    node,
    postgres,
    proxy,
    api,
    operator: async (args = [], more = {}) =>
      startOperator({ kubeconfig: await kubeconfig(), args, ...more }),
    tenant: async (name, connection) => {
      const tenant = await makeTenant(plane, api, name, connection);
      if (rights === 'namespaced') {
        await apply(plane, ['-n', name, '-k', `${ROOT}manifests/tenant`]);
        await mayWork(api, name);
      }
      return tenant;
    },
    stop: async () => {
      await node.stop();
      await proxy.stop();
      await Promise.all([plane.stop(), postgres.stop()]);
    },
  };
}

/** The API server takes a moment to heed new rights; until then it forbids what they give. */
async function mayWork(api: TestApi, namespace?: string): Promise<void> {
  const user = 'system:serviceaccount:glance-schema-system:glance-schema-operator';
  const what = { group: 'db.glance.openstack.org', resource: 'glanceschemas', verb: 'list' };
  await eventually(async () => {
    const review = await api.call('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', {
      spec: { user, resourceAttributes: { ...what, ...withoutUndefined({ namespace }) } },
    });
    expect(review.status.allowed, review.status.reason).to.equal(true);
  });
}

async function makeTenant(
  plane: ControlPlane,
  api: TestApi,
  namespace: string,
  connection: string,
): Promise<Tenant> {
  await api.call('POST', '/api/v1/namespaces', {
    metadata: { name: namespace, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
  });
  await api.call('POST', `/api/v1/namespaces/${namespace}/secrets`, {
    metadata: { name: 'glance-db' },
    stringData: { connection },
  });
  const schemas = `/apis/db.glance.openstack.org/v1alpha1/namespaces/${namespace}/glanceschemas`;
  const path = `${schemas}/glance`;
  const list = async (collection: string) =>
    (await api.call('GET', collection)).items as readonly KubeObject[];

  function manifest(spec: Record<string, unknown>, annotations: Record<string, string>): KubeObject {
    return {
      apiVersion: 'db.glance.openstack.org/v1alpha1',
      kind: 'GlanceSchema',
      metadata: { name: 'glance', namespace, annotations },
      spec: { revision: 'latest', database: { secretRef: { name: 'glance-db' } }, ...spec },
    };
  }
  return {
    namespace,
    path: schemas,
    apply: async (spec, annotations = {}) => {
      const options = 'fieldManager=kubectl&force=true&fieldValidation=Strict';
      await api.call('PATCH', `${path}?${options}`, manifest(spec, annotations), {
        contentType: 'application/apply-patch+yaml',
      });
    },
    refusal: async (spec) => {
      const input = JSON.stringify(manifest(spec, {}));
      const result = await kubectl(plane.kubeconfigPath, ['apply', '-f', '-'], { input });
      expect(result.code, result.stdout).to.equal(1);
      return result.stderr;
    },
    read: () => api.call('GET', path),
    reaches: (reason, timeoutMilliseconds = 30_000) =>
      eventually(
        async () => {
          const schema = await api.call('GET', path);
          const ready = schema.status?.conditions?.find(
            (condition: KubeObject) => condition.type === 'Ready',
          );
          expect(ready?.reason, ready?.message).to.equal(reason);
          expect(schema.status.observedGeneration).to.equal(schema.metadata?.generation);
          return schema;
        },
        { timeoutMilliseconds },
      ),
    jobs: () => list(`/apis/batch/v1/namespaces/${namespace}/jobs`),
    pods: () => list(`/api/v1/namespaces/${namespace}/pods`),
    events: () => list(`/apis/events.k8s.io/v1/namespaces/${namespace}/events`),
    kubectl: (...args) => kubectl(plane.kubeconfigPath, ['-n', namespace, ...args]),
  };
}
