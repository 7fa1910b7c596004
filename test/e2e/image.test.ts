import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { builtImage, filesOf, type ImageConfig, imageSizes, unpackImage } from '../../lab/container/image.ts';
import { ownContent } from '../../lab/kubernetes/cluster-content.ts';
import { type ControlPlane, startControlPlane } from '../../lab/kubernetes/control-plane.ts';
import { writeKubeconfig } from '../../lab/kubernetes/kubeconfig.ts';
import { freePort } from '../../lab/process/free-port.ts';
import { processUse } from '../../lab/process/process-use.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const { version, license } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

const MEGABYTE = 1_000_000;

/** What each file is under, by the beginning of its path. */
const LICENCES: readonly (readonly [RegExp, string])[] = [
  [/^\/app\/LICENSE$/, '/app/LICENSE'],
  [/^\/app\//, '/app/THIRD-PARTY-LICENSES.txt'],
  [/^\/usr\/bin\/node$/, '/usr/share/doc/nodejs/LICENSE'],
  [/^\/lib(64)?\/.*\/?libgcc_s/, '/usr/share/doc/libgcc-s1/copyright'],
  [/^\/lib(64)?\/.*\/?libstdc/, '/usr/share/doc/libstdc++6/copyright'],
  [/^\/lib(64)?\//, '/usr/share/doc/libc6/copyright'],
  [/^\/etc\/(passwd|group)$/, '/app/LICENSE'],
  [/^\/usr\/share\/doc\//, '/app/LICENSE'],
];

describe('the image, built from the Dockerfile', () => {
  let scratch: string;
  let folder: string;
  let config: ImageConfig;
  let files: readonly string[];

  before(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'glance-schema-image-'));
    folder = join(scratch, 'operator');
    config = await unpackImage(builtImage('operator').archive, folder);
    files = await filesOf(folder);
  });

  after(() => rmSync(scratch, { recursive: true, force: true }));

  it('is at most 70 MB compressed', async () => {
    const { plain, gzip } = await imageSizes(builtImage('operator').archive);
    const told = (bytes: number): string => `${(bytes / MEGABYTE).toFixed(1)} MB`;
    process.stdout.write(`      ${told(gzip)} compressed, ${told(plain)} as it is\n`);
    expect(gzip).to.be.lessThan(70 * MEGABYTE);
  });

  it('has a user that is not root, by its number, and labels that say what it is', () => {
    expect(config.User).to.equal('65532:65532');
    expect(config.Labels).to.deep.include({
      'org.opencontainers.image.title': 'glance-schema',
      'org.opencontainers.image.version': version,
      'org.opencontainers.image.licenses': license,
    });
    expect(config.Labels['org.opencontainers.image.description']).to.match(/Glance/);
  });

  it('has the licence of everything in it', () => {
    for (const file of files) {
      const [, licence] = LICENCES.find(([pattern]) => pattern.test(file)) ?? [];
      expect(licence, file).not.to.equal(undefined);
      expect(files, file).to.include(licence);
    }
  });

  it('holds no file that its user could change', () => {
    const { stdout } = spawnSync(
      'find',
      [folder, '-not', '-type', 'l', '(', '-uid', '65532', '-o', '-perm', '-o+w', ')'],
      {
        encoding: 'utf8',
      },
    );
    expect(stdout.trim().split('\n')).to.deep.equal([join(folder, 'tmp')]);
  });

  it('with-clients has pg_dump and mariadb-dump besides', async () => {
    const clients = join(scratch, 'clients');
    const { User } = await unpackImage(builtImage('with-clients').archive, clients);
    expect(User).to.equal('65532:65532');
    for (const program of ['pg_dump', 'mariadb-dump', 'node']) {
      const said = spawnSync('chroot', ['--userspec=65532:65532', clients, program, '--version'], {
        encoding: 'utf8',
        // Not everybody who is root has the folders of root's programs on the PATH.
        env: { PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
      });
      expect(said.status, `${program}: ${said.error?.message ?? said.stderr}`).to.equal(0);
    }
    rmSync(clients, { recursive: true });
  });

  describe('controller', () => {
    let plane: ControlPlane;

    before(async () => {
      plane = await startControlPlane({ controllers: false, content: ownContent('none') });
      copyFileSync(plane.caFile, join(folder, 'tmp/ca.crt'));
      const { server, adminToken } = plane;
      writeKubeconfig(join(folder, 'tmp/kubeconfig'), { server, caFile: '/tmp/ca.crt', token: adminToken });
      spawnSync('chmod', ['-R', 'a+r', join(folder, 'tmp')]);
    });

    after(() => plane?.stop());

    // What it computes, and not how long that takes, which on a busy machine tells of the machine.
    it('is ready once it has computed for less than a second', async () => {
      const { computed, took } = await start();
      process.stdout.write(
        `      ready after ${took.toFixed(0)} ms, ${computed.toFixed(0)} ms of them computing\n`,
      );
      expect(computed).to.be.lessThan(1000);
    });

    /** Until it is ready, in milliseconds. */
    async function start(): Promise<{ readonly computed: number; readonly took: number }> {
      const [health, metrics] = [await freePort(), await freePort()];
      const settings = [
        '--kubeconfig=/tmp/kubeconfig',
        '--image=glance-schema:test',
        '--no-leader-elect',
        `--health-address=127.0.0.1:${health}`,
        `--metrics-address=127.0.0.1:${metrics}`,
      ];
      const [program = '', ...args] = config.Entrypoint;
      const began = performance.now();
      const command = ['--userspec=65532:65532', folder, program, ...args, 'controller', ...settings];
      const child = spawn('chroot', command, {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: { PATH: '/usr/sbin:/usr/bin' },
      });
      let said = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
      const exited = once(child, 'exit');
      try {
        for (;;) {
          const answer = await fetch(`http://127.0.0.1:${health}/readyz`).catch(() => null);
          if (answer?.ok === true)
            return { computed: 1000 * processUse(child.pid ?? 0).cpu, took: performance.now() - began };
          if (child.exitCode !== null || performance.now() - began > 60_000)
            throw new Error(`The operator does not become ready: ${said}`);
          await sleep(5);
        }
      } finally {
        child.kill('SIGKILL');
        await exited;
      }
    }
  });
});
