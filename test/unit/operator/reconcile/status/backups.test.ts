import { expect } from 'chai';
import { exitCodeOf, type FailureReason } from '../../../../../src/contract/failures.ts';
import { type GlanceSchemaStatus, readyReason } from '../../../../../src/contract/glance-schema.ts';
import type { MigrationReport, ReportedBackup } from '../../../../../src/contract/report.ts';
import { withoutUndefined } from '../../../../../src/glance/without-undefined.ts';
import type { PodObject } from '../../../../../src/operator/kube/cluster.ts';
import { decide } from '../../../../../src/operator/reconcile/decide.ts';
import { eventsFor } from '../../../../../src/operator/reconcile/events.ts';
import { observe } from '../../../../../src/operator/reconcile/facts/observe.ts';
import {
  aJob,
  aPod,
  aReport,
  aSchema,
  at,
  FINISHED,
  recordedAt,
  STARTED,
} from '../../../../support/builders.ts';

const NOW = new Date(Date.parse(FINISHED) + 1000);
const SPEC = { backup: { policy: 'BeforeUpgrade', volumeClaimName: 'glance-backups' } };
const PURPOSE = { backup: { claim: 'glance-backups', retain: 3 } };

const TAKEN: ReportedBackup = {
  file: 'openstack.glance-mitaka02-20261123T070000Z.dump',
  bytes: 41_000,
  sha256: 'c0'.repeat(32),
  position: at('mitaka02'),
  tables: 21,
  rows: 700,
  takenAt: STARTED,
};

/** What `db backup` reports that has gone well. */
function aBackupReport(backup?: ReportedBackup): MigrationReport {
  return aReport({
    command: 'backup',
    to: at('mitaka02'),
    heads: ['mitaka02'],
    applied: [],
    ...(backup === undefined ? {} : { backup }),
  });
}

/** A pod whose backup has come so far, and its migration. */
function aPodWith(
  backup: Parameters<typeof aPod>[1],
  phase: Parameters<typeof aPod>[0],
  migrate?: Parameters<typeof aPod>[1],
): PodObject {
  return aPod(phase, migrate ?? { waiting: { reason: 'PodInitializing' } }, {
    initContainerStatuses: [{ name: 'backup', ...withoutUndefined({ state: backup }) }],
  });
}

function stateOf(exitCode: number, message?: MigrationReport | string) {
  const text = typeof message === 'object' ? JSON.stringify(message) : message;
  const reason = exitCode === 0 ? 'Completed' : 'Error';
  return {
    terminated: { exitCode, reason, finishedAt: FINISHED, ...(text === undefined ? {} : { message: text }) },
  };
}

function statusAfter(
  pod: PodObject,
  end?: 'Complete' | 'Failed',
  before: GlanceSchemaStatus = recordedAt('mitaka02'),
): GlanceSchemaStatus {
  const job = aJob({ purpose: PURPOSE, ...(end === undefined ? {} : { end }) });
  return decide(observe(aSchema({ spec: SPEC, status: before }), [job], [pod]), NOW).status;
}

function failureAfter(exitCode: number, message?: MigrationReport | string) {
  const status = statusAfter(aPodWith(stateOf(exitCode, message), 'Failed'), 'Failed');
  return { ...status.job?.failure, ready: readyReason(status), status };
}

function refused(reason: FailureReason): MigrationReport {
  return { ...aBackupReport(), error: { reason, message: `Cannot back up: ${reason}`, migration: null } };
}

describe('what comes of a backup', () => {
  it('while it is taken the status says so, and neither that it starts nor that it migrates', () => {
    const status = statusAfter(aPodWith({ running: { startedAt: STARTED } }, 'Pending'));
    expect(status.conditions?.[0]).to.deep.include({
      reason: 'MigrationRunning',
      message: 'The backup before the migration to ocata01 is being taken by Job glance-1-bd7662a5.',
    });
  });

  it('is listed as soon as it is proven, with where it is', () => {
    const pod = aPodWith(stateOf(0, aBackupReport(TAKEN)), 'Running', { running: { startedAt: FINISHED } });
    const { position, ...rest } = TAKEN;
    const status = statusAfter(pod);
    expect(status.backups).to.deep.equal([
      {
        ...rest,
        ...position,
        volumeClaimName: 'glance-backups',
        database: 'glance-db/connection',
        job: 'glance-1-bd7662a5',
      },
    ]);
    expect(status.job?.backup).to.equal('Proven');
    expect(statusAfter(pod, undefined, status).backups, 'once').to.have.length(1);
  });

  it('is in the history of its migration, and in an Event', () => {
    const report = JSON.stringify(aReport());
    const pod = aPodWith(stateOf(0, aBackupReport(TAKEN)), 'Succeeded', {
      terminated: { exitCode: 0, reason: 'Completed', message: report },
    });
    const before = recordedAt('mitaka02');
    const status = statusAfter(pod, 'Complete', before);
    expect(status.history?.[0]?.backup).to.equal(TAKEN.file);
    expect(status.recordedRevision).to.equal('ocata01');
    const [event] = eventsFor(before, status).filter(({ reason }) => reason === 'BackupTaken');
    expect(event?.type).to.equal('Normal');
    expect(event?.message).to.equal(
      `Backup ${TAKEN.file} of the database at mitaka02 is on claim glance-backups, and proven: 21 tables, 700 rows, 41000 bytes.`,
    );
    expect(eventsFor(status, status)).to.deep.equal([]);
  });

  it('of a database that needs none is none', () => {
    const status = statusAfter(
      aPodWith(stateOf(0, aBackupReport()), 'Running', { running: { startedAt: FINISHED } }),
    );
    expect(status).not.to.have.property('backups');
    expect(status.job?.backup).to.equal('NotNeeded');
  });

  it('lists as many as the claim keeps, the newest first', () => {
    const old = [1, 2, 3].map((number) => ({
      ...TAKEN,
      position: undefined,
      ...TAKEN.position,
      file: `old-${number}`,
      takenAt: `2026-11-2${3 - number}T07:00:00Z`,
      volumeClaimName: 'glance-backups',
      job: 'glance-0',
    }));
    const known = old.map(({ position: _position, ...backup }) => backup);
    const pod = aPodWith(stateOf(0, aBackupReport(TAKEN)), 'Running', { running: { startedAt: FINISHED } });
    const { backups = [] } = statusAfter(pod, undefined, { ...recordedAt('mitaka02'), backups: known });
    expect(backups.map(({ file }) => file)).to.deep.equal([TAKEN.file, 'old-1', 'old-2']);
  });

  it('of a Job that took two are listed in the same order in each pass, though the claim keeps one', () => {
    const purpose = { backup: { claim: 'glance-backups', retain: 1 } };
    const job = aJob({ purpose });
    const newer = { ...TAKEN, file: 'newer', takenAt: FINISHED };
    const pods = [newer, TAKEN].map((backup, index) => {
      const pod = aPodWith(stateOf(0, aBackupReport(backup)), 'Failed', {
        terminated: { exitCode: 137, reason: 'Error' },
      });
      return { ...pod, metadata: { ...pod.metadata, name: `pod-${index}`, uid: `pod-${index}` } };
    });
    let status: GlanceSchemaStatus = recordedAt('mitaka02');
    for (let pass = 0; pass < 3; pass += 1) {
      status = decide(observe(aSchema({ spec: SPEC, status }), [job], pods), NOW).status;
      expect(status.backups?.map(({ file }) => file)).to.deep.equal(['newer']);
    }
  });

  for (const reason of ['BackupFailed', 'DatabaseUnreachable'] as const) {
    it(`fails with ${reason}: nothing was migrated, and it is tried again`, () => {
      const { ready, message, status } = failureAfter(exitCodeOf(reason), refused(reason));
      expect(ready).to.equal(reason);
      expect(message).to.equal(`Cannot back up: ${reason}`);
      expect(status.nextAttemptAt).to.match(/^2026/);
      expect(status.conditions?.map(({ type }) => type)).to.deep.equal(['Ready', 'Reconciling']);
      expect(status, 'it is no migration').not.to.have.property('history');
      expect(status).not.to.have.property('backups');
    });
  }

  it('fails without a report: where to look is said', () => {
    const { ready, message } = failureAfter(137);
    expect(ready).to.equal('BackupFailed');
    expect(message).to.match(/left no result, and nothing was migrated: .*exit code 137/);
    expect(message).to.match(
      /Run 'kubectl logs job\/glance-1-bd7662a5 -c backup' in its namespace to see why\.$/,
    );
  });

  it('fails in an image that knows no db backup: which to name is said', () => {
    expect(failureAfter(2).message).to.match(/name one of this operator's version in spec\.backup\.image\.$/);
  });

  it('a backup that succeeds without a report is not listed, and a Warning Event says so', () => {
    for (const message of [undefined, 'done', JSON.stringify(aReport())]) {
      const pod = aPodWith(stateOf(0, message), 'Running', { running: { startedAt: FINISHED } });
      const before = recordedAt('mitaka02');
      const status = statusAfter(pod, undefined, before);
      expect(status).not.to.have.property('backups');
      expect(status.job?.backup).to.equal('Unproven');
      const warnings = eventsFor(before, status).filter(({ reason }) => reason === 'BackupUnproven');
      expect(warnings.map(({ type }) => type)).to.deep.equal(['Warning']);
    }
  });
});
