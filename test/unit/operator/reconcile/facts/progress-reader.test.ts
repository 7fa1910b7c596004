import { expect } from 'chai';
import type { Cluster } from '../../../../../src/operator/kube/cluster.ts';
import { observe } from '../../../../../src/operator/reconcile/facts/observe.ts';
import {
  type ProgressReader,
  progressReader,
} from '../../../../../src/operator/reconcile/facts/progress-reader.ts';
import { aJob, aPod, aSchema } from '../../../../support/builders.ts';

const KEY = 'openstack/glance';
const RUNNING = aPod('Running', { running: {} });
const AT_WORK = observe(aSchema(), [aJob()], [RUNNING]);

describe('progress reader', () => {
  let clock = 0;
  let asked: string[] = [];
  let answer: () => Promise<string> = async () => '';
  let reader: ProgressReader;

  beforeEach(() => {
    clock = 1_000_000;
    asked = [];
    const readLog: Cluster['readLog'] = async (namespace, pod) => {
      asked.push(`${namespace}/${pod}`);
      return answer();
    };
    // Of the cluster it asks nothing else.
    reader = progressReader({ readLog }, () => new Date(clock));
  });

  /** What is known so many seconds later, and in how many it says to read again. */
  async function readIn(seconds: number, observed = AT_WORK): Promise<readonly unknown[]> {
    clock += seconds * 1000;
    const known = reader.of(KEY, observed);
    await new Promise(setImmediate);
    return known === undefined ? [] : [known.reported, (known.requeueAt - clock) / 1000];
  }

  it('a pod that has just begun is not asked', async () => {
    expect(await readIn(0)).to.deep.equal([undefined, 10]);
    expect(await readIn(9)).to.deep.equal([undefined, 1]);
    expect(asked).to.deep.equal([]);
  });

  it('a pod that goes on is asked every ten seconds, and the answer is there at the next read', async () => {
    answer = async () => 'ocata_migrate01: 5 of 9 rows\n';
    await readIn(0);
    expect(await readIn(10)).to.deep.equal([undefined, 2.5]);
    const known = { migration: 'ocata_migrate01', done: 5, total: 9 };
    expect(await readIn(2.5)).to.deep.equal([known, 7.5]);
    expect(await readIn(1)).to.deep.equal([known, 6.5]);
    expect(asked).to.deep.equal(['openstack/glance-1-bd7662a5-x']);
    await readIn(6.5);
    expect(asked).to.have.length(2);
  });

  it('a log that cannot be read leaves what was known, and is asked again at the same pace', async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => unhandled.push(reason);
    process.on('unhandledRejection', note);
    answer = async () => 'ocata_migrate01: 5 of 9 rows\n';
    await readIn(0);
    await readIn(10);
    answer = () => Promise.reject(new Error('forbidden'));
    await readIn(10);
    expect(await readIn(2.5)).to.deep.equal([{ migration: 'ocata_migrate01', done: 5, total: 9 }, 7.5]);
    await readIn(7.5);
    expect(asked).to.have.length(3);
    process.off('unhandledRejection', note);
    expect(unhandled).to.deep.equal([]);
  });

  it('a log that never comes is waited for once', async () => {
    answer = () => new Promise(() => undefined);
    await readIn(0);
    for (let times = 0; times < 5; times += 1) {
      await readIn(10);
    }
    expect(asked).to.have.length(1);
  });

  it('another pod starts again', async () => {
    answer = async () => 'ocata_migrate01: 5 of 9 rows\n';
    await readIn(0);
    await readIn(10);
    const next = { ...RUNNING, metadata: { ...RUNNING.metadata, name: 'glance-1-bd7662a5-y' } };
    expect(await readIn(1, observe(aSchema(), [aJob()], [next]))).to.deep.equal([undefined, 10]);
  });

  for (const [fact, observed] of [
    ['no Job', observe(aSchema(), [], [])],
    ['a pod that waits', observe(aSchema(), [aJob()], [aPod('Pending')])],
    ['a Job that ended', observe(aSchema(), [aJob({ end: 'Complete' })], [RUNNING])],
    [
      'a Job that only reads',
      observe(aSchema(), [aJob({ purpose: { kind: 'Observe', target: null } })], [RUNNING]),
    ],
  ] as const) {
    it(`${fact}: nothing is known and nobody is asked`, async () => {
      await readIn(0, observed);
      expect(await readIn(60, observed)).to.deep.equal([]);
      expect(asked).to.deep.equal([]);
    });
  }
});
