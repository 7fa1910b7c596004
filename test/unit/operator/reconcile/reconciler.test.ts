import { expect } from 'chai';
import type { GlanceSchemaStatus } from '../../../../src/contract/glance-schema.ts';
import { readyReason } from '../../../../src/contract/glance-schema.ts';
import { FINALIZER } from '../../../../src/contract/names.ts';
import type { Cluster, Conflict, SchemaObject } from '../../../../src/operator/kube/cluster.ts';
import { type Outcome, reconciler } from '../../../../src/operator/reconcile/reconciler.ts';
import { aSchema } from '../../../support/builders.ts';

const KEY = 'openstack/glance';

/** What becomes of a write of the status. */
type Fate = 'answered' | 'stored, answer lost' | 'not stored, answer lost';

describe('reconciler', () => {
  let stored: SchemaObject | undefined;
  /** As the watch has brought it. */
  let cached: SchemaObject | undefined;
  let fates: Fate[];
  let told: string[];
  let sharers: readonly SchemaObject[];
  let reconcile: (key: string) => Promise<unknown>;

  const nothing = () => Promise.reject(new Error('Nobody asks for this here'));
  const cluster: Cluster = {
    schema: () => cached,
    sharersOf: () => sharers,
    jobsOf: () => [],
    leftoversOf: () => [],
    isGone: nothing,
    podsOf: () => [],
    readJob: nothing,
    readPods: nothing,
    readLog: nothing,
    readWorkload: nothing,
    patchMetadata: nothing,
    createJob: nothing,
    deleteJob: nothing,
    setTtl: nothing,
    disown: nothing,
    async writeStatus(schema, status): Promise<SchemaObject | Conflict> {
      const fate = fates.shift() ?? 'answered';
      if (fate !== 'not stored, answer lost') {
        if (stored?.metadata.resourceVersion !== schema.metadata.resourceVersion) {
          return 'conflict';
        }
        stored = changed(stored, { status });
      }
      if (fate !== 'answered') {
        throw new Error('read ECONNRESET');
      }
      return stored ?? expect.fail('it is gone');
    },
    notify: (_schema, { reason }) => told.push(`Event ${reason}`),
  };

  function changed(schema: SchemaObject, change: Partial<SchemaObject>): SchemaObject {
    const resourceVersion = String(Number(schema.metadata.resourceVersion) + 1);
    return structuredClone({ ...schema, ...change, metadata: { ...schema.metadata, resourceVersion } });
  }

  async function pass(): Promise<void> {
    await reconcile(KEY).catch((error: Error) => expect(error.message).to.equal('read ECONNRESET'));
  }

  beforeEach(() => {
    stored = aSchema({ spec: { suspend: true } });
    cached = stored;
    fates = [];
    told = [];
    sharers = [];
    reconcile = reconciler({
      cluster,
      defaultImage: { name: 'image', pullSecrets: [] },
      onStored: ({ before, after, events: [event], answered }) =>
        told.push(
          `${readyReason(before) ?? 'none'} to ${readyReason(after)}, ${event?.reason ?? 'no'} Event, ${answered ? 'answered' : 'found'}`,
        ),
    });
  });

  const once = (how: 'answered' | 'found') => [
    'Event Suspended',
    `none to Suspended, Suspended Event, ${how}`,
  ];

  for (const [what, lost, how] of [
    ['stored', ['stored, answer lost'], 'found'],
    ['not stored', ['not stored, answer lost'], 'answered'],
    ['not stored, and stored by the next', ['not stored, answer lost', 'stored, answer lost'], 'found'],
    [
      'stored, and the conflict of the next lost too',
      ['stored, answer lost', 'not stored, answer lost'],
      'found',
    ],
  ] as const) {
    it(`a status whose answer is lost, ${what}: it is reported once`, async () => {
      fates = [...lost];
      for (const _fate of lost) {
        await pass();
        expect(told, 'nobody knows whether it is stored').to.deep.equal([]);
      }
      // The cache is behind, and gets a conflict where it is stored.
      await pass();
      cached = stored;
      await pass();
      await pass();
      expect(told).to.deep.equal(once(how));
      expect(readyReason(stored?.status ?? {})).to.equal('Suspended');
    });
  }

  it('what comes due while a reconcile is under way is asked for soon after', async () => {
    let clock = Date.parse('2026-11-23T08:00:00Z');
    let slow = 0;
    const finalizers = [FINALIZER];
    const schema = aSchema({ spec: { suspend: true }, metadata: { finalizers } });
    const later = reconciler({
      cluster: {
        ...cluster,
        schema: () => schema,
        podsOf: () => {
          clock += slow;
          return [];
        },
        patchMetadata: async () => ({ refused: 'a policy', transient: false }),
        writeStatus: async (_schema, status) => ({ ...schema, status }),
      },
      defaultImage: { name: 'image', pullSecrets: [] },
      now: () => new Date(clock),
    });
    const { requeueAfter = 0 } = doneOf(await later(KEY));
    expect(requeueAfter).to.be.within(3_000, 6_000);
    clock += requeueAfter - 1;
    slow = 2;
    expect(doneOf(await later(KEY)).requeueAfter).to.equal(1);
  });

  function doneOf(outcome: Outcome) {
    return outcome.kind === 'done' ? outcome : expect.fail('it is made again');
  }

  const SHARED = / GlanceSchema first, which is older, names the same database: /;

  for (const [what, metadata, isReported] of [
    ['was made before', { name: 'first', creationTimestamp: '2026-01-01T00:00:00Z' }, true],
    ['was made later', { name: 'first', creationTimestamp: '2027-01-01T00:00:00Z' }, false],
    ['was made in the same second, and is before it by name', { name: 'first' }, true],
    ['was made in the same second, and is behind it by name', { name: 'later' }, false],
  ] as const) {
    it(`another GlanceSchema with the same Secret ${what}: ${isReported ? 'the status says so until that is gone' : 'nothing is said'}`, async () => {
      const sharer = aSchema({ metadata: { ...metadata, uid: 'sharer' } });
      const third = aSchema({ metadata: { name: 'third', uid: 'third' } });
      sharers = [third, sharer];
      await pass();
      expect(stored?.status?.sharesDatabaseWith).to.equal(isReported ? 'first' : undefined);
      expect(stored?.status?.conditions?.map(({ message }) => SHARED.test(message))).to.deep.equal([
        isReported,
      ]);
      expect(told.filter((what) => what.startsWith('Event'))).to.deep.equal(
        isReported ? ['Event Suspended', 'Event DatabaseShared'] : ['Event Suspended'],
      );
      told = [];
      sharers = [third];
      cached = stored;
      await pass();
      expect(stored?.status?.sharesDatabaseWith).to.equal(undefined);
      expect(stored?.status?.conditions?.map(({ message }) => SHARED.test(message))).to.deep.equal([false]);
      expect(told.filter((what) => what.startsWith('Event'))).to.deep.equal([]);
    });
  }

  it('a status whose answer is lost, not stored, and a person has changed the object: what is stored then is reported once', async () => {
    fates = ['not stored, answer lost'];
    await pass();
    stored = cached = changed(cached ?? aSchema(), {});
    await pass();
    await pass();
    expect(told).to.deep.equal(once('answered'));
  });

  it('a status whose answer is lost, and another leader has written something else: that is reported by that one', async () => {
    fates = ['not stored, answer lost'];
    await pass();
    stored = cached = changed(cached ?? aSchema(), { status: { observedGeneration: 1 } });
    await pass();
    expect(told).to.deep.equal(once('answered'));
  });

  it('a status whose answer is lost, and an object that was recreated: nothing is reported that', async () => {
    fates = ['stored, answer lost'];
    await pass();
    const other = aSchema({ spec: { suspend: true }, metadata: { uid: 'other', resourceVersion: '50' } });
    const status: GlanceSchemaStatus = stored?.status ?? {};
    stored = cached = { ...other, status };
    await pass();
    expect(told).to.deep.equal([]);
  });
});
