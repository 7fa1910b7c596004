import { expect } from 'chai';
import pg from 'pg';
import { seedNewton } from '../../../lab/databases/glance-data.ts';
import { type Environment, startEnvironment, type Tenant } from '../../../lab/kubernetes/environment.ts';
import type { Operator } from '../../../lab/kubernetes/operator.ts';
import type { KubeObject } from '../../../lab/kubernetes/test-api.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { SCHEMA_UID_LABEL } from '../../../src/contract/names.ts';
import { migrationJobName } from '../../../src/operator/reconcile/job/job.ts';

/**
 * An image of somebody's own: leaves what an expression gives as its report, and ends with a code.
 */
function hostileImage(says: string, exit: number): readonly string[] {
  const code = `fs.writeFileSync(process.argv.at(-1), ${says}); process.exitCode = ${exit}`;
  return [process.execPath, '-e', code];
}

/**
 * As many ways as there are to make a terminal do something, or show something else than there is.
 */
const ESCAPES =
  '\\u001b]0;owned\\u0007\\u001b[2J\\u009b31m\\u0000\\r\\u0008\\u202egnp.exe\\u200b\\u2028next\\nline\\u007f';

/** What a terminal or a reader could be deceived by; kubectl's own line ends apart. */
const UNPRINTABLE = /[^\P{C}\n]|[\u2028\u2029]/u;

/** A report that is as it should be but for the changes, as an expression. */
function report(changes: Record<string, unknown>): string {
  return JSON.stringify({
    version: 1,
    command: 'sync',
    target: { revision: 'ocata01', phase: 'Contract' },
    from: null,
    to: { revision: 'ocata01', phase: 'Contract' },
    heads: ['ocata_contract01'],
    adopted: false,
    applied: [],
    startedAt: '2026-11-23T07:00:00.000Z',
    finishedAt: '2026-11-23T07:01:00.000Z',
    error: null,
    ...changes,
  });
}

/** What the pod leaves, how it ends, and what the resource then says. */
const REPORTS: readonly (readonly [string, string, number, string, Record<string, unknown>?])[] = [
  ['4 KiB of nonsense', "'x'.repeat(5000)", 0, 'MigrationPending'],
  ['a message that is no UTF-8', 'Buffer.alloc(4096, 0xff)', 0, 'MigrationPending'],
  ['JSON nested without end', "'['.repeat(2000) + ']'.repeat(2000)", 0, 'MigrationPending'],
  [
    'a prototype to be polluted',
    `\`${report({}).replace('{', '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},')}\``,
    0,
    'UpToDate',
    { recordedRevision: 'ocata01' },
  ],
  ...['constructor', '__proto__', 'toString', 'Done'].map(
    (reason) =>
      [
        `a reason that every object has: ${reason}`,
        `\`${report({ error: { reason, message: 'x', migration: null } })}\``,
        1,
        'MigrationPending',
      ] as const,
  ),
  [
    'heads of a kilobyte',
    `\`${report({ to: null, heads: ['x'.repeat(1000), 'y'] })}\``,
    0,
    'MigrationPending',
    { databaseHeads: ['x'.repeat(64), 'y'] },
  ],
  [
    'hundreds of heads',
    `\`${report({ to: null, heads: Array.from({ length: 500 }, () => 'x') })}\``,
    0,
    'MigrationPending',
    { databaseHeads: Array.from({ length: 64 }, () => 'x') },
  ],
  [
    'a revision of a kilobyte',
    `\`${report({ to: { revision: 'x'.repeat(1000), phase: 'Contract' } })}\``,
    0,
    'MigrationPending',
  ],
  ['a time that is none', `\`${report({ startedAt: 'yesterday' })}\``, 0, 'MigrationPending'],
  [
    'a number beyond all numbers',
    `\`${report({ progress: { migration: 'm', done: 1, total: 2 } }).replace('"total":2', '"total":1e999')}\``,
    0,
    'MigrationPending',
  ],
  [
    'a migration with a name of a kilobyte, applied a hundred times',
    `\`${report({ applied: Array.from({ length: 3 }, () => ({ name: 'x'.repeat(1000), milliseconds: -1 })) })}\``,
    0,
    'UpToDate',
  ],
];

/** Of control characters all over a report that is believed. */
const PAINTED = `\`${report({
  error: { reason: 'MigrationFailed', message: 'ESCAPES', migration: 'ESCAPES' },
  // A position that the rows contradict would not be believed.
  to: null,
  heads: ['ESCAPES'],
  applied: [{ name: 'ESCAPES', milliseconds: 1 }],
})}\`.replaceAll('ESCAPES', JSON.stringify('${ESCAPES}').slice(1, -1))`;

/** The report of a Job that is not ours. */
const LIE = `\`${report({ to: { revision: 'rocky02', phase: 'Contract' }, heads: ['rocky_contract02'] })}\``;

describe('hostile resources', () => {
  let environment: Environment;
  let operator: Operator;
  let tenants = 0;

  before(async () => {
    environment = await startEnvironment({
      images: {
        ...Object.fromEntries(
          REPORTS.map(([, says, exit], index) => [`report-${index}:`, hostileImage(says, exit)]),
        ),
        painted: hostileImage(PAINTED, 1),
        liar: hostileImage(LIE, 0),
      },
    });
    operator = await environment.operator();
  });

  after(async () => {
    await operator?.stop();
    await environment?.stop();
  });

  afterEach(() => {
    expect(operator.running(), 'the operator goes on').to.equal(true);
  });

  function tenant(connection = 'postgresql://nobody@127.0.0.1:1/glance'): Promise<Tenant> {
    tenants += 1;
    return environment.tenant(`hostile-${tenants}`, connection);
  }

  async function create(where: Tenant, object: Record<string, unknown>): Promise<KubeObject> {
    const { spec, ...rest } = object;
    const database = { secretRef: { name: 'glance-db' } };
    return environment.api.call('POST', where.path, {
      ...schemaOf({ database, ...asObject(spec) }),
      ...rest,
    });
  }

  async function jobOf(where: Tenant): Promise<KubeObject> {
    return eventually(async () => (await where.jobs())[0] ?? expect.fail('there is no Job'));
  }

  const job = (fields: Record<string, unknown>) => ({ job: fields });
  const secret = (secretRef: Record<string, unknown>) => ({ database: { secretRef } });
  const variable = (name: string) => job({ env: [{ name, value: 'x' }] });
  const many = (prefix: string) =>
    Object.fromEntries(Array.from({ length: 65 }, (_each, index) => [`${prefix}${index}`, 'x']));

  const REFUSED: readonly (readonly [string, Record<string, unknown>, string])[] = [
    ["another namespace's Secret, by a path", secret({ name: '../other' }), 'should match'],
    ["another namespace's Secret, by a prefix", secret({ name: 'other/glance-db' }), 'should match'],
    ['a Secret named as a folder', secret({ name: '..' }), 'should match'],
    ['a key that leads elsewhere', secret({ name: 'glance-db', key: '../../token' }), 'should match'],
    [
      "another namespace's CA",
      { database: { secretRef: { name: 'glance-db' }, tls: { caSecretRef: { name: '../ca' } } } },
      'should match',
    ],
    ["another namespace's ServiceAccount", job({ serviceAccountName: 'kube-system/admin' }), 'should match'],
    ["another namespace's pull secret", job({ imagePullSecrets: [{ name: '../pull' }] }), 'should match'],
    ['code for Node by its options', variable('NODE_OPTIONS'), 'Cannot set NODE_OPTIONS in job.env'],
    ['an authority for Node to trust', variable('NODE_EXTRA_CA_CERTS'), 'Cannot set NODE_EXTRA_CA_CERTS'],
    ['code for the loader', variable('LD_PRELOAD'), 'Cannot set LD_PRELOAD'],
    ["the operator's own settings", variable('GLANCE_SCHEMA_IMAGE'), 'Cannot set GLANCE_SCHEMA_IMAGE'],
    ['the connection', variable('DATABASE_CONNECTION'), 'Cannot set DATABASE_CONNECTION'],
    ['a TTL beyond 32 bits', job({ ttlSecondsAfterFinished: 2 ** 31 }), 'less than or equal to 2147483647'],
    ['a deadline beyond all numbers', job({ activeDeadlineSeconds: 2 ** 60 }), 'less than or equal to'],
    ['an image of a megabyte', job({ image: 'x'.repeat(1_000_000) }), 'Too long'],
    ['a name of a Secret of a megabyte', secret({ name: 'x'.repeat(1_000_000) }), 'Too long'],
    ['labels without end', job({ labels: many('l') }), 'Too many'],
    ['annotations without end', job({ annotations: many('a') }), 'Too many'],
    ['resources without end', job({ resources: { limits: many('r') } }), 'Too many'],
    [
      'variables without end',
      job({ env: Object.keys(many('v')).map((name) => ({ name, value: 'x' })) }),
      'Too many',
    ],
    ['a field of a pod', job({ hostNetwork: true }), 'unknown field "spec.job.hostNetwork"'],
    ['a command', job({ command: ['sh'] }), 'unknown field "spec.job.command"'],
    ['a volume', job({ volumes: [{ name: 'host', hostPath: { path: '/' } }] }), 'unknown field'],
    ['a security context', job({ securityContext: { privileged: true } }), 'unknown field'],
    ...[
      'envFrom',
      'initContainers',
      'runtimeClassName',
      'hostAliases',
      'dnsConfig',
      'dnsPolicy',
      'hostPID',
    ].map((field) => [`a field of a pod: ${field}`, job({ [field]: 'x' }), 'unknown field'] as const),
    [
      'a value from a field of the pod',
      job({ env: [{ name: 'HTTP_PROXY', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }] }),
      'unknown field',
    ],
    [
      'a value from two places',
      job({
        env: [
          {
            name: 'HTTP_PROXY',
            valueFrom: { secretKeyRef: { name: 'a', key: 'b' }, configMapKeyRef: { name: 'a', key: 'b' } },
          },
        ],
      }),
      'has either secretKeyRef or configMapKeyRef',
    ],
    [
      'a time zone from a Secret',
      job({ env: [{ name: 'TZ', valueFrom: { secretKeyRef: { name: 'a', key: 'b' } } }] }),
      'It is for proxies',
    ],
  ];

  describe('are refused at admission', () => {
    let where: Tenant;

    before(async () => {
      where = await tenant();
    });

    for (const [what, spec, says] of REFUSED) {
      it(what, async () => {
        expect(await where.refusal(spec)).to.contain(says);
      });
    }
  });

  /**
   * The pod's template of a resource that asks for nothing, without what differs from namespace to
   * namespace.
   */
  async function templateFor(spec: Record<string, unknown>): Promise<KubeObject> {
    const where = await tenant();
    await create(where, { spec: { ...spec, job: { image: 'nosuch:1', ...asObject(spec.job) } } });
    const spelled = JSON.stringify((await jobOf(where)).spec).replaceAll(where.namespace, 'its-namespace');
    const { template } = JSON.parse(spelled);
    const { [SCHEMA_UID_LABEL]: uid, ...labels } = template.metadata.labels;
    expect(uid, 'the label says which resource').to.equal((await where.read()).metadata?.uid);
    for (const own of ['controller-uid', 'job-name']) {
      delete labels[own];
      delete labels[`batch.kubernetes.io/${own}`];
    }
    return { ...template, metadata: { ...template.metadata, labels } };
  }

  describe('are given no more in their pod than what they may ask for', () => {
    let plain: KubeObject;

    before(async () => {
      plain = await templateFor({});
    });

    it('pod fields inside of affinity are dropped', async () => {
      const smuggled = await templateFor(
        job({
          affinity: {
            hostNetwork: true,
            containers: [{ name: 'evil', image: 'evil' }],
            podAffinity: { hostPID: true },
            // As an own property, as JSON has it.
            ...Object.defineProperty({}, '__proto__', { value: { polluted: true }, enumerable: true }),
            constructor: { prototype: { polluted: true } },
          },
        }),
      );
      expect(smuggled.spec.affinity).to.deep.equal({ podAffinity: {} });
      const { affinity: _affinity, ...rest } = smuggled.spec;
      expect(rest).to.deep.equal(plain.spec);
      expect(smuggled.metadata).to.deep.equal(plain.metadata);
    });

    it('container fields inside of valueFrom are dropped', async () => {
      const valueFrom = {
        secretKeyRef: { name: 'glance-db', key: 'connection', optional: true },
        volumeMounts: [{ name: 'host', mountPath: '/' }],
        securityContext: { privileged: true },
      };
      const smuggled = await templateFor(job({ env: [{ name: 'HTTP_PROXY', valueFrom }] }));
      const [{ env, ...container }] = smuggled.spec.containers;
      expect(env[0]).to.deep.equal({
        name: 'HTTP_PROXY',
        valueFrom: { secretKeyRef: valueFrom.secretKeyRef },
      });
      const [{ env: plainEnv, ...plainContainer }] = plain.spec.containers;
      expect(env.slice(1)).to.deep.equal(plainEnv);
      expect(container).to.deep.equal(plainContainer);
    });

    it("the operator's own labels win", async () => {
      const labels = {
        'app.kubernetes.io/managed-by': 'somebody',
        'db.glance.openstack.org/schema': 'other',
        'db.glance.openstack.org/schema-uid': 'other',
      };
      expect((await templateFor(job({ labels }))).metadata).to.deep.equal(plain.metadata);
    });

    it('what a Job is for is not read from an annotation of the spec', async () => {
      const where = await tenant();
      const annotations = { 'db.glance.openstack.org/purpose': '{"kind":"Observe"}' };
      await where.apply({ revision: 'ocata01', job: { image: 'nosuch:1', annotations } });
      const { metadata } = await jobOf(where);
      expect(JSON.parse(metadata?.annotations['db.glance.openstack.org/purpose'])).to.deep.include({
        kind: 'Migrate',
        target: { revision: 'ocata01', phase: 'Contract' },
      });
    });

    it("a ServiceAccount's token is not in the pod, be it the operator's own", async () => {
      const spec = { revision: 'ocata01', job: { image: 'nosuch:1', serviceAccountName: 'powerful' } };
      const where = await tenant();
      await environment.api.call('POST', `/api/v1/namespaces/${where.namespace}/serviceaccounts`, {
        metadata: { name: 'powerful' },
        automountServiceAccountToken: true,
      });
      await where.apply(spec);
      const pod = await eventually(async () => (await where.pods())[0] ?? expect.fail('no pod'));
      expect(pod.spec.serviceAccountName).to.equal('powerful');
      expect(pod.spec.volumes, 'no token').to.equal(undefined);
      expect(pod.spec.containers[0].volumeMounts).to.equal(undefined);
    });

    it('a label that the Job controller keeps to itself is refused in its words', async () => {
      const where = await tenant();
      await where.apply(job({ labels: { 'batch.kubernetes.io/controller-uid': 'x' } }));
      const { message } = ready(await where.reaches('JobBlocked'));
      expect(message).to.contain('refused to create Job').and.to.contain('controller-uid');
    });

    it('a refusal that has all of a long spec is reported in short', async () => {
      const where = await tenant();
      // Not applied: server-side apply takes YAML, whose keys have an end.
      await environment.api.call('POST', where.path, {
        apiVersion: 'db.glance.openstack.org/v1alpha1',
        kind: 'GlanceSchema',
        metadata: { name: 'glance' },
        spec: {
          revision: 'latest',
          database: { secretRef: { name: 'glance-db' } },
          ...job({ labels: { [`${'x'.repeat(60_000)}/y`]: 'x' } }),
        },
      });
      const { message } = ready(await where.reaches('JobBlocked'));
      expect(message).to.have.length(4096);
    });
  });

  describe('get nothing from their pod that the status could not hold', () => {
    for (const [index, [what, _says, _exit, reason, status]] of REPORTS.entries()) {
      it(what, async () => {
        const where = await tenant();
        await where.apply({ revision: 'ocata01', job: { image: `report-${index}:1`, backoffLimit: 0 } });
        const schema = await eventually(async () => {
          const read = await where.reaches(reason);
          expect(read.status.job.finishedAt).not.to.equal(undefined);
          return read;
        });
        expect(schema.status).to.deep.include(status ?? {});
        expect(JSON.stringify(schema.status)).not.to.contain('polluted');
        const [finished] = await where.jobs();
        await eventually(async () => {
          // One that failed and is followed by another attempt goes sooner.
          expect((await where.jobs())[0]?.spec.ttlSecondsAfterFinished, 'its result is stored').to.equal(
            schema.status.job.failure === undefined ? 86400 : 3600,
          );
        });
        expect(finished?.metadata?.name).to.equal(schema.status.job.name);
      });
    }
  });

  async function expectPrintable(where: Tenant): Promise<void> {
    for (const args of [
      ['get', 'glanceschema', 'glance', '-o', 'wide'],
      ['get', 'glanceschema', 'glance', '-o', 'jsonpath={.status}'],
      ['describe', 'glanceschema', 'glance'],
      ['get', 'events', '-o', 'jsonpath={range .items[*]}{.message}{end}'],
    ]) {
      // An Event is told of after the status has been written.
      const stdout = await eventually(async () => {
        const said = (await where.kubectl(...args)).stdout;
        expect(said).to.contain('owned');
        return said;
      });
      expect(UNPRINTABLE.exec(stdout)?.[0], args.join(' ')).to.equal(undefined);
    }
    const status = JSON.stringify((await where.read()).status);
    expect(status).not.to.match(/\\u0|\\[nrtbf]/);
    expect(UNPRINTABLE.exec(status)).to.equal(null);
  }

  describe('show nothing in a terminal that it would act upon', () => {
    it('from the message of a hostile pod', async () => {
      const where = await tenant();
      await where.apply({ revision: 'ocata01', job: { image: 'painted:1', backoffLimit: 0 } });
      const schema = await where.reaches('MigrationFailed');
      expect(schema.status.databaseHeads[0]).to.match(/^ \]0;owned/);
      await expectPrintable(where);
    });

    it('from an error of the database, in the log of the pod neither', async () => {
      const url = await environment.postgres.createDatabase('escapes');
      await seedNewton(url, { images: 1 });
      const client = new pg.Client(url);
      await client.connect();
      // What a function raises may hold a row and is not told; its name is.
      const name = client.escapeIdentifier(JSON.parse(`"${ESCAPES.replace('\\u0000', '')}"`));
      await client.query(
        `CREATE FUNCTION ${name}() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
           IF tg_tag = 'ALTER TABLE' THEN RAISE EXCEPTION 'no'; END IF;
         END $$`,
      );
      await client.query(`CREATE EVENT TRIGGER deny ON ddl_command_start EXECUTE FUNCTION ${name}()`);
      await client.end();
      const where = await tenant(url);
      await where.apply({ revision: 'ocata01', job: { backoffLimit: 0 } });
      await where.reaches('MigrationFailed');
      await expectPrintable(where);
      const [pod] = await where.pods();
      const log = environment.node.logs(where.namespace, pod?.metadata?.name ?? '');
      expect(log).to.contain('owned');
      expect(UNPRINTABLE.exec(log)?.[0]).to.equal(undefined);
    });

    it('from an image whose name is one long command', async () => {
      const where = await tenant();
      await create(where, { spec: job({ image: `owned${JSON.parse(`"${ESCAPES}"`)}` }) });
      const { message } = ready(await where.reaches('JobBlocked'));
      expect(UNPRINTABLE.exec(message)).to.equal(null);
    });
  });

  describe('by their annotations and names', () => {
    it('an annotation of 200 KiB is acted upon once and kept in short', async () => {
      const where = await tenant(await environment.postgres.createDatabase('annotations'));
      const value = `${'x'.repeat(255)}\u001b${'é'.repeat(100_000)}`;
      await create(where, {
        spec: { revision: 'mitaka02' },
        metadata: {
          name: 'glance',
          annotations: {
            'db.glance.openstack.org/observe': value,
            'db.glance.openstack.org/retry': 'x'.repeat(300),
          },
        },
      });
      const { status } = await where.reaches('UpToDate');
      expect(status.handledObserve).to.equal(`${'x'.repeat(255)} `);
      expect(status.handledRetry).to.equal('x'.repeat(256));
      expect(await where.jobs()).to.have.length(2);
    });

    for (const starting of ['NaN', '-5', '1e300', '9007199254740993', '../x']) {
      it(`a sequence number that is none, ${starting}, is taken for none`, async () => {
        const where = await tenant(await environment.postgres.createDatabase(`starting_${tenants}`));
        await create(where, {
          spec: { revision: 'mitaka02' },
          metadata: {
            name: 'glance',
            annotations: { 'db.glance.openstack.org/reserved-sequence': starting },
          },
        });
        const { status } = await where.reaches('UpToDate');
        expect(status.job.sequence).to.equal(1);
      });
    }

    it('two of the longest names, alike up to the end, have Jobs and Events of their own', async () => {
      const where = await tenant();
      const names = ['a', 'b'].map((end) => `${'x'.repeat(199)}-${'y'.repeat(52)}${end}`);
      for (const name of names) {
        await create(where, { spec: job({ image: 'nosuch:1' }), metadata: { name } });
      }
      await eventually(async () => {
        const jobs = (await where.jobs()).map(({ metadata }) => metadata?.name);
        expect(jobs).to.have.length(2);
        expect(new Set(jobs).size).to.equal(2);
        const told = (await where.events()).map((event) => event.regarding.name);
        expect(told).to.include.members(names);
      });
    });

    it('a spec of a megabyte holds up nobody', async () => {
      const where = await tenant();
      const terms = Array.from({ length: 1000 }, () => ({ key: 'x'.repeat(1000), operator: 'Exists' }));
      await create(where, {
        spec: job({
          affinity: {
            nodeAffinity: {
              requiredDuringSchedulingIgnoredDuringExecution: {
                nodeSelectorTerms: [{ matchExpressions: terms }],
              },
            },
          },
        }),
      });
      const other = await tenant(await environment.postgres.createDatabase('beside'));
      await other.apply({ revision: 'mitaka02' });
      await other.reaches('UpToDate');
      expect(ready(await where.reaches('JobBlocked')).message).to.have.length(4096);
    });
  });

  describe("get nothing by others' objects", () => {
    async function suspended(): Promise<{ readonly where: Tenant; readonly schema: KubeObject }> {
      const where = await tenant(await environment.postgres.createDatabase(`foreign_${tenants}`));
      await where.apply({ revision: 'mitaka02', suspend: true });
      return { where, schema: await where.reaches('Suspended') };
    }

    function foreignLabels(schema: KubeObject): Record<string, string> {
      return {
        'app.kubernetes.io/managed-by': 'glance-schema',
        [SCHEMA_UID_LABEL]: schema.metadata?.uid ?? '',
      };
    }

    /** A pod that stays until it is deleted, or leaves a report that is a lie. */
    function pod(name: string, labels: Record<string, string>, image = 'sleeper:1'): KubeObject {
      const restricted = {
        allowPrivilegeEscalation: false,
        runAsNonRoot: true,
        runAsUser: 1000,
        capabilities: { drop: ['ALL'] },
        seccompProfile: { type: 'RuntimeDefault' },
      };
      return {
        metadata: { name, labels },
        spec: {
          restartPolicy: 'Never',
          containers: [
            {
              name: 'migrate',
              image,
              args: ['/dev/termination-log'],
              securityContext: restricted,
            },
          ],
        },
      };
    }

    it('a Job and a pod with our labels in another namespace are not seen', async () => {
      const { where, schema } = await suspended();
      const other = await tenant();
      await environment.api.call('POST', `/api/v1/namespaces/${other.namespace}/pods`, {
        ...pod('foreign', foreignLabels(schema)),
      });
      await where.apply({ revision: 'mitaka02', suspend: false });
      await where.reaches('UpToDate');
    });

    it('a Job with our labels and another owner is not ours, whatever its pod says', async () => {
      const { where, schema } = await suspended();
      const { metadata, spec } = pod('foreign', foreignLabels(schema), 'liar:1');
      await environment.api.call('POST', `/apis/batch/v1/namespaces/${where.namespace}/jobs`, {
        metadata,
        spec: { template: { metadata: { labels: metadata?.labels }, spec } },
      });
      await eventually(async () => expect((await where.jobs())[0]?.status?.succeeded).to.equal(1));
      await where.apply({ revision: 'mitaka02', suspend: false });
      const { status } = await where.reaches('UpToDate');
      expect(status.recordedRevision, 'not what the lie says').to.equal('mitaka02');
      const foreign = (await where.jobs()).find((each) => each.metadata?.name === 'foreign');
      expect(foreign?.spec.ttlSecondsAfterFinished, 'nothing is done to it').to.equal(undefined);
    });

    it('a live pod with our labels in the namespace is waited for, as it may be a migrator, and named', async () => {
      const { where, schema } = await suspended();
      const path = `/api/v1/namespaces/${where.namespace}/pods`;
      await environment.api.call('POST', path, pod('foreign', foreignLabels(schema)));
      await where.apply({ revision: 'mitaka02', suspend: false });
      expect(ready(await where.reaches('MigrationRunning')).message).to.contain('Pod foreign still exists');
      await environment.api.call('DELETE', `${path}/foreign`, { gracePeriodSeconds: 0 });
      await where.reaches('UpToDate');
    });

    it('a Job that has taken the name is not taken for ours, and is named', async () => {
      const { where, schema } = await suspended();
      const { name = '', namespace = '', uid = '' } = schema.metadata ?? {};
      const taken = migrationJobName({ name, namespace, uid }, 1);
      const { spec } = pod('foreign', {});
      await environment.api.call('POST', `/apis/batch/v1/namespaces/${namespace}/jobs`, {
        metadata: { name: taken },
        spec: { template: { spec } },
      });
      await where.apply({ revision: 'mitaka02', suspend: false });
      expect(ready(await where.reaches('JobBlocked')).message).to.contain(
        `Cannot start Job ${taken}: there is a Job of that name that does not belong to this GlanceSchema`,
      );
    });
  });

  // The last ones, as the API server goes on with a policy for a moment after it is gone.
  describe('are refused by the policy that manifests/ has', () => {
    it('when they ask for an image, another Secret, a ServiceAccount, an annotation or a priority', async () => {
      const where = await tenant();
      const file = new URL('../../../manifests/admission-policy.yaml', import.meta.url).pathname;
      expect((await where.kubectl('apply', '-f', file)).stderr).to.equal('');
      const valueFrom = { secretKeyRef: { name: 'other', key: 'x' } };
      const rows: readonly (readonly [Record<string, unknown>, string])[] = [
        [{ image: 'evil:1' }, 'job.image'],
        [{ env: [{ name: 'HTTP_PROXY', valueFrom }] }, 'job.env'],
        [{ labels: { app: 'mariadb-client' } }, 'job.labels'],
        [{ serviceAccountName: 'powerful' }, 'job.serviceAccountName'],
        [{ annotations: { 'vault.hashicorp.com/agent-inject': 'true' } }, 'job.annotations'],
        [{ priorityClassName: 'system-cluster-critical' }, 'job.priorityClassName'],
      ];
      for (const [asked, says] of rows) {
        const spec = { database: { secretRef: { name: 'glance-db' } }, ...job(asked) };
        // The API server takes a moment to hear of a new policy.
        await eventually(async () => {
          const answer = await environment.api.request('POST', `${where.path}?dryRun=All`, schemaOf(spec));
          expect(answer.body.message).to.contain(`${says} `);
        });
      }
      await where.apply(job({ env: [{ name: 'TZ', value: 'UTC' }] }));
    });
  });
});

function schemaOf(spec: Record<string, unknown>): KubeObject {
  return {
    apiVersion: 'db.glance.openstack.org/v1alpha1',
    kind: 'GlanceSchema',
    metadata: { name: 'glance' },
    spec: { revision: 'latest', ...spec },
  };
}

function asObject(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function ready(schema: KubeObject): { readonly message: string } {
  return schema.status.conditions.find((condition: KubeObject) => condition.type === 'Ready');
}
