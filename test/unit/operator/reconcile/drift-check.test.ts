import { createHash } from 'node:crypto';
import { expect } from 'chai';
import type { GlanceSchemaStatus, StatusJob } from '../../../../src/contract/glance-schema.ts';
import {
  DRIFT_CHECK_SEQUENCE_ANNOTATION,
  RESERVED_SEQUENCE_ANNOTATION,
  RETRY_ANNOTATION,
} from '../../../../src/contract/names.ts';
import type { MigrationReport } from '../../../../src/contract/report.ts';
import type { SchemaObject } from '../../../../src/operator/kube/cluster.ts';
import { type Decision, decide } from '../../../../src/operator/reconcile/decide.ts';
import { eventsFor } from '../../../../src/operator/reconcile/events.ts';
import { type Observed, observe } from '../../../../src/operator/reconcile/facts/observe.ts';
import {
  aJob,
  aPlan,
  aPod,
  aPodThatReported,
  aRefusal,
  aReport,
  aSchema,
  at,
  FINISHED,
  failedWith,
  recordedAt,
  WITH_FINALIZER,
} from '../../../support/builders.ts';

const NOW = Date.parse('2026-11-23T12:00:00Z');
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DRIFT_CHECK = { kind: 'DriftCheck', target: null } as const;
const DUE = '2026-11-23T11:59:30Z';
const MISSING = {
  differences: ['index owner_image_idx on images (owner) is missing'],
  also: ['table audit'],
};
const NONE = { differences: [], also: [] };
/** A window that is closed for years to come. */
const CLOSED = { schedule: '0 2 29 2 *', duration: '1h', timeZone: 'UTC' };
const UNREAD = { reason: 'DatabaseUnreachable', message: 'no', databaseRead: false };

function driftCheckJob(changes: Partial<StatusJob> = {}): StatusJob {
  const { job } = failedWith('NoResult');
  if (job === undefined) throw new Error('no Job');
  const { failure: _failure, ...rest } = job;
  return { ...rest, purpose: 'DriftCheck', ...changes };
}

function aDrifting(
  status: GlanceSchemaStatus,
  {
    spec = {},
    metadata = {},
  }: { spec?: Record<string, unknown>; metadata?: Partial<SchemaObject['metadata']> } = {},
): SchemaObject {
  return aSchema({
    status: { observedGeneration: 1, recordedFrom: 'glance-db/connection', ...status },
    spec: { drift: { interval: '24h' }, ...spec },
    metadata,
  });
}

function decideAt(
  schema: SchemaObject,
  now = NOW,
  jobs = [] as ReturnType<typeof aJob>[],
  pods = [] as ReturnType<typeof aPod>[],
): Decision {
  return decide(observe(schema, jobs, pods), new Date(now));
}

function purposeOf({ effect }: Decision): string {
  return effect?.kind === 'startJob' ? effect.purpose.kind : (effect?.kind ?? 'none');
}

function condition({ status }: Decision, type: string) {
  return status.conditions?.find((each) => each.type === type);
}

describe('drift checks', () => {
  const reached = recordedAt('ocata01');

  describe('when they are due', () => {
    for (const [fact, schema, expected] of [
      ['its turn has come', aDrifting({ ...reached, drift: { nextCheckAt: DUE } }), 'DriftCheck'],
      [
        'its turn is to come',
        aDrifting({ ...reached, drift: { nextCheckAt: '2026-11-23T13:00:00Z' } }),
        'none',
      ],
      [
        'nobody asks for drift checks',
        aDrifting({ ...reached, drift: { nextCheckAt: DUE } }, { spec: { drift: {} } }),
        'none',
      ],
      [
        'an interval that cannot be read',
        aDrifting({ ...reached, drift: { nextCheckAt: DUE } }, { spec: { drift: { interval: '1d' } } }),
        'none',
      ],
      [
        'it is suspended',
        aDrifting({ ...reached, drift: { nextCheckAt: DUE } }, { spec: { suspend: true } }),
        'none',
      ],
      [
        'a migration is due',
        aDrifting({ ...recordedAt('mitaka02'), drift: { nextCheckAt: DUE } }),
        'Migrate',
      ],
      [
        'the spec is behind the database',
        aDrifting({ ...reached, drift: { nextCheckAt: DUE } }, { spec: { revision: 'mitaka02' } }),
        'DriftCheck',
      ],
      [
        'a migration waits for its window',
        aDrifting({ ...recordedAt('mitaka02'), drift: { nextCheckAt: DUE } }, { spec: { window: CLOSED } }),
        'DriftCheck',
      ],
      [
        'a migration has failed, and waits for its window',
        aDrifting(
          {
            ...recordedAt('mitaka02'),
            job: driftCheckJob({
              purpose: 'Migrate',
              failure: { reason: 'Interrupted', message: 'no', databaseRead: true },
            }),
            drift: { nextCheckAt: DUE },
          },
          { spec: { window: CLOSED } },
        ),
        'none',
      ],
      [
        'a migration has failed for good',
        aDrifting({
          ...recordedAt('mitaka02'),
          ...failedWith('MigrationFailed'),
          drift: { nextCheckAt: DUE },
        }),
        'none',
      ],
      [
        'the schema differed after the migration',
        aDrifting({ ...reached, ...failedWith('SchemaDiffers'), drift: { nextCheckAt: DUE } }),
        'DriftCheck',
      ],
      [
        'its turn is this very moment',
        aDrifting({ ...reached, drift: { nextCheckAt: '2026-11-23T12:00:00Z' } }),
        'DriftCheck',
      ],
      [
        'its turn came five minutes ago',
        aDrifting({ ...reached, drift: { nextCheckAt: '2026-11-23T11:55:00Z' } }),
        'DriftCheck',
      ],
      [
        'the spec is behind the database, and a migration has failed',
        aDrifting(
          { ...reached, ...failedWith('MigrationFailed'), drift: { nextCheckAt: DUE } },
          { spec: { revision: 'mitaka02' } },
        ),
        'DriftCheck',
      ],
      [
        'a migration waits for its window, and the one before has succeeded',
        aDrifting(
          {
            ...recordedAt('mitaka02'),
            job: driftCheckJob({ purpose: 'Migrate' }),
            drift: { nextCheckAt: DUE },
          },
          { spec: { window: CLOSED } },
        ),
        'DriftCheck',
      ],
      [
        'a migration waits for its window, and the drift check before has failed',
        aDrifting(
          { ...recordedAt('mitaka02'), job: driftCheckJob({ failure: UNREAD }), drift: { nextCheckAt: DUE } },
          { spec: { window: CLOSED } },
        ),
        'DriftCheck',
      ],
      [
        'a plan waits for approval',
        aDrifting(
          { ...recordedAt('mitaka02'), plan: aPlan(), drift: { nextCheckAt: DUE } },
          { spec: { approval: 'Manual' } },
        ),
        'DriftCheck',
      ],
      [
        'the plan of an empty database waits for approval',
        aDrifting(
          { databaseHeads: [], plan: aPlan({ from: undefined }), drift: { nextCheckAt: DUE } },
          { spec: { approval: 'Manual' } },
        ),
        'none',
      ],
      [
        'the drift check before has succeeded a second ago',
        aDrifting({
          ...reached,
          job: driftCheckJob({ finishedAt: '2026-11-23T11:59:59Z' }),
          drift: { nextCheckAt: DUE },
        }),
        'DriftCheck',
      ],
      [
        'the drift check before has failed a second ago',
        aDrifting({
          ...reached,
          job: driftCheckJob({
            finishedAt: '2026-11-23T11:59:59Z',
            failure: UNREAD,
          }),
          drift: { nextCheckAt: DUE },
        }),
        'none',
      ],
      [
        'the drift check before has failed a minute ago',
        aDrifting({
          ...reached,
          job: driftCheckJob({
            finishedAt: '2026-11-23T11:59:00Z',
            failure: UNREAD,
          }),
          drift: { nextCheckAt: DUE },
        }),
        'DriftCheck',
      ],
      [
        'the Job of the drift check before is gone',
        aDrifting({
          ...reached,
          job: { ...driftCheckJob({ startedAt: '2026-11-23T11:59:59Z' }), finishedAt: undefined },
          drift: { nextCheckAt: DUE },
        } as GlanceSchemaStatus),
        'none',
      ],
    ] as const) {
      it(`${fact}: ${expected}`, () => {
        expect(purposeOf(decideAt(schema))).to.equal(expected);
      });
    }

    for (const [fact, nextCheckAt, spec, requeueAfter] of [
      ['its turn is half a minute away', '2026-11-23T12:00:30Z', {}, 30_000],
      [
        'its turn is an hour away, and the clock may be put right before',
        '2026-11-23T13:00:00Z',
        {},
        300_000,
      ],
      [
        'its turn is half a minute away, and a window that opens later is checked each minute',
        '2026-11-23T12:00:30Z',
        { revision: 'pike01', window: CLOSED },
        30_000,
      ],
      [
        'its turn is an hour away, and a window that opens later is checked each minute',
        '2026-11-23T13:00:00Z',
        { revision: 'pike01', window: CLOSED },
        60_000,
      ],
    ] as const) {
      it(`${fact}: requeued after ${requeueAfter / 1000} seconds`, () => {
        const decided = decideAt(aDrifting({ ...reached, drift: { nextCheckAt } }, { spec }));
        expect(decided.requeueAfter).to.equal(requeueAfter);
        expect(decided.status.drift).to.deep.equal({ nextCheckAt });
      });
    }

    for (const [fact, interval, nextCheckAt] of [
      ['a day', '24h', '2026-11-23T12:56:17Z'],
      ['ten minutes', '10m', '2026-11-23T12:09:23Z'],
    ] as const) {
      it(`a drift check that was missed is made at its own place within the hour, or within the interval where that is shorter: ${fact}`, () => {
        const missed = { ...reached, drift: { nextCheckAt: '2026-11-22T10:00:00Z' } };
        const { status } = decideAt(aDrifting(missed, { spec: { drift: { interval } } }));
        expect(status.drift).to.deep.equal({ nextCheckAt });
      });
    }

    it('a turn that is a whole interval away stays', () => {
      const drift = { nextCheckAt: '2026-11-24T12:00:00Z' };
      expect(decideAt(aDrifting({ ...reached, drift })).status.drift).to.deep.equal(drift);
    });

    it('the first turn is the next of its own time of day that is a second away at least', () => {
      for (const [now, nextCheckAt] of [
        ['2026-11-23T22:30:27.697Z', '2026-11-23T22:30:28Z'],
        ['2026-11-23T22:30:27.698Z', '2026-11-24T22:30:28Z'],
      ] as const) {
        expect(decideAt(aDrifting(reached), Date.parse(now)).status.drift).to.deep.equal({ nextCheckAt });
      }
    });

    it('an interval that cannot be read leaves nothing in the status', () => {
      const decided = decideAt(aDrifting(reached, { spec: { drift: { interval: '1d' } } }));
      expect(decided.status).not.to.have.property('drift');
    });

    describe('what the API server has refused', () => {
      const due = aDrifting({ ...reached, drift: { nextCheckAt: DUE } });
      const refused = (effect: NonNullable<Observed['refusal']>['effect']) => {
        const refusal = { effect, message: 'Quota.', transient: false, requeueAfter: 42_000 };
        return decide({ ...observe(due, [], []), refusal }, new Date(NOW));
      };

      it('a Job: the drift check that is due is asked for when the API server is, and Ready stays', () => {
        const decided = refused('startJob');
        expect(decided.effect).to.equal(undefined);
        expect(decided.requeueAfter).to.equal(42_000);
        expect(decided.status.drift).to.deep.equal({ nextCheckAt: DUE });
        expect(condition(decided, 'Ready')).to.include({ status: 'True', reason: 'UpToDate' });
      });

      it('something else: the drift check is made', () => {
        expect(purposeOf(refused('deleteBlockedJob'))).to.equal('DriftCheck');
      });
    });

    it('a drift check answers no annotation retry, and takes no backup', () => {
      const schema = aDrifting(
        { ...reached, drift: { nextCheckAt: DUE } },
        {
          spec: { backup: { policy: 'BeforeUpgrade', volumeClaimName: 'glance-backups' } },
          metadata: { annotations: { [RETRY_ANNOTATION]: 'now' } },
        },
      );
      const { effect } = decideAt(schema);
      expect(effect?.kind === 'startJob' && effect.purpose)
        .to.include({ kind: 'DriftCheck' })
        .and.not.have.any.keys('retry', 'backup');
    });

    it('a drift check that was reserved and not made, as the operator was ended then, is made; a migration is not believed', () => {
      const annotations = { [RESERVED_SEQUENCE_ANNOTATION]: '1' };
      const status = { ...reached, drift: { nextCheckAt: DUE } };
      const check = aDrifting(status, {
        metadata: { annotations: { ...annotations, [DRIFT_CHECK_SEQUENCE_ANNOTATION]: '1' } },
      });
      expect(purposeOf(decideAt(check))).to.equal('DriftCheck');
      expect(condition(decideAt(check), 'Ready')?.status).to.equal('True');
      expect(purposeOf(decideAt(aDrifting(status, { metadata: { annotations } })))).to.equal('Migrate');
      const later = { [RESERVED_SEQUENCE_ANNOTATION]: '3', [DRIFT_CHECK_SEQUENCE_ANNOTATION]: '3' };
      expect(purposeOf(decideAt(aDrifting(status, { metadata: { annotations: later } })))).to.equal(
        'Migrate',
      );
    });

    it('the turns of many are spread over the interval, a day apart, and stay when the operator restarts', () => {
      const turns = Array.from({ length: 1000 }, (_, index) => {
        const metadata = { uid: createHash('sha256').update(String(index)).digest('hex') };
        const { status } = decideAt(aDrifting(reached, { metadata }));
        const told = status.drift?.nextCheckAt ?? '';
        const again = decideAt(aDrifting({ ...reached, drift: status.drift }, { metadata }), NOW + HOUR);
        if (Date.parse(told) > NOW + HOUR) expect(again.status.drift?.nextCheckAt).to.equal(told);
        return Date.parse(told);
      });
      expect(Math.min(...turns)).to.be.greaterThan(NOW);
      expect(Math.max(...turns)).to.be.at.most(NOW + 24 * HOUR + 1000);
      const perHour = Map.groupBy(turns, (turn) => Math.floor((turn - NOW) / HOUR));
      expect(Math.max(...[...perHour.values()].map((each) => each.length))).to.be.lessThan(90);
    });

    it('what was missed while no operator was there is made within an hour, not at once, and is not put off again', () => {
      const missed = aDrifting({ ...reached, drift: { nextCheckAt: '2026-11-22T10:00:00Z' } });
      const first = decideAt(missed);
      expect(purposeOf(first)).to.equal('none');
      const next = Date.parse(first.status.drift?.nextCheckAt ?? '');
      expect(next).to.be.within(NOW, NOW + HOUR + 1000);
      expect(first.requeueAfter).to.be.at.most(5 * MINUTE);
      const again = aDrifting({ ...reached, drift: first.status.drift });
      expect(decideAt(again, NOW + 1000).status.drift).to.deep.equal(first.status.drift);
      expect(purposeOf(decideAt(again, next + 1000))).to.equal('DriftCheck');
    });

    it('a shorter interval takes effect at once', () => {
      const status = { ...reached, drift: { nextCheckAt: '2026-11-24T11:00:00Z' } };
      const { status: after } = decideAt(aDrifting(status, { spec: { drift: { interval: '10m' } } }));
      expect(Date.parse(after.drift?.nextCheckAt ?? '')).to.be.within(NOW, NOW + 10 * MINUTE + 1000);
    });

    it('nothing is known any more of drift that nobody asks for', () => {
      const status = { ...reached, drift: { ...MISSING, nextCheckAt: DUE } };
      const after = decideAt(aDrifting(status, { spec: { drift: undefined } }));
      expect(after.status).not.to.have.property('drift');
      expect(condition(after, 'SchemaDrift')).to.equal(undefined);
    });
  });

  describe('while one is at work', () => {
    const job = aJob({ purpose: DRIFT_CHECK });
    const pods = [aPod('Running', { running: { startedAt: FINISHED } })];

    it('Ready stays as it is', () => {
      const decided = decideAt(aDrifting(reached), NOW, [job], pods);
      expect(condition(decided, 'Ready')).to.include({
        status: 'True',
        message: 'The database is at ocata01.',
      });
      expect(decided.effect).to.equal(undefined);
      expect(decided.status.job?.purpose).to.equal('DriftCheck');
    });

    it('a migration that is due waits for its end, and says so', () => {
      const decided = decideAt(aDrifting(recordedAt('mitaka02')), NOW, [job], pods);
      expect(condition(decided, 'Ready')).to.include({ status: 'False', reason: 'Observing' });
      expect(decided.effect).to.equal(undefined);
    });

    for (const [fact, spec, reason] of [
      ['it is suspended', { suspend: true }, 'Suspended'],
      ['the spec names a revision that there is not', { revision: 'queens99' }, 'RevisionNotFound'],
      ['the spec names no revision', { revision: undefined }, 'RevisionNotFound'],
      ['its window never opens', { window: { ...CLOSED, schedule: '0 2 30 2 *' } }, 'WindowInvalid'],
      ['a migration waits for its window', { revision: 'pike01', window: CLOSED }, 'OutsideWindow'],
      ['the spec is behind the database', { revision: 'mitaka02' }, 'DowngradeNotSupported'],
    ] as const) {
      it(`${fact}: Ready says ${reason}, as without it`, () => {
        const schema = aDrifting(reached, { spec });
        const decided = decideAt(schema, NOW, [job], pods);
        expect(condition(decided, 'Ready')?.reason).to.equal(reason);
        expect(condition(decided, 'Ready')).to.deep.equal(condition(decideAt(schema), 'Ready'));
        expect(decided.effect).to.equal(undefined);
      });
    }

    it('the status was wiped since it began, and it is suspended: Ready says Suspended', () => {
      const decided = decideAt(aDrifting({}, { spec: { suspend: true } }), NOW, [job], pods);
      expect(condition(decided, 'Ready')?.reason).to.equal('Suspended');
    });

    it('the window is waited for as without it', () => {
      const waits = aDrifting(reached, { spec: { revision: 'pike01', window: CLOSED } });
      expect(decideAt(waits, NOW, [job], pods).requeueAfter).to.equal(60_000);
    });

    it('the plan that waits for approval is said', () => {
      const status = { ...recordedAt('mitaka02'), plan: aPlan() };
      const decided = decideAt(aDrifting(status, { spec: { approval: 'Manual' } }), NOW, [job], pods);
      expect(condition(decided, 'Ready')?.reason).to.equal('AwaitingApproval');
    });

    it('its pod is not made yet: Ready stays as it is', () => {
      const decided = decideAt(aDrifting(reached), Date.parse(FINISHED), [job]);
      expect(condition(decided, 'Ready')?.reason).to.equal('UpToDate');
    });

    describe('its Job is gone, and a pod runs', () => {
      const unfinished = { ...driftCheckJob(), finishedAt: undefined };
      const migration = driftCheckJob({ purpose: 'Migrate' });
      const reserved = (sequence: string) => ({
        annotations: {
          [RESERVED_SEQUENCE_ANNOTATION]: sequence,
          [DRIFT_CHECK_SEQUENCE_ANNOTATION]: sequence,
        },
      });
      for (const [fact, status, metadata, reason] of [
        ['the newest Job was a drift check', { ...reached, job: unfinished }, {}, 'UpToDate'],
        [
          'a drift check was reserved after the newest Job, a migration',
          { ...reached, job: migration },
          reserved('2'),
          'UpToDate',
        ],
        ['the newest Job was a migration', { ...reached, job: migration }, {}, 'MigrationRunning'],
        [
          'a drift check was reserved after a Job that is not known',
          { ...reached, job: migration },
          reserved('3'),
          'MigrationRunning',
        ],
        ['the status was wiped before the drift check', { job: unfinished }, {}, 'MigrationRunning'],
      ] as const) {
        it(`${fact}: Ready says ${reason}`, () => {
          const decided = decideAt(aDrifting(status as GlanceSchemaStatus, { metadata }), NOW, [], pods);
          expect(condition(decided, 'Ready')?.reason).to.equal(reason);
          expect(decided.effect).to.equal(undefined);
        });
      }
    });

    it('that it cannot start is said beside', () => {
      const blocked = [
        aPod('Pending', { waiting: { reason: 'ImagePullBackOff', message: 'no such image' } }),
      ];
      const decided = decideAt(aDrifting(reached), NOW, [job], blocked);
      expect(condition(decided, 'Ready')?.status).to.equal('True');
      expect(condition(decided, 'Ready')?.message).to.match(/ The drift check is held up\. .*no such image/);
    });

    it('that its Secret is not there is said beside', () => {
      const message = 'secret "glance-db" not found';
      const blocked = [aPod('Pending', { waiting: { reason: 'CreateContainerConfigError', message } })];
      const decided = decideAt(aDrifting(reached), NOW, [job], blocked);
      expect(condition(decided, 'Ready')).to.include({
        status: 'True',
        message: `The database is at ocata01. The drift check is held up. The pod of Job glance-1-bd7662a5 cannot start: ${message}.`,
      });
    });

    it('one that cannot start and was made for an older spec is replaced, and Ready stays', () => {
      const blocked = [
        aPod('Pending', { waiting: { reason: 'ImagePullBackOff', message: 'no such image' } }),
      ];
      const older = aJob({ purpose: { ...DRIFT_CHECK, podTemplateHash: 'older' } });
      const decided = decideAt(aDrifting(reached), NOW, [older], blocked);
      expect(decided.effect?.kind).to.equal('deleteBlockedJob');
      expect(condition(decided, 'Ready')?.status).to.equal('True');
    });

    it('one that has ended is not replaced by a cache that shows it blocked', () => {
      const blocked = [
        aPod('Pending', { waiting: { reason: 'ImagePullBackOff', message: 'no such image' } }),
      ];
      const older = aJob({ purpose: { ...DRIFT_CHECK, podTemplateHash: 'older' } });
      const status = { ...reached, job: driftCheckJob({ finishedAt: FINISHED }) };
      expect(decideAt(aDrifting(status), NOW, [older], blocked).effect).to.equal(undefined);
    });

    it('a deletion waits for it as for any', () => {
      const deleted = aDrifting(reached, {
        metadata: { ...WITH_FINALIZER, deletionTimestamp: FINISHED },
      });
      const decided = decideAt(deleted, NOW, [job], pods);
      expect(condition(decided, 'Ready')?.message).to.contain('The deletion waits for it.');
    });
  });

  describe('what one has found', () => {
    function afterCheck(report: MigrationReport | undefined, status: GlanceSchemaStatus = reached): Decision {
      const end = report?.error === null ? 'Complete' : 'Failed';
      const pods = report === undefined ? [] : [aPodThatReported(report)];
      return decideAt(aDrifting(status), NOW, [aJob({ end, purpose: DRIFT_CHECK })], pods);
    }

    const checked = (changes: Partial<MigrationReport> = {}): MigrationReport =>
      aReport({ command: 'version', target: null, applied: [], drift: NONE, ...changes });

    it('nothing: no condition, and the next turn is a day away at the most', () => {
      const decided = afterCheck(checked());
      expect(decided.status.drift).to.deep.include({ ...NONE, checkedAt: FINISHED });
      expect(Date.parse(decided.status.drift?.nextCheckAt ?? '')).to.be.greaterThan(NOW);
      expect(condition(decided, 'SchemaDrift')).to.equal(undefined);
      expect(decided.effect, 'its result is stored first').to.equal(undefined);
      const next = decideAt(aDrifting(decided.status), NOW, [
        aJob({ end: 'Complete', purpose: DRIFT_CHECK }),
      ]);
      expect(next.effect).to.deep.include({ kind: 'setTtl', ttl: 600 });
    });

    it('drift: the condition has it, Ready stays, an Event tells of it once, and the repaired one takes it off', () => {
      const before = recordedAt('ocata01', { conditions: decideAt(aDrifting(reached)).status.conditions });
      const decided = afterCheck(checked({ drift: MISSING }), before);
      expect(condition(decided, 'Ready')?.status).to.equal('True');
      expect(condition(decided, 'SchemaDrift')).to.include({ status: 'True', reason: 'SchemaDrift' });
      expect(condition(decided, 'SchemaDrift')?.message)
        .to.contain(MISSING.differences[0])
        .and.contain('table audit');
      expect(eventsFor(before, decided.status).map(({ type, reason }) => [type, reason])).to.deep.equal([
        ['Warning', 'SchemaDrift'],
      ]);
      expect(eventsFor(decided.status, decided.status)).to.deep.equal([]);
      const { job: _job, ...mended } = decided.status;
      expect(condition(afterCheck(checked(), mended), 'SchemaDrift')).to.equal(undefined);
    });

    it('what is there besides alone is no drift', () => {
      expect(
        condition(afterCheck(checked({ drift: { ...MISSING, differences: [] } })), 'SchemaDrift'),
      ).to.equal(undefined);
    });

    it('that the schema differs no more, which a migration had found', () => {
      const status = { ...reached, schemaDifferences: 'No index.' };
      expect(afterCheck(checked(), status).status).not.to.have.property('schemaDifferences');
      expect(afterCheck(checked({ drift: MISSING }), status).status.schemaDifferences).to.equal('No index.');
    });

    it('that somebody else has migrated it: the record follows, and the message says so', () => {
      const decided = afterCheck(checked({ to: at('pike01'), heads: ['pike_contract01'] }));
      expect(decided.status).to.deep.include({ recordedRevision: 'pike01' });
      expect(condition(decided, 'Ready')).to.include({ reason: 'DowngradeNotSupported' });
      expect(condition(decided, 'Ready')?.message).to.contain(
        'It was migrated from ocata01 to pike01 by something other than this GlanceSchema.',
      );
      const own = decideAt(
        aDrifting({ ...decided.status, job: undefined } as GlanceSchemaStatus, {
          spec: { revision: 'pike01' },
        }),
        NOW,
      );
      expect(condition(own, 'Ready')?.message).to.equal(
        'The database is at pike01. It was migrated from ocata01 to pike01 by something other than this GlanceSchema.',
      );
    });

    it('the heads of its record: the phase stays too, as a drift check does not ask the rows', () => {
      const moved = recordedAt('ocata01', { recordedPhase: 'Migrate' });
      const heads = moved.databaseHeads ?? [];
      const report = checked({ to: at('ocata01', 'Expand'), heads });
      const decided = afterCheck(report, { ...moved, databaseHeads: heads });
      expect(decided.status).to.deep.include({ recordedRevision: 'ocata01', recordedPhase: 'Migrate' });
      expect(decided.status.drift).not.to.have.any.keys('behindMessage', 'movedMessage');
    });

    for (const [fact, report, message] of [
      [
        'before its record, as after a restore',
        checked({ to: at('mitaka02'), heads: ['mitaka02'] }),
        'the database was at mitaka02, before ocata01 as recorded',
      ],
      ['empty, as while a backup is restored', checked({ to: null, heads: [] }), 'the database was empty'],
      [
        'newer than is known',
        aRefusal('DatabaseNewer', { command: 'version', to: null, heads: ['zz_contract01'] }),
        'it ended with DatabaseNewer',
      ],
    ] as const) {
      it(`${fact}: the record and Ready stay, no migration starts, and the condition says so`, () => {
        const decided = afterCheck(report);
        expect(decided.status).to.deep.include({
          recordedRevision: 'ocata01',
          databaseHeads: ['ocata_contract01'],
        });
        expect(condition(decided, 'Ready')?.status).to.equal('True');
        expect(condition(decided, 'SchemaDrift')?.message).to.contain(message).and.contain('annotation');
        const { job: _job, ...status } = decided.status;
        expect(condition(afterCheck(checked(), status), 'SchemaDrift'), 'and no longer').to.equal(undefined);
      });
    }

    it('nothing was read: Ready and what was known stay, no Event is sent, and it is tried again with backoff', () => {
      const before = {
        ...reached,
        drift: { ...MISSING, checkedAt: '2026-11-22T11:00:00Z', nextCheckAt: DUE },
      };
      const decided = afterCheck(
        aRefusal('DatabaseUnreachable', { command: 'version', heads: null }),
        before,
      );
      expect(condition(decided, 'Ready')).to.include({ status: 'True', reason: 'UpToDate' });
      expect(decided.status.drift).to.deep.equal(before.drift);
      expect(decided.status.job?.failure?.reason).to.equal('DatabaseUnreachable');
      const stored = aDrifting(decided.status);
      const next = decideAt(stored, NOW);
      expect(purposeOf(next)).to.equal('DriftCheck');
      expect(next.effect).to.deep.nested.include({ 'purpose.attempt': 2 });
      const known = { ...before, conditions: decided.status.conditions };
      expect(eventsFor(known as GlanceSchemaStatus, decided.status)).to.deep.equal([]);
    });

    for (const [fact, failure, window] of [
      [
        'found the database unreachable, and the window is open',
        UNREAD,
        { ...CLOSED, schedule: '0 12 * * *' },
      ],
      [
        'found something newer than is known',
        { reason: 'DatabaseNewer', message: 'no', databaseRead: false },
      ],
      ['was lost', undefined],
    ] as const) {
      it(`a drift check a second ago ${fact}: the migration that is due does not wait for it`, () => {
        const ended = '2026-11-23T11:59:59Z';
        const check = driftCheckJob({ startedAt: ended, finishedAt: ended });
        const job = failure === undefined ? { ...check, finishedAt: undefined } : { ...check, failure };
        const status = { ...recordedAt('mitaka02'), job } as GlanceSchemaStatus;
        const decided = decideAt(aDrifting(status, { spec: window === undefined ? {} : { window } }));
        expect(purposeOf(decided)).to.equal('Migrate');
        expect(condition(decided, 'Ready')?.reason).to.equal('MigrationPending');
      });
    }

    it('a migration that comes next is a first attempt, and does not wait for what a drift check has failed at', () => {
      const failed = afterCheck(aRefusal('DatabaseUnreachable', { command: 'version', heads: null }));
      const wanted = aDrifting(failed.status, { spec: { revision: 'pike01' }, metadata: { generation: 2 } });
      const next = decideAt(wanted, Date.parse(FINISHED) + 1000);
      expect(purposeOf(next)).to.equal('Migrate');
      expect(next.effect).to.deep.nested.include({ 'purpose.attempt': 1 });
    });
  });
});
