// `node lab/cluster/build.ts`: builds Kubernetes and etcd for the tests, if they are not there yet.
import { ensureBinaries } from './binaries.ts';
import { progressLine } from './progress-line.ts';

const progress = progressLine(process.stderr);
try {
  const binaries = await ensureBinaries(progress.say);
  progress.end();
  console.log(`Kubernetes ${binaries.versions.kubernetes}: ${binaries.kubeApiserver}`);
  console.log(`kubectl: ${binaries.kubectl}`);
} catch (error) {
  progress.end();
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
