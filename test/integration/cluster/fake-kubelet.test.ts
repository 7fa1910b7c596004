import { expect } from 'chai';
import { type ControlPlane, startControlPlane } from '../../../lab/kubernetes/control-plane.ts';
import { type FakeKubelet, startFakeKubelet } from '../../../lab/kubernetes/fake-kubelet.ts';
import { kubectl } from '../../../lab/kubernetes/kubectl.ts';
import { nodeJob } from '../../../lab/kubernetes/pods.ts';
import type { KubeObject, TestApi, WatchEvent } from '../../../lab/kubernetes/test-api.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { freePort } from '../../../lab/process/free-port.ts';

const jobs = '/apis/batch/v1/namespaces/default/jobs';
const pods = '/api/v1/namespaces/default/pods';
const report = "require('fs').writeFileSync('/dev/termination-log', 'done by ' + process.env.WHO);";

describe('fake kubelet', () => {
  let plane: ControlPlane;
  let node: FakeKubelet;
  let api: TestApi;

  before(async () => {
    plane = await startControlPlane();
    node = await startFakeKubelet({ plane, images: { 'node:': [process.execPath] }, retryEvery: 100 });
    api = plane.api();
  });

  after(async () => {
    await node?.stop();
    await plane?.stop();
  });

  async function podOf(job: string): Promise<KubeObject> {
    const list = await api.call('GET', `${pods}?labelSelector=job-name=${job}`);
    expect(list.items, `pods of ${job}`).to.have.length(1);
    return list.items[0];
  }

  async function podInPhase(job: string, phase: string): Promise<KubeObject> {
    return await eventually(async () => {
      const pod = await podOf(job);
      expect(pod.status.phase).to.equal(phase);
      return pod;
    });
  }

  async function waitingReason(job: string, reason: string): Promise<KubeObject> {
    return await eventually(async () => {
      const pod = await podOf(job);
      const waiting = pod.status.containerStatuses?.[0]?.state.waiting;
      expect(waiting?.reason).to.equal(reason);
      return waiting;
    });
  }

  it('a Job completes and its termination message arrives', async () => {
    const env = [
      { name: 'NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.namespace' } } },
      { name: 'WHO', value: 'pod in $(NAME)' },
    ];
    await api.call('POST', jobs, nodeJob({ name: 'completes', script: report, container: { env } }));
    const pod = await podInPhase('completes', 'Succeeded');
    const { terminated } = pod.status.containerStatuses[0].state;
    expect(terminated).to.include({ exitCode: 0, reason: 'Completed', message: 'done by pod in default' });
    await eventually(async () => {
      expect((await api.call('GET', `${jobs}/completes`)).status.succeeded).to.equal(1);
    });
  });

  it('a failing exit code arrives, with the last 4096 bytes of the message', async () => {
    const script =
      "require('fs').writeFileSync('/dev/termination-log', 'x'.repeat(5000) + 'end'); process.exit(7)";
    await api.call('POST', jobs, nodeJob({ name: 'fails', script }));
    const pod = await podInPhase('fails', 'Failed');
    const { terminated } = pod.status.containerStatuses[0].state;
    expect(terminated).to.include({ exitCode: 7, reason: 'Error' });
    expect(terminated.message).to.have.length(4096).and.to.match(/xend$/);
    await eventually(async () => {
      const { conditions } = (await api.call('GET', `${jobs}/fails`)).status;
      expect(conditions.map((each: KubeObject) => each.type)).to.include('Failed');
    });
  });

  it('a missing Secret and a missing key are reported as a kubelet does, and waited for', async () => {
    const secretKeyRef = { name: 'late', key: 'connection' };
    const env = [{ name: 'WHO', valueFrom: { secretKeyRef } }];
    await api.call('POST', jobs, nodeJob({ name: 'waits', script: report, container: { env } }));
    const missing = await waitingReason('waits', 'CreateContainerConfigError');
    expect(missing.message).to.equal('secret "late" not found');

    const secret = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'late' },
      stringData: { other: 'x' },
    };
    await api.call('POST', '/api/v1/namespaces/default/secrets', secret);
    await eventually(async () => {
      const waiting = await waitingReason('waits', 'CreateContainerConfigError');
      expect(waiting.message).to.equal("couldn't find key connection in Secret default/late");
    });

    await api.call('PATCH', '/api/v1/namespaces/default/secrets/late', {
      stringData: { connection: 'the secret' },
    });
    const pod = await podInPhase('waits', 'Succeeded');
    expect(pod.status.containerStatuses[0].state.terminated.message).to.equal('done by the secret');
  });

  it('files of a Secret volume are there under the mounted path', async () => {
    const secret = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'files' },
      stringData: { key: 'from a file' },
    };
    await api.call('POST', '/api/v1/namespaces/default/secrets', secret);
    const script =
      "process.stdout.write(require('fs').readFileSync(process.env.FILE) + ' and ' + process.argv[1])";
    const container = {
      args: ['-e', script, '--', '--cert=/etc/db/key'],
      env: [{ name: 'FILE', value: '/etc/db/key' }],
      volumeMounts: [{ name: 'db', mountPath: '/etc/db' }],
    };
    const volumes = [{ name: 'db', secret: { secretName: 'files' } }];
    await api.call('POST', jobs, nodeJob({ name: 'mounts', script, container, pod: { volumes } }));
    const pod = await podInPhase('mounts', 'Succeeded');
    expect(node.logs('default', pod.metadata?.name ?? '')).to.match(
      /^from a file and --cert=\/.*\/volumes\/db\/key$/,
    );
  });

  it('an image that nobody has cannot be pulled', async () => {
    await api.call(
      'POST',
      jobs,
      nodeJob({ name: 'no-image', script: '', container: { image: 'nowhere/none:1' } }),
    );
    const waiting = await waitingReason('no-image', 'ImagePullBackOff');
    expect(waiting.message).to.match(/^Back-off pulling image "nowhere\/none:1": ErrImagePull: .*not found$/);
    await kubectl(plane.kubeconfigPath, ['delete', 'job', 'no-image', '--wait=true']);
    await eventually(async () => {
      expect((await api.call('GET', `${pods}?labelSelector=job-name=no-image`)).items).to.have.length(0);
    });
  });

  it('a cordoned node takes no pods, and the pod says so as the scheduler does', async () => {
    node.cordon();
    await api.call('POST', jobs, nodeJob({ name: 'unschedulable', script: report }));
    const condition = await eventually(async () => {
      const pod = await podOf('unschedulable');
      const found = pod.status.conditions?.find((each: KubeObject) => each.type === 'PodScheduled');
      expect(found).to.include({ status: 'False', reason: 'Unschedulable' });
      return found;
    });
    expect(condition.message).to.match(/^0\/1 nodes are available: 1 node\(s\) were unschedulable\./);
    node.uncordon();
    await podInPhase('unschedulable', 'Succeeded');
  });

  it('a deleted pod is asked by SIGTERM, and its result is counted', async () => {
    const script = `
      process.on('SIGTERM', () => { require('fs').writeFileSync('/dev/termination-log', 'was asked'); process.exit(22); });
      setInterval(() => {}, 1000); console.log('ready');`;
    await api.call(
      'POST',
      jobs,
      nodeJob({ name: 'graceful', script, spec: { podReplacementPolicy: 'Failed' } }),
    );
    const pod = await podInPhase('graceful', 'Running');
    const name = pod.metadata?.name ?? '';
    await eventually(() => expect(node.logs('default', name)).to.equal('ready\n'));
    const states: WatchEvent[] = [];
    const watching = new AbortController();
    const path = `${pods}?watch=true&fieldSelector=metadata.name=${name}`;
    const watched = api.watch(path, (event) => states.push(event), watching.signal);
    await eventually(() => expect(states, 'the watch has begun').to.have.length.greaterThan(0));
    await api.call('DELETE', `${pods}/${name}`);
    await eventually(async () => expect((await api.request('GET', `${pods}/${name}`)).status).to.equal(404));
    // The deletion comes with the pod as it was last.
    const { status: last } = await eventually(() => {
      const gone = states.find(({ type }) => type === 'DELETED');
      if (gone === undefined) throw new Error('its deletion has not been seen');
      return gone.object;
    });
    watching.abort();
    await watched;
    expect(last.phase).to.equal('Failed');
    expect(last.containerStatuses[0].state.terminated).to.include({ exitCode: 22, message: 'was asked' });
  });

  it('a pod that does not heed SIGTERM is killed when its grace period is over', async () => {
    const script = "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); console.log('ready');";
    await api.call('POST', jobs, nodeJob({ name: 'stubborn', script }));
    const pod = await podInPhase('stubborn', 'Running');
    const name = pod.metadata?.name ?? '';
    await eventually(() => expect(node.logs('default', name)).to.equal('ready\n'));
    const began = Date.now();
    await api.call('DELETE', `${pods}/${name}`, { gracePeriodSeconds: 1 });
    await eventually(async () => expect((await api.request('GET', `${pods}/${name}`)).status).to.equal(404));
    // Its own, which is replaced by that of the deletion, is 30 s.
    expect(Date.now() - began).to.be.within(900, 25_000);
  });

  it('an evicted pod is Failed with DisruptionTarget', async () => {
    await api.call('POST', jobs, nodeJob({ name: 'evicted', script: 'setInterval(() => {}, 1000)' }));
    const pod = await podInPhase('evicted', 'Running');
    await node.evict('default', pod.metadata?.name ?? '');
    const failed = await podInPhase('evicted', 'Failed');
    expect(failed.status.reason).to.equal('Evicted');
    const target = failed.status.conditions.find((each: KubeObject) => each.type === 'DisruptionTarget');
    expect(target).to.include({ status: 'True', reason: 'TerminationByKubelet' });
  });

  it('a lost node leaves a failed pod behind, and the Job starts another', async () => {
    const spec = {
      backoffLimit: 0,
      podFailurePolicy: {
        rules: [{ action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] }],
      },
    };
    const script = 'setInterval(() => {}, 1000)';
    await api.call('POST', jobs, nodeJob({ name: 'lost', script, spec }));
    const first = await podInPhase('lost', 'Running');
    await node.loseNode();
    await eventually(async () => {
      const pod = await podOf('lost');
      expect(pod.metadata?.uid).not.to.equal(first.metadata?.uid);
      expect(pod.status.phase).to.equal('Running');
    });
    await api.call('DELETE', `${jobs}/lost?propagationPolicy=Background`);
  });

  it('what kubectl logs shows is what the container printed', async () => {
    const script = "console.log('one'); console.log('two'); console.error('three')";
    await api.call('POST', jobs, nodeJob({ name: 'prints', script }));
    await podInPhase('prints', 'Succeeded');
    const all = await kubectl(plane.kubeconfigPath, ['logs', 'job/prints']);
    expect(all).to.include({ code: 0, stdout: 'one\ntwo\nthree\n' });
    const tail = await kubectl(plane.kubeconfigPath, ['logs', 'job/prints', '--tail=2']);
    expect(tail.stdout).to.equal('two\nthree\n');
    const cut = await kubectl(plane.kubeconfigPath, ['logs', 'job/prints', '--tail=2', '--limit-bytes=5']);
    expect(cut.stdout).to.equal('two\nt');
  });

  it('a Deployment gets ready by its probe, restarts, and acts with the rights of its ServiceAccount', async () => {
    const script = `
      const http = require('http');
      http.createServer((q, r) => r.end('ok')).listen(Number(process.env.PORT), '127.0.0.1');
      const config = JSON.parse(require('fs').readFileSync(process.env.KUBECONFIG));
      console.log('user has a token:', config.users[0].user.token.length > 100);`;
    const port = await freePort();
    const container = {
      name: 'main',
      image: 'node:24',
      args: ['-e', script],
      env: [{ name: 'PORT', value: String(port) }],
      ports: [{ name: 'health', containerPort: port }],
      readinessProbe: { httpGet: { path: '/', port: 'health' }, periodSeconds: 1 },
    };
    const labels = { app: 'server' };
    await api.call('POST', '/apis/apps/v1/namespaces/default/deployments', {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'server' },
      spec: {
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [container] } },
      },
    });
    const rollout = ['rollout', 'status', 'deployment/server', '--timeout=300s'];
    expect((await kubectl(plane.kubeconfigPath, rollout)).code).to.equal(0);
    const list = await api.call('GET', `${pods}?labelSelector=app=server`);
    const name: string = list.items[0].metadata.name;
    await eventually(() => expect(node.logs('default', name)).to.equal('user has a token: true\n'));

    node.kill('default', name, 'SIGKILL', 'OOMKilled');
    await eventually(async () => {
      const status = (await api.call('GET', `${pods}/${name}`)).status.containerStatuses[0];
      expect(status).to.include({ restartCount: 1, ready: true });
      expect(status.lastState.terminated).to.include({ exitCode: 137, reason: 'OOMKilled' });
    });
    await api.call(
      'DELETE',
      '/apis/apps/v1/namespaces/default/deployments/server?propagationPolicy=Background',
    );
  });

  it('a result is reported although the API server was away when the process ended', async () => {
    const env = [{ name: 'WHO', value: 'one that nobody heard' }];
    const script = `setTimeout(() => { ${report} }, 1500)`;
    await api.call('POST', jobs, nodeJob({ name: 'unheard', script, container: { env } }));
    await podInPhase('unheard', 'Running');
    await plane.stopApiServer();
    await new Promise((resolve) => setTimeout(resolve, 2000));
    await plane.startApiServer();
    const pod = await podInPhase('unheard', 'Succeeded');
    expect(pod.status.containerStatuses[0].state.terminated.message).to.equal(
      'done by one that nobody heard',
    );
  });
});
