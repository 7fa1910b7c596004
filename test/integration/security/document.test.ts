import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { build } from 'esbuild';
import { renderManifests } from '../../../lab/kubernetes/manifests.ts';
import type { KubeObject } from '../../../lab/kubernetes/test-api.ts';
import { NEVER_LOADED } from '../../../scripts/never-loaded.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const DOCUMENT = readFileSync(`${ROOT}docs/security.md`, 'utf8');

/** `group/resource: verbs`, as a row of the document has it. */
function rowOf(rule: KubeObject): readonly string[] {
  return rule.apiGroups.flatMap((group: string) =>
    rule.resources.map((resource: string) => `${group}/${resource}: ${rule.verbs.join(', ')}`),
  );
}

describe('docs/security.md', () => {
  it('lists the rights that the manifests give, one by one', async () => {
    const rows = [...DOCUMENT.matchAll(/^\| `([^`]*\/[^`]*)` \| ([a-z, ]+) \|/gm)];
    const folders = ['manifests/overlays/cluster', 'manifests/roll-outs'];
    const objects = (await Promise.all(folders.map((folder) => renderManifests(folder)))).flat();
    const given = objects
      .filter(({ kind }) => kind === 'ClusterRole' || kind === 'Role')
      // The others are for people.
      .filter(({ metadata }) => /-(operator|leader|roll-outs)$/.test(metadata?.name ?? ''));
    expect(rows.map(([, resource, verbs]) => `${resource}: ${verbs}`)).to.have.members(
      given.flatMap(({ rules }) => rules.flatMap(rowOf)),
    );
  });
});

interface Sbom {
  readonly bomFormat: string;
  readonly metadata: { readonly component: { readonly name: string; readonly version: string } };
  readonly components: readonly {
    readonly 'bom-ref': string;
    readonly name: string;
    readonly version: string;
    readonly purl: string;
    readonly hashes?: readonly unknown[];
    readonly licenses?: readonly unknown[];
  }[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

describe('make sbom', () => {
  let sbom: Sbom;
  let names: ReadonlySet<string>;
  const { version, dependencies, devDependencies } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'));

  before(() => {
    execFileSync(process.execPath, ['scripts/sbom.ts'], { cwd: ROOT, stdio: 'pipe' });
    sbom = JSON.parse(readFileSync(`${ROOT}dist/glance-schema.cdx.json`, 'utf8'));
    names = new Set(sbom.components.map(({ name }) => name));
  });

  it('is of this project, in CycloneDX', () => {
    expect(sbom.bomFormat).to.equal('CycloneDX');
    expect(sbom.metadata.component).to.include({ name: 'glance-schema', version });
  });

  it('lists every package that the program asks for, at the version that is installed', () => {
    const listed = sbom.components.map(({ name, version }) => `${name}@${version}`);
    const wanted = Object.entries(dependencies).map(([name, version]) => `${name}@${version}`);
    expect(listed).to.include.members(wanted);
  });

  it('lists every package that the bundle is made of', async () => {
    const { metafile } = await build({
      entryPoints: [`${ROOT}src/main.ts`],
      absWorkingDir: ROOT,
      bundle: true,
      platform: 'node',
      format: 'esm',
      outdir: 'unused',
      write: false,
      metafile: true,
      logLevel: 'silent',
      external: NEVER_LOADED,
    });
    const packages = new Set(
      Object.keys(metafile.inputs).flatMap(
        (path) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? [],
      ),
    );
    expect(packages.size).to.be.greaterThan(20);
    expect([...packages].filter((name) => !names.has(name))).to.deep.equal([]);
  });

  it('lists none of the tools of development', () => {
    const tools = Object.keys(devDependencies).filter((name) => !name.startsWith('@types/'));
    expect(tools.filter((name) => names.has(name))).to.deep.equal([]);
  });

  it('says of each package where it is from, what it must be, and under which licence', () => {
    for (const { name, purl, hashes = [], licenses = [] } of sbom.components) {
      expect(purl, name).to.match(/^pkg:npm\//);
      expect(hashes.length, `hashes of ${name}`).to.be.greaterThan(0);
      expect(licenses.length, `licences of ${name}`).to.be.greaterThan(0);
    }
  });

  it('names in its dependencies only what it lists', () => {
    const refs = new Set(sbom.components.map((component) => component['bom-ref']));
    expect(sbom.dependencies.length).to.equal(refs.size + 1);
    expect(
      sbom.dependencies.flatMap(({ dependsOn }) => dependsOn).filter((ref) => !refs.has(ref)),
    ).to.deep.equal([]);
  });
});

describe('make audit', () => {
  it('asks for vulnerabilities in what is shipped, of severity high and more', () => {
    const { stdout } = spawnSync('make', ['--dry-run', 'audit'], { cwd: ROOT, encoding: 'utf8' });
    expect(stdout).to.contain('npm audit --omit=dev --audit-level=high');
  });
});
