import { expect } from 'chai';
import type { CliResult } from '../../../lab/process/bundle.ts';
import { db, succeeds } from '../db-command.ts';
import { goldenDatabase, newtonDatabase, type TestEngine } from '../test-engine.ts';

interface Plan {
  readonly hash: string;
  readonly rows: number;
  readonly mostRows: number;
}

/** The cases of plans and their approval that hold on every engine. */
export function approvalCases(engine: TestEngine): void {
  async function planOf(url: string, ...args: readonly string[]): Promise<Plan> {
    return JSON.parse(await succeeds(url, 'plan', ...args, '--output', 'json'));
  }

  function runPlan(
    url: string,
    { hash, mostRows }: Pick<Plan, 'hash' | 'mostRows'>,
    ...args: readonly string[]
  ): Promise<CliResult> {
    return db(url, 'sync', ...args, '--plan-hash', hash, '--plan-rows', String(mostRows));
  }

  it('a plan of a user who may only read is the one that then runs, and its report has it', async () => {
    const url = await newtonDatabase(engine, 30);
    const reader = await engine.createReader(url);
    const plan = await planOf(reader, 'ocata01');
    expect(plan).to.include({ rows: 30, mostRows: 100_000 });
    expect(await planOf(url, 'ocata01'), 'the owner has the same').to.deep.equal(plan);
    for (const [output, line] of [
      ['text', '  db sync ocata01'],
      ['sql', '--   db sync ocata01'],
    ] as const) {
      expect(await succeeds(reader, 'plan', 'ocata01', '--output', output)).to.include(
        `${line} --plan-hash ${plan.hash} --plan-rows 100000`,
      );
    }
    const done = await runPlan(url, plan, 'ocata01');
    expect(done.code, done.stderr).to.equal(0);
    expect(await runPlan(url, { hash: 'f'.repeat(64), mostRows: 0 }, 'ocata01')).to.include({ code: 0 });
    const nothing = await succeeds(url, 'plan', 'ocata01');
    expect(nothing).to.include('nothing to run').and.not.to.include('--plan-hash');
  });

  it('a plan that is another by now is refused with exit 18, and nothing is changed', async () => {
    const url = await goldenDatabase(engine, { schema: 'ocata_era__mitaka02', migrate: 44 });
    const plan = await planOf(url, 'ocata01');
    expect(plan).to.include({ rows: 0, mostRows: 10_000 });
    const before = await engine.readSchema(url);
    for (const [fact, approved, args] of [
      ['another goal', plan, ['pike01']],
      ['another phase', plan, ['ocata01', '--through', 'Migrate']],
      ['for somebody else', plan, ['ocata01', '--plan-for', 'another']],
      ['more rows than were approved', { ...plan, mostRows: 1_000_000 }, ['ocata01']],
      [
        'another hash',
        { ...plan, hash: plan.hash.replace(/^./, (digit) => (digit === '0' ? '1' : '0')) },
        ['ocata01'],
      ],
    ] as const) {
      const result = await runPlan(url, approved, ...args);
      expect(result.code, `${fact}: ${result.stderr}`).to.equal(18);
      expect(result.stderr, fact).to.include('Nothing was changed. Make a new plan, and approve that');
    }
    await engine.fillNewton(url, { images: 10_001 });
    const grown = await runPlan(url, plan, 'ocata01');
    expect(grown.stderr).to.include(
      'it would write 10001 rows now, and the plan that was approved allows 10000',
    );
    expect(grown.code).to.equal(18);
    expect(await engine.readSchema(url)).to.deep.equal(before);
    const again = await planOf(url, 'ocata01');
    expect(again).to.include({ rows: 10_001, mostRows: 1_000_000 });
    // Somebody else has begun: what is left is another plan.
    await succeeds(url, 'expand', 'ocata01');
    expect((await runPlan(url, again, 'ocata01')).code).to.equal(18);
    const rest = await planOf(url, 'ocata01');
    expect((await runPlan(url, rest, 'ocata01')).code).to.equal(0);
  });

  it('a hash or a bound that cannot be read is a mistake of the command line', async () => {
    const url = await engine.createDatabase();
    for (const args of [
      ['--plan-hash', 'f'.repeat(64)],
      ['--plan-rows', '1'],
      ['--plan-hash', 'abc', '--plan-rows', '1'],
      ['--plan-hash', 'f'.repeat(64), '--plan-rows', 'many'],
    ]) {
      expect((await db(url, 'sync', ...args)).code, args.join(' ')).to.equal(2);
    }
  });
}
