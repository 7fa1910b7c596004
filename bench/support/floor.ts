// The floor of a burst: the same writes by a bare loop, which watches nothing, decides nothing and
// waits for nobody.

import { startControlPlane } from '../../lab/kubernetes/control-plane.ts';
import { processUse } from '../../lab/process/process-use.ts';
import type { GlanceSchemaStatus } from '../../src/contract/glance-schema.ts';
import { migrationJob } from '../../src/operator/reconcile/job/job.ts';
import { endJob, JOBS, NAMESPACE, ours, prepare, REVISION, type Sample, SCHEMAS, sampleOf } from './burst.ts';

/** How many resources are worked on at once: as many as the operator's workers. */
const AT_ONCE = 10;

/** What the loop took, the stand-in for Job controller and kubelet included. */
export interface FloorUse {
  readonly seconds: number;
  /** In seconds of one core. */
  readonly cpu: number;
  /** In MiB. */
  readonly peak: number;
  /** How it went on, about every half second. */
  readonly samples: readonly Sample[];
}

/**
 * Makes so many GlanceSchemas, and to each the eight writes of the operator and the three of the
 * stand-in, over pooled connections.
 */
export async function floor(size: number): Promise<FloorUse> {
  const plane = await startControlPlane({ controllers: false });
  try {
    const { report } = ours();
    await prepare(plane, ours());
    const api = plane.api();
    const left = Array.from({ length: size }, (_, index) => `glance-${index}`);
    const samples: Sample[] = [];
    const before = processUse(process.pid);
    const began = performance.now();
    const sinceBegin = (): number => (performance.now() - began) / 1000;
    let done = 0;
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (let name = left.pop(); name !== undefined; name = left.pop()) {
          await writesOf(name);
          done += 1;
          if (sinceBegin() - (samples.at(-1)?.seconds ?? 0) >= 0.5 || done === size)
            samples.push(sampleOf(sinceBegin(), done, process.pid));
        }
      }),
    );
    const seconds = sinceBegin();
    const after = processUse(process.pid);
    return { seconds, cpu: after.cpu - before.cpu, peak: after.peak, samples };

    async function writesOf(name: string): Promise<void> {
      const spec = {
        revision: REVISION,
        through: 'Contract',
        suspend: false,
        approval: 'Automatic',
        database: { secretRef: { name, key: 'connection' } },
      } as const;
      const path = `${SCHEMAS}/${name}`;
      const { metadata } = await api.call('POST', SCHEMAS, {
        apiVersion: 'db.glance.openstack.org/v1alpha1',
        kind: 'GlanceSchema',
        metadata: { name },
        spec,
      });
      const uid = metadata?.uid ?? '';
      await api.call('PATCH', path, {
        metadata: {
          finalizers: ['db.glance.openstack.org/migration-running'],
          annotations: { 'db.glance.openstack.org/reserved-sequence': '1' },
        },
      });
      const target = { revision: REVISION, phase: 'Contract' } as const;
      const job = await api.call(
        'POST',
        JOBS,
        migrationJob({
          schema: { name, namespace: NAMESPACE, uid },
          spec,
          purpose: { kind: 'Migrate', target, sequence: 1, attempt: 1, generation: 1, podTemplateHash: '' },
          image: 'burst',
          pullSecrets: [],
        }),
      );
      await api.call('PATCH', `${path}/status`, { status: statusOf('False', 'MigrationRunning') });
      await api.call('POST', EVENTS, eventOf(name, uid, 'MigrationRunning'));
      await endJob(api, job, report);
      await api.call('PATCH', `${path}/status`, { status: statusOf('True', 'UpToDate') });
      await api.call('POST', EVENTS, eventOf(name, uid, 'UpToDate'));
      await api.call('PATCH', `${JOBS}/${job.metadata?.name}`, { spec: { ttlSecondsAfterFinished: 86_400 } });
      await api.call('PATCH', path, { metadata: { finalizers: [] } });
    }
  } finally {
    await plane.stop();
  }
}

const EVENTS = `/apis/events.k8s.io/v1/namespaces/${NAMESPACE}/events`;

function statusOf(status: 'True' | 'False', reason: string): GlanceSchemaStatus {
  const lastTransitionTime = `${new Date().toISOString().slice(0, 19)}Z`;
  const message = 'A sentence as long as those of the operator are, which brings the database to a revision.';
  return {
    conditions: [{ type: 'Ready', status, reason, message, lastTransitionTime, observedGeneration: 1 }],
  };
}

function eventOf(name: string, uid: string, reason: string): object {
  return {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { name: `${name}.${reason.toLowerCase()}`, namespace: NAMESPACE },
    eventTime: new Date().toISOString().replace('Z', '000Z'),
    type: 'Normal',
    reason,
    note: 'A sentence as long as those of the operator are.',
    action: 'Reconcile',
    regarding: {
      apiVersion: 'db.glance.openstack.org/v1alpha1',
      kind: 'GlanceSchema',
      namespace: NAMESPACE,
      name,
      uid,
    },
    reportingController: 'db.glance.openstack.org',
    reportingInstance: 'floor',
  };
}
