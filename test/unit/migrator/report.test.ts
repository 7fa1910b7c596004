import { expect } from 'chai';
import fc from 'fast-check';
import type { MigrationReport } from '../../../src/contract/report.ts';
import { parseMigrationReport } from '../../../src/contract/report-schema.ts';
import { SCRIPTS } from '../../../src/glance/revisions.ts';
import { Failure } from '../../../src/migrator/errors/failure.ts';
import { buildReport, encodeReport, MAX_REPORT_BYTES } from '../../../src/migrator/report.ts';

function reportWith(message: string): MigrationReport {
  return buildReport({
    command: 'sync',
    target: { revision: 'ocata01', phase: 'Contract' },
    startedAt: new Date(0),
    finishedAt: new Date(1000),
    outcome: {
      from: { revision: 'mitaka02', phase: 'Contract' },
      to: { revision: 'mitaka02', phase: 'Contract' },
      heads: ['mitaka02'],
      applied: SCRIPTS.map((script) => ({ name: script.name, milliseconds: 123_456 })),
      error: new Failure('MigrationFailed', message, { migration: 'ocata01' }),
    },
  });
}

describe('the report', () => {
  it('is the whole result', () => {
    expect(JSON.parse(encodeReport(reportWith('no')))).to.deep.equal(reportWith('no'));
  });

  it('fits into a termination message whatever the database said, and stays JSON', () => {
    const nasty = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 9000, size: 'max' }),
      fc.constantFrom('\u0000', '"', '\\', '€', '🦊', '\ud83e', '\n').map((text) => text.repeat(9000)),
    );
    fc.assert(
      fc.property(nasty, (message) => {
        const text = encodeReport(reportWith(message));
        expect(Buffer.byteLength(text)).to.be.at.most(MAX_REPORT_BYTES);
        const { error } = JSON.parse(text);
        const kept: string = error.message;
        expect(message === kept || message.startsWith(kept.slice(0, -1))).to.equal(true);
      }),
      { numRuns: 30 },
    );
  });

  it('keeps as much of a message as there is room for', () => {
    expect(Buffer.byteLength(encodeReport(reportWith('x'.repeat(9000))))).to.equal(MAX_REPORT_BYTES);
  });

  it('does not take all the rows of a foreign version table', () => {
    const heads = Array.from({ length: 500 }, (_, index) => `row ${index}`.padEnd(32, '.'));
    const report = buildReport({
      command: 'version',
      target: undefined,
      startedAt: new Date(0),
      finishedAt: new Date(0),
      outcome: { heads, applied: [] },
    });
    expect(Buffer.byteLength(encodeReport(report))).to.be.at.most(MAX_REPORT_BYTES);
  });

  it('has at most ten differences of drift, and fewer where there is no room, those that are wrong last', () => {
    const driftReport = (length: number): MigrationReport => {
      const names = Array.from({ length: 12 }, (_, index) => `${index}`.padEnd(length, '.'));
      return buildReport({
        command: 'version',
        target: undefined,
        startedAt: new Date(0),
        finishedAt: new Date(0),
        outcome: { heads: ['mitaka02'], applied: [], drift: { differences: names, also: names } },
      });
    };
    const few = driftReport(100);
    expect(few.drift?.differences).to.have.length(10);
    expect(JSON.parse(encodeReport(few))).to.deep.equal(few);
    const text = encodeReport(driftReport(300));
    expect(Buffer.byteLength(text)).to.be.at.most(MAX_REPORT_BYTES);
    const { drift } = JSON.parse(text);
    expect(drift.differences).to.have.length(10);
    expect(drift.also).to.have.length(4);
    const { differences } = JSON.parse(encodeReport(driftReport(9000))).drift;
    expect(differences.map((what: string) => what.length)).to.deep.equal(Array(10).fill(256));
  });

  it('fits whatever the names and types of a database are, and leaves out nothing wholly that is wrong', () => {
    const long = (length: number, texts: number): readonly string[] =>
      Array.from({ length: texts }, (_, index) => `${index} `.padEnd(length, '"'));
    for (const message of ['no', '"'.repeat(9000)]) {
      const report = buildReport({
        command: 'sync',
        target: undefined,
        startedAt: new Date(0),
        finishedAt: new Date(0),
        outcome: {
          heads: long(255, 40),
          applied: [],
          repaired: long(900, 12),
          differences: long(900, 12),
          drift: { differences: long(900, 12), also: long(900, 12) },
          error: new Failure('SchemaDiffers', message),
        },
      });
      const text = encodeReport(report);
      expect(Buffer.byteLength(text)).to.be.at.most(MAX_REPORT_BYTES);
      const { repaired, differences, drift, error } = parseMigrationReport(text) ?? {};
      expect([repaired?.[0], differences?.[0], drift?.differences[0]]).to.deep.equal(
        [repaired, differences, drift?.differences].map(() => `0 ${'"'.repeat(253)}…`),
      );
      expect(error?.message.slice(0, 2)).to.equal(message.slice(0, 2));
    }
  });

  describe('of a plan', () => {
    function planReport(locks: number, obstacles: number): MigrationReport {
      const statements = Array.from({ length: locks }, (_, index) => ({
        sql: 'SELECT 1',
        autocommit: true,
        lock: { table: `table_${index}`, mode: 'ACCESS EXCLUSIVE', effect: 'nobody can read or write' },
      }));
      const target = { revision: '2024_1_01', phase: 'Contract' } as const;
      return buildReport({
        command: 'plan',
        target,
        startedAt: new Date(0),
        finishedAt: new Date(1000),
        outcome: { heads: ['mitaka02'], applied: [] },
        plan: {
          database: 'db:5432/glance',
          engine: 'postgres',
          from: null,
          target,
          online: false,
          adopt: null,
          steps: SCRIPTS.map(({ name }) => ({
            name,
            kind: 'script',
            statements: [...statements, ...statements],
          })),
          obstacles: Array.from({ length: obstacles }, (_, index) => `view view_${index} of somebody`),
          rows: 700,
          mostRows: 100_000,
          hash: 'a1'.repeat(32),
        },
      });
    }

    it('is whole where there is room, each lock once', () => {
      const report = planReport(2, 1);
      expect(JSON.parse(encodeReport(report))).to.deep.equal(report);
      expect(report.plan?.locks).to.deep.equal([
        'ACCESS EXCLUSIVE on table_0: nobody can read or write',
        'ACCESS EXCLUSIVE on table_1: nobody can read or write',
      ]);
      expect(report.plan?.warnings).to.deep.equal(['In the way: view view_0 of somebody']);
    });

    it('has the hash and each script whatever else there is, and says what was left out', () => {
      const text = encodeReport(planReport(200, 90));
      expect(Buffer.byteLength(text)).to.be.within(MAX_REPORT_BYTES - 150, MAX_REPORT_BYTES);
      const { plan } = JSON.parse(text);
      expect(plan).to.include({ hash: 'a1'.repeat(32), rows: 700, mostRows: 100_000 });
      expect(plan.steps).to.deep.equal(SCRIPTS.map(({ name }) => name));
      expect(plan.locks.at(-1)).to.equal(`${200 - plan.locks.length + 1} more, which the log has`);
      expect(plan.warnings.at(-1)).to.equal(`${90 - plan.warnings.length + 1} more, which the log has`);
      expect(parseMigrationReport(text)?.plan).to.deep.equal(plan);
    });
  });
});
