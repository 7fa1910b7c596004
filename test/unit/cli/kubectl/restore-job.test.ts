import { expect } from 'chai';
import type { KubeObject } from '../../../../lab/kubernetes/test-api.ts';
import { restoreJob } from '../../../../src/cli/kubectl/restore-job.ts';
import type { StatusBackup } from '../../../../src/contract/glance-schema.ts';
import { SCHEMA_UID_LABEL } from '../../../../src/contract/names.ts';
import { aSchema, STARTED } from '../../../support/builders.ts';

const BACKUP: StatusBackup = {
  file: 'openstack.glance-mitaka02-20261123T070000Z.dump',
  revision: 'mitaka02',
  phase: 'Contract',
  takenAt: STARTED,
  bytes: 41_000,
  sha256: 'c0'.repeat(32),
  tables: 21,
  rows: 700,
  volumeClaimName: 'glance-backups',
  job: 'glance-1-bd7662a5',
};

function jobFor(spec: Record<string, unknown> = {}): KubeObject {
  const { metadata, spec: wanted } = aSchema({ spec: { suspend: true, ...spec } });
  return { ...restoreJob({ metadata, spec: wanted as never }, BACKUP) };
}

describe('the Job of a restore', () => {
  it('restores the file on the claim, as the pod of a migration is confined and connected', () => {
    const { metadata, spec } = jobFor({ backup: { policy: 'BeforeUpgrade', image: 'with-clients:1' } });
    expect(metadata).to.include({ generateName: 'glance-restore-', namespace: 'openstack' });
    const pod = spec.template.spec;
    const [restore] = pod.containers;
    expect(restore.image).to.equal('with-clients:1');
    expect(restore.args).to.deep.equal(['db', 'restore', `/backups/${BACKUP.file}`, '--replace']);
    expect(restore.volumeMounts).to.deep.equal([{ name: 'backup', mountPath: '/backups' }]);
    expect(pod.volumes[0].persistentVolumeClaim).to.deep.equal({ claimName: 'glance-backups' });
    expect(restore.env.flatMap((one: KubeObject) => one.valueFrom?.secretKeyRef ?? [])).to.deep.equal([
      { name: 'glance-db', key: 'connection' },
    ]);
    expect(pod.securityContext.runAsNonRoot).to.equal(true);
    expect(spec.backoffLimit).to.equal(0);
  });

  it('is none of the operator, which would take it for a migration', () => {
    const { metadata, spec } = jobFor();
    for (const labels of [metadata?.labels, spec.template.metadata.labels]) {
      expect(labels).not.to.have.property(SCHEMA_UID_LABEL);
    }
  });
});
