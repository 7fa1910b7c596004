import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HttpMethod, RequestContext } from '@kubernetes/client-node';
import { expect } from 'chai';
import type { Dispatcher } from 'undici';
import { PooledKubeConfig } from '../../../../src/operator/kube/pooled-kube-config.ts';

const SERVER = 'https://127.0.0.1:6443';

describe('connections to the API server', () => {
  let folder: string;
  let caFile: string;
  let config: PooledKubeConfig;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pool-'));
    caFile = join(folder, 'ca.crt');
    writeFileSync(caFile, 'first\n'.repeat(200));
    config = new PooledKubeConfig(0);
    config.loadFromClusterAndUser(
      { name: 'here', server: SERVER, caFile, skipTLSVerify: false },
      { name: 'me', token: 'secret' },
    );
  });

  afterEach(async () => {
    await config.close();
    rmSync(folder, { recursive: true });
  });

  async function dispatcher(): Promise<Dispatcher | undefined> {
    const context = new RequestContext(`${SERVER}/api`, HttpMethod.GET);
    await config.applySecurityAuthentication(context);
    return context.getDispatcher();
  }

  it('are of one pool, whose name no request writes again as JSON', async () => {
    const { toJSON } = Buffer.prototype;
    let texts = 0;
    Buffer.prototype.toJSON = function (this: Buffer) {
      texts += 1;
      return toJSON.call(this);
    };
    try {
      const first = await dispatcher();
      expect(first).not.to.equal(undefined);
      expect(await dispatcher()).to.equal(first);
      expect(await dispatcher()).to.equal(first);
    } finally {
      Buffer.prototype.toJSON = toJSON;
    }
    expect(texts).to.equal(0);
  });

  it('are of another pool once the CA is another', async () => {
    const first = await dispatcher();
    writeFileSync(caFile, 'secnd\n'.repeat(200));
    const second = await dispatcher();
    expect(second).not.to.equal(first);
    expect(await dispatcher()).to.equal(second);
  });

  it('are asked for as the user that there is now, once a 401 says that the one before holds no more', async () => {
    const first = await config.access();
    expect([first.origin, first.host, first.prefix]).to.deep.equal([SERVER, '127.0.0.1:6443', '']);
    expect(first.headers).to.include({ Authorization: 'Bearer secret' });
    config.users = [{ name: 'me', token: 'another' }];
    config.forgetAccess();
    expect((await config.access()).headers).to.include({ Authorization: 'Bearer another' });
  });

  for (const [fact, exec, said] of [
    [
      'says why',
      { command: 'sh', args: ['-c', 'echo the login is over >&2; exit 3'] },
      ': the login is over',
    ],
    ['says nothing', { command: 'sh', args: ['-c', 'exit 3'] }, ''],
    ['is missing', { command: 'no-such-program' }, ': spawn no-such-program ENOENT'],
  ] as const) {
    it(`cannot be made where the program that gives the credentials ${fact}`, async () => {
      const apiVersion = 'client.authentication.k8s.io/v1';
      config.users = [{ name: 'me', exec: { apiVersion, interactiveMode: 'Never', ...exec } }];
      const { message } = await config.access().then(
        () => new Error('there is access'),
        (error: Error) => error,
      );
      expect(message).to.equal(
        `Cannot get the credentials of the context 'loaded-context'${said}. Log in again, or correct the user of that context in the kubeconfig.`,
      );
    });
  }
});
