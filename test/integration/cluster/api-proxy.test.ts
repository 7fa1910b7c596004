import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { type ApiProxy, startApiProxy } from '../../../lab/kubernetes/api-proxy.ts';
import { type ControlPlane, startControlPlane } from '../../../lab/kubernetes/control-plane.ts';
import { kubectl } from '../../../lab/kubernetes/kubectl.ts';
import { type KubeObject, type TestApi, testApi } from '../../../lab/kubernetes/test-api.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { startServerProcess } from '../../../lab/process/server-process.ts';

const maps = '/api/v1/namespaces/default/configmaps';

describe('API proxy', () => {
  let plane: ControlPlane;
  let proxy: ApiProxy;
  let direct: TestApi;
  let proxied: TestApi;

  before(async () => {
    plane = await startControlPlane({ controllers: false });
    proxy = await startApiProxy(plane);
    direct = plane.api();
    proxied = testApi({ server: proxy.server, token: plane.adminToken, ca: readFileSync(plane.caFile) });
  });

  after(async () => {
    proxied?.close();
    await proxy?.stop();
    await plane?.stop();
  });

  async function exists(name: string): Promise<boolean> {
    return (await direct.request('GET', `${maps}/${name}`)).status === 200;
  }

  async function failureOf(call: Promise<unknown>): Promise<Error> {
    try {
      await call;
    } catch (error) {
      if (error instanceof Error) return error;
    }
    throw new Error('the call succeeded');
  }

  it('kubectl works through it', async () => {
    const result = await kubectl(proxy.kubeconfig(plane.adminToken), ['create', 'configmap', 'plain']);
    expect(result).to.include({ code: 0, stdout: 'configmap/plain created\n' });
    expect(await exists('plain')).to.equal(true);
  });

  it('answers 409 as often as it is asked, and never asks the API server for it', async () => {
    const matches = (request: { method: string }): boolean => request.method === 'PATCH';
    const rule = proxy.onRequest(matches, { kind: 'respond', status: 409, reason: 'Conflict' }, { times: 1 });
    const patch = { data: { key: 'value' } };
    const first = await proxied.request('PATCH', `${maps}/plain`, patch);
    expect([first.status, first.body.reason]).to.deep.equal([409, 'Conflict']);
    expect((await direct.call('GET', `${maps}/plain`)).data).to.equal(undefined);
    expect((await proxied.request('PATCH', `${maps}/plain`, patch)).status).to.equal(200);
    expect(rule.hits).to.equal(1);
  });

  it('a dropped request has no effect, a dropped answer has had it', async () => {
    const named = (name: string) => (request: { body: KubeObject }) => request.body.metadata?.name === name;
    proxy.onRequest(named('unsent'), { kind: 'drop' });
    proxy.onRequest(named('unheard'), { kind: 'drop-answer' });
    await failureOf(proxied.request('POST', maps, configMap('unsent')));
    await failureOf(proxied.request('POST', maps, configMap('unheard')));
    expect(await exists('unsent')).to.equal(false);
    expect(await exists('unheard')).to.equal(true);
  });

  it('a process can be killed right before and right after its effect', async () => {
    for (const moment of ['before', 'after'] as const) {
      const name = `killed-${moment}`;
      const victim = startServerProcess({
        name: 'client',
        path: process.execPath,
        args: ['--input-type=module', '-e', creates(name, proxy.server, plane)],
        logFile: `${plane.folder}/logs/client.log`,
      });
      const kill = (): 'drop' => {
        victim.kill('SIGKILL');
        return 'drop';
      };
      const rule = proxy.onRequest((request) => request.body.metadata?.name === name, {
        kind: 'call',
        [moment]: kill,
      });
      expect((await victim.ended).signal).to.equal('SIGKILL');
      expect(rule.hits).to.equal(1);
      expect(await exists(name), name).to.equal(moment === 'after');
    }
  });

  it('watches stream, stand still while it is frozen, and break when they are cut', async () => {
    const seen: string[] = [];
    const watching = proxied.watch(
      `${maps}?watch=true`,
      (event) => seen.push(event.object.metadata?.name ?? ''),
      new AbortController().signal,
    );
    await direct.call('POST', maps, configMap('streamed'));
    await eventually(() => expect(seen).to.include('streamed'));

    proxy.freeze();
    await direct.call('POST', maps, configMap('late'));
    const held = proxied.request('GET', `${maps}/late`);
    await sleep(300);
    expect(seen).not.to.include('late');
    proxy.thaw();
    expect((await held).status).to.equal(200);
    await eventually(() => expect(seen).to.include('late'));

    const broken = failureOf(watching);
    expect(proxy.cutWatches()).to.equal(1);
    expect((await broken).message).to.match(/aborted|hang up|ECONNRESET/);
  });

  it('remembers what it was asked and what it answered', () => {
    const patches = proxy.requests.filter((request) => request.method === 'PATCH');
    expect(patches.map((request) => request.status)).to.deep.equal([409, 200]);
  });
});

/** A program that creates one ConfigMap by way of the proxy. */
function creates(name: string, server: string, plane: ControlPlane): string {
  const module = new URL('../../../lab/kubernetes/test-api.ts', import.meta.url).href;
  const client = { server, token: plane.adminToken, ca: readFileSync(plane.caFile, 'utf8') };
  return `
    import { testApi } from ${JSON.stringify(module)};
    await testApi(${JSON.stringify(client)}).call('POST', ${JSON.stringify(maps)}, ${JSON.stringify(configMap(name))});`;
}

function configMap(name: string): KubeObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } };
}
