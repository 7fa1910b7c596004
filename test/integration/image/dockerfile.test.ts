import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

// Without buildah: the build stage's last step is run on exactly the files that the Dockerfile
// copies. `make test-e2e` builds the image.

const root = fileURLToPath(new URL('../../..', import.meta.url));
const lines = readFileSync(join(root, 'Dockerfile'), 'utf8').split('\n');

describe('Dockerfile', () => {
  let folder: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'glance-schema-image-'));
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  it('bases are arguments', () => {
    const from = lines.filter((line) => line.startsWith('FROM ')).map((line) => line.split(' '));
    const stages = from.map(([, , , name]) => name);
    const bases = from.map(([, base]) => base).filter((base) => !stages.includes(base));
    expect(bases).to.have.length(2);
    for (const base of bases) expect(base).to.match(/^\$\{[A-Z]+_IMAGE\}$/);
  });

  it('the user is a number, which `runAsNonRoot` can check', () => {
    const users = lines.filter((line) => line.startsWith('USER '));
    // Of each image the last one counts.
    expect(users.at(0)).to.match(/^USER [1-9]\d*:[1-9]\d*$/);
    expect(users.at(-1)).to.equal(users.at(0));
  });

  it('what it copies is enough to build the bundle, and the ignore file lets it through', () => {
    const allowed = readFileSync(join(root, '.dockerignore'), 'utf8').split('\n');
    for (const { sources, target } of copies()) {
      for (const source of sources) {
        expect(allowed, '.dockerignore').to.include(`!${source}`);
        const destination = target.endsWith('/')
          ? join(folder, target, source.split('/').at(-1) ?? '')
          : join(folder, target);
        mkdirSync(dirname(destination), { recursive: true });
        cpSync(join(root, source), destination, { recursive: true });
      }
    }
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    const built = spawnSync(process.execPath, ['scripts/build.ts'], { cwd: folder, encoding: 'utf8' });
    expect(built.stderr + built.error, 'build').to.equal('undefined');
    expect(existsSync(join(folder, 'dist/glance-schema.js'))).to.equal(true);
  });

  it('the bundle starts without the packages', () => {
    rmSync(join(folder, 'node_modules'));
    const started = spawnSync(process.execPath, ['dist/glance-schema.js', '--help'], {
      cwd: folder,
      encoding: 'utf8',
    });
    expect(started.stderr).to.equal('');
    expect(started.stdout).to.match(/^Usage: glance-schema /);
  });
});

/** The COPY lines that take files of the repository. */
function copies(): readonly { readonly sources: readonly string[]; readonly target: string }[] {
  return lines
    .filter((line) => line.startsWith('COPY ') && !line.includes('--from='))
    .map((line) => line.split(/\s+/).slice(1))
    .map((words) => ({ sources: words.slice(0, -1), target: words.at(-1) ?? '' }));
}
