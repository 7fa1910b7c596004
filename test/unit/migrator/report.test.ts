import { expect } from 'chai';
import fc from 'fast-check';
import type { MigrationReport } from '../../../src/contract/report.ts';
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
});
