import { expect } from 'chai';
import { CHART, helm, prepareHelm } from '../../../lab/kubernetes/helm.ts';
import { parseObjects, renderManifests } from '../../../lab/kubernetes/manifests.ts';
import type { KubeObject } from '../../../lab/kubernetes/test-api.ts';
import { letsOut, type Peer } from '../../support/network-policy.ts';

const ANYWHERE: Peer = { address: '192.0.2.1' };

const DNS: readonly (readonly [string, Peer, number])[] = [
  ['CoreDNS', { podLabels: { 'k8s-app': 'kube-dns' } }, 53],
  ["OpenShift's DNS", { namespaceLabels: { 'kubernetes.io/metadata.name': 'openshift-dns' } }, 5353],
  ['NodeLocal DNSCache', { address: '169.254.20.10' }, 53],
];

/** Where API servers listen behind the port 443 of their Service. */
const API_SERVERS = { 'the Service': 443, kubeadm: 6443, minikube: 8443, MicroK8s: 16443 };

const DATABASES = {
  PostgreSQL: 5432,
  PgBouncer: 6432,
  'Pgpool-II': 9999,
  'Patroni behind HAProxy': 5000,
  MariaDB: 3306,
  ProxySQL: 6033,
  MaxScale: 4006,
  'MySQL Router': 6446,
};

function policyIn(objects: readonly KubeObject[]): KubeObject {
  return objects.find(({ kind }) => kind === 'NetworkPolicy') ?? expect.fail('there is no NetworkPolicy');
}

async function chartPolicy(): Promise<KubeObject> {
  const { stdout } = await helm([
    'template',
    'glance-schema',
    CHART,
    '--show-only',
    'templates/network-policy.yaml',
  ]);
  return policyIn(parseObjects(stdout));
}

const SUBJECTS = [
  ['the operator', async () => policyIn(await renderManifests('manifests/overlays/cluster')), API_SERVERS],
  ["the chart's operator", chartPolicy, API_SERVERS],
  ['a Job', async () => policyIn(await renderManifests('manifests/samples')), DATABASES],
] as const;

describe('NetworkPolicies, read as a network would', () => {
  before(async function () {
    this.timeout(1_200_000);
    await prepareHelm();
  });

  for (const [who, read, servers] of SUBJECTS) {
    it(`let ${who} speak with DNS, wherever that is`, async () => {
      const policy = await read();
      for (const [name, peer, port] of DNS) {
        for (const protocol of ['UDP', 'TCP'] as const) {
          expect(letsOut(policy, peer, protocol, port), `${name}, ${protocol}`).to.equal(true);
        }
      }
    });

    it(`let ${who} speak with ${Object.keys(servers).join(', ')}`, async () => {
      const policy = await read();
      for (const [name, port] of Object.entries(servers)) {
        expect(letsOut(policy, ANYWHERE, 'TCP', port), name).to.equal(true);
      }
    });

    it(`let ${who} speak with nobody else`, async () => {
      const policy = await read();
      expect(letsOut(policy, ANYWHERE, 'UDP', 53), 'DNS of a stranger').to.equal(false);
      expect(letsOut(policy, { podLabels: { app: 'other' } }, 'TCP', 5353), 'another pod').to.equal(false);
      for (const port of [22, 25, 80, 8080]) {
        expect(letsOut(policy, ANYWHERE, 'TCP', port), `port ${port}`).to.equal(false);
      }
    });
  }
});
