import { execFileSync, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { parse } from 'yaml';
import { type ControlPlane, startControlPlane } from '../../../lab/kubernetes/control-plane.ts';
import { writeKubeconfig } from '../../../lab/kubernetes/kubeconfig.ts';
import { crdsEstablished, kubectl } from '../../../lab/kubernetes/kubectl.ts';
import type { KubeObject, TestApi } from '../../../lab/kubernetes/test-api.ts';
import { bundle, pluginBundle, startCli } from '../../../lab/process/bundle.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { freePort } from '../../../lab/process/free-port.ts';
import type { ProgramResult } from '../../../lab/process/program-end.ts';
import type { GlanceSchemaStatus } from '../../../src/contract/glance-schema.ts';
import { OBSERVE_ANNOTATION, RETRY_ANNOTATION } from '../../../src/contract/names.ts';
import { REASONS, type Reason } from '../../../src/contract/reasons.ts';
import { REVISIONS } from '../../../src/glance/revisions.ts';
import { decide } from '../../../src/operator/reconcile/decide.ts';
import { type ObservedProgress, observe } from '../../../src/operator/reconcile/facts/observe.ts';
import { withVerdict } from '../../../src/operator/reconcile/status/status.ts';
import {
  aJob,
  aPlan,
  aPod,
  aPodThatReported,
  aRefusal,
  aReport,
  aSchema,
  at,
  failedWith,
  PLANNED,
  recordedAt,
} from '../../support/builders.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const SCHEMAS = '/apis/db.glance.openstack.org/v1alpha1/namespaces/openstack/glanceschemas';
const NOW = new Date('2026-11-23T07:01:05Z');
const RUNNING = aPod('Running', { running: {} });
const PLUGIN_PAGE = readFileSync(`${ROOT}docs/kubectl-plugin.md`, 'utf8');

function shown(begin: string): readonly string[] {
  return PLUGIN_PAGE.split('\n').filter((line) => line.startsWith(begin));
}

/** What the operator writes while this is so. */
function statusOf(
  schema: Parameters<typeof observe>[0],
  jobs: Parameters<typeof observe>[1] = [],
  pods: Parameters<typeof observe>[2] = [],
  progress?: ObservedProgress,
): GlanceSchemaStatus {
  const observed = observe(schema, jobs, pods);
  return decide(progress === undefined ? observed : { ...observed, progress }, NOW).status;
}

const SUSPENDED = { suspend: true, job: { image: 'glance-schema:1' } };
const BACKUPS = [1, 2].map((number) => ({
  file: `openstack.glance-mitaka02-${number}.dump`,
  revision: 'mitaka02',
  phase: 'Contract' as const,
  takenAt: `2026-11-2${3 - number}T07:00:00Z`,
  bytes: 41_000,
  sha256: 'c0'.repeat(32),
  tables: 21,
  rows: 700,
  volumeClaimName: 'glance-backups',
  job: 'glance-1-bd7662a5',
}));
const backedUp = (spec: Record<string, unknown>, more: GlanceSchemaStatus = { backups: BACKUPS }) =>
  statusOf(aSchema({ spec, status: { ...recordedAt('ocata01'), ...more } }));
const BACKED_UP = backedUp(SUSPENDED);

const REFUSED = aRefusal('MigrationFailed', {
  from: at('mitaka01'),
  to: at('mitaka02'),
  applied: [{ name: 'mitaka02', milliseconds: 12 }],
});

const MIGRATED = statusOf(aSchema(), [aJob({ end: 'Complete' })], [aPodThatReported(aReport())]);
const FAILED = statusOf(aSchema(), [aJob({ end: 'Failed' })], [aPodThatReported(REFUSED)]);
const UNREACHABLE = statusOf(aSchema({ status: failedWith('DatabaseUnreachable') }));

const MANUAL = { approval: 'Manual' };
const PLANNED_STATUS = recordedAt('mitaka02', { plan: aPlan() });
const PLAN_WAITS = statusOf(aSchema({ spec: MANUAL, status: PLANNED_STATUS }));

function atWork(done: number): GlanceSchemaStatus {
  const reported = { migration: 'ocata_migrate01', done, total: 1_000_000 };
  const schema = aSchema({ status: recordedAt('mitaka02') });
  return statusOf(schema, [aJob()], [RUNNING], { reported, requeueAt: 0 });
}

describe('kubectl glanceschema', () => {
  let plane: ControlPlane;
  let api: TestApi;
  let home: string;
  let plugins: string;
  let withoutTheCrd: ProgramResult;

  before(async () => {
    plane = await startControlPlane({ controllers: false });
    api = plane.api();
    home = mkdtempSync(join(tmpdir(), 'glance-schema-home-'));
    bundle();
    // Installed as the page says.
    const [install = ''] = shown('install ');
    execFileSync('sh', ['-c', install], { cwd: ROOT, env: { PATH: process.env.PATH, HOME: home } });
    plugins = join(home, '.local/bin');
    withoutTheCrd = await plugin('status', 'glance', '-n', 'openstack');
    await kubectl(plane.kubeconfigPath, ['apply', '-k', `${ROOT}crds`]);
    await crdsEstablished(plane.kubeconfigPath);
    await api.call('POST', '/api/v1/namespaces', { metadata: { name: 'openstack' } });
  });

  after(async () => {
    await plane?.stop();
    rmSync(home, { recursive: true, force: true });
  });

  function plugin(...args: readonly string[]): Promise<ProgramResult> {
    return kubectl(plane.kubeconfigPath, ['glanceschema', ...args], { plugins });
  }

  /** Recreates a GlanceSchema with a status; its generation is 1. */
  async function given(
    name: string,
    status: GlanceSchemaStatus | undefined,
    spec: Record<string, unknown> = {},
  ): Promise<void> {
    await api.request('DELETE', `${SCHEMAS}/${name}`);
    await api.call('POST', SCHEMAS, {
      apiVersion: 'db.glance.openstack.org/v1alpha1',
      kind: 'GlanceSchema',
      metadata: { name },
      spec: { revision: 'ocata01', database: { secretRef: { name: 'glance-db' } }, ...spec },
    });
    if (status !== undefined) {
      await say(name, status);
    }
  }

  /** Writes a status as the operator does. */
  async function say(name: string, status: GlanceSchemaStatus): Promise<void> {
    const schema = await api.call('GET', `${SCHEMAS}/${name}`);
    await api.call('PUT', `${SCHEMAS}/${name}/status`, { ...schema, status });
  }

  async function status(name: string): Promise<string> {
    const { code, stdout, stderr } = await plugin('status', name, '-n', 'openstack');
    expect(code, stderr).to.equal(0);
    return stdout.replace(/\((?:in [^)]*|[^)]* ago)\)/g, '(THEN)');
  }

  describe('status', () => {
    it('a migration that succeeded', async () => {
      await given('glance', MIGRATED);
      expect(await status('glance')).to.equal(`GlanceSchema openstack/glance: UpToDate

Database      ocata01, alembic_version ocata_contract01
Wanted        ocata01
State         The database is at ocata01.
Since         2026-11-23 07:01:05 UTC (THEN)
What to do    Nothing.
Job           glance-1-bd7662a5, attempt 1, ended 2026-11-23 07:01:00 UTC (THEN)
              kubectl logs -n openstack job/glance-1-bd7662a5
Last run      mitaka02 to ocata01, ended 2026-11-23 07:01:00 UTC (THEN), took 60 s: ocata01 committed
`);
    });

    it('a long migration at work', async () => {
      await given('glance', atWork(41_000), { through: 'Migrate' });
      expect(await status('glance')).to.equal(`GlanceSchema openstack/glance: MigrationRunning

Database      mitaka02, alembic_version mitaka02
Wanted        ocata01 (Migrate)
Progress      ocata_migrate01: 41,000 of 1,000,000 rows, 4 %
State         Job glance-1-bd7662a5 brings the database from mitaka02 to ocata01; ocata_migrate01: 41,000 of 1,000,000 rows.
Since         2026-11-23 07:01:05 UTC (THEN)
What to do    Wait; the message says how far a long one is, and \`kubectl logs job/NAME\` shows it at work.
Job           glance-1-bd7662a5, attempt 1, at work since 2026-11-23 07:00:00 UTC (THEN)
              kubectl logs -n openstack job/glance-1-bd7662a5
`);
    });

    it('a migration that failed for good', async () => {
      await given('glance', FAILED);
      const screen = await status('glance');
      expect(screen).to.contain('Cannot sync: it ended with MigrationFailed. It is not retried by itself');
      expect(screen).to.contain('              kubectl glanceschema retry glance -n openstack\n');
      expect(screen).to.contain('Last run      mitaka01 to mitaka02, failed 2026-11-23 07:01:00 UTC (THEN)');
      expect(screen).to.contain(
        'mitaka02 committed\n              Cannot sync: it ended with MigrationFailed\n',
      );
    });

    it('a next attempt', async () => {
      await given('glance', UNREACHABLE);
      expect(await status('glance')).to.match(/^Next attempt {2}2026-11-23 07:01:\d\d UTC \(THEN\)$/m);
    });

    it('a database that is newer', async () => {
      await given('glance', withVerdict({}, { reason: 'DatabaseNewer', message: 'It is so.' }, 1, NOW));
      const screen = await status('glance');
      expect(screen).to.contain(
        'What to do    Upgrade the operator. Its new version tries again by itself.\n',
      );
      expect(screen).not.to.contain('kubectl glanceschema retry');
    });

    it('what it advises names the context and the kubeconfig that were named', async () => {
      await given('glance', FAILED);
      const folder = join(home, "a folder's");
      mkdirSync(folder, { recursive: true });
      const file = join(folder, 'config');
      copyFileSync(plane.kubeconfigPath, file);
      const flags = ['-n', 'openstack', '--context', 'test', '--kubeconfig', file];
      const { stdout } = await plugin('status', 'glance', ...flags);
      const advised = / {2}(kubectl glanceschema retry .*)\n/.exec(stdout)?.[1] ?? '';
      const words = execFileSync('sh', ['-c', `printf '%s\\n' ${advised}`], { encoding: 'utf8' });
      expect(words.split('\n').slice(0, -1)).to.deep.equal([
        'kubectl',
        'glanceschema',
        'retry',
        'glance',
        ...flags,
      ]);
      const { stderr } = await plugin('status', 'nosuch', ...flags);
      expect(stderr).to.contain("'kubectl get glanceschemas -n openstack --context test --kubeconfig ");
    });

    it('the operator has not seen it', async () => {
      await given('glance', undefined);
      expect(await status('glance')).to.equal(`GlanceSchema openstack/glance: no state

Database      has not been read
Wanted        ocata01
State         not reconciled yet. Check that an operator is running.
`);
    });

    it('the operator has not seen the newest spec, which is suspended and named by an alias', async () => {
      await given('glance', MIGRATED, { revision: 'ocata' });
      await api.call('PATCH', `${SCHEMAS}/glance`, { spec: { suspend: true } });
      const screen = await status('glance');
      expect(screen).to.contain('Wanted        ocata01, named as ocata\n');
      expect(screen).to.contain('Suspended     no migration is started\n');
      expect(screen).to.contain('Not seen yet  the newest spec (generation 2, the operator has seen 1)');
    });

    it('waits for its window', async () => {
      const window = { schedule: '0 2 * * SAT', duration: '2h30m', timeZone: 'Europe/Berlin' };
      const wanted = aSchema({ spec: { window }, status: recordedAt('mitaka02') });
      const { status: told } = decide(observe(wanted, [], []), NOW);
      await given('glance', told, { window });
      const screen = await status('glance');
      expect(screen).to.contain('GlanceSchema openstack/glance: OutsideWindow\n');
      expect(screen).to.contain(
        'State         The migration to ocata01 waits for spec.window, which opens at 2026-11-28T01:00:00Z, and closes at 2026-11-28T03:30:00Z.',
      );
      expect(screen).to.contain('Next attempt  2026-11-28 01:00:00 UTC (');
      expect(screen).to.contain('Window        0 2 * * SAT for 2h30m, Europe/Berlin\n');
    });

    it('a drift check has found drift', async () => {
      const drift = { differences: ['table images is missing', 'table tasks is missing'], also: [] };
      const wanted = aSchema({ spec: { drift: {} }, status: recordedAt('ocata01', { drift }) });
      const { status: told } = decide(observe(wanted, [], []), NOW);
      await given('glance', told, { drift: {} });
      const screen = await status('glance');
      expect(screen).to.contain(
        'Drift         table images is missing\n              table tasks is missing\n',
      );
    });

    it('waits for a roll-out', async () => {
      const contractAfter = [
        { kind: 'Deployment', name: 'glance-api', image: 'glance-api:ocata' },
        { kind: 'DaemonSet', name: 'glance-cache' },
      ];
      const recorded = recordedAt('ocata01', { recordedPhase: 'Migrate' });
      const wanted = aSchema({ spec: { contractAfter }, status: recorded });
      const { status: told } = decide(observe(wanted, [], []), NOW);
      await given('glance', told, { contractAfter });
      const screen = await status('glance');
      expect(screen).to.contain('GlanceSchema openstack/glance: WaitingForRollOut\n');
      expect(screen).to.contain(
        'Contract      after the roll-out of Deployment glance-api with glance-api:ocata, DaemonSet glance-cache\n',
      );
    });

    for (const reason of Object.keys(REASONS) as Reason[]) {
      it(`${reason} is reported with what to do`, async () => {
        const job = failedWith('MigrationFailed');
        await given('glance', withVerdict(job, { reason, message: 'It is so.' }, 1, NOW));
        const screen = await status('glance');
        expect(screen).to.contain(`GlanceSchema openstack/glance: ${reason}\n`);
        expect(screen).to.contain('State         It is so.\n');
        expect(screen).to.contain(`What to do    ${REASONS[reason].doThis}\n`);
        expect(screen.includes('kubectl describe pods -n openstack -l job-name=glance-1-bd7662a5')).to.equal(
          reason === 'JobBlocked' || reason === 'SecretNotReady',
        );
      });
    }
  });

  describe('history', () => {
    it('lists each migration, its error below it', async () => {
      const both = { ...FAILED, history: [...(FAILED.history ?? []), ...(MIGRATED.history ?? [])] };
      await given('glance', both);
      const { code, stdout } = await plugin('history', 'glance', '-n', 'openstack');
      expect(code).to.equal(0);
      expect(stdout).to.equal(
        `FINISHED               TOOK   FROM       TO         RESULT   JOB                 COMMITTED
2026-11-23T07:01:00Z   60 s   mitaka01   mitaka02   failed   glance-1-bd7662a5   mitaka02
  Cannot sync: it ended with MigrationFailed
2026-11-23T07:01:00Z   60 s   mitaka02   ocata01    ended    glance-1-bd7662a5   ocata01
`,
      );
    });

    it('none has run', async () => {
      await given('glance', undefined);
      const { stdout } = await plugin('history', 'glance', '-n', 'openstack');
      expect(stdout).to.equal('GlanceSchema openstack/glance: no migration has run.\n');
    });
  });

  describe('plan', () => {
    const ROWS: readonly (readonly [string, GlanceSchemaStatus, Record<string, unknown>, string])[] = [
      [
        'with Glance stopped',
        recordedAt('mitaka02'),
        {},
        `from mitaka02 to ocata01: 1 to run, with Glance stopped
ocata01
  drop index ix_images_is_public on images
  create type image_visibility
  add column images.visibility`,
      ],
      [
        'in phases',
        recordedAt('mitaka02'),
        { through: 'Migrate' },
        'from mitaka02 to ocata01 (Migrate): 2 to run, with Glance at work\nocata_expand01\n',
      ],
      [
        'with rows that are still to be moved',
        recordedAt('ocata01', { recordedPhase: 'Expand', databaseHeads: ['ocata_expand01'] }),
        { through: 'Migrate' },
        'from ocata01 (Expand) to ocata01 (Migrate): 1 to run, with Glance at work\nocata_migrate01: give each image its visibility\n',
      ],
      [
        'of a database of the old tool, which has no heads',
        recordedAt('mitaka01', { databaseHeads: [] }),
        { revision: 'mitaka02' },
        'from mitaka01 to mitaka02: 1 to run, with Glance stopped\nmitaka02',
      ],
      [
        'of an empty database',
        { databaseHeads: [] },
        { revision: 'mitaka01' },
        'from nothing to mitaka01: 2 to run, with Glance stopped\nliberty\n',
      ],
      ['of one that is there', recordedAt('ocata01'), {}, 'from ocata01 to ocata01: nothing to run\n'],
      [
        'to the newest that the operator supports',
        recordedAt('mitaka02', { observedGeneration: 1, targetRevision: 'pike01' }),
        { revision: 'latest' },
        'from mitaka02 to pike01: ',
      ],
      [
        'to the newest of this build, which the operator has not seen yet',
        recordedAt('mitaka02', { observedGeneration: 0, targetRevision: 'pike01' }),
        { revision: 'latest' },
        'from mitaka02 to 2024_1_01: ',
      ],
    ];
    for (const [fact, recorded, spec, says] of ROWS) {
      it(fact, async () => {
        await given('glance', recorded, spec);
        const { code, stdout, stderr } = await plugin('plan', 'glance', '-n', 'openstack');
        expect(code, stderr).to.equal(0);
        expect(stdout).to.contain(`GlanceSchema openstack/glance, ${says}`);
      });
    }

    for (const [fact, recorded, says] of [
      ['not read yet', {}, 'its database has not been read yet. Wait for the operator'],
      [
        'past what is wanted',
        recordedAt('pike01', { databaseHeads: ['pike_contract01'] }),
        "Cannot upgrade GlanceSchema openstack/glance to 'ocata01': the database is already at 'pike01'",
      ],
      [
        'newer than this build',
        recordedAt('2099_1_01'),
        "its database is at '2099_1_01', which this version does not know",
      ],
      [
        'not of Glance',
        failedWith('DatabaseNotGlance', { databaseHeads: [] }),
        "its database is not Glance's. Point the Secret at the right one",
      ],
      [
        'perhaps not of Glance, which the newest Job could not read',
        failedWith('DatabaseUnreachable', { databaseHeads: [] }),
        'Job glance-1-bd7662a5 has not read its database. Ask again once one has',
      ],
    ] as const) {
      it(`of one that is ${fact}: none`, async () => {
        await given('glance', recorded);
        const { code, stdout, stderr } = await plugin('plan', 'glance', '-n', 'openstack');
        expect([code, stdout], stderr).to.deep.equal([1, '']);
        expect(stderr).to.contain(says);
      });
    }
  });

  describe('wait', () => {
    const WAIT = ['wait', 'glance', '-n', 'openstack'];

    function started() {
      return startCli(['kubectl', ...WAIT, '--timeout', '5m'], { KUBECONFIG: plane.kubeconfigPath });
    }

    it('ends at once when the database is there', async () => {
      await given('glance', MIGRATED);
      const { code, stdout, stderr } = await plugin(...WAIT);
      expect([code, stderr]).to.deep.equal([0, '']);
      expect(stdout).to.equal('GlanceSchema openstack/glance is ready: The database is at ocata01.\n');
    });

    it('ends with 3 when a person is needed', async () => {
      await given('glance', FAILED);
      const { code, stderr } = await plugin(...WAIT);
      expect(code).to.equal(3);
      expect(stderr).to.contain('is stalled, MigrationFailed: Cannot sync: it ended with MigrationFailed.');
    });

    it('ends with 3 of a database that is newer, where no Job has failed that a retry could be of', async () => {
      await given('glance', withVerdict({}, { reason: 'DatabaseNewer', message: 'It is so.' }, 1, NOW));
      await plugin('retry', 'glance', '-n', 'openstack');
      expect((await plugin(...WAIT, '--timeout', '1m')).code).to.equal(3);
    });

    it('ends with 4 when the time is up, and says what it was waiting for', async () => {
      await given('glance', withVerdict({}, { reason: 'Suspended', message: 'It is so.' }, 1, NOW));
      const { code, stderr } = await plugin(...WAIT, '--timeout', '5s');
      expect(code).to.equal(4);
      expect(stderr).to.equal(`Suspended: It is so.
Cannot wait for GlanceSchema openstack/glance any longer: when the time was up it was at Suspended (It is so.). Wait again, or check with 'kubectl glanceschema status glance -n openstack'.
`);
    });

    it('does not take the state of an older spec for the answer, and shows each change in a line', async () => {
      await given('glance', MIGRATED);
      await api.call('PATCH', `${SCHEMAS}/glance`, { spec: { revision: 'pike01' } });
      const run = started();
      await run.says('The operator has not seen the newest spec yet\n');
      const newer = (each: GlanceSchemaStatus) => ({
        ...each,
        conditions: each.conditions?.map((condition) => ({ ...condition, observedGeneration: 2 })) ?? [],
      });
      for (const done of [41_000, 410_000]) {
        await say('glance', newer(atWork(done)));
        await run.says(`; ocata_migrate01: ${done.toLocaleString('en-US')} of 1,000,000 rows.\n`);
      }
      await say('glance', newer(MIGRATED));
      expect((await run.done).code).to.equal(0);
    });

    for (const [annotation, verb, before] of [
      [RETRY_ANNOTATION, 'retry', FAILED],
      [OBSERVE_ANNOTATION, 'observe', MIGRATED],
    ] as const) {
      it(`does not take the state from before ${verb} for the answer`, async () => {
        await given('glance', before);
        await plugin(verb, 'glance', '-n', 'openstack');
        const run = started();
        await run.says(`The operator has not taken up the annotation ${verb} yet\n`);
        const asked = (await api.call('GET', `${SCHEMAS}/glance`)).metadata?.annotations[annotation];
        await say('glance', { ...MIGRATED, handledRetry: asked, handledObserve: asked });
        expect((await run.done).code).to.equal(0);
      });
    }

    it('ends though an annotation was acted on long ago and is gone', async () => {
      await given('glance', { ...MIGRATED, handledObserve: 'a', handledRetry: 'b' });
      expect((await plugin(...WAIT)).code).to.equal(0);
    });

    it('ends though a retry was asked for that helps nothing', async () => {
      await given('glance', withVerdict({}, { reason: 'RevisionNotFound', message: 'It is so.' }, 1, NOW));
      await plugin('retry', 'glance', '-n', 'openstack');
      expect((await plugin(...WAIT)).code).to.equal(3);
    });

    it('goes on through an outage of the API server', async () => {
      await given('glance', atWork(1));
      const run = started();
      await run.says('MigrationRunning');
      await plane.stopApiServer();
      await run.says('; waiting goes on\n');
      await plane.startApiServer();
      await say('glance', MIGRATED);
      const { code, stderr } = await run.done;
      expect(code, stderr).to.equal(0);
    });

    it('ends when the GlanceSchema is gone', async () => {
      await given('glance', atWork(1));
      const run = started();
      await run.says('MigrationRunning');
      await api.call('DELETE', `${SCHEMAS}/glance`);
      const { code, stderr } = await run.done;
      expect(code).to.equal(1);
      expect(stderr).to.contain('Cannot read GlanceSchema openstack/glance: there is none of that name');
    });

    it('has a bar on a terminal, and leaves the cursor there when it is interrupted', async () => {
      await given('glance', atWork(41_000));
      const command = `exec '${process.execPath}' '${bundle()}' kubectl ${WAIT.join(' ')}`;
      const terminal = spawn('script', ['-qec', command, '/dev/null'], {
        env: { PATH: process.env.PATH, KUBECONFIG: plane.kubeconfigPath, TERM: 'xterm' },
      });
      let text = '';
      terminal.stdout.setEncoding('utf8').on('data', (more: string) => {
        text += more;
      });
      const ended = new Promise((resolve) => terminal.once('close', resolve));
      setTimeout(() => terminal.kill('SIGKILL'), 300_000).unref();
      await eventually(() => expect(text).to.contain(' 4 % ocata_migrate01: 41000 of 1000000 rows'));
      await say('glance', atWork(410_000));
      await eventually(() => expect(text).to.contain(' 41 % ocata_migrate01: 410000 of 1000000 rows'));
      expect(text).to.contain('\u001b[?25l');
      expect(text).not.to.contain('\u001b[?25h');
      terminal.stdin.write('\u0003');
      await ended;
      expect(text.lastIndexOf('\u001b[?25h'), JSON.stringify(text)).to.be.greaterThan(0);
      expect(text).not.to.contain('is ready');
    });
  });

  describe('the verbs that change something', () => {
    it('set the annotation or the field, each time', async () => {
      await given('glance', MIGRATED);
      const seen: KubeObject[] = [];
      const begun = Math.floor(Date.now() / 1000) * 1000;
      for (const verb of ['retry', 'observe', 'suspend', 'retry', 'observe', 'resume']) {
        const { code, stdout, stderr } = await plugin(verb, 'glance', '-n', 'openstack');
        expect(code, stderr).to.equal(0);
        expect(stdout).to.match(
          /^GlanceSchema openstack\/glance .*kubectl glanceschema (wait|status) glance -n openstack\n$/,
        );
        seen.push(await api.call('GET', `${SCHEMAS}/glance`));
      }
      const annotations = seen.map(({ metadata }) => metadata?.annotations ?? {});
      for (const [name, first, second] of [
        [RETRY_ANNOTATION, 0, 3],
        [OBSERVE_ANNOTATION, 1, 4],
      ] as const) {
        expect(Date.parse(annotations[first]?.[name])).to.be.within(begun, Date.now());
        expect(Date.parse(annotations[second]?.[name])).to.be.greaterThan(
          Date.parse(annotations[first]?.[name]),
        );
      }
      expect(seen.map(({ spec }) => spec.suspend)).to.deep.equal([false, false, true, true, true, false]);
    });

    describe('restore', () => {
      const restore = (...args: readonly string[]) => plugin('restore', 'glance', '-n', 'openstack', ...args);

      it('writes the Job, which the API server takes, and says what to do before and after', async () => {
        await given('glance', BACKED_UP, SUSPENDED);
        for (const [args, file] of [
          [[], BACKUPS[0]?.file],
          [['--backup', '2'], BACKUPS[1]?.file],
        ] as const) {
          const { code, stdout, stderr } = await restore(...args);
          expect(code, stderr).to.equal(0);
          const job = parse(stdout);
          expect(job.spec.template.spec.containers[0].args).to.include(`/backups/${file}`);
          expect(stderr).to.contain(`This Job puts back ${file}`);
          const number = args[1] ?? '1';
          expect(stderr).to.contain(
            `restore glance -n openstack --backup ${number} | kubectl create -n openstack -f -`,
          );
          expect(stderr).to.contain('kubectl glanceschema observe glance -n openstack');
          const taken = await kubectl(
            plane.kubeconfigPath,
            ['create', '-f', '-', '--dry-run=server', '-n', 'openstack'],
            { input: stdout },
          );
          expect(taken.code, taken.stderr).to.equal(0);
        }
      });

      it('status lists the backups by their numbers', async () => {
        await given('glance', BACKED_UP, SUSPENDED);
        expect(await status('glance')).to.contain('2: openstack.glance-mitaka02-2.dump, at mitaka02, taken ');
      });

      for (const [fact, status, spec, args, says] of [
        ['there is no backup', backedUp(SUSPENDED, {}), SUSPENDED, [], 'its status lists no backup'],
        ['there is none of the number', BACKED_UP, SUSPENDED, ['--backup', '3'], 'it has 2, numbered'],
        ['the number is none', BACKED_UP, SUSPENDED, ['--backup', 'newest'], 'it has 2, numbered'],
        [
          'it is of another database',
          backedUp(SUSPENDED, {
            backups: BACKUPS.map((each) => ({ ...each, database: 'old-db/connection' })),
          }),
          SUSPENDED,
          [],
          'it is of the database of old-db/connection',
        ],
        ['it would be migrated again', backedUp({}), {}, [], 'Suspend it first'],
        [
          'a Job is at work',
          backedUp(SUSPENDED, {
            backups: BACKUPS,
            job: {
              name: 'glance-1-bd7662a5',
              uid: '1',
              purpose: 'Migrate',
              sequence: 1,
              attempt: 1,
              generation: 1,
              startedAt: '2026-11-23T07:00:00Z',
            },
          }),
          SUSPENDED,
          [],
          'Job glance-1-bd7662a5 is at work',
        ],
      ] as const) {
        it(`refuses where ${fact}, and writes nothing`, async () => {
          await given('glance', status, spec);
          const { code, stdout, stderr } = await restore(...args);
          expect(code).to.equal(1);
          expect(stdout).to.equal('');
          expect(stderr).to.contain('Cannot restore').and.to.contain(says);
        });
      }
    });

    describe('approve', () => {
      const APPROVED = { ...MANUAL, approvedPlan: PLANNED };
      const REFUSED_PLAN = statusOf(
        aSchema({ spec: APPROVED, status: { ...PLANNED_STATUS, refusedPlan: PLANNED } }),
      );
      const approve = (...args: readonly string[]) => plugin('approve', 'glance', '-n', 'openstack', ...args);

      it('names the plan that waits, whole or by its first digits, and what it does', async () => {
        for (const args of [[], ['--plan', PLANNED], ['--plan', PLANNED.slice(0, 8)]]) {
          await given('glance', PLAN_WAITS, MANUAL);
          const { code, stdout, stderr } = await approve(...args);
          expect(code, stderr).to.equal(0);
          expect(stdout).to.equal(
            `GlanceSchema openstack/glance may run plan ${PLANNED}: from mitaka02 to ocata01, alembic_version, ocata01; 700 rows, 100,000 at the most. See what comes of it: kubectl glanceschema wait glance -n openstack\n`,
          );
          expect((await api.call('GET', `${SCHEMAS}/glance`)).spec.approvedPlan).to.equal(PLANNED);
        }
      });

      it('status shows the plan, and how to approve it', async () => {
        await given('glance', PLAN_WAITS, MANUAL);
        const screen = await status('glance');
        expect(screen).to.contain(
          'Plan          from mitaka02 to ocata01, alembic_version, ocata01; 700 rows, 100,000 at the most\n',
        );
        expect(screen).to.contain(' kubectl glanceschema approve glance -n openstack\n');
      });

      for (const [fact, told, spec, args, says] of [
        ['another plan waits', PLAN_WAITS, MANUAL, ['--plan', '0000'], `the plan that waits is ${PLANNED}`],
        [
          'its migration has refused the plan',
          REFUSED_PLAN,
          APPROVED,
          [],
          'kubectl glanceschema retry glance',
        ],
        ['nobody asks for approval', PLAN_WAITS, {}, [], 'its spec.approval is not Manual'],
        ['nothing waits', MIGRATED, MANUAL, [], 'none waits for approval, it is UpToDate'],
        [
          'there is no plan',
          statusOf(aSchema({ spec: { ...MANUAL, suspend: true } })),
          MANUAL,
          [],
          'Suspended',
        ],
        ['the operator has not seen it yet', undefined, MANUAL, [], 'not seen by the operator yet'],
      ] as const) {
        it(`refuses where ${fact}, and changes nothing`, async () => {
          await given('glance', told, spec);
          const { code, stderr } = await approve(...args);
          expect(code).to.equal(1);
          expect(stderr).to.contain('Cannot approve').and.to.contain(says);
          const { approvedPlan } = { approvedPlan: undefined, ...spec };
          expect((await api.call('GET', `${SCHEMAS}/glance`)).spec.approvedPlan).to.equal(approvedPlan);
        });
      }
    });
  });

  describe('what cannot be done', () => {
    before(async () => {
      await given('idle', undefined);
      await given('failed', FAILED);
    });

    const nobody = () =>
      writeKubeconfig(join(home, 'nobody'), { server: plane.server, caFile: plane.caFile, token: 'nobody' });
    const nowhere = async () =>
      writeKubeconfig(join(home, 'nowhere'), {
        server: `https://127.0.0.1:${await freePort()}`,
        caFile: plane.caFile,
        token: 'x',
      });

    async function without(): Promise<string> {
      await api.request('POST', '/api/v1/namespaces/openstack/serviceaccounts', {
        metadata: { name: 'guest' },
      });
      return plane.serviceAccountKubeconfig('openstack', 'guest');
    }

    const ROWS: readonly (readonly [
      string,
      readonly string[],
      (() => string | Promise<string>) | undefined,
      number,
      RegExp,
    ])[] = [
      [
        'no such object',
        ['status', 'nosuch', '-n', 'openstack'],
        undefined,
        1,
        /^Cannot read GlanceSchema openstack\/nosuch: there is none of that name. List those that exist with 'kubectl get glanceschemas -n openstack'.\n$/,
      ],
      [
        'a name that is a path',
        ['retry', '../../../../pods', '-n', 'openstack'],
        undefined,
        1,
        /^Cannot change GlanceSchema openstack\/\.\.\/\.\.\/\.\.\/\.\.\/pods: there is none of that name/,
      ],
      [
        'no right to read, in the namespace of the context',
        ['status', 'glance'],
        without,
        1,
        /^Cannot read GlanceSchema openstack\/glance: you have no right to do so \(.*User "system:serviceaccount:openstack:guest" cannot get.*\)\. Ask for the verb 'get' on glanceschemas\.db\.glance\.openstack\.org\.\n$/,
      ],
      [
        'no right to change',
        ['suspend', 'glance'],
        without,
        1,
        /^Cannot change GlanceSchema openstack\/glance: you have no right to do so \(.*cannot patch.*\)\. Ask for the verb 'patch'/,
      ],
      [
        'a token that nobody knows',
        ['status', 'glance'],
        nobody,
        1,
        /^Cannot read GlanceSchema default\/glance: https:.* does not know who asks \(Unauthorized\)\. Log in again/,
      ],
      [
        'no API server',
        ['wait', 'glance'],
        nowhere,
        1,
        /^Cannot read GlanceSchema default\/glance: https:\/\/127\.0\.0\.1:\d+ does not answer \(.*ECONNREFUSED.*\)\. Check the network, and the context 'test' of the kubeconfig\.\n$/,
      ],
      [
        'an unknown context',
        ['status', 'glance', '--context', 'nosuch'],
        undefined,
        1,
        /^Cannot use the context 'nosuch': the kubeconfig has none of that name\. Name one of test\.\n$/,
      ],
      [
        'no such kubeconfig',
        ['status', 'glance', '--kubeconfig', '/nonexistent/kubeconfig'],
        undefined,
        1,
        /^Cannot read the kubeconfig: ENOENT/,
      ],
      ['an unknown verb', ['destroy', 'glance'], undefined, 2, /unknown command 'destroy'/],
      ['no name', ['status'], undefined, 2, /missing required argument 'name'/],
      [
        'a time that is none',
        ['wait', 'glance', '--timeout', 'long'],
        undefined,
        2,
        /'long' is no duration\. Write numbers with h, m and s, such as 1h30m/,
      ],
      ['a time without a number', ['wait', 'glance', '--timeout', 'h'], undefined, 2, /'h' is no duration/],
      ['an unknown form', ['list', '-o', 'xml'], undefined, 2, /Allowed choices are json, yaml, wide/],
      [
        'no right to list',
        ['list'],
        without,
        1,
        /^Cannot list the GlanceSchemas in namespace openstack: you have no right to do so .* Ask for the verb 'list' on glanceschemas/,
      ],
      [
        'no right, as somebody else',
        ['status', 'glance', '-n', 'openstack', '--as', 'eve'],
        undefined,
        1,
        /User "eve" cannot get resource/,
      ],
      [
        'a log of no Job',
        ['logs', 'idle', '-n', 'openstack'],
        undefined,
        1,
        /^Cannot read the log of GlanceSchema openstack\/idle: no Job has run for it\. See what it waits for: kubectl glanceschema status idle/,
      ],
      [
        'a log of a Job without a pod',
        ['logs', 'failed', '-n', 'openstack'],
        undefined,
        1,
        /Job glance-1-bd7662a5 has no pod, or its pod was deleted\. For the result, run/,
      ],
    ];
    for (const [fact, args, config, code, says] of ROWS) {
      it(fact, async () => {
        const path = (await config?.()) ?? plane.kubeconfigPath;
        const result = await kubectl(path, ['glanceschema', ...args], { plugins });
        expect([result.code, result.stdout], result.stderr).to.deep.equal([code, '']);
        expect(result.stderr).to.match(says);
        expect(result.stderr).not.to.match(/^ {4}at /m);
      });
    }

    it('no CRD', () => {
      expect(withoutTheCrd.code).to.equal(1);
      expect(withoutTheCrd.stderr).to.match(
        /^Cannot read GlanceSchema openstack\/glance: https:.* knows no GlanceSchemas\. Install the CRD by 'kubectl apply -k crds'/,
      );
    });
  });

  describe('list', () => {
    before(async () => {
      await given('idle', undefined);
      await given('failed', FAILED);
      await given('ready', MIGRATED, { revision: 'ocata' });
      await api.call('PATCH', `${SCHEMAS}/ready`, { metadata: { labels: { team: 'images' } } });
    });

    async function rows(...args: readonly string[]): Promise<readonly string[][]> {
      const { code, stdout, stderr } = await plugin('list', '-l', 'team', ...args);
      expect(code, stderr).to.equal(0);
      return stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.split(/ {3,}/));
    }

    it('has the columns of kubectl get', async () => {
      const [head, row] = await rows('-n', 'openstack');
      expect(head).to.deep.equal(['NAME', 'DESIRED', 'RECORDED', 'READY', 'REASON', 'AGE']);
      expect(row?.slice(0, 5)).to.deep.equal(['ready', 'ocata', 'ocata01', 'True', 'UpToDate']);
      expect(row?.[5]).to.match(/^\d+s$|^\d+m\d*s?$/);
    });

    it('is wide, and of all namespaces', async () => {
      const [head, row] = await rows('-A', '-o', 'wide');
      expect(head).to.deep.equal(
        'NAMESPACE NAME DESIRED RECORDED READY REASON AGE TARGET PHASE JOB PROGRESS MESSAGE'.split(' '),
      );
      expect([row?.[0], row?.[1], row?.at(-1)]).to.deep.equal([
        'openstack',
        'ready',
        'The database is at ocata01.',
      ]);
    });

    it('those that need a person come first', async () => {
      const { stdout } = await plugin('list', '-n', 'openstack');
      const names = stdout.split('\n').map((line) => line.split(' ')[0] ?? '');
      expect(names.filter((name) => ['failed', 'idle', 'ready'].includes(name))).to.deep.equal([
        'failed',
        'idle',
        'ready',
      ]);
    });

    it('says that there are none', async () => {
      const { code, stdout, stderr } = await plugin('list', '-n', 'openstack', '-l', 'team=none');
      expect([code, stdout, stderr]).to.deep.equal([
        0,
        '',
        'No GlanceSchemas found in namespace openstack.\n',
      ]);
    });

    for (const verb of [
      ['list', '-l', 'team'],
      ['status', 'ready'],
    ]) {
      it(`${verb[0]}: as JSON and YAML it is what the API server has`, async () => {
        const [json, yaml] = await Promise.all(
          ['json', 'yaml'].map(async (format) => plugin(...verb, '-n', 'openstack', '-o', format)),
        );
        const object = JSON.parse(json?.stdout ?? '');
        const [schema] = object.items ?? [object];
        expect(schema.status).to.deep.equal(MIGRATED);
        // A list has the resource version of the moment.
        const read = parse(yaml?.stdout ?? '');
        expect(read.items ?? read).to.deep.equal(object.items ?? object);
      });
    }

    it('several names are told one after the other, and a failure holds up none', async () => {
      const { code, stdout, stderr } = await plugin('status', 'nosuch', 'ready', 'failed', '-n', 'openstack');
      expect(code).to.equal(1);
      expect(stderr).to.match(/^Cannot read GlanceSchema openstack\/nosuch: there is none of that name/);
      expect(stdout).to.contain('openstack/ready: UpToDate').and.contain('openstack/failed: MigrationFailed');
    });

    it('of several that are waited for, the first that does not succeed gives the exit code', async () => {
      const { code, stdout } = await plugin(
        'wait',
        'failed',
        'ready',
        '-n',
        'openstack',
        '--timeout',
        '1m30s',
      );
      expect([code, stdout]).to.deep.equal([
        3,
        'GlanceSchema openstack/ready is ready: The database is at ocata01.\n',
      ]);
    });
  });

  describe('completion', () => {
    /** What kubectl offers for the last word, as a shell's script asks it. */
    async function offered(...words: readonly string[]): Promise<readonly string[]> {
      const { stdout } = await kubectl(plane.kubeconfigPath, ['__complete', 'glanceschema', ...words], {
        plugins,
      });
      return stdout
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith(':'))
        .map((line) => line.split('\t')[0] ?? '');
    }

    before(async () => {
      const install = PLUGIN_PAGE.split('\n').find((line) => line.startsWith('printf ')) ?? '';
      execFileSync('sh', ['-c', install], { env: { PATH: process.env.PATH, HOME: home } });
      await given('glance', MIGRATED);
      await given('other', MIGRATED);
    });

    it('kubectl offers the verbs', async () => {
      expect(await offered('st')).to.deep.equal(['status']);
    });

    it('kubectl offers the GlanceSchemas that are there, and not one that is named already', async () => {
      expect(await offered('status', '-n', 'openstack', 'g')).to.deep.equal(['glance']);
      const more = await offered('status', '-n', 'openstack', 'glance', '');
      expect(more).to.include('other').and.not.include('glance');
    });

    it('kubectl offers options and their choices', async () => {
      expect(await offered('list', '--sel')).to.deep.equal(['--selector']);
      expect(await offered('list', '--output', '')).to.deep.equal(['json', 'yaml', 'wide']);
    });

    it('without a cluster there are no names, and no error', async () => {
      const config = writeKubeconfig(join(home, 'gone'), {
        server: `https://127.0.0.1:${await freePort()}`,
        caFile: plane.caFile,
        token: 'x',
      });
      const { code, stdout, stderr } = await kubectl(
        config,
        ['glanceschema', 'complete', '--', 'status', ''],
        { plugins },
      );
      expect([code, stdout, stderr]).to.deep.equal([0, ':4\n', '']);
    });

    it('the command line offers revisions and phases, and has a script for each shell', async () => {
      const run = async (...args: readonly string[]) => (await startCli(args, {}).done).stdout;
      expect(await run('complete', '--', 'db', 'sync', '2024')).to.equal(
        `2024_1_01\t${REVISIONS.find(({ name }) => name === '2024_1_01')?.aliases.join(', ')}\n:4\n`,
      );
      expect(await run('complete', '--', 'db', 'sync', '--through', 'E')).to.match(/^Expand\t\n/);
      expect(await run('complete', 'bash')).to.contain('glance-schema complete --');
      for (const shell of ['bash', 'zsh', 'fish']) {
        expect(await run('complete', shell)).to.contain('complete');
      }
    });
  });

  describe('its page', () => {
    for (const command of shown('kubectl glanceschema ')) {
      it(command, async () => {
        await (command.includes(' approve ')
          ? given('glance', PLAN_WAITS, MANUAL)
          : command.includes(' restore ')
            ? given('glance', BACKED_UP, SUSPENDED)
            : given('glance', MIGRATED));
        const result = await plugin(...command.split(' ').slice(2));
        expect(result.code, result.stderr).to.equal(0);
      });
    }
  });

  it('a link does as well as a copy', async () => {
    const folder = mkdtempSync(join(home, 'link-'));
    symlinkSync(pluginBundle(), join(folder, 'kubectl-glanceschema'));
    const help = await kubectl(plane.kubeconfigPath, ['glanceschema', 'status', '--help'], {
      plugins: folder,
    });
    expect(help.stdout).to.contain('Usage: kubectl glanceschema status [options] <name...>');
  });

  it('npm installs it under that name', () => {
    const { bin } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'));
    expect(bin['kubectl-glanceschema']).to.equal('dist/kubectl-glanceschema.cjs');
  });
});
