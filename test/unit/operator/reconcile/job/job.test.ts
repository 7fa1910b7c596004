import { expect } from 'chai';
import fc from 'fast-check';
import { FINAL_EXIT_CODES } from '../../../../../src/contract/failures.ts';
import { SCHEMA_UID_LABEL } from '../../../../../src/contract/names.ts';
import {
  migrationJobName,
  type Purpose,
  parsePurpose,
} from '../../../../../src/operator/reconcile/job/job.ts';
import { A_PURPOSE, aMigrationJob, at, SCHEMA_UID } from '../../../../support/builders.ts';

describe('migration Job', () => {
  it('its name has at most 63 characters that a label takes, and is one for each sequence number', () => {
    const name = fc.stringMatching(/^[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?$/);
    fc.assert(
      fc.property(name, fc.integer({ min: 1, max: 99_999 }), (schemaName, sequence) => {
        const schema = { name: schemaName, namespace: 'n', uid: SCHEMA_UID };
        const given = migrationJobName(schema, sequence);
        expect(given).to.match(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
        expect(migrationJobName({ ...schema }, sequence)).to.equal(given);
        expect(migrationJobName(schema, sequence + 1)).not.to.equal(given);
        expect(migrationJobName({ ...schema, uid: 'other' }, sequence)).not.to.equal(given);
      }),
    );
  });

  it('says on itself what it is for', () => {
    const [annotation] = Object.values(aMigrationJob().metadata.annotations);
    expect(parsePurpose(String(annotation))).to.deep.equal(A_PURPOSE);
    expect(parsePurpose('nonsense')).to.equal(undefined);
    expect(parsePurpose('{"kind":"Migrate"}')).to.equal(undefined);
  });

  it('has no owner and no TTL before its result is stored, and the label of its schema', () => {
    const job = aMigrationJob();
    expect(job.metadata).not.to.have.property('ownerReferences');
    expect(job.metadata.labels).to.include({ [SCHEMA_UID_LABEL]: SCHEMA_UID });
    expect(job.spec).not.to.have.property('ttlSecondsAfterFinished');
  });

  it('ends at once on a refusal, and does not count an eviction', () => {
    const { rules } = aMigrationJob().spec.podFailurePolicy;
    expect(rules[0].onExitCodes.values).to.deep.equal(FINAL_EXIT_CODES);
    expect(rules[1]).to.deep.equal({
      action: 'Ignore',
      onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }],
    });
  });

  it('hands the connection to its container only, and no token', () => {
    const pod = aMigrationJob().spec.template.spec;
    expect(pod.automountServiceAccountToken).to.equal(false);
    expect(pod.containers).to.have.length(1);
    expect(pod.containers[0].env).to.deep.equal([
      { name: 'GLANCE_SCHEMA_CONNECTION_SOURCE', value: "key 'connection' of Secret openstack/glance-db" },
      { name: 'DATABASE_CONNECTION', valueFrom: { secretKeyRef: { name: 'glance-db', key: 'connection' } } },
    ]);
  });

  it('hands the parts of a connection over one by one, user and password from their Secrets', () => {
    const database = {
      engine: 'mysql',
      host: 'db.example.org',
      port: 3307,
      name: 'glance',
      userSecretRef: { name: 'glance-user', key: 'username' },
      passwordSecretRef: { name: 'glance-password', key: 'password' },
    };
    const [container] = aMigrationJob({ database }).spec.template.spec.containers;
    const secretKey = (name: string, key: string) => ({ valueFrom: { secretKeyRef: { name, key } } });
    expect(container.env).to.deep.equal([
      { name: 'GLANCE_SCHEMA_CONNECTION_SOURCE', value: 'spec.database' },
      { name: 'GLANCE_SCHEMA_DATABASE_ENGINE', value: 'mysql' },
      { name: 'GLANCE_SCHEMA_DATABASE_HOST', value: 'db.example.org' },
      { name: 'GLANCE_SCHEMA_DATABASE_PORT', value: '3307' },
      { name: 'GLANCE_SCHEMA_DATABASE_NAME', value: 'glance' },
      { name: 'GLANCE_SCHEMA_DATABASE_USER', ...secretKey('glance-user', 'username') },
      { name: 'GLANCE_SCHEMA_DATABASE_PASSWORD', ...secretKey('glance-password', 'password') },
    ]);
    expect(container.args.join(' ')).not.to.match(/db[.]example|glance-user|glance-password/);
  });

  it('asks sidecars to stay out of its pod, which they would keep from ever ending', () => {
    const { metadata } = aMigrationJob().spec.template;
    expect(metadata.labels).to.include({ 'sidecar.istio.io/inject': 'false' });
    expect(metadata.annotations).to.include({
      'sidecar.istio.io/inject': 'false',
      'linkerd.io/inject': 'disabled',
    });
  });

  it("puts the user's variables before its own, so that its own win", () => {
    const [container] = aMigrationJob({ job: { env: [{ name: 'TZ', value: 'UTC' }] } }).spec.template.spec
      .containers;
    expect(container.env.map((variable: { name: string }) => variable.name)).to.deep.equal([
      'TZ',
      'GLANCE_SCHEMA_CONNECTION_SOURCE',
      'DATABASE_CONNECTION',
    ]);
  });

  const VARIABLES: readonly (readonly [Record<string, unknown>, boolean])[] = [
    [{ name: 'TZ', value: 'Europe/Berlin' }, true],
    [{ name: 'TZ' }, true],
    [{ name: 'LC_MESSAGES', value: 'C.UTF-8' }, true],
    [{ name: 'HTTP_PROXY', value: 'http://proxy:3128' }, true],
    [{ name: 'no_proxy', value: '.svc,10.0.0.0/8' }, true],
    [{ name: 'all_proxy', valueFrom: { secretKeyRef: { name: 'proxy', key: 'url' } } }, true],
    [{ name: 'all_proxy', valueFrom: { configMapKeyRef: { name: 'proxy', key: 'url' } } }, true],
    // A source that an older CRD has let in, and this operator does not know.
    [{ name: 'all_proxy', valueFrom: {} }, false],
    [{ name: 'TZ', valueFrom: { secretKeyRef: { name: 'proxy', key: 'url' } } }, false],
    [{ name: 'TZ', value: '/etc/glance-schema/tls/ca.crt' }, false],
    [{ name: 'TZ', value: 'a/../../x' }, false],
    [{ name: 'LANG', value: 'C\nx = y' }, false],
    [{ name: 'HTTPS_PROXY', value: '$(DATABASE_CONNECTION)' }, false],
    [{ name: 'PATH', value: '/usr/bin' }, false],
    [{ name: 'OPENSSL_CONF', value: '/proc/self/environ' }, false],
    [{ name: 'LOCALDOMAIN', value: 'example.org' }, false],
  ];
  for (const [variable, isSet] of VARIABLES) {
    it(`${isSet ? 'has' : 'leaves out'} ${JSON.stringify(variable)}`, () => {
      const [container] = aMigrationJob({ job: { env: [variable] } }).spec.template.spec.containers;
      expect(container.env.slice(0, -2)).to.deep.equal(isSet ? [variable] : []);
    });
  }

  it('leaves out annotations that change its confinement', () => {
    const annotations = {
      'container.apparmor.security.beta.kubernetes.io/migrate': 'unconfined',
      'seccomp.security.alpha.kubernetes.io/pod': 'unconfined',
      'cdi.k8s.io/device': 'vendor.com/device=all',
      'example.org/ticket': '4711',
    };
    const { metadata } = aMigrationJob({ job: { annotations } }).spec.template;
    expect(Object.keys(metadata.annotations).filter((name) => name in annotations)).to.deep.equal([
      'example.org/ticket',
    ]);
  });

  it("cannot be made another schema's by labels", () => {
    const labels = { 'db.glance.openstack.org/schema-uid': 'stolen', team: 'images' };
    const { template } = aMigrationJob({ job: { labels } }).spec;
    expect(template.metadata.labels).to.include({
      'db.glance.openstack.org/schema-uid': SCHEMA_UID,
      team: 'images',
    });
  });

  it('puts labels and annotations on the Job too, where policies look for them, and its own win', () => {
    const purpose = 'db.glance.openstack.org/purpose';
    const { metadata } = aMigrationJob({
      job: {
        labels: { team: 'images', 'app.kubernetes.io/managed-by': 'nobody' },
        annotations: { ticket: '4711', [purpose]: 'stolen' },
      },
    });
    expect(metadata.labels).to.include({ team: 'images', 'app.kubernetes.io/managed-by': 'glance-schema' });
    expect(metadata.annotations).to.include({ ticket: '4711', [purpose]: JSON.stringify(A_PURPOSE) });
  });

  it('leaves its user to the image or the platform, and takes numbers that are asked for', () => {
    const contextOf = (job: Record<string, unknown>) =>
      aMigrationJob({ job }).spec.template.spec.securityContext;
    const always = { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } };
    expect(contextOf({})).to.deep.equal(always);
    const podSecurityContext = {
      runAsUser: 1000,
      runAsGroup: 1000,
      fsGroup: 2000,
      supplementalGroups: [3000],
    };
    expect(contextOf({ podSecurityContext })).to.deep.equal({ ...podSecurityContext, ...always });
  });

  it('mounts what TLS needs, and nothing else', () => {
    const tls = { caConfigMapRef: { name: 'trust', key: 'bundle.pem' }, certSecretRef: { name: 'client' } };
    const database = { secretRef: { name: 'glance-db', key: 'c' }, tls };
    const { volumes, containers } = aMigrationJob({ database }).spec.template.spec;
    const key = (name: string) => ({ key: name, path: name });
    expect(volumes).to.deep.equal([
      {
        name: 'tls',
        projected: {
          sources: [
            { configMap: { name: 'trust', items: [{ key: 'bundle.pem', path: 'ca.crt' }] } },
            { secret: { name: 'client', items: [key('tls.crt'), key('tls.key')] } },
          ],
        },
      },
    ]);
    expect(containers[0].volumeMounts).to.deep.equal([
      { name: 'tls', mountPath: '/etc/glance-schema/tls', readOnly: true },
    ]);
    expect(aMigrationJob().spec.template.spec).not.to.have.property('volumes');
  });

  const COMMANDS: readonly (readonly [string, Record<string, unknown>, Purpose, readonly string[]])[] = [
    ['a migration', {}, A_PURPOSE, ['db', 'sync', 'ocata01', '--report', '/dev/termination-log']],
    [
      'a migration through a phase',
      {},
      { ...A_PURPOSE, target: at('ocata01', 'Expand') },
      ['db', 'sync', 'ocata01', '--through', 'Expand', '--report', '/dev/termination-log'],
    ],
    [
      'a reading',
      {},
      { ...A_PURPOSE, kind: 'Observe', target: null },
      ['db', 'version', '--report', '/dev/termination-log'],
    ],
    [
      'a migration that waits for locks as long as it is asked to',
      { job: { lockTimeoutSeconds: 30 } },
      A_PURPOSE,
      ['db', 'sync', 'ocata01', '--lock-timeout', '30', '--report', '/dev/termination-log'],
    ],
    [
      'a reading, which waits for no lock',
      { job: { lockTimeoutSeconds: 30 } },
      { ...A_PURPOSE, kind: 'Observe', target: null },
      ['db', 'version', '--report', '/dev/termination-log'],
    ],
    [
      'a client certificate',
      {
        database: { secretRef: { name: 'glance-db', key: 'c' }, tls: { certSecretRef: { name: 'client' } } },
      },
      { ...A_PURPOSE, kind: 'Observe', target: null },
      [
        ...['db', 'version', '--report', '/dev/termination-log'],
        ...['--tls-cert', '/etc/glance-schema/tls/tls.crt', '--tls-key', '/etc/glance-schema/tls/tls.key'],
      ],
    ],
    [
      'a CA',
      {
        database: {
          secretRef: { name: 'glance-db', key: 'c' },
          tls: { caSecretRef: { name: 'ca', key: 'ca.crt' } },
        },
      },
      A_PURPOSE,
      [
        'db',
        'sync',
        'ocata01',
        '--report',
        '/dev/termination-log',
        '--tls-ca',
        '/etc/glance-schema/tls/ca.crt',
        '--tls-mode',
        'verify-full',
      ],
    ],
  ];

  it('runs a plan for this resource, and a migration by one that was approved', () => {
    const hash = 'a1'.repeat(32);
    const report = ['--report', '/dev/termination-log'];
    const argsOf = (purpose: Partial<Purpose>) =>
      aMigrationJob({}, { ...A_PURPOSE, ...purpose }).spec.template.spec.containers[0].args.join(' ');
    const plans = at('ocata01', 'Expand');
    expect(argsOf({ kind: 'Plan', target: null, plans })).to.equal(
      ['db plan ocata01 --through Expand --output sql --plan-for', SCHEMA_UID, ...report].join(' '),
    );
    expect(argsOf({ approved: { hash, mostRows: 10_000 } })).to.equal(
      ['db sync ocata01 --plan-hash', hash, '--plan-rows 10000 --plan-for', SCHEMA_UID, ...report].join(' '),
    );
  });

  it('compares the schema before a migration where the spec asks for it, and not for a plan', () => {
    const drift = { beforeMigration: 'Block', exclude: ['audit', 'images.cost_*'] } as const;
    const argsOf = (purpose: Purpose, spec: Parameters<typeof aMigrationJob>[0]) =>
      aMigrationJob(spec, purpose).spec.template.spec.containers[0].args.join(' ');
    expect(argsOf(A_PURPOSE, { drift })).to.equal(
      'db sync ocata01 --drift block --drift-exclude=audit --drift-exclude=images.cost_* --report /dev/termination-log',
    );
    expect(argsOf(A_PURPOSE, { drift: { beforeMigration: 'Report' } })).to.contain(
      'sync ocata01 --drift report --report',
    );
    expect(argsOf(A_PURPOSE, { drift: { exclude: ['audit'] } })).not.to.contain('drift');
    const plans = at('ocata01', 'Expand');
    expect(argsOf({ ...A_PURPOSE, kind: 'Plan', target: null, plans }, { drift })).not.to.contain('drift');
  });

  for (const [what, spec, purpose, args] of COMMANDS) {
    it(`runs the command of ${what}`, () => {
      expect(aMigrationJob(spec, purpose).spec.template.spec.containers[0].args).to.deep.equal(args);
    });
  }
});
