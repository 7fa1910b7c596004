import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { ensureBinaries } from '../../../lab/cluster/binaries.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { withBuildLock } from '../../../lab/tools/build-lock.ts';

const build = fileURLToPath(new URL('../../../lab/cluster/build.ts', import.meta.url));

describe('build of Kubernetes', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'glance-schema-build-'));
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** The etcd and kube-apiserver that a process with this environment finds. */
  async function ensuredIn(env: NodeJS.ProcessEnv): Promise<readonly string[]> {
    const script = `
      import { ensureBinaries } from ${JSON.stringify(new URL('../../../lab/cluster/binaries.ts', import.meta.url).href)};
      const { etcd, kubeApiserver } = await ensureBinaries();
      console.log(JSON.stringify([etcd, kubeApiserver]));`;
    const run = spawnSync(process.execPath, ['--input-type=module', '-e', script], { env, encoding: 'utf8' });
    return JSON.parse(run.stdout);
  }

  it('a missing Go is reported in one sentence', () => {
    const env = { PATH: folder, XDG_CACHE_HOME: folder, HOME: folder };
    const run = spawnSync(process.execPath, [build], { env, encoding: 'utf8' });
    expect(run.status).to.equal(1);
    expect(run.stderr).to.match(
      /^Go 1\.\d+\.\d+ or newer is needed .* `go` cannot be run here: install it .*\n$/,
    );
  });

  it('a missing Go is reported in one sentence where only a source is fetched', () => {
    const tools = new URL('../../../lab/tools/ensure-tool.ts', import.meta.url).href;
    const script = `
      import { toolSource } from ${JSON.stringify(tools)};
      await toolSource('argocd').catch(({ message }) => console.log(message));`;
    const run = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      env: { PATH: folder },
      encoding: 'utf8',
    });
    expect(run.stdout).to.match(
      /^Go 1\.\d+\.\d+ or newer is needed to fetch .* `go` cannot be run here: .*\n$/,
    );
  });

  it('a Go that is too old is reported in one sentence', () => {
    writeFileSync(join(folder, 'go'), '#!/bin/sh\necho go1.25.9\n', { mode: 0o755 });
    const env = { PATH: `${folder}:/bin:/usr/bin`, XDG_CACHE_HOME: folder, HOME: folder };
    const run = spawnSync(process.execPath, [build], { env, encoding: 'utf8' });
    expect(run.status).to.equal(1);
    expect(run.stderr).to.match(
      /^Go 1\.26\.0 or newer is needed .*, and go1\.25\.9 is here: install it .*\n$/,
    );
  });

  it('ready programs are taken from KUBEBUILDER_ASSETS, one by one', async () => {
    const binaries = await ensureBinaries();
    const assets = join(folder, 'envtest');
    mkdirSync(assets);
    symlinkSync(binaries.etcd, join(assets, 'etcd'));
    const env = { ...process.env, KUBEBUILDER_ASSETS: assets };
    expect(await ensuredIn(env)).to.deep.equal([join(assets, 'etcd'), binaries.kubeApiserver]);
  });

  it('a program of another version is left where it is', async () => {
    const binaries = await ensureBinaries();
    for (const [name, says] of [
      ['etcd', 'etcd Version: 3.4.30'],
      ['kube-apiserver', 'Kubernetes v1.29.3'],
    ]) {
      writeFileSync(join(folder, `${name}`), `#!/bin/sh\necho '${says}'\n`, { mode: 0o755 });
    }
    const env = { ...process.env, PATH: `${folder}:${process.env.PATH}` };
    expect(await ensuredIn(env)).to.deep.equal([binaries.etcd, binaries.kubeApiserver]);
  });

  it('two builds at once take turns', async () => {
    const lock = join(folder, 'lock');
    const log: string[] = [];
    const owners: number[] = [];
    const work = (name: string) => async () => {
      log.push(`${name} begins`);
      // The other one has seen that it has to wait.
      await eventually(() => expect(owners).to.deep.equal([process.pid]));
      log.push(`${name} ends`);
    };
    await Promise.all(
      ['one', 'other'].map((name) => withBuildLock(lock, (owner) => owners.push(owner), work(name))),
    );
    const first = log[0]?.split(' ')[0] ?? '';
    const second = first === 'one' ? 'other' : 'one';
    expect(log).to.deep.equal([`${first} begins`, `${first} ends`, `${second} begins`, `${second} ends`]);
    expect(owners).to.deep.equal([process.pid]);
  });

  it('the lock of a build that was killed is taken over', async () => {
    const killed = spawn(process.execPath, ['-e', '']);
    await new Promise((resolve) => killed.once('exit', resolve));
    const lock = join(folder, 'deep', 'lock');
    mkdirSync(dirname(lock));
    // Also where its number is another process's by now, and where it was killed before it wrote it.
    for (const owner of [String(killed.pid), `${killed.pid} 1`, `${process.pid} 1`, '']) {
      writeFileSync(lock, owner);
      const built = withBuildLock(
        lock,
        () => expect.fail('it waited'),
        async () => 'built',
      );
      expect(await built, owner).to.equal('built');
      expect(readdirSync(dirname(lock)), 'nothing is left').to.deep.equal([]);
    }
  });
});
