import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { parse } from 'yaml';
import { type ControlPlane, startControlPlane } from '../../../lab/kubernetes/control-plane.ts';
import { crdsEstablished } from '../../../lab/kubernetes/kubectl.ts';
import type { KubeObject } from '../../../lab/kubernetes/test-api.ts';
import { documented, follow } from '../../support/documented.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const LINES = documented('README.md', 'With kind');

// There is neither Docker nor kind where these tests run: what they would do is compared with the
// files that they read, and the lines of kubectl are run on a real API server, which starts no
// pods.
describe('the way with kind', () => {
  let plane: ControlPlane;

  before(async () => {
    plane = await startControlPlane();
  });

  after(async () => {
    await plane?.stop();
  });

  it('builds and loads the image that the manifests name', () => {
    const component = parse(readFileSync(`${ROOT}manifests/image/kustomization.yaml`, 'utf8'));
    const [{ newName, newTag }] = component.images;
    const image = `${newName}:${newTag}`;
    expect(LINES).to.include.members([
      `docker build -t ${image} .`,
      `kind load docker-image ${image} --name glance`,
    ]);
  });

  it('is accepted line by line, and the sample finds the database that it makes', async () => {
    const kubectl = LINES.filter((line) => /^kubectl (apply|create|set|expose)/.test(line));
    expect(kubectl).to.have.length(6);
    for (const line of kubectl) {
      const { code, stderr } = await follow(plane, line);
      expect(code, `${line}: ${stderr}`).to.equal(0);
      if (line.includes('overlays/cluster')) {
        await crdsEstablished(plane.kubeconfigPath);
      }
    }
    const api = plane.api();
    const { data } = await api.call('GET', '/api/v1/namespaces/openstack/secrets/glance-db');
    const url = new URL(Buffer.from(data.connection, 'base64').toString());
    const { spec } = await api.call('GET', '/api/v1/namespaces/openstack/services/postgresql');
    expect(url.hostname).to.equal('postgresql.openstack.svc');
    expect(spec.ports.map(({ port }: KubeObject) => port)).to.deep.equal([5432]);
    const deployment = await api.call('GET', '/apis/apps/v1/namespaces/openstack/deployments/postgresql');
    const env: readonly KubeObject[] = deployment.spec.template.spec.containers[0].env;
    expect(Object.fromEntries(env.map(({ name, value }) => [name, value]))).to.deep.equal({
      POSTGRES_USER: url.username,
      POSTGRES_PASSWORD: url.password,
      POSTGRES_DB: url.pathname.slice(1),
    });
  });
});
