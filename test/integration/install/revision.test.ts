import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { ownContent } from '../../../lab/kubernetes/cluster-content.ts';
import { type ControlPlane, startControlPlane } from '../../../lab/kubernetes/control-plane.ts';
import { helm, prepareHelm } from '../../../lab/kubernetes/helm.ts';
import { kubectl } from '../../../lab/kubernetes/kubectl.ts';
import type { TestApi } from '../../../lab/kubernetes/test-api.ts';
import { withoutUndefined } from '../../../src/glance/without-undefined.ts';

const SCHEMAS = '/apis/db.glance.openstack.org/v1alpha1/namespaces/default/glanceschemas';

/** The text of a resource, with what stands behind `revision:` as a user writes it. */
function text(revision: string | undefined, name = 'glance'): string {
  return [
    'apiVersion: db.glance.openstack.org/v1alpha1',
    'kind: GlanceSchema',
    'metadata:',
    `  name: ${name}`,
    'spec:',
    ...(revision === undefined ? [] : [`  revision: ${revision}`]),
    '  suspend: true',
    '  database:',
    '    secretRef:',
    '      name: glance-db',
    '',
  ].join('\n');
}

describe('spec.revision, as text', () => {
  let plane: ControlPlane;
  let api: TestApi;
  let folder: string;

  before(async function () {
    this.timeout(1_200_000);
    await prepareHelm();
    folder = mkdtempSync(join(tmpdir(), 'glance-schema-revision-'));
    plane = await startControlPlane({ controllers: false, content: ownContent('none') });
    api = plane.api();
  });

  after(async () => {
    await plane?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  afterEach(async () => {
    await succeeds(['delete', 'glanceschemas', '--all']);
  });

  async function run(args: readonly string[], input?: string) {
    return kubectl(plane.kubeconfigPath, args, withoutUndefined({ input }));
  }

  async function succeeds(args: readonly string[], input?: string): Promise<string> {
    const result = await run(args, input);
    expect(result.code, result.stderr).to.equal(0);
    return result.stdout;
  }

  /** Applies the text, and gives what the API server has then. */
  async function taken(input: string, ...flags: readonly string[]): Promise<string> {
    await succeeds(['apply', ...flags, '-f', '-'], input);
    const { metadata, spec } = await api.call('GET', `${SCHEMAS}/glance`);
    expect(metadata?.generation, 'one write').to.equal(1);
    return `${spec.revision}`;
  }

  describe('is taken', () => {
    const NAMES: readonly (readonly [string, string])[] = [
      ['"2024_1_01"', '2024_1_01'],
      ["'2023_1_01'", '2023_1_01'],
      ['2024_1_01', '2024101'],
      ['2023_1_01', '2023101'],
      ['2024101', '2024101'],
      ['2024101.0', '2024101'],
      ['2.024101e+06', '2024101'],
      ['"2024101"', '2024101'],
      ['"2.024101e+06"', '2.024101e+06'],
      ["'2.023101e+06'", '2.023101e+06'],
      ['"2024101.0"', '2024101.0'],
      ['ocata01', 'ocata01'],
      ['"2024.1"', '2024.1'],
      ['Caracal', 'Caracal'],
      ['latest', 'latest'],
    ];
    for (const [written, stored] of NAMES) {
      for (const flags of [[], ['--server-side']]) {
        it(`revision: ${written}, by kubectl apply ${flags.join(' ')}`, async () => {
          expect(await taken(text(written), ...flags)).to.equal(stored);
        });
      }
    }

    it('as the revision that it stands for: an earlier one is refused afterwards, however it is written', async () => {
      await succeeds(['apply', '-f', '-'], text('2024_1_01'));
      await api.call('PATCH', `${SCHEMAS}/glance/status`, {
        status: { recordedRevision: '2024_1_01', recordedPhase: 'Contract' },
      });
      for (const same of ['2024101', '"2.024101e+06"', '"2024_1_01"', 'latest', 'caracal']) {
        await succeeds(['apply', '-f', '-'], text(same));
      }
      for (const lower of ['2023_1_01', '2023101', '"2.023101e+06"', 'zed01']) {
        const refused = await run(['apply', '-f', '-'], text(lower));
        expect(refused.stderr, lower).to.contain('Cannot lower the revision to');
      }
    });
  });

  describe('is taken from a chart', () => {
    /** A chart of a user's own, with the template as people write it. */
    function chartOf(template: string, values: string): string {
      const chart = mkdtempSync(join(folder, 'chart-'));
      mkdirSync(join(chart, 'templates'));
      writeFileSync(join(chart, 'Chart.yaml'), 'apiVersion: v2\nname: glance\nversion: 1.0.0\n');
      writeFileSync(join(chart, 'values.yaml'), values);
      writeFileSync(join(chart, 'templates', 'schema.yaml'), text(template));
      return chart;
    }

    const TEMPLATES = [
      '{{ .Values.revision }}',
      '{{ .Values.revision | quote }}',
      '"{{ .Values.revision }}"',
    ];
    const VALUES = ['2024_1_01', '"2024_1_01"', '2024101', 'latest'];
    for (const template of TEMPLATES) {
      for (const value of VALUES) {
        it(`${template}, with revision: ${value} in a values file`, async () => {
          const chart = chartOf(template, `revision: ${value}\n`);
          const rendered = await helm(['template', 'glance', chart]);
          expect(rendered.code, rendered.stderr).to.equal(0);
          await taken(rendered.stdout);
        });
      }

      for (const flag of ['--set', '--set-string', '--set-json']) {
        const value = flag === '--set-json' ? '2.024101e6' : '2024_1_01';
        it(`${template}, with ${flag} revision=${value}, installed by helm itself`, async () => {
          const chart = chartOf(template, 'revision: ocata01\n');
          const installed = await helm(
            ['install', 'glance', chart, flag, `revision=${value}`],
            plane.kubeconfigPath,
          );
          expect(installed.code, installed.stderr).to.equal(0);
          const { spec } = await api.call('GET', `${SCHEMAS}/glance`);
          expect(['2024_1_01', '2024101', '2.024101e+06']).to.include(String(spec.revision));
          await helm(['uninstall', 'glance'], plane.kubeconfigPath);
        });
      }
    }
  });

  describe('is taken from kustomize', () => {
    function kustomizationOf(revision: string, kustomization: string): string {
      const place = mkdtempSync(join(folder, 'kustomize-'));
      writeFileSync(join(place, 'schema.yaml'), text(revision));
      writeFileSync(join(place, 'kustomization.yaml'), `resources: [schema.yaml]\n${kustomization}`);
      return place;
    }

    for (const written of ['2024_1_01', '"2024_1_01"']) {
      it(`revision: ${written}`, async () => {
        const rendered = await succeeds(['kustomize', kustomizationOf(written, '')]);
        await taken(rendered);
      });

      it(`revision: ${written}, by a patch`, async () => {
        const patch = `patches:\n  - target: {kind: GlanceSchema}\n    patch: |\n      - {op: replace, path: /spec/revision, value: ${written}}\n`;
        await taken(await succeeds(['kustomize', kustomizationOf('ocata01', patch)]));
      });
    }

    it('with a variable in quotes, which it takes off before Flux puts the value in', async () => {
      const rendered = await succeeds(['kustomize', kustomizationOf(`"\${REVISION}"`, '')]);
      expect(rendered, 'the quotes are gone').to.contain(`revision: \${REVISION}\n`);
      const substituted = rendered.replaceAll(`\${REVISION}`, '2024_1_01');
      expect(await taken(substituted)).to.equal('2024101');
    });
  });

  describe('is refused', () => {
    const NUMBERS: readonly (readonly [string, string])[] = [
      ['20240101', 'it is a number that stands for no revision. Write the name of the revision in quotes'],
      ['2025_1_01', 'Write the name of the revision in quotes, such as "2024_1_01"'],
      ['"2.02501e+06"', 'Write the name of the revision in quotes'],
      ['44', "Name the revision 'mitaka02'"],
      ['2027_1', 'Write the name of the revision in quotes'],
      ['yes', 'must be of type integer,string: "boolean"'],
      // A schema has no words of its own for a fraction.
      ['2024.1', 'must be of type integer,string: "number"'],
      ['2024.10', 'must be of type integer,string: "number"'],
    ];
    for (const [written, says] of NUMBERS) {
      it(`revision: ${written}`, async () => {
        const refused = await run(['apply', '-f', '-'], text(written));
        expect(refused.code).to.equal(1);
        expect(refused.stderr).to.contain(says);
      });
    }

    for (const [written, what] of [
      [undefined, 'without the line'],
      ['', 'with nothing behind the colon'],
      ['null', 'with null'],
    ] as const) {
      for (const flags of [[], ['--validate=false'], ['--server-side']]) {
        it(`a resource ${what}, by kubectl apply ${flags.join(' ')}`, async () => {
          const refused = await run(['apply', ...flags, '-f', '-'], text(written));
          expect(refused.code, refused.stdout).to.equal(1);
          expect(refused.stderr).to.match(/spec\.revision: (Required value|Invalid value: "null")/);
        });
      }
    }
  });

  describe('cannot be removed', () => {
    const WAYS: readonly (readonly [string, readonly string[], string?])[] = [
      [
        'a merge patch',
        ['patch', 'glanceschema', 'glance', '--type=merge', '-p', '{"spec":{"revision":null}}'],
      ],
      [
        'a JSON patch',
        ['patch', 'glanceschema', 'glance', '--type=json', '-p', '[{"op":"remove","path":"/spec/revision"}]'],
      ],
      ['kubectl apply without the line', ['apply', '-f', '-'], text(undefined)],
      ['kubectl apply that validates nothing', ['apply', '--validate=false', '-f', '-'], text(undefined)],
      [
        'kubectl apply on the server',
        ['apply', '--server-side', '--force-conflicts', '-f', '-'],
        text(undefined),
      ],
      ['kubectl replace, as a client that drops the field does', ['replace', '-f', '-'], text(undefined)],
      [
        'an empty text',
        ['patch', 'glanceschema', 'glance', '--type=merge', '-p', '{"spec":{"revision":""}}'],
      ],
    ];
    for (const [way, args, input] of WAYS) {
      it(`by ${way}`, async () => {
        const applied = way.endsWith('on the server')
          ? ['apply', '--server-side', '-f', '-']
          : ['apply', '-f', '-'];
        await succeeds(applied, text('ocata01'));
        const before = await api.call('GET', `${SCHEMAS}/glance`);
        const refused = await run(args, input);
        expect(refused.code, refused.stdout).to.equal(1);
        expect(refused.stderr).to.match(/spec\.revision.*(Required value|Cannot use revision '')/);
        expect(await api.call('GET', `${SCHEMAS}/glance`), 'nothing is changed').to.deep.equal(before);
      });
    }
  });
});
