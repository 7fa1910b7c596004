import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { moduleSource } from '../../lab/tools/go-build.ts';

const MODULE = 'github.com/prometheus-operator/prometheus-operator';
const PINNED_IN = fileURLToPath(new URL('../../lab/tools/prometheus-operator/', import.meta.url));

/**
 * The files of the CRDs that manifests/monitoring needs, from the Prometheus Operator's own
 * sources. Needs Go.
 */
export async function prometheusOperatorCrds(): Promise<readonly string[]> {
  const sources = await moduleSource(MODULE, PINNED_IN);
  return ['prometheusrules', 'servicemonitors'].map((plural) =>
    join(sources, 'example', 'prometheus-operator-crd', `monitoring.coreos.com_${plural}.yaml`),
  );
}
