import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';
import type { KubeObject } from '../../../lab/kubernetes/test-api.ts';
import { GROUP, KIND } from '../../../src/contract/names.ts';
import { ARGO_CUSTOMIZATION, type ArgoActions, argoActions, argoHealth } from '../../support/health.ts';

const PATCH = new URL('../../../manifests/gitops/argocd-cm-patch.yaml', import.meta.url);

interface HealthTest {
  readonly healthStatus: object;
  readonly inputPath: string;
}

interface DiscoveryTest {
  readonly inputPath: string;
  readonly result: readonly { readonly name: string; readonly disabled: boolean }[];
}

interface ActionTest {
  readonly action: string;
  readonly inputPath: string;
  readonly expectedOutputPath: string;
}

function read(path: string): KubeObject {
  return parse(readFileSync(join(ARGO_CUSTOMIZATION, path), 'utf8'));
}

// The layout, and the form of its tests, are those of resource_customizations in Argo CD's own
// repository, whose test this does over with Argo CD's own Lua.
describe('what Argo CD is given for a GlanceSchema', () => {
  const health: readonly HealthTest[] = read('health_test.yaml').tests;
  const { discoveryTests, actionTests } = read('actions/action_test.yaml') as {
    readonly discoveryTests: readonly DiscoveryTest[];
    readonly actionTests: readonly ActionTest[];
  };
  let folder: string;
  let actions: string;

  before(async function () {
    this.timeout(1_200_000);
    await argoHealth([]);
    folder = mkdtempSync(join(tmpdir(), 'glance-schema-argocd-'));
    actions = join(folder, 'actions.yaml');
    const { data } = parse(readFileSync(PATCH, 'utf8'));
    writeFileSync(actions, data[`resource.customizations.actions.${GROUP}_${KIND}`]);
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  async function offered(object: object): Promise<ArgoActions> {
    const [answer] = await argoActions([object], actions);
    return answer ?? expect.fail('Argo CD has said nothing');
  }

  for (const { inputPath, healthStatus } of health) {
    it(`health: ${inputPath}`, async () => {
      expect(await argoHealth([read(inputPath)])).to.deep.equal([healthStatus]);
    });
  }

  for (const { inputPath, result } of discoveryTests) {
    it(`discovery: ${inputPath}`, async () => {
      const found = Object.entries(await offered(read(`actions/${inputPath}`)));
      const listed = found.map(([name, { disabled }]) => ({ name, disabled }));
      expect(listed.sort((one, other) => one.name.localeCompare(other.name))).to.deep.equal(result);
    });
  }

  for (const { action, inputPath, expectedOutputPath } of actionTests) {
    it(`${action}: ${inputPath}`, async () => {
      const { [action]: done } = await offered(read(`actions/${inputPath}`));
      expect(done?.object).to.deep.equal(read(`actions/${expectedOutputPath}`));
    });
  }

  it('each action and each file of test data has its test', () => {
    const folders = readdirSync(join(ARGO_CUSTOMIZATION, 'actions'), { withFileTypes: true });
    const names = folders.filter((entry) => entry.isDirectory() && entry.name !== 'testdata');
    expect(actionTests.map(({ action }) => action)).to.have.members(names.map(({ name }) => name));
    const used = [
      ...health.map(({ inputPath }) => inputPath),
      ...[...discoveryTests, ...actionTests].map(({ inputPath }) => `actions/${inputPath}`),
      ...actionTests.map(({ expectedOutputPath }) => `actions/${expectedOutputPath}`),
    ];
    for (const at of ['testdata', 'actions/testdata']) {
      const files = readdirSync(join(ARGO_CUSTOMIZATION, at)).map((name) => `${at}/${name}`);
      expect(used).to.include.members(files);
    }
  });
});
