import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { parse } from 'yaml';
import type { GlanceSchemaStatus } from '../../../src/contract/glance-schema.ts';
import { API_VERSION, KIND } from '../../../src/contract/names.ts';
import { REASONS, type Reason } from '../../../src/contract/reasons.ts';
import { withVerdict } from '../../../src/operator/reconcile/status/status.ts';
import { aSchema } from '../../support/builders.ts';
import { argoHealth, type Health, kstatus } from '../../support/health.ts';

/** What each tool is to say of a GlanceSchema with a reason: kstatus, then Argo CD. */
const EXPECTED: Readonly<Record<Reason, readonly [string, string]>> = {
  UpToDate: ['Current', 'Healthy'],
  MigrationPending: ['InProgress', 'Progressing'],
  OutsideWindow: ['InProgress', 'Progressing'],
  SchemaDrift: ['InProgress', 'Progressing'],
  AwaitingApproval: ['InProgress', 'Suspended'],
  WaitingForRollOut: ['InProgress', 'Progressing'],
  MigrationRunning: ['InProgress', 'Progressing'],
  Observing: ['InProgress', 'Progressing'],
  Suspended: ['InProgress', 'Suspended'],
  DowngradeNotSupported: ['Failed', 'Degraded'],
  RevisionNotFound: ['Failed', 'Degraded'],
  WindowInvalid: ['Failed', 'Degraded'],
  DatabaseNewer: ['Failed', 'Degraded'],
  DatabaseUnreachable: ['InProgress', 'Progressing'],
  ConnectionInvalid: ['InProgress', 'Progressing'],
  DatabaseNotGlance: ['Failed', 'Degraded'],
  BackupFailed: ['InProgress', 'Progressing'],
  SecretNotReady: ['InProgress', 'Progressing'],
  MigrationFailed: ['Failed', 'Degraded'],
  PartiallyApplied: ['Failed', 'Degraded'],
  JobBlocked: ['InProgress', 'Progressing'],
};

const MESSAGE = 'What a person is told.';
const NOW = new Date('2026-11-23T07:02:00Z');

/** A GlanceSchema with this reason, its status made by the operator's own code. */
function withReason(reason: Reason, metadata: Parameters<typeof aSchema>[0] = {}): object {
  const status = withVerdict({ recordedRevision: 'mitaka02' }, { reason, message: MESSAGE }, 1, NOW);
  return asServed(aSchema({ ...metadata, status }));
}

function asServed(schema: object): object {
  return { apiVersion: API_VERSION, kind: KIND, ...schema };
}

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const GOLDEN = globSync('test/golden/reasons/*.yaml', { cwd: ROOT }).map((file) => {
  const object: { status: ReturnType<typeof withVerdict> } = parse(readFileSync(`${ROOT}${file}`, 'utf8'));
  const ready = object.status.conditions?.find((condition) => condition.type === 'Ready');
  return { file, object, reason: ready?.reason ?? '', message: ready?.message };
});

describe('what GitOps tools make of a recorded GlanceSchema', () => {
  before(async function () {
    this.timeout(1_200_000);
    await Promise.all([kstatus([]), argoHealth([])]);
  });

  async function both(object: object): Promise<readonly [Health, Health]> {
    const [[flux], [argo]] = await Promise.all([kstatus([object]), argoHealth([object])]);
    if (flux === undefined || argo === undefined) throw new Error('A tool has said nothing');
    return [flux, argo];
  }

  async function statuses(object: object): Promise<readonly string[]> {
    return (await both(object)).map((health) => health.status);
  }

  it('every reason is covered', () => {
    expect(Object.keys(EXPECTED)).to.have.members(Object.keys(REASONS));
  });

  for (const [reason, expected] of Object.entries(EXPECTED)) {
    it(`${reason} is ${expected[0]} to kstatus and ${expected[1]} to Argo CD, with its message`, async () => {
      const [flux, argo] = await both(withReason(reason as Reason));
      expect([flux.status, argo.status]).to.deep.equal(expected);
      // kstatus has a text of its own for what is Ready.
      if (flux.status !== 'Current') expect(flux.message).to.equal(MESSAGE);
      expect(argo.message).to.equal(`${reason}: ${MESSAGE}`);
    });

    it(`${reason} of an older generation is in progress to both`, async () => {
      const object = withReason(reason as Reason, { metadata: { generation: 2 } });
      expect(await statuses(object)).to.deep.equal(['InProgress', 'Progressing']);
    });

    it(`${reason} of a resource that is being deleted is neither well nor failed`, async () => {
      const object = withReason(reason as Reason, { metadata: { deletionTimestamp: NOW.toISOString() } });
      expect(await statuses(object)).to.deep.equal(['Terminating', 'Progressing']);
    });
  }

  for (const { file, object, reason, message } of GOLDEN) {
    it(`${file} is what its reason says`, async () => {
      const [flux, argo] = await both(object);
      expect([flux.status, argo.status]).to.deep.equal(EXPECTED[reason as Reason]);
      expect(argo.message).to.equal(`${reason}: ${message}`);
    });
  }

  const UNREAD: Readonly<Record<string, GlanceSchemaStatus>> = {
    'the status that the API server gives a new resource': { observedGeneration: -1 },
    'a status that says nothing of Ready': { observedGeneration: 1, conditions: [] },
  };
  for (const [what, status] of Object.entries(UNREAD)) {
    it(`${what} is Progressing to Argo CD`, async () => {
      expect((await both(asServed(aSchema({ status }))))[1].status).to.equal('Progressing');
    });
  }

  it('no status at all is Progressing to Argo CD, and a false Current to kstatus', async () => {
    // The API server keeps this from happening: see `default` in the CRD, and the test on live
    // resources.
    expect(await statuses(asServed(aSchema()))).to.deep.equal(['Current', 'Progressing']);
  });
});
