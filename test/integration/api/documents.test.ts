import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { parseAllDocuments } from 'yaml';
import { type ControlPlane, startControlPlane } from '../../../lab/kubernetes/control-plane.ts';
import { crdsEstablished, kubectl } from '../../../lab/kubernetes/kubectl.ts';
import { prometheusOperatorCrds } from '../../support/prometheus-operator-crds.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const DOCUMENTS = [
  'README.md',
  'CONTRIBUTING.md',
  'AGENTS.md',
  'SECURITY.md',
  ...globSync('docs/**/*.md', { cwd: ROOT }),
];

interface Block {
  readonly document: string;
  readonly language: string;
  readonly text: string;
}

const BLOCKS: readonly Block[] = DOCUMENTS.flatMap((document) =>
  [...read(document).matchAll(/^[ ]*```([a-z]+)\n([\s\S]*?)^[ ]*```/gm)].map(
    ([, language = '', text = '']) => ({
      document,
      language,
      text,
    }),
  ),
);

function read(document: string): string {
  return readFileSync(`${ROOT}${document}`, 'utf8');
}

/** Every command line in the documents, prompts and comments taken off. */
function commandsThatBegin(
  program: string,
): readonly { readonly document: string; readonly command: string }[] {
  return BLOCKS.filter((block) => ['sh', 'console'].includes(block.language)).flatMap(({ document, text }) =>
    text
      .split('\n')
      .map((line) =>
        line
          .trim()
          .replace(/^\$ /, '')
          .replace(/\s+#.*$/, ''),
      )
      .filter((line) => line.startsWith(`${program} `))
      .map((command) => ({ document, command })),
  );
}

describe('the documents', () => {
  it('link to files and headings that are there', () => {
    for (const document of DOCUMENTS) {
      for (const [, target = ''] of read(document).matchAll(/\]\(([^)]+)\)/g)) {
        if (/^https?:/.test(target)) continue;
        const [path = '', heading] = target.split('#');
        const file = new URL(path, new URL(document, `file://${ROOT}`));
        expect(existsSync(file), `${document}: ${target}`).to.equal(true);
        if (heading !== undefined) {
          const headings = [...readFileSync(file, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, text = '']) =>
            text
              .toLowerCase()
              .replace(/[^a-z0-9 -]/g, '')
              .replaceAll(' ', '-'),
          );
          expect(headings, `${document}: ${target}`).to.include(heading);
        }
      }
    }
  });

  const ours = commandsThatBegin('glance-schema');
  it('show commands of ours', () => expect(ours).to.have.length.greaterThan(3));
  for (const { document, command } of ours) {
    it(`${document}: ${command}`, () => {
      const words = command.split(' ').slice(1);
      const verbs = words.slice(0, words[0] === 'db' ? 2 : 1);
      const help = execFileSync(process.execPath, [`${ROOT}dist/glance-schema.js`, ...verbs, '--help'], {
        encoding: 'utf8',
      });
      for (const flag of words.filter((word) => word.startsWith('--'))) {
        expect(help).to.contain(flag);
      }
      expect(help).to.contain(`Usage: glance-schema ${verbs.join(' ')}`);
    });
  }

  const targets = [...read('Makefile').matchAll(/^([a-z0-9-]+):/gm)].map(([, target]) => target);
  for (const { document, command } of commandsThatBegin('make')) {
    it(`${document}: ${command}`, () => {
      expect(targets).to.include(command.split(' ')[1]);
    });
  }

  it('and samples have every revision in quotes, which YAML would take for a number now or later', () => {
    const files = [...DOCUMENTS, ...globSync('{manifests,charts}/**/*.yaml', { cwd: ROOT })];
    const lines = files
      .filter((file) => !file.includes('/crds/'))
      .flatMap((file) =>
        read(file)
          .split('\n')
          .map((line) => `${file}: ${line}`),
      )
      .filter((line) => /^[^:]+:\s+(- |\+ )?revision:/.test(line));
    expect(lines.length).to.be.greaterThan(3);
    expect(lines.filter((line) => !/revision: "[^"]+"/.test(line))).to.deep.equal([]);
  });

  describe('on a real API server', () => {
    let plane: ControlPlane;

    before(async () => {
      plane = await startControlPlane({ controllers: false });
      const applied = await kubectl(plane.kubeconfigPath, ['apply', '-k', `${ROOT}manifests`]);
      expect(applied.code, applied.stderr).to.equal(0);
      for (const file of await prometheusOperatorCrds()) {
        const crd = await kubectl(plane.kubeconfigPath, ['apply', '--server-side', '-f', file]);
        expect(crd.code, crd.stderr).to.equal(0);
      }
      await crdsEstablished(plane.kubeconfigPath);
      await kubectl(plane.kubeconfigPath, ['create', 'namespace', 'openstack']);
      // Glance's own, which the documents stop and start.
      const glance = ['create', 'deployment', 'glance-api', '--image=glance-api', '-n', 'openstack'];
      await kubectl(plane.kubeconfigPath, glance);
      // Argo CD's, which the documents patch.
      await kubectl(plane.kubeconfigPath, ['create', 'namespace', 'argocd']);
      await kubectl(plane.kubeconfigPath, ['create', 'configmap', 'argocd-cm', '-n', 'argocd']);
    });

    after(async () => {
      await plane?.stop();
    });

    for (const { document, text } of BLOCKS.filter((block) => block.language === 'yaml')) {
      it(`${document}: the sample is taken`, async () => {
        for (const parsed of parseAllDocuments(text)) {
          const result = await kubectl(plane.kubeconfigPath, ['apply', '-f', '-'], {
            input: parsed.toString(),
          });
          expect(result.code, result.stderr).to.equal(0);
        }
      });
    }

    const cluster = commandsThatBegin('kubectl').filter(
      // These wait for what does not run here, follow a log, take everything away, or have tests of
      // their own.
      ({ command }) =>
        !/kubectl (wait|rollout status|create namespace|logs|delete|glanceschema|krew)/.test(command),
    );
    for (const { document, command } of cluster) {
      it(`${document}: ${command}`, async () => {
        const args = words(command).slice(1);
        const file = args.indexOf('-f');
        if (file >= 0) {
          args[file + 1] = `${ROOT}manifests/samples/glance-schema.yaml`;
        }
        const result = await kubectl(plane.kubeconfigPath, args, { cwd: ROOT });
        expect(result.code, result.stderr).to.equal(0);
      });
    }
  });
});

/** Splits a command line as a shell does, for the quoting that the documents use. */
function words(command: string): string[] {
  return [...command.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g)].map(([word]) =>
    word.replace(
      /'([^']*)'|"([^"]*)"/g,
      (_match, single?: string, double?: string) => single ?? double ?? '',
    ),
  );
}
