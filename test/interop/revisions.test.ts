import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { installGlance, type RealGlance, runHere } from '../../lab/glance/real-glance.ts';
import { leaveOut } from '../../lab/process/needs.ts';
import { SCRIPTS } from '../../src/glance/revisions.ts';

type ScriptGraph = Readonly<Record<string, { readonly after: readonly string[]; readonly empty: boolean }>>;

const READER = fileURLToPath(new URL('script_graph.py', import.meta.url));

const OURS: ScriptGraph = Object.fromEntries(
  SCRIPTS.map(({ name, after, changes }) => [name, { after, empty: changes === undefined }]),
);

describe("the chain of revisions, against the real Glance's", () => {
  let glance: RealGlance;
  let folder = '';

  before(async function () {
    folder = mkdtempSync(join(tmpdir(), 'glance-schema-newest-'));
    glance = await installGlance().catch((error: Error) => leaveOut(this, error.message));
  });

  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  async function graph(archive: readonly string[]): Promise<ScriptGraph> {
    const { code, stdout, stderr } = await runHere(glance.program('python'), [READER, ...archive]);
    expect(code, stderr).to.equal(0);
    return JSON.parse(stdout);
  }

  it('is the same in the pinned release: what each script comes after, and whether it does anything', async () => {
    expect(sorted(await graph([]))).to.deep.equal(sorted(OURS));
  });

  it('has every revision of the newest Glance on PyPI', async function () {
    // Whatever Python it asks for: it is read, not run.
    const options = ['--quiet', '--no-deps', '--ignore-requires-python', '--only-binary', ':all:'];
    const got = await runHere(glance.program('pip'), ['download', ...options, '--dest', folder, 'glance']);
    const [archive] = readdirSync(folder);
    if (got.code !== 0 || archive === undefined) {
      const last = got.stderr.trim().split('\n').at(-1);
      return leaveOut(this, `Cannot ask PyPI for the newest Glance: ${last}`);
    }
    const theirs = await graph([join(folder, archive)]);
    const lacking = Object.keys(theirs).filter((name) => OURS[name] === undefined);
    const remedy = "do add it as docs/migrations.md says in 'How a revision is added'";
    expect(
      lacking,
      `${archive} has ${lacking.join(' and ')}, which our chain lacks: ${remedy}`,
    ).to.have.length(0);
    expect(sorted(theirs), archive).to.deep.equal(sorted(OURS));
  });
});

function sorted(graph: ScriptGraph): ScriptGraph {
  return Object.fromEntries(
    Object.entries(graph)
      .map(([name, { after, empty }]) => [name, { after: [...after].sort(), empty }] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}
