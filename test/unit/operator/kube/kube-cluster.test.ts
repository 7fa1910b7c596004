import { expect } from 'chai';
import { CONTAINER_NAME, SCHEMA_UID_LABEL } from '../../../../src/contract/names.ts';
import type { KubeRequest, KubeWatch } from '../../../../src/operator/kube/client.ts';
import { KubeCluster } from '../../../../src/operator/kube/kube-cluster.ts';
import { Store } from '../../../../src/operator/kube/store.ts';

type Collection = 'glanceschemas' | 'jobs' | 'pods';

interface Listed {
  readonly metadata: { readonly name: string };
}

/** An API server with these objects, which sends what a test has it send. */
class StandInClient {
  readonly #objects: Readonly<Record<Collection, readonly object[]>>;
  readonly #watches = new Map<Collection, (type: string, object: object) => void>();

  constructor(objects: Readonly<Record<Collection, readonly object[]>>) {
    this.#objects = objects;
  }

  async request<T>({ path }: KubeRequest): Promise<T> {
    const items = this.#objects[collectionOf(path)];
    return JSON.parse(JSON.stringify({ items, metadata: { resourceVersion: '1' } }));
  }

  requestText(): Promise<string> {
    return Promise.reject(new Error('Nobody asks for a text here'));
  }

  watch<T>({ path, signal, onOpen, onEvent }: KubeWatch<T>): Promise<void> {
    onOpen();
    this.#watches.set(collectionOf(path), (type, object) => onEvent(type, object as T));
    return new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(new Error('stopped')));
    });
  }

  send(collection: Collection, object: object, type = 'MODIFIED'): void {
    this.#watches.get(collection)?.(type, structuredClone(object));
  }
}

function collectionOf(path: string): Collection {
  return path.slice(path.lastIndexOf('/') + 1) as Collection;
}

const SIZE = 50;

function metadataOf(name: string, uid: string, more: object = {}, resourceVersion = '1'): object {
  const managedFields = [{ manager: 'test', fieldsV1: { 'f:spec': {} } }];
  return { name, namespace: 'openstack', uid, resourceVersion, managedFields, ...more };
}

function aSchema(count: number): object {
  return { metadata: metadataOf(`glance-${count}`, `schema-${count}`), spec: { revision: 'liberty' } };
}

function aJob(count: number, resourceVersion?: string): object {
  const ownerReferences = [{ uid: `schema-${count}`, name: `glance-${count}`, controller: true }];
  const labels = { [SCHEMA_UID_LABEL]: `schema-${count}` };
  return {
    metadata: metadataOf(`job-${count}`, `job-${count}`, { labels, ownerReferences }, resourceVersion),
    spec: { suspend: false, ttlSecondsAfterFinished: 60, template: { spec: { containers: [] } } },
    status: { failed: 1 },
  };
}

function aPod(count: number): object {
  const labels = { [SCHEMA_UID_LABEL]: `schema-${count}` };
  return {
    metadata: metadataOf(`pod-${count}`, `pod-${count}`, { labels }),
    spec: { nodeName: 'node', containers: [{ name: CONTAINER_NAME }] },
    status: { phase: 'Running' },
  };
}

describe('caches of the cluster', () => {
  let client: StandInClient;
  let cluster: KubeCluster;
  let running: Promise<void>;
  let told: string[];
  let lists: number;
  const { values } = Store.prototype;

  beforeEach(async () => {
    told = [];
    lists = 0;
    const each = <T>(make: (count: number) => T): readonly T[] =>
      Array.from({ length: SIZE }, (_, count) => make(count));
    client = new StandInClient({ glanceschemas: each(aSchema), jobs: each(aJob), pods: each(aPod) });
    cluster = new KubeCluster({
      client,
      reporter: 'test',
      onKey: (key) => told.push(key),
      onTrouble: (what, error) => told.push(`${what}: ${error.message}`),
    });
    running = cluster.run();
    while (!cluster.synced) {
      await new Promise(setImmediate);
    }
    told = [];
    Store.prototype.values = function (this: Store<Listed>) {
      lists += 1;
      return values.call(this) as IterableIterator<Listed>;
    };
  });

  afterEach(async () => {
    Store.prototype.values = values;
    cluster.stop();
    await running;
  });

  it('what a pass and an event look up is found without going through all objects', () => {
    expect(cluster.schema('openstack/glance-7')?.metadata.uid).to.equal('schema-7');
    expect(cluster.jobsOf('schema-7').map(({ metadata }) => metadata.name)).to.deep.equal(['job-7']);
    expect(cluster.podsOf('schema-7').map(({ metadata }) => metadata.name)).to.deep.equal(['pod-7']);
    client.send('jobs', aJob(7, '2'));
    expect(told).to.deep.equal(['openstack/glance-7']);
    expect(lists, 'times that all objects were gone through').to.equal(0);
  });

  it('those with the same key of the same Secret are found without going through all objects', () => {
    const ofSecret = (count: number, name: string, key = 'connection') => ({
      metadata: metadataOf(`glance-${count}`, `schema-${count}`, {}, '2'),
      spec: { database: { secretRef: { name, key } } },
    });
    const elsewhere = ofSecret(4, 'shared');
    for (const schema of [
      ...[ofSecret(1, 'shared'), ofSecret(2, 'shared'), ofSecret(3, 'shared', 'other')],
      { ...elsewhere, metadata: { ...elsewhere.metadata, namespace: 'elsewhere' } },
    ]) {
      client.send('glanceschemas', schema);
    }
    const sharersOf = (count: number) => {
      const schema = cluster.schema(`openstack/glance-${count}`) ?? expect.fail('it is not there');
      return cluster.sharersOf(schema).map(({ metadata }) => metadata.name);
    };
    expect([1, 2, 3, 5].map(sharersOf)).to.deep.equal([['glance-2'], ['glance-1'], [], []]);
    expect(lists, 'times that all objects were gone through').to.equal(0);
    told = [];
    client.send('glanceschemas', ofSecret(1, 'shared'), 'DELETED');
    expect(told).to.include.members(['openstack/glance-1', 'openstack/glance-2']);
    expect(told).not.to.include('openstack/glance-3');
  });

  it('those of one place are found too, whatever their users', () => {
    const ofPlace = (count: number, host: string, name: string) => ({
      metadata: metadataOf(`glance-${count}`, `schema-${count}`, {}, '2'),
      spec: {
        database: { engine: 'mysql', host, name, userSecretRef: { name: `user-${count}`, key: 'user' } },
      },
    });
    for (const schema of [
      ...[ofPlace(1, 'db', 'glance'), ofPlace(2, 'DB', 'glance'), ofPlace(3, 'db', 'glance2')],
    ]) {
      client.send('glanceschemas', schema);
    }
    const sharersOf = (count: number) => {
      const schema = cluster.schema(`openstack/glance-${count}`) ?? expect.fail('it is not there');
      return cluster.sharersOf(schema).map(({ metadata }) => metadata.name);
    };
    expect([1, 2, 3].map(sharersOf)).to.deep.equal([['glance-2'], ['glance-1'], []]);
  });

  it('of Jobs and pods nothing is kept that nobody reads', () => {
    const [job] = cluster.jobsOf('schema-7');
    expect(job?.spec).to.deep.equal({ suspend: false, ttlSecondsAfterFinished: 60 });
    expect(job?.status).to.deep.equal({ failed: 1 });
    expect(cluster.podsOf('schema-7')[0]?.spec).to.deep.equal({ nodeName: 'node' });
    for (const { metadata } of [cluster.schema('openstack/glance-7'), job].filter((it) => it !== undefined)) {
      expect(metadata).not.to.have.property('managedFields');
    }
  });
});
