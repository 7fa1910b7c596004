import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const MODULE = 'github.com/prometheus-operator/prometheus-operator';
const PINNED_IN = fileURLToPath(new URL('../../lab/tools/prometheus-operator/', import.meta.url));

/**
 * The files of the CRDs that manifests/monitoring needs, from the Prometheus Operator's own
 * sources. Needs Go.
 */
export async function prometheusOperatorCrds(): Promise<readonly string[]> {
  const { stdout } = await promisify(execFile)('go', ['mod', 'download', '-json', MODULE], {
    cwd: PINNED_IN,
  });
  const sources: string = JSON.parse(stdout).Dir;
  return ['prometheusrules', 'servicemonitors'].map((plural) =>
    join(sources, 'example', 'prometheus-operator-crd', `monitoring.coreos.com_${plural}.yaml`),
  );
}
