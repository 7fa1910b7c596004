import { expect } from 'chai';
import { type Environment, startEnvironment } from '../../../lab/kubernetes/environment.ts';
import { CHART, helm, prepareHelm } from '../../../lab/kubernetes/helm.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { freePort } from '../../../lab/process/free-port.ts';

const NAMESPACE = 'glance-schema-system';

describe('helm test', () => {
  let environment: Environment;

  before(async function () {
    this.timeout(1_200_000);
    await prepareHelm();
    environment = await startEnvironment({ rights: 'given by the test' });
  });

  after(async () => {
    await environment?.stop();
  });

  async function run(...args: readonly string[]) {
    return helm([...args, '--namespace', NAMESPACE], environment.plane.kubeconfigPath);
  }

  it('passes where the operator leads, by the rights of its own', async () => {
    const [health, metrics] = [await freePort(), await freePort()];
    const extraArgs = [`--health-address=127.0.0.1:${health}`, `--metrics-address=127.0.0.1:${metrics}`];
    const values = { extraArgs, replicas: 1, readinessProbe: { httpGet: { port: health } } };
    const given = Object.entries(values).flatMap(([name, value]) => [
      '--set-json',
      `${name}=${JSON.stringify(value)}`,
    ]);
    const crd = ['--set', 'crds.enabled=false', '--create-namespace'];
    const installed = await run('upgrade', '--install', 'glance-schema', CHART, ...crd, ...given);
    expect(installed.code, installed.stderr).to.equal(0);
    await eventually(
      async () => {
        const path = `/apis/apps/v1/namespaces/${NAMESPACE}/deployments/glance-schema-operator`;
        expect((await environment.api.call('GET', path)).status.readyReplicas).to.equal(1);
      },
      { timeoutMilliseconds: 120_000 },
    );
    const tested = await run('test', 'glance-schema', '--timeout', '2m');
    expect(tested.code, tested.stdout + tested.stderr + JSON.stringify(environment.node.allLogs())).to.equal(
      0,
    );
    expect(tested.stdout).to.match(/Phase: +Succeeded/);
  });

  it('fails where no operator renews its Lease', async () => {
    const path = `/apis/apps/v1/namespaces/${NAMESPACE}/deployments/glance-schema-operator`;
    await environment.api.call('PATCH', path, { spec: { replicas: 0 } });
    await eventually(async () => {
      expect(
        (await environment.api.call('GET', `/api/v1/namespaces/${NAMESPACE}/pods`)).items,
      ).to.have.length(0);
    });
    const tested = await run('test', 'glance-schema', '--timeout', '2m');
    expect(tested.code, tested.stdout).to.equal(1);
    expect(environment.node.logs(NAMESPACE, 'glance-schema-test')).to.contain(
      'No replica of the operator has renewed its Lease for 30 seconds.',
    );
  });
});
