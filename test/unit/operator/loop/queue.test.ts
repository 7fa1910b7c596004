import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { WorkQueue } from '../../../../src/operator/loop/queue.ts';

function aQueue(): WorkQueue {
  return new WorkQueue({ backoff: (failures) => failures * 20 });
}

describe('work queue', () => {
  it('a key that is added twice waits once', async () => {
    const queue = aQueue();
    queue.add('a');
    queue.add('a');
    expect(queue.depth).to.equal(1);
    expect(await queue.take()).to.equal('a');
    expect(queue.depth).to.equal(0);
  });

  it('keys come in the order in which they were added', async () => {
    const queue = aQueue();
    for (const key of ['b', 'a', 'c']) {
      queue.add(key);
    }
    expect([await queue.take(), await queue.take(), await queue.take()]).to.deep.equal(['b', 'a', 'c']);
  });

  it('a key is not worked on twice at once, and comes again when it was added meanwhile', async () => {
    const queue = aQueue();
    queue.add('a');
    await queue.take();
    queue.add('a');
    let second: string | undefined;
    const taking = queue.take().then((key) => {
      second = key;
    });
    await sleep(5);
    expect(second).to.equal(undefined);
    queue.done('a');
    await taking;
    expect(second).to.equal('a');
  });

  it('a taker that waits gets the next key at once', async () => {
    const queue = aQueue();
    const taking = queue.take();
    queue.add('a');
    expect(await taking).to.equal('a');
  });

  it('of two delays the earlier one counts', async () => {
    const queue = aQueue();
    queue.addAfter('a', 10);
    queue.addAfter('a', 10_000);
    queue.addAfter('b', 10_000);
    queue.addAfter('b', 15);
    expect([await queue.take(), await queue.take()]).to.deep.equal(['a', 'b']);
    queue.close();
  });

  it('failures in a row put a key off for longer, until it is forgotten', async () => {
    const asked: number[] = [];
    const queue = new WorkQueue({ backoff: (failures) => asked.push(failures) });
    for (const _ of [1, 2, 3]) {
      queue.addRateLimited('a');
      await queue.take();
      queue.done('a');
    }
    queue.forget('a');
    queue.addRateLimited('a');
    expect(asked).to.deep.equal([1, 2, 3, 1]);
    queue.close();
  });

  it('each key is reported when it comes, is taken and is done, and when it is put off', async () => {
    const told: string[] = [];
    const queue = new WorkQueue({
      backoff: () => 1,
      events: {
        added: () => told.push('added'),
        putOff: () => told.push('put off'),
        begun: (waited) => told.push(`begun after ${waited >= 0.02 ? 'a while' : 'no time'}`),
        ended: (worked) => told.push(`ended after ${worked >= 0.02 ? 'a while' : 'no time'}`),
      },
    });
    queue.add('a');
    queue.add('a');
    await sleep(25);
    await queue.take();
    queue.add('a');
    await sleep(25);
    queue.done('a');
    await queue.take();
    queue.done('a');
    queue.addRateLimited('b');
    expect(told).to.deep.equal([
      ...['added', 'begun after a while', 'ended after a while'],
      ...['added', 'begun after no time', 'ended after no time'],
      'put off',
    ]);
    queue.close();
  });

  it('closed, it wakes those that wait, takes nothing in and keeps no timer', async () => {
    const queue = aQueue();
    const taking = queue.take();
    queue.addAfter('late', 60_000);
    queue.close();
    queue.add('a');
    queue.addAfter('b', 1);
    expect(await taking).to.equal(undefined);
    expect(await queue.take()).to.equal(undefined);
    expect(queue.depth).to.equal(0);
  });
});
