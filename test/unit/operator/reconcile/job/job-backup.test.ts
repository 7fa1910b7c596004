import { expect } from 'chai';
import type { KubeObject } from '../../../../../lab/kubernetes/test-api.ts';
import { FINAL_EXIT_CODES } from '../../../../../src/contract/failures.ts';
import { A_PURPOSE, aMigrationJob, at, SCHEMA_UID } from '../../../../support/builders.ts';

const BACKUP = { policy: 'BeforeUpgrade', volumeClaimName: 'glance-backups' };

describe('the backup in the pod of a migration', () => {
  it('comes first, confined and connected as the migration is, and alone has the claim', () => {
    const pod = aMigrationJob({ backup: BACKUP }).spec.template.spec;
    const [backup] = pod.initContainers;
    const [migrate] = pod.containers;
    expect(pod.initContainers).to.have.length(1);
    const { name, args, volumeMounts, ...alike } = backup;
    const { name: _name, args: _args, ...other } = migrate;
    expect(alike).to.deep.equal(other);
    expect(name).to.equal('backup');
    expect(volumeMounts).to.deep.equal([{ name: 'backup', mountPath: '/backups' }]);
    expect(pod.volumes).to.deep.equal([
      { name: 'backup', persistentVolumeClaim: { claimName: 'glance-backups' } },
    ]);
    expect(args.join(' ')).to.equal(
      `db backup /backups --before ocata01 --for ${SCHEMA_UID} --name openstack.glance --retain 3 --timeout 3600 --format compressed --report /dev/termination-log`,
    );
  });

  it('is of what the spec says: its image, how many stay, how long, in which form, before which phase', () => {
    const backup = { ...BACKUP, image: 'with-clients:1', retain: 7, timeout: '2h30m', format: 'Plain' };
    const [container] = aMigrationJob({ backup }, { ...A_PURPOSE, target: at('ocata01', 'Migrate') }).spec
      .template.spec.initContainers;
    expect(container.image).to.equal('with-clients:1');
    expect(container.args.slice(3, 7)).to.deep.equal(['--before', 'ocata01', '--through', 'Migrate']);
    expect(container.args.slice(11, 17)).to.deep.equal([
      ...['--retain', '7', '--timeout', '9000'],
      ...['--format', 'plain'],
    ]);
  });

  it('has the files of TLS too', () => {
    const database = { secretRef: { name: 'db' }, tls: { caSecretRef: { name: 'ca' } } };
    const pod = aMigrationJob({ backup: BACKUP, database }).spec.template.spec;
    const [tls, claim] = pod.initContainers[0].volumeMounts;
    expect(pod.containers[0].volumeMounts).to.deep.equal([tls]);
    expect(claim.name).to.equal('backup');
    expect(pod.initContainers[0].args.slice(-4)).to.deep.equal(pod.containers[0].args.slice(-4));
  });

  it('may read the key of a certificate by its group alone, as pg_dump takes no other', () => {
    const database = { secretRef: { name: 'db' }, tls: { certSecretRef: { name: 'client' } } };
    const job = { podSecurityContext: { fsGroup: 65_532 } };
    const modeOf = (spec: Record<string, unknown>): number | undefined =>
      aMigrationJob({ backup: BACKUP, database, ...spec }).spec.template.spec.volumes[0].projected
        .defaultMode;
    expect(modeOf({ job })).to.equal(0o440);
    expect(modeOf({})).to.equal(undefined);
  });

  it('ends the Job at once where another pod cannot help', () => {
    const { rules } = aMigrationJob({ backup: BACKUP }).spec.podFailurePolicy;
    expect(rules.map((rule: KubeObject) => rule.onExitCodes?.containerName)).to.deep.equal([
      'migrate',
      'backup',
      undefined,
    ]);
    expect(rules[1].onExitCodes.values).to.deep.equal(FINAL_EXIT_CODES);
  });

  it("has time of its own besides the migration's", () => {
    const job = { activeDeadlineSeconds: 600 };
    expect(aMigrationJob({ job, backup: { ...BACKUP, timeout: '10m' } }).spec.activeDeadlineSeconds).to.equal(
      1200,
    );
    expect(aMigrationJob({ job: { activeDeadlineSeconds: 2_147_483_647 }, backup: BACKUP }).spec).to.include({
      activeDeadlineSeconds: 2_147_483_647,
    });
    expect(aMigrationJob({ job }).spec.activeDeadlineSeconds).to.equal(600);
    expect(aMigrationJob({ backup: BACKUP }).spec).not.to.have.property('activeDeadlineSeconds');
  });

  it('is not in a Job that only reads, nor where the policy is None', () => {
    for (const [spec, purpose] of [
      [{ backup: BACKUP }, { ...A_PURPOSE, kind: 'Observe', target: null }],
      [{ backup: BACKUP }, { ...A_PURPOSE, kind: 'Plan', target: null, plans: at('ocata01') }],
      [{ backup: { ...BACKUP, policy: 'None' } }, A_PURPOSE],
      [{}, A_PURPOSE],
    ] as const) {
      const { template, podFailurePolicy } = aMigrationJob(spec, purpose).spec;
      expect(template.spec).not.to.have.any.keys('initContainers', 'volumes');
      expect(podFailurePolicy.rules).to.have.length(2);
    }
  });

  it('takes a timeout that cannot be read for an hour', () => {
    const args = aMigrationJob({ backup: { ...BACKUP, timeout: 'soon' } }).spec.template.spec
      .initContainers[0].args;
    expect(args).to.include('3600');
  });
});
