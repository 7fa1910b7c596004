import { mock } from 'node:test';
import { expect } from 'chai';
import type { KubeRequest } from '../../../../src/operator/kube/client.ts';
import { type EventObject, EventRecorder } from '../../../../src/operator/kube/event-recorder.ts';
import { KubeError } from '../../../../src/operator/kube/kube-error.ts';

const TRIES = 12;
const ALL_TRIES = 200_000;

function anEvent(name: string, namespace = 'openstack'): EventObject {
  return { metadata: { name, namespace }, reason: 'UpToDate', regarding: { name: 'glance' } };
}

function answer(status: number | undefined, reason?: string, retryAfter?: number): KubeError {
  return new KubeError(`answered ${status ?? 'nothing'}`, { status, reason, retryAfter });
}

const LASTING = [400, 403, 404, 413, 422];
const PASSING = [undefined, 401, 408, 409, 429, 500, 502, 503, 504];

describe('event recorder', () => {
  let answers: (KubeError | undefined)[];
  let always: KubeError | undefined;
  let asked: string[];
  let troubles: string[];
  let recorder: EventRecorder;

  const client = {
    async request<T>({ method, path, body }: KubeRequest): Promise<T> {
      const { metadata } = body as EventObject;
      asked.push(metadata.name);
      expect(`${method} ${path}`).to.equal(
        `POST /apis/events.k8s.io/v1/namespaces/${metadata.namespace}/events`,
      );
      const error = answers.length > 0 ? answers.shift() : always;
      if (error !== undefined) {
        throw error;
      }
      return {} as T;
    },
  };

  beforeEach(() => {
    mock.timers.enable({ apis: ['setTimeout'] });
    [answers, always, asked, troubles] = [[], undefined, [], []];
    recorder = new EventRecorder({ client, onTrouble: ({ message }) => troubles.push(message), most: 3 });
  });

  afterEach(() => mock.timers.reset());

  /** Lets so many milliseconds go by, and all that they set off happen. */
  async function wait(milliseconds: number): Promise<void> {
    for (let gone = 0; gone <= milliseconds; gone += 250) {
      await new Promise(setImmediate);
      mock.timers.tick(250);
    }
    await new Promise(setImmediate);
  }

  it('what is taken is sent once', async () => {
    recorder.record(anEvent('a'));
    await wait(ALL_TRIES);
    expect([asked, troubles]).to.deep.equal([['a'], []]);
  });

  for (const status of PASSING) {
    it(`an answer that passes (${status ?? 'none'}) is followed by another try, under the same name`, async () => {
      answers = [answer(status, 'Conflict'), answer(status), undefined];
      recorder.record(anEvent('a'));
      await wait(ALL_TRIES);
      expect([asked, troubles]).to.deep.equal([['a', 'a', 'a'], []]);
    });
  }

  it('that it exists already means that an earlier try was taken', async () => {
    answers = [answer(undefined), answer(409, 'AlreadyExists')];
    recorder.record(anEvent('a'));
    await wait(ALL_TRIES);
    expect([asked, troubles]).to.deep.equal([['a', 'a'], []]);
  });

  for (const status of LASTING) {
    it(`an answer that lasts (${status}) ends it, and is reported once for each namespace until one is taken`, async () => {
      answers = Array.from({ length: 3 }, () => answer(status));
      recorder.record(anEvent('a'));
      recorder.record(anEvent('b'));
      recorder.record(anEvent('c', 'other'));
      await wait(ALL_TRIES);
      expect(asked).to.deep.equal(['a', 'b', 'c']);
      expect(troubles).to.deep.equal([
        `UpToDate of openstack/glance is not delivered: answered ${status}`,
        `UpToDate of other/glance is not delivered: answered ${status}`,
      ]);
      recorder.record(anEvent('d'));
      await wait(0);
      answers = [answer(status)];
      recorder.record(anEvent('e'));
      await wait(0);
      expect(troubles).to.have.length(3);
    });
  }

  it('after the last try it is given up, and that is reported', async () => {
    always = answer(503);
    recorder.record(anEvent('a'));
    await wait(ALL_TRIES);
    expect(asked).to.have.length(TRIES);
    expect(troubles).to.deep.equal(['UpToDate of openstack/glance is not delivered: answered 503']);
  });

  it('no try follows sooner than the API server asks', async () => {
    answers = [answer(429, 'TooManyRequests', 60_000)];
    recorder.record(anEvent('a'));
    await wait(59_000);
    expect(asked).to.have.length(1);
    await wait(1_000);
    expect(asked).to.have.length(2);
  });

  it('of too many that wait the oldest are given up, which is reported once', async () => {
    always = answer(503);
    for (const name of ['a', 'b', 'c', 'd', 'e']) {
      recorder.record(anEvent(name));
    }
    await wait(0);
    always = undefined;
    asked = [];
    await wait(ALL_TRIES);
    expect(asked.sort()).to.deep.equal(['c', 'd', 'e']);
    expect(troubles).to.deep.equal([
      '3 Events wait for the API server, and the oldest are given up. What they say is in the log and in the status.',
    ]);
  });

  it('its end tries what waits at once', async () => {
    answers = [answer(503), answer(503)];
    recorder.record(anEvent('a'));
    recorder.record(anEvent('b'));
    await wait(0);
    asked = [];
    await recorder.close(3_000);
    expect([asked, troubles]).to.deep.equal([['a', 'b'], []]);
  });

  it('its end waits for no longer than it may, and says how many are left', async () => {
    always = answer(503);
    recorder.record(anEvent('a'));
    recorder.record(anEvent('b'));
    let ended = false;
    const closed = recorder.close(3_000).then(() => {
      ended = true;
    });
    await wait(2_000);
    expect([ended, asked.length > 2]).to.deep.equal([false, true]);
    await wait(1_000);
    await closed;
    expect(troubles).to.deep.equal([
      '2 of them could not be delivered before the end. What they say is in the log.',
    ]);
    asked = [];
    await wait(ALL_TRIES);
    expect(asked).to.deep.equal([]);
  });
});
