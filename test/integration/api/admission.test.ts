import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { type ControlPlane, startControlPlane } from '../../../lab/kubernetes/control-plane.ts';
import { crdsEstablished, kubectl } from '../../../lab/kubernetes/kubectl.ts';
import type { TestApi } from '../../../lab/kubernetes/test-api.ts';
import { LATEST_SUPPORTED } from '../../../src/glance/revisions.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const SCHEMAS = '/apis/db.glance.openstack.org/v1alpha1/namespaces/default/glanceschemas';
const DATABASE = { secretRef: { name: 'glance-db' } };

function workload(name: string): object {
  return { kind: 'Deployment', name };
}

/** A node of the schema of the CRD. */
interface Fields {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Fields>>;
  readonly items?: Fields;
}

const PARTS = {
  engine: 'mysql',
  host: 'db.example.org',
  name: 'glance',
  userSecretRef: { name: 'glance-db', key: 'username' },
  passwordSecretRef: { name: 'glance-db', key: 'password' },
};
const ONE_CONNECTION =
  'Cannot tell how the database is reached. Set secretRef alone, or without it engine, host, name, userSecretRef and passwordSecretRef.';

describe('the CRD on a real API server', () => {
  let plane: ControlPlane;
  let api: TestApi;

  before(async () => {
    plane = await startControlPlane({ controllers: false });
    api = plane.api();
    await succeeds('apply', '-k', `${ROOT}manifests`);
    await crdsEstablished(plane.kubeconfigPath);
  });

  after(async () => {
    await plane?.stop();
  });

  async function run(args: readonly string[], object?: object) {
    return kubectl(plane.kubeconfigPath, args, object === undefined ? {} : { input: JSON.stringify(object) });
  }

  async function succeeds(...args: readonly string[]): Promise<string> {
    const result = await run(args);
    expect(result.code, result.stderr).to.equal(0);
    return result.stdout;
  }

  function schema(name: string, spec: unknown): object {
    const whole = typeof spec === 'object' && spec !== null ? { revision: 'latest', ...spec } : spec;
    return {
      apiVersion: 'db.glance.openstack.org/v1alpha1',
      kind: 'GlanceSchema',
      metadata: { name },
      spec: whole,
    };
  }

  it('every manifest and every sample is taken', async () => {
    expect(await succeeds('apply', '-k', `${ROOT}manifests`)).to.contain('glance-schema-operator');
    const samples = readdirSync(`${ROOT}manifests/samples`).filter(
      (file) => file.endsWith('.yaml') && file !== 'kustomization.yaml',
    );
    expect(samples).to.have.length.greaterThan(2);
    for (const file of samples) {
      await succeeds('apply', '--server-side', '-f', `${ROOT}manifests/samples/${file}`);
    }
  });

  it('the namespace of the operator takes its pod under Pod Security "restricted"', async () => {
    const warnings = await run(['apply', '--dry-run=server', '-k', `${ROOT}manifests`]);
    expect(warnings.code).to.equal(0);
    expect(warnings.stderr).to.equal('');
  });

  it('kubectl explain describes every field', async () => {
    const text = await succeeds('explain', 'glanceschema.spec', '--recursive');
    for (const field of [
      'revision',
      'through',
      'suspend',
      'caSecretRef',
      'ttlSecondsAfterFinished',
      'affinity',
    ]) {
      expect(text).to.contain(field);
    }
    expect(await succeeds('explain', 'glschema.status.recordedRevision')).to.contain(
      'last read from the database',
    );
  });

  it('windows are taken, in UTC where no zone is named', async () => {
    const schedules = [
      '0 2 * * SAT',
      '*/15 0-4,22 1-7 jan-mar,DEC *',
      '0 2 * * SUN#1',
      '0 2 L * *',
      '@Daily',
    ];
    for (const [index, schedule] of schedules.entries()) {
      const window = { schedule, duration: '2h30m' };
      const made = await api.call('POST', SCHEMAS, schema(`window-${index}`, { database: DATABASE, window }));
      expect(made.spec?.window).to.deep.equal({ ...window, timeZone: 'UTC' });
    }
  });

  it('kubectl explain says something of every field', async () => {
    const crd = JSON.parse(
      await succeeds('get', 'crd', 'glanceschemas.db.glance.openstack.org', '-o', 'json'),
    );
    const silent: string[] = [];
    let fields = 0;
    (function walk(node: Fields, path: string): void {
      for (const [name, field] of Object.entries(node.properties ?? {})) {
        fields += 1;
        if ((field.description ?? '') === '') {
          silent.push(`${path}.${name}`);
        }
        walk(field, `${path}.${name}`);
      }
      if (node.items !== undefined) {
        walk(node.items, `${path}[]`);
      }
    })(crd.spec.versions[0].schema.openAPIV3Schema, '');
    expect(fields).to.be.greaterThan(100);
    // What every object has is explained by Kubernetes itself.
    expect(silent).to.deep.equal(['.metadata']);
    expect(await succeeds('explain', 'glanceschema.spec.database.passwordSecretRef')).to.contain(
      'Where the password is',
    );
  });

  it('the printer columns are those of the reference', async () => {
    await api.call('POST', SCHEMAS, { ...schema('columns', { revision: 'ocata', database: DATABASE }) });
    const narrow = (await succeeds('get', 'glschema')).split('\n')[0]?.split(/ +/);
    expect(narrow).to.deep.equal(['NAME', 'DESIRED', 'RECORDED', 'READY', 'REASON', 'AGE']);
    const wide = (await succeeds('get', 'glschema', '-o', 'wide')).split('\n')[0]?.split(/ +/);
    expect(wide?.slice(6)).to.deep.equal(['TARGET', 'PHASE', 'JOB', 'PROGRESS', 'MESSAGE']);
    const path = `${SCHEMAS}/columns`;
    const latest = { spec: { revision: 'latest' } };
    await api.call('PATCH', path, latest);
    await api.call('PATCH', `${path}/status`, { status: { targetRevision: LATEST_SUPPORTED } });
    const row = (await succeeds('get', 'glschema', 'columns', '-o', 'wide', '--no-headers')).split(/ +/);
    expect(row[1]).to.equal('latest');
    expect(row).to.include(LATEST_SUPPORTED);
  });

  const REFUSED: readonly (readonly [string, unknown, string])[] = [
    ['no spec', undefined, 'spec: Required value'],
    ['no database', { revision: 'ocata01' }, 'spec.database: Required value'],
    ['no Secret', { database: {} }, ONE_CONNECTION],
    ['a Secret and a host', { database: { ...DATABASE, host: 'db' } }, ONE_CONNECTION],
    ['a Secret and a port', { database: { ...DATABASE, port: 3306 } }, ONE_CONNECTION],
    ['a Secret and the parts', { database: { ...DATABASE, ...PARTS } }, ONE_CONNECTION],
    ...Object.keys(PARTS).map((part): [string, unknown, string] => [
      `the parts without ${part}`,
      { database: { ...PARTS, [part]: undefined } },
      ONE_CONNECTION,
    ]),
    ['another engine', { database: { ...PARTS, engine: 'sqlite' } }, 'Unsupported value: "sqlite"'],
    ...['db/x', 'db?x=1', 'user@db', 'db,other', '/run/mysqld', 'db:3306/', '$(HOME)', 'db\n', '-db'].map(
      (host): [string, unknown, string] => [
        `the host ${JSON.stringify(host)}`,
        { database: { ...PARTS, host } },
        'spec.database.host in body should match',
      ],
    ),
    ...['glance?ssl_mode=DISABLED', '$(HOME)', '../x', 'a b', 'glance\n'].map(
      (name): [string, unknown, string] => [
        `the database ${JSON.stringify(name)}`,
        { database: { ...PARTS, name } },
        'spec.database.name in body should match',
      ],
    ),
    [
      'no name of a Secret',
      { database: { secretRef: { key: 'x' } } },
      'spec.database.secretRef.name: Required value',
    ],
    [
      'an empty name of a Secret',
      { database: { secretRef: { name: '' } } },
      'should be at least 1 chars long',
    ],
    ['a number of the old tool', { revision: 44, database: DATABASE }, "Name the revision 'mitaka02'"],
    [
      'a number of the old tool as text',
      { revision: '45', database: DATABASE },
      "Name the revision 'ocata01'",
    ],
    [
      'a number that the old tool never had',
      { revision: 41, database: DATABASE },
      'it is a number that stands for no revision',
    ],
    ['a fraction', { revision: 2023.1, database: DATABASE }, 'must be of type integer,string'],
    ['an empty revision', { revision: '', database: DATABASE }, "Cannot use revision ''"],
    [
      'a revision that does not exist',
      { revision: 'nosuch', database: DATABASE },
      'liberty, mitaka01, mitaka02, ocata01',
    ],
    [
      'a revision of a later operator',
      { revision: '2027_1_01', database: DATABASE },
      "Cannot use revision '2027_1_01'",
    ],
    [
      'a revision with a quote in it',
      { revision: "ocata01'", database: DATABASE },
      'this operator supports no such revision',
    ],
    ['a revision of a megabyte', { revision: 'x'.repeat(1_000_000), database: DATABASE }, 'Too long'],
    ...(
      [
        ['a schedule of four fields', { schedule: '0 2 * *' }, 'Cannot read this schedule'],
        ['a schedule with seconds', { schedule: '0 0 2 * * *' }, 'Cannot read this schedule'],
        ['a minute that there is not', { schedule: '60 2 * * *' }, 'Cannot read this schedule'],
        ['a schedule that is a date', { schedule: '2026-11-23T02:00:00' }, 'Cannot read this schedule'],
        ['a day that there is not', { schedule: '0 2 * * SUNDAY' }, 'Cannot read this schedule'],
        ['a window of no time', { duration: '0m' }, 'Cannot use this duration'],
        ['an empty duration', { duration: '' }, 'Cannot use this duration'],
        ['a duration of words', { duration: '2 hours' }, 'Cannot use this duration'],
        ['a duration of days', { duration: '1d' }, 'Cannot use this duration'],
        ['a negative duration', { duration: '-2h' }, 'Cannot use this duration'],
        ['a window of more than a month', { duration: '745h' }, 'Cannot use this duration'],
        ['a distance for a time zone', { timeZone: '+02:00' }, 'Cannot read this time zone'],
        ['an empty time zone', { timeZone: '' }, 'Cannot read this time zone'],
      ] as const
    ).map(
      ([what, window, message]) =>
        [
          what,
          { database: DATABASE, window: { schedule: '0 2 * * SAT', duration: '2h30m', ...window } },
          message,
        ] as const,
    ),
    ...(
      [
        ['backups without a place', {}, 'Cannot take backups without a place for them'],
        ['a claim that is a path', { volumeClaimName: '../other' }, 'spec.backup.volumeClaimName'],
        ['a claim of another namespace', { volumeClaimName: 'other/claim' }, 'spec.backup.volumeClaimName'],
        ['no backup to keep', { volumeClaimName: 'c', retain: 0 }, 'spec.backup.retain'],
        ['a timeout of words', { volumeClaimName: 'c', timeout: 'soon' }, 'Cannot use this timeout'],
        ['a timeout of more than a day', { volumeClaimName: 'c', timeout: '25h' }, 'Cannot use this timeout'],
        ['a format of its own', { volumeClaimName: 'c', format: 'tar' }, 'Unsupported value: "tar"'],
        ['an image of no name', { volumeClaimName: 'c', image: '' }, 'spec.backup.image'],
      ] as const
    ).map(
      ([what, backup, message]) =>
        [what, { database: DATABASE, backup: { policy: 'BeforeUpgrade', ...backup } }, message] as const,
    ),
    [
      'a window without a schedule',
      { database: DATABASE, window: { duration: '2h' } },
      'schedule: Required value',
    ],
    ...(
      [
        ['a drift check every minute', { interval: '1m' }, 'Cannot use this interval'],
        ['a drift check less than once in a month', { interval: '745h' }, 'Cannot use this interval'],
        ['a drift check by the day', { interval: '1d' }, 'Cannot use this interval'],
        ['a drift check at no interval', { interval: '' }, 'Cannot use this interval'],
        ['a drift that does something else', { beforeMigration: 'Mend' }, 'Unsupported value: "Mend"'],
        ['an excluded name that is an argument', { exclude: ['a --report=/x'] }, 'spec.drift.exclude[0]'],
        ['an excluded name of nothing', { exclude: [''] }, 'spec.drift.exclude[0]'],
        ['a pattern that takes long to compare', { exclude: ['*a*a*a*a'] }, 'spec.drift.exclude[0]'],
        ['a pattern of braces', { exclude: ['{images,tasks}'] }, 'spec.drift.exclude[0]'],
        ['a pattern that is too long', { exclude: ['a'.repeat(130)] }, 'spec.drift.exclude[0]'],
        ['too many patterns', { exclude: Array(33).fill('images') }, 'spec.drift.exclude'],
      ] as const
    ).map(([what, drift, message]) => [what, { database: DATABASE, drift }, message] as const),
    ['a phase that does not exist', { through: 'Half', database: DATABASE }, 'Unsupported value: "Half"'],
    ['an approval that there is not', { approval: 'Ask', database: DATABASE }, 'Unsupported value: "Ask"'],
    [
      'an approved plan by the first digits of its hash',
      { approval: 'Manual', approvedPlan: 'a1b2c3', database: DATABASE },
      'spec.approvedPlan in body should match',
    ],
    [
      'an approved plan that is an argument',
      { approvedPlan: `${'a'.repeat(64)} --report /x`, database: DATABASE },
      'spec.approvedPlan',
    ],
    ['nothing to wait for', { database: DATABASE, contractAfter: [] }, 'should have at least 1 items'],
    [
      'more to wait for than sixteen',
      {
        database: DATABASE,
        contractAfter: Array.from({ length: 17 }, (_, index) => workload(`api-${index}`)),
      },
      'must have at most 16 items',
    ],
    ...(
      [
        ['a ReplicaSet', { kind: 'ReplicaSet', name: 'api' }, 'Unsupported value: "ReplicaSet"'],
        ['a workload without a name', { kind: 'Deployment' }, 'name: Required value'],
        ['a workload without a kind', { name: 'api' }, 'kind: Required value'],
        [
          'a workload of another namespace',
          workload('../other/deployments/api'),
          'name in body should match',
        ],
        [
          'an empty image',
          { ...workload('api'), image: '' },
          'image in body should be at least 1 chars long',
        ],
        ['a workload by its labels', { ...workload('api'), selector: {} }, 'unknown field'],
      ] as const
    ).map(([what, each, message]) => [what, { database: DATABASE, contractAfter: [each] }, message] as const),
    [
      'a workload that is named twice',
      { database: DATABASE, contractAfter: [workload('api'), { ...workload('api'), image: 'glance-api:1' }] },
      'Duplicate value: {"kind":"Deployment","name":"api"}',
    ],
    ['suspend as a word', { suspend: 'yes', database: DATABASE }, 'must be of type boolean'],
    ['an unknown field', { revison: 'ocata01', database: DATABASE }, 'unknown field "spec.revison"'],
    [
      'an unknown way to check the server',
      { database: { ...DATABASE, tls: { mode: 'maybe' } } },
      'Unsupported value: "maybe"',
    ],
    [
      'too many retries',
      { database: DATABASE, job: { backoffLimit: 11 } },
      'should be less than or equal to 10',
    ],
    [
      'a negative TTL',
      { database: DATABASE, job: { ttlSecondsAfterFinished: -1 } },
      'greater than or equal to 0',
    ],
    [
      'no time at all',
      { database: DATABASE, job: { activeDeadlineSeconds: 0 } },
      'greater than or equal to 1',
    ],
    [
      "the operator's own variable",
      { database: DATABASE, job: { env: [{ name: 'DATABASE_CONNECTION', value: 'postgresql://evil/' }] } },
      'Cannot set DATABASE_CONNECTION in job.env',
    ],
  ];

  for (const [what, spec, says] of REFUSED) {
    it(`${what} is refused by kubectl apply in a sentence`, async () => {
      const name = 'refused';
      const result = await run(['apply', '-f', '-'], schema(name, spec));
      expect(result.code, result.stdout).to.equal(1);
      expect(result.stderr).to.contain(says);
      expect((await run(['get', 'glanceschema', name])).code, 'nothing was made').to.equal(1);
    });
  }

  /**
   * Recorded, wanted before, wanted next, and whether that is taken; each a revision and a phase.
   */
  const MOVES: readonly (readonly [string, string, string, boolean])[] = [
    ['ocata01', 'ocata01', 'mitaka02', false],
    ['ocata01', 'ocata01', 'liberty', false],
    ['ocata01', 'latest', 'mitaka01', false],
    ['ocata01', 'ocata01', 'liberty_initial', false],
    ['ocata01', 'ocata01', 'newton', false],
    ['ocata01', 'ocata01', 'Newton', false],
    ['2024_1_01', 'Caracal', '2023101', false],
    ['2024_1_01', 'caracal', 'Antelope', false],
    ['mitaka02', 'mitaka02', 'OCATA Expand', true],
    ['mitaka02', 'mitaka02', 'Hibiscus', true],
    ['mitaka02', 'Newton', 'NEWTON Expand', true],
    ['mitaka02', 'mitaka02', '2024101', true],
    ['rocky02', 'ocata01', 'mitaka01', false],
    ['rocky02', 'mitaka01', 'ocata01', false],
    ['2024_1_01', 'latest', 'zed01', false],
    ['2024_1_01', 'latest', '2023.2', false],
    ['ocata01', 'ocata01', 'ocata', true],
    ['ocata01', 'ocata01', 'latest', true],
    ['ocata01', 'ocata01', '2026.2', true],
    ['mitaka01', 'mitaka01', 'mitaka01', true],
    ['mitaka01', 'mitaka01', 'mitaka02', true],
    ['mitaka01', 'ocata01', 'mitaka02', true],
    ['mitaka01', 'ocata01', 'latest', true],
    // A revision's phases.
    ['ocata01', 'ocata01', 'ocata01 Expand', false],
    ['ocata01', 'ocata01', 'ocata01 Migrate', false],
    ['ocata01 Migrate', 'ocata01 Migrate', 'ocata01 Expand', false],
    ['ocata01 Expand', 'ocata01 Expand', 'mitaka02', false],
    ['ocata01 Expand', 'ocata01 Expand', 'ocata01 Migrate', true],
    ['ocata01 Migrate', 'ocata01 Migrate', 'ocata01', true],
    ['ocata01 Migrate', 'ocata01 Migrate', 'pike01 Expand', true],
    ['ocata01', 'ocata01', 'pike01 Expand', true],
    ['mitaka02', 'mitaka02', 'ocata01 Expand', true],
    // One without phases is whole whatever the phase.
    ['mitaka02', 'mitaka02', 'mitaka02 Expand', true],
    ['mitaka02 Contract', 'mitaka02 Expand', 'mitaka01 Contract', false],
  ];

  /** What `ocata01 Expand` is in a spec. */
  function wanted(text: string): { readonly revision: string; readonly through: string } {
    const [revision = '', through = 'Contract'] = text.split(' ');
    return { revision, through };
  }

  for (const [recorded, before, next, taken] of MOVES) {
    it(`with ${recorded} recorded, ${before} to ${next} is ${taken ? 'taken' : 'refused'}`, async () => {
      const { revision, through } = wanted(before);
      const created = await api.call('POST', SCHEMAS, {
        ...schema('placeholder', { revision, through, database: DATABASE }),
        metadata: { generateName: 'move-' },
      });
      const path = `${SCHEMAS}/${created.metadata?.name}`;
      const at = wanted(recorded);
      await api.call('PATCH', `${path}/status`, {
        status: { recordedRevision: at.revision, recordedPhase: at.through },
      });
      const moved = await api.request('PATCH', path, { spec: wanted(next) });
      expect(moved.status, moved.body.message).to.equal(taken ? 200 : 422);
      if (!taken) {
        expect(moved.body.message).to.contain('Cannot lower the revision to');
        expect(moved.body.message).to.contain(
          `the database is already at '${at.revision}'${at.through === 'Contract' ? '' : ` (${at.through})`}`,
        );
      }
      // What is refused already can still be labelled, annotated, suspended and written a status
      // to.
      await api.call('PATCH', path, { metadata: { labels: { a: 'b' } }, spec: { suspend: true } });
      await api.call('PATCH', `${path}/status`, { status: { targetRevision: 'x' } });
    });
  }

  it('the integers that YAML makes of unquoted names are taken', async () => {
    for (const revision of [2023101, 2024101]) {
      await api.call('POST', SCHEMAS, schema(`integer-${revision}`, { revision, database: DATABASE }));
    }
  });

  it('a status write that records a later revision than is wanted passes, and the spec can then only rise', async () => {
    await api.call('POST', SCHEMAS, schema('later', { revision: 'mitaka01', database: DATABASE }));
    await api.call('PATCH', `${SCHEMAS}/later/status`, { status: { recordedRevision: 'ocata01' } });
    await api.call('PATCH', `${SCHEMAS}/later`, { metadata: { annotations: { note: 'x' } } });
    expect(
      (await api.request('PATCH', `${SCHEMAS}/later`, { spec: { revision: 'mitaka02' } })).status,
    ).to.equal(422);
    await api.call('PATCH', `${SCHEMAS}/later`, { spec: { revision: 'ocata01' } });
  });
});
