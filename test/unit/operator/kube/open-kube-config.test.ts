import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { openKubeConfig } from '../../../../src/operator/kube/open-kube-config.ts';

describe('a kubeconfig that cannot be read', () => {
  let folder: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'kubeconfig-'));
  });

  after(() => rmSync(folder, { recursive: true }));

  for (const [fact, text] of [
    ['an indentation that is wrong', 'users:\n- name: me\n  user:\n    token: hunter2\n   more: [\n'],
    ['a list that does not end', 'users: [{user: {token: hunter2}}\n'],
    ['a key twice', 'token: hunter2\ntoken: hunter2\n'],
  ] as const) {
    it(`${fact}: it is said where, and nothing of it is shown`, () => {
      const kubeconfig = join(folder, 'config');
      writeFileSync(kubeconfig, text);
      expect(() => openKubeConfig({ kubeconfig }))
        .to.throw(
          /^Cannot read the kubeconfig: .+ \(\d+:\d+\)\. Name a file that can be read by --kubeconfig\.$/,
        )
        .with.property('message')
        .that.does.not.include('hunter2');
    });
  }
});
