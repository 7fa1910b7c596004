import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { seedNewton } from '../../../lab/databases/glance-data.ts';
import { withClient } from '../../../lab/databases/images.ts';
import {
  type ArgoApplication,
  type ArgoOperation,
  type ArgoResource,
  type ArgoState,
  type ArgoSync,
  startArgoApplication,
} from '../../../lab/kubernetes/argocd.ts';
import { type Environment, startEnvironment, type Tenant } from '../../../lab/kubernetes/environment.ts';
import { kubectl } from '../../../lab/kubernetes/kubectl.ts';
import type { Operator } from '../../../lab/kubernetes/operator.ts';
import type { KubeObject } from '../../../lab/kubernetes/test-api.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { freePort } from '../../../lab/process/free-port.ts';
import { ensureTool } from '../../../lab/tools/ensure-tool.ts';
import { FINALIZER, GROUP, KIND } from '../../../src/contract/names.ts';
import { holdMigration } from '../../support/held-migration.ts';
import { standInApi } from '../../support/stand-in-api.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const LONG_WAIT = { timeoutMilliseconds: 60_000 };

/** The ways in which an Application may be compared and applied. */
const WAYS: Readonly<Record<string, ArgoSync>> = {
  'as by default': {},
  'with ServerSideApply=true': { syncOptions: ['ServerSideApply=true'] },
  'with ServerSideApply=true and ServerSideDiff=true': {
    syncOptions: ['ServerSideApply=true'],
    serverSideDiff: true,
  },
};

// Argo CD's own engine, diff, settings and health; the samples as they stand, but for the
// connection and the port. The node alone is not real.
describe('Argo CD syncs the samples', function () {
  // Each test goes on from where the one before it has left the cloud.
  this.bail(true);
  let environment: Environment;
  let operator: Operator;
  let application: ArgoApplication;
  let tenant: Tenant;
  let url: string;
  let port: number;

  before(async function () {
    this.timeout(1_200_000);
    await ensureTool('argocd');
    port = await freePort();
    environment = await startEnvironment({ images: { 'glance-api': standInApi(port) } });
    operator = await environment.operator(['--no-leader-elect']);
    url = await environment.postgres.createDatabase('glance');
    await seedNewton(url, { images: 10 });
    tenant = await environment.tenant('openstack', url);
    // The sample brings its own.
    await done('delete', 'secret', 'glance-db', '-n', 'openstack');
    // The sample of the API has no security context, as it is about the order alone.
    const level = 'pod-security.kubernetes.io/enforce=baseline';
    await done('label', 'namespace', 'openstack', level, '--overwrite');
    await giveOurHealthCheck();
    await schemaIsPublished();
    application = await startArgoApplication(environment.plane, 'openstack');
  });

  after(async () => {
    await application?.stop();
    await operator?.stop();
    await environment?.stop();
  });

  async function done(...args: readonly string[]): Promise<string> {
    const result = await kubectl(environment.plane.kubeconfigPath, args);
    expect(result.code, result.stderr).to.equal(0);
    return result.stdout;
  }

  /** By the command of docs/gitops.md, to a ConfigMap as Argo CD's own manifests have it. */
  async function giveOurHealthCheck(): Promise<void> {
    await done('create', 'namespace', 'argocd');
    await done('create', 'configmap', 'argocd-cm', '-n', 'argocd');
    await done('label', 'configmap', 'argocd-cm', '-n', 'argocd', 'app.kubernetes.io/part-of=argocd');
    const docs = readFileSync(`${ROOT}docs/gitops.md`, 'utf8');
    const command = /^kubectl (patch configmap argocd-cm .*)$/m.exec(docs)?.[1] ?? expect.fail('no command');
    await done(...command.replace('--patch-file=', `--patch-file=${ROOT}`).split(' '));
  }

  /** A new CRD is in what the API server tells of itself, which the engine reads once, some time after it is served. */
  async function schemaIsPublished(): Promise<void> {
    await eventually(async () => {
      const [kinds, schema] = await Promise.all([
        kubectl(environment.plane.kubeconfigPath, ['api-resources', `--api-group=${GROUP}`]),
        environment.api.request('GET', '/openapi/v2', undefined, { timeoutMilliseconds: 60_000 }),
      ]);
      expect(kinds.stdout).to.contain(KIND);
      expect(schema.text.includes(`.${KIND}"`), 'it is in /openapi/v2').to.equal(true);
    }, LONG_WAIT);
  }

  /** What Git has in a step of the samples, and what a commit changes in it. */
  async function git(step: 'expand' | 'contract', changes: Record<string, string> = {}): Promise<string> {
    const sample = await done('kustomize', `${ROOT}manifests/samples/gitops/argocd/${step}`);
    const here = sample.replace(/connection: .*/, `connection: ${url}`).replaceAll('9292', String(port));
    return Object.entries(changes).reduce((text, [from, to]) => {
      expect(text).to.contain(from);
      return text.replace(from, to);
    }, here);
  }

  /** Waits until the newest state is so. */
  function until(operation: ArgoOperation, wanted: (state: ArgoState) => void): Promise<ArgoState> {
    return eventually(() => {
      const state = operation.states().at(-1) ?? expect.fail('no state yet');
      wanted(state);
      return state;
    }, LONG_WAIT);
  }

  /** Where it has not succeeded, with what there is to know about that. */
  function verdict({ phase, sync, health, message, results }: ArgoState): readonly string[] {
    if (phase === 'Succeeded') return [phase, sync, health];
    return [phase, sync, health, message, ...results.map((each) => JSON.stringify(each))];
  }

  function isSynced(operation: ArgoOperation): Promise<ArgoState> {
    return until(operation, (state) => {
      expect(verdict(state)).to.deep.equal(['Succeeded', 'Synced', 'Healthy']);
    });
  }

  function schema(state: ArgoState): ArgoResource {
    return state.resources.find(({ kind }) => kind === KIND) ?? expect.fail('there is no GlanceSchema');
  }

  function isMigrating(state: ArgoState): void {
    expect(verdict(state)).to.deep.equal(['Succeeded', 'Synced', 'Progressing']);
    expect(schema(state).message).to.match(/^MigrationRunning: /);
  }

  function syncedKinds({ results }: ArgoState): readonly string[] {
    return results.filter(({ status }) => status === 'Synced').map(({ kind }) => kind);
  }

  async function recorded(): Promise<readonly [string, string]> {
    const { status } = await tenant.reaches('UpToDate');
    return [status.recordedRevision, status.recordedPhase];
  }

  /** The resource, once the operator has written all that it writes: the finalizer goes last. */
  function atRest(): Promise<KubeObject> {
    return eventually(async () => {
      const found = await tenant.read();
      expect(found.metadata?.finalizers).to.equal(undefined);
      return found;
    });
  }

  const statusOf = async (path: string) => (await environment.api.request('GET', path)).status;

  it('expand: the Secret, the resource, and the API only once the migration has ended', async () => {
    const held = await holdMigration(url);
    const operation = application.sync(await git('expand'));
    const waiting = await until(operation, (state) => {
      expect(schema(state).health, verdict(state).join()).to.equal('Progressing');
      expect(schema(state).message).to.match(/^MigrationRunning: /);
    });
    expect([waiting.phase, waiting.message]).to.deep.equal([
      'Running',
      'waiting for healthy state of db.glance.openstack.org/GlanceSchema/glance',
    ]);
    expect(syncedKinds(waiting)).to.deep.equal(['Secret', KIND]);
    await held.release();
    expect(syncedKinds(await isSynced(operation))).to.deep.equal(['Secret', KIND, 'Deployment']);
    expect(await recorded()).to.deep.equal(['ocata01', 'Expand']);
  });

  it('contract: Progressing while it migrates, then Healthy', async () => {
    const held = await holdMigration(url);
    const operation = application.sync(await git('contract'));
    // Nothing of the sync comes after it: the sync itself is over, and the Application is not Healthy.
    await until(operation, isMigrating);
    await held.release();
    await isSynced(operation);
    expect(await recorded()).to.deep.equal(['ocata01', 'Contract']);
  });

  for (const [name, way] of Object.entries(WAYS)) {
    it(`a sync without a commit finds no difference and makes none, ${name}`, async () => {
      const manifests = await git('contract');
      await isSynced(application.sync(manifests, way));
      const before = await atRest();
      const operation = application.sync(manifests, way);
      await isSynced(operation);
      for (const state of operation.states()) {
        expect([state.sync, schema(state).health]).to.deep.equal(['Synced', 'Healthy']);
      }
      expect(await tenant.read()).to.deep.equal(before);
      expect(await tenant.jobs()).to.have.length(2);
    });

    it(`what is set by hand is no difference, and stays, ${name}`, async () => {
      const suspend = (value: boolean) =>
        done(
          'patch',
          'glanceschema/glance',
          '-n=openstack',
          '--type=merge',
          `-p={"spec":{"suspend":${value}}}`,
        );
      await suspend(true);
      const retry = `db.glance.openstack.org/retry=${name}`;
      await done('annotate', 'glanceschema/glance', '-n=openstack', '--overwrite', retry);
      const operation = application.sync(await git('contract'), way);
      await until(operation, (state) => {
        expect(verdict(state)).to.deep.equal(['Succeeded', 'Synced', 'Suspended']);
      });
      const { metadata, spec } = await tenant.read();
      expect(spec.suspend).to.equal(true);
      expect(metadata?.annotations['db.glance.openstack.org/retry']).to.equal(name);
      await suspend(false);
      await isSynced(operation);
    });

    it(`a revert is refused with our sentence, and stops before the API, ${name}`, async () => {
      const before = await tenant.read();
      const reverted = await git('expand', { ocata01: 'mitaka02', 'glance-api:ocata': 'glance-api:newton' });
      const failed = await until(application.sync(reverted, way), ({ phase, sync, health }) => {
        expect([phase, sync, health]).to.deep.equal(
          way.serverSideDiff ? ['Error', 'Unknown', 'Healthy'] : ['Failed', 'OutOfSync', 'Healthy'],
        );
      });
      expect(failed.message).to.contain(
        "Cannot lower the revision to 'mitaka02' (Expand): the database is already at 'ocata01'",
      );
      // The server that is asked for the difference refuses it before anything is applied.
      expect(failed.message.startsWith('ComparisonError: ')).to.equal(way.serverSideDiff === true);
      expect(failed.results.map(({ kind, status }) => `${kind} ${status}`)).to.deep.equal(
        way.serverSideDiff ? [] : ['Secret Synced', `${KIND} SyncFailed`],
      );
      expect((await tenant.read()).spec).to.deep.equal(before.spec);
      expect(await tenant.jobs()).to.have.length(2);
      await isSynced(application.sync(await git('contract'), way));
    });
  }

  it('what is removed from Git while it migrates is pruned after the migration, its Secret last', async () => {
    const held = await holdMigration(url);
    const raised = application.sync(await git('contract', { ocata01: 'rocky02' }));
    await until(raised, isMigrating);
    const job = await eventually(async () => {
      const active = (await tenant.jobs()).filter(({ status }) => status?.active === 1);
      expect(active).to.have.length(1);
      return active[0];
    });
    const operation = application.sync('', { prune: true });
    const waiting = await until(operation, ({ message }) => {
      expect(message).to.equal('waiting for deletion of db.glance.openstack.org/GlanceSchema/glance');
    });
    expect([waiting.phase, waiting.health]).to.deep.equal(['Running', 'Progressing']);
    const { metadata } = await tenant.read();
    expect(metadata?.deletionTimestamp).to.be.a('string');
    expect(metadata?.finalizers).to.contain(FINALIZER);
    // Those that have ended belong to the resource, and go before it.
    const still = (await tenant.jobs()).find(({ metadata }) => metadata?.uid === job?.metadata?.uid);
    expect([still?.metadata?.name, still?.metadata?.deletionTimestamp]).to.deep.equal([
      job?.metadata?.name,
      undefined,
    ]);
    const secret = '/api/v1/namespaces/openstack/secrets/glance-db';
    expect(await statusOf(secret)).to.equal(200);
    await held.release();
    const gone = await until(operation, ({ phase, resources }) => {
      expect([phase, resources]).to.deep.equal(['Succeeded', []]);
    });
    expect(gone.results.map(({ kind, status }) => `${kind} ${status}`)).to.deep.equal([
      `${KIND} Pruned`,
      'Deployment Pruned',
      'Secret Pruned',
    ]);
    expect(await statusOf(secret)).to.equal(404);
    const heads = await withClient(url, (client) => client.query('SELECT version_num FROM alembic_version'));
    expect(heads.rows).to.deep.equal([{ version_num: 'rocky_contract02' }]);
  });
});
