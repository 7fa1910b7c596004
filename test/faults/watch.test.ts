import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { type ApiProxy, startApiProxy } from '../../lab/kubernetes/api-proxy.ts';
import { type ControlPlane, startControlPlane } from '../../lab/kubernetes/control-plane.ts';
import type { TestApi } from '../../lab/kubernetes/test-api.ts';
import { eventually } from '../../lab/process/eventually.ts';
import { withoutUndefined } from '../../src/glance/without-undefined.ts';
import { KubeClient } from '../../src/operator/kube/client.ts';
import { type CachedObject, Informer } from '../../src/operator/kube/informer.ts';
import { openKubeConfig } from '../../src/operator/kube/open-kube-config.ts';
import type { PooledKubeConfig } from '../../src/operator/kube/pooled-kube-config.ts';

const MAPS = '/api/v1/namespaces/default/configmaps';

describe('a watch', () => {
  let plane: ControlPlane;
  let proxy: ApiProxy;
  let api: TestApi;
  let config: PooledKubeConfig;
  let informer: Informer<CachedObject>;
  let running: Promise<void>;
  let troubles: string[];

  before(async () => {
    plane = await startControlPlane({ controllers: false });
    proxy = await startApiProxy(plane);
    api = plane.api();
    config = openKubeConfig({ kubeconfig: proxy.kubeconfig(plane.adminToken) });
  });

  afterEach(async () => {
    informer.stop();
    await running;
  });

  after(async () => {
    await config?.close();
    await proxy?.stop();
    await plane?.stop();
  });

  async function reflect(silence?: number): Promise<void> {
    troubles = [];
    informer = new Informer<CachedObject>({
      client: new KubeClient(config),
      path: MAPS,
      onChange: () => undefined,
      onTrouble: ({ message }) => troubles.push(message),
      ...withoutUndefined({ silence }),
    });
    const before = watches();
    running = informer.run();
    await eventually(() => expect(watches()).to.equal(before + 1));
  }

  /** How many watches have been opened so far. */
  function watches(): number {
    return proxy.requests.filter(({ isWatch, status }) => isWatch && status === 200).length;
  }

  function names(): readonly string[] {
    return [...informer.objects()].map(({ metadata }) => metadata.name);
  }

  async function make(name: string): Promise<void> {
    await api.call('POST', MAPS, { metadata: { name } });
  }

  it('that receives nothing any more though its connection lives: noticed, and changes are seen again', async () => {
    // A busy machine is silent for seconds by itself.
    await reflect(10_000);
    await make('heard');
    await eventually(() => expect(names()).to.include('heard'));
    const rule = proxy.onRequest(({ isWatch }) => isWatch, { kind: 'silence' });
    await make('unheard');
    await eventually(() => expect(rule.hits, 'it was sent').to.be.at.least(1));
    expect(names()).not.to.include('unheard');
    rule.remove();
    await eventually(() => expect(names()).to.include('unheard'));
    expect(troubles[0]).to.match(/^The watch ended: .*timeout/);
  });

  it('a slow watch: a Job recreated under the same name replaces the deleted one', async () => {
    await reflect();
    await make('twice');
    const uids = () =>
      [...informer.objects()]
        .filter(({ metadata }) => metadata.name === 'twice')
        .map(({ metadata }) => metadata.uid);
    await eventually(() => expect(uids()).to.have.length(1));
    const [first] = uids();
    const rule = proxy.onRequest(({ isWatch }) => isWatch, { kind: 'silence' });
    await api.call('DELETE', `${MAPS}/twice`);
    await make('twice');
    informer.remember(
      await new KubeClient(config).request<CachedObject>({ method: 'GET', path: `${MAPS}/twice` }),
    );
    const remembered = uids();
    rule.remove();
    expect(remembered).to.have.length(1);
    expect(remembered).not.to.include(first);
  });

  it('that is cut again and again after it has lived for a while: restarted at once, each time', async () => {
    // The pauses after failures in a row would come to a minute at least.
    await reflect();
    for (let cut = 1; cut <= 12; cut += 1) {
      const before = watches();
      await sleep(1_200);
      expect(proxy.cutWatches(), 'it is open').to.equal(1);
      await eventually(() => expect(watches()).to.equal(before + 1), { timeoutMilliseconds: 20_000 });
    }
    expect(troubles).to.have.length(12);
  });
});
