import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { seedNewton } from '../../../lab/databases/glance-data.ts';
import { withClient } from '../../../lab/databases/images.ts';
import { type Environment, startEnvironment, type Tenant } from '../../../lab/kubernetes/environment.ts';
import type { Operator } from '../../../lab/kubernetes/operator.ts';
import { eventually } from '../../../lab/process/eventually.ts';

const DOCUMENT = readFileSync(new URL('../../../docs/monitoring.md', import.meta.url), 'utf8');

/** The two samples in the document: of the replica that leads first, and of the one that waits. */
const [FIRST = '', SECOND = ''] = [...DOCUMENT.matchAll(/```json\n([\s\S]*?)```/g)].map(([, text]) => text);

describe('the log', () => {
  let environment: Environment;
  let tenant: Tenant;
  let url: string;

  before(async () => {
    environment = await startEnvironment();
    url = await environment.postgres.createDatabase('log');
    await seedNewton(url, { images: 10 });
    tenant = await environment.tenant('openstack', url);
  });

  after(() => environment?.stop());

  it('reads as documented, through an upgrade, a failure and a change of leader', async () => {
    const first = await environment.operator(['--log-level', 'info']);
    const second = await environment.operator(['--log-level', 'info'], { standby: true });
    try {
      await tenant.apply({ revision: 'mitaka02' });
      await tenant.reaches('UpToDate');
      await withClient(url, (client) => client.query("CREATE TYPE image_visibility AS ENUM ('x')"));
      await tenant.apply({ revision: 'ocata01', job: { backoffLimit: 0 } });
      await tenant.reaches('MigrationFailed');
      await eventually(() => expect(first.log().at(-1)?.reason).to.equal('MigrationFailed'));
      await first.stop();
      await eventually(() => expect(second.log().at(-1)?.message).to.equal('Leading'));
      expect(alike(written(first))).to.equal(alike(FIRST));
      expect(alike(written(second))).to.equal(alike(SECOND));
    } finally {
      await first.stop();
      await second.stop();
    }
  });
});

function written(operator: Operator): string {
  return operator
    .log()
    .map((line) => `${JSON.stringify(line)}\n`)
    .join('');
}

/**
 * Without what differs each time: times, names of replicas and Jobs, addresses, versions; and
 * without what is only said where the Job controller takes its time between the end of a pod and
 * that of its Job, or the pod waits for long.
 */
function alike(text: string): string {
  return text
    .replaceAll(/.*"reason":"(MigrationPending|JobBlocked)"\}\n/g, '')
    .replaceAll(/"timestamp":"[^"]+"/g, '"timestamp":"T"')
    .replaceAll(/[\w.-]+_[0-9a-f]{8}\b/g, 'REPLICA')
    .replaceAll(/(glance-\d+)-[0-9a-f]{8}\b/g, '$1-HASH')
    .replaceAll(/ on \S+:\d+\/\w+: /g, ' on PLACE: ')
    .replaceAll(/version \d+\.\d+\.\d+/g, 'version V')
    .replaceAll(/"image":"[^"]+"/g, '"image":"I"')
    .replaceAll(/Jobs run the image [^"]+/g, 'Jobs run the image I')
    .replaceAll(/Port":\d+/g, 'Port":0');
}
