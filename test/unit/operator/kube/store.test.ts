import { expect } from 'chai';
import { Store } from '../../../../src/operator/kube/store.ts';

interface Thing {
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly owners: readonly string[];
}

const BY_OWNER = { owner: ({ owners }: Thing) => owners };

function aThing(name: string, ...owners: readonly string[]): Thing {
  return { metadata: { name, namespace: 'openstack' }, owners };
}

describe('store', () => {
  it('what was put last under a name is found by its name and by its own values only', () => {
    const store = new Store<Thing>(BY_OWNER);
    store.put(aThing('a', 'one', 'two'));
    const later = aThing('a', 'two', 'three');
    store.put(later);
    expect(store.get('openstack', 'a')).to.equal(later);
    expect(store.by('owner', 'one')).to.deep.equal([]);
    expect(store.by('owner', 'two')).to.deep.equal([later]);
    expect(store.by('owner', 'three')).to.deep.equal([later]);
    expect([...store.values()]).to.deep.equal([later]);
  });

  it('what was deleted is found by nothing, and leaves what shares a value with it', () => {
    const store = new Store<Thing>(BY_OWNER);
    const other = aThing('b', 'one');
    store.put(aThing('a', 'one'));
    store.put(other);
    store.delete('openstack', 'a');
    store.delete('openstack', 'never-there');
    expect(store.get('openstack', 'a')).to.equal(undefined);
    expect(store.by('owner', 'one')).to.deep.equal([other]);
    expect([...store.values()]).to.deep.equal([other]);
  });

  it('one of the same name in another namespace is another', () => {
    const store = new Store<Thing>(BY_OWNER);
    const here = aThing('a', 'one');
    const there = { ...here, metadata: { name: 'a', namespace: 'staging' } };
    store.put(here);
    store.put(there);
    store.delete('openstack', 'a');
    expect(store.get('staging', 'a')).to.equal(there);
    expect(store.by('owner', 'one')).to.deep.equal([there]);
  });

  it('no lookup and no change reads an object that it does not concern', () => {
    const store = new Store<Thing>(BY_OWNER);
    let reads = 0;
    for (let count = 0; count < 10_000; count += 1) {
      const thing = aThing(`thing-${count}`, `owner-${count}`);
      store.put({
        ...thing,
        get owners() {
          reads += 1;
          return thing.owners;
        },
      });
    }
    reads = 0;
    expect(store.by('owner', 'owner-7000')).to.have.length(1);
    expect(store.get('openstack', 'thing-7000')).not.to.equal(undefined);
    expect(reads).to.equal(0);
    store.put(aThing('thing-7000', 'another'));
    store.delete('openstack', 'thing-8000');
    expect(reads, 'only what was there before under these two names').to.equal(2);
  });

  it('an index that nobody has named is an error and not empty', () => {
    expect(() => new Store<Thing>(BY_OWNER).by('colour', 'red')).to.throw('no such index');
  });
});
