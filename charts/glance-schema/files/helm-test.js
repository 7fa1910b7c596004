import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port, NAMESPACES, POD_NAMESPACE, TOKEN_FOLDER } = process.env;
const server = `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
const authorization = `Bearer ${readFileSync(`${TOKEN_FOLDER}/token`, 'utf8').trim()}`;

async function get(path) {
  const answer = await fetch(server + path, { headers: { authorization } });
  const body = await answer.json();
  if (!answer.ok) throw new Error(`GET ${path}: ${body.message}`);
  return body;
}

for (const namespace of NAMESPACES === '' ? [''] : NAMESPACES.split(',')) {
  const where = namespace === '' ? '' : `/namespaces/${namespace}`;
  const { items } = await get(`/apis/db.glance.openstack.org/v1alpha1${where}/glanceschemas?limit=10`);
  console.log(`GlanceSchemas can be listed${namespace && ` in ${namespace}`}: found ${items.length}`);
}

const lease = `/apis/coordination.k8s.io/v1/namespaces/${POD_NAMESPACE}/leases/glance-schema`;
const before = await get(lease);
for (let second = 0; second < 30; second += 1) {
  await sleep(1_000);
  const { spec } = await get(lease);
  if (spec.holderIdentity && spec.renewTime !== before.spec.renewTime) {
    console.log(`${spec.holderIdentity} leads`);
    process.exit(0);
  }
}
console.error('No replica of the operator has renewed its Lease for 30 seconds. See the logs of its pods.');
process.exit(1);
