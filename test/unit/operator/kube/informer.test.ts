import { expect } from 'chai';
import { eventually } from '../../../../lab/process/eventually.ts';
import type { KubeRequest, KubeWatch } from '../../../../src/operator/kube/client.ts';
import { type CachedObject, Informer } from '../../../../src/operator/kube/informer.ts';
import { KubeError } from '../../../../src/operator/kube/kube-error.ts';

interface Thing extends CachedObject {
  readonly size?: number;
}

function thing(name: string, resourceVersion: string, uid = name, size?: number): Thing {
  const managedFields = [{ manager: 'test' }];
  return {
    metadata: { name, namespace: 'openstack', uid, resourceVersion, managedFields },
    ...(size === undefined ? {} : { size }),
  };
}

describe('Informer', () => {
  /** What each list answers, page by page; the last one again and again. */
  let lists: readonly (readonly Thing[])[][];
  let listed: number;
  /** What the next lists fail with. */
  let refused: KubeError[];
  let watches: KubeWatch<Thing>[];
  let ends: PromiseWithResolvers<void>[];
  let changes: string[];
  let troubles: string[];
  let informer: Informer<Thing>;
  let running: Promise<void>;

  async function request<T>({ query }: KubeRequest): Promise<T> {
    const error = refused.shift();
    if (error !== undefined) {
      throw error;
    }
    const page = Number(query?.continue ?? 0);
    const pages = lists[Math.min(listed, lists.length - 1)] ?? [];
    const isLast = page + 1 >= pages.length;
    if (isLast) {
      listed += 1;
    }
    const metadata = {
      resourceVersion: String(listed * 100),
      ...(isLast ? {} : { continue: String(page + 1) }),
    };
    return JSON.parse(JSON.stringify({ items: pages[page] ?? [], metadata }));
  }

  function watch<T>(options: KubeWatch<T>): Promise<void> {
    const end = Promise.withResolvers<void>();
    watches.push(options as unknown as KubeWatch<Thing>);
    ends.push(end);
    options.onOpen();
    options.signal.addEventListener('abort', () => end.reject(new Error('stopped')));
    return end.promise;
  }

  async function start(
    pages: readonly (readonly Thing[])[],
    ...later: (readonly Thing[])[][]
  ): Promise<void> {
    lists = [[...pages], ...later];
    [listed, refused, watches, ends, changes, troubles] = [0, [], [], [], [], []];
    informer = new Informer<Thing>({
      client: { request, watch },
      path: '/apis/example.org/v1/things',
      onChange: ({ metadata }) => {
        changes.push(`${metadata.name} ${metadata.resourceVersion}`);
        if (metadata.name === 'bad') {
          throw new Error('a handler failed');
        }
      },
      onTrouble: (error) => troubles.push(error.message),
    });
    running = informer.run();
    await isWatching(1);
  }

  async function isWatching(times: number): Promise<void> {
    await eventually(() => expect(watches).to.have.length(times));
  }

  function send(type: string, object: Thing): void {
    watches.at(-1)?.onEvent(type, object);
  }

  function versions(): readonly string[] {
    return [...informer.objects()].map(({ metadata }) => `${metadata.name} ${metadata.resourceVersion}`);
  }

  afterEach(async () => {
    informer.stop();
    await running;
  });

  it('reads a collection in pages, and watches from where the last page was', async () => {
    await start([[thing('a', '1')], [thing('b', '2')]]);
    expect(informer.synced).to.equal(true);
    expect(versions()).to.deep.equal(['a 1', 'b 2']);
    expect(watches[0]?.query).to.include({ resourceVersion: '100', allowWatchBookmarks: 'true' });
    expect(informer.get('openstack', 'a')?.metadata).not.to.have.property('managedFields');
  });

  it('takes in what is added, changed and deleted, and says so each time', async () => {
    await start([[]]);
    send('ADDED', thing('a', '101'));
    send('MODIFIED', thing('a', '102'));
    expect(versions()).to.deep.equal(['a 102']);
    send('DELETED', thing('a', '103'));
    expect(versions()).to.deep.equal([]);
    expect(changes).to.deep.equal(['a 101', 'a 102', 'a 103']);
  });

  it('keeps no older version over a newer one', async () => {
    await start([[]]);
    send('ADDED', thing('a', '110'));
    send('MODIFIED', thing('a', '109'));
    expect(versions()).to.deep.equal(['a 110']);
  });

  it('sees the answer to a write of its own at once, and no answer brings back what was deleted', async () => {
    await start([[thing('a', '1')]]);
    informer.remember(thing('a', '105'));
    expect(versions()).to.deep.equal(['a 105']);
    send('DELETED', thing('a', '106'));
    informer.remember(thing('a', '105'));
    expect(versions()).to.deep.equal([]);
  });

  it('knows an object that was recreated under the name of a deleted one', async () => {
    await start([[thing('a', '1', 'old')]]);
    send('ADDED', thing('a', '120', 'new'));
    send('DELETED', thing('a', '119', 'old'));
    expect(informer.get('openstack', 'a')?.metadata.uid).to.equal('new');
  });

  it('is not stopped by a handler that throws', async () => {
    await start([[]]);
    send('ADDED', thing('bad', '101'));
    send('ADDED', thing('a', '102'));
    expect(troubles).to.deep.equal(['a handler failed']);
    expect(versions()).to.deep.equal(['bad 101', 'a 102']);
  });

  it('lists again where the API server no longer knows the version, and sees what is gone since', async () => {
    await start([[thing('a', '1'), thing('b', '2')]], [[thing('b', '2')]]);
    ends[0]?.reject(new KubeError('too old', { status: 410 }));
    await isWatching(2);
    expect(versions()).to.deep.equal(['b 2']);
    expect(changes.at(-2), 'the one that is gone').to.equal('a 1');
    expect(troubles).to.deep.equal([]);
  });

  it('makes a pause before it lists again where the API server does not know what it has listed either', async () => {
    await start([[]]);
    refused = [new KubeError('still too old', { status: 410 })];
    ends[0]?.reject(new KubeError('too old', { status: 410 }));
    await isWatching(2);
    expect(troubles).to.deep.equal(['still too old']);
  });

  it('goes on from the last bookmark after a watch that broke, and reports that', async () => {
    await start([[]]);
    send('BOOKMARK', thing('', '150'));
    ends[0]?.reject(new Error('connection reset'));
    await isWatching(2);
    expect(watches[1]?.query.resourceVersion).to.equal('150');
    expect(troubles).to.deep.equal(['connection reset']);
  });
});
