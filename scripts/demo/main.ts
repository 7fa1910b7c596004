// `make demo`: first the command line on a real PostgreSQL, then the operator on a real Kubernetes,
// told as it happens. Kubernetes is started meanwhile, and the first time built.
//
// node scripts/demo/main.ts [--once] [--story backup]
//   --once: end after the story; exit 0 only if every step came out as told
//   --story backup: a backup before an upgrade, a plan that is refused, and the way back

import { setTimeout as sleep } from 'node:timers/promises';
import { needsOfBackups, tellBackups } from './backup-story.ts';
import { tellCommandLine } from './command-line.ts';
import { narrator } from './narrator.ts';
import { tellStory } from './story.ts';
import { stage, type World } from './world.ts';

const once = process.argv.includes('--once');
const storyAt = process.argv.indexOf('--story');
const chosen = storyAt < 0 ? '' : (process.argv[storyAt + 1] ?? '');
if (chosen !== '' && chosen !== 'backup') {
  process.stderr.write(`There is no story '${chosen}': leave STORY out, or set it to backup.\n`);
  process.exit(2);
}
const backups = chosen === 'backup' ? await needsOfBackups() : undefined;
const theStage = stage(backups);
let world: World | null = null;
let stopping = false;
let waitsForCluster = false;

const tell = narrator({
  stream: process.stdout,
  folder: () => theStage.folder,
  kubeconfig: () => world?.plane.kubeconfigPath ?? '',
  kubectlPath: () => world?.plane.binaries.kubectl ?? 'kubectl',
});

const stopped = Promise.withResolvers<void>();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    stopping = true;
    stopped.resolve();
  });
}

process.stdout.write('Glance Schema: an operator for the database schema of OpenStack Glance\n');
const began = performance.now();
try {
  const failure = await Promise.race([play(), stopped.promise.then(() => null)]);
  if (failure !== null) process.exitCode = 1;
  // As a shell has it for Ctrl-C: a story that was broken off was not told.
  else if (once && stopping) process.exitCode = 130;
} finally {
  tell.progress('Stopping everything that was started');
  await theStage.stop();
  backups?.remove();
  tell.say(stopping ? 'Everything that was started is stopped and removed.' : 'Done; everything is removed.');
}
// What the story was in the middle of, such as a kubectl, is of no interest any more.
process.exit();

/** The error that ended the story early; null when all came out as told. */
async function play(): Promise<Error | null> {
  try {
    // An error of the cluster is told when its turn comes.
    const starting = Promise.allSettled([theStage.startCluster(sayOfCluster)]);
    const databases = await theStage.startDatabases();
    tell.say(`PostgreSQL is up on loopback after ${elapsed()} s; Kubernetes is being started.`);
    if (backups === undefined) {
      tell.part('The command line, which needs no Kubernetes');
      await tellCommandLine(databases, tell);
      tell.part('The operator, in Kubernetes');
    }
    waitsForCluster = true;
    const [cluster] = await starting;
    if (cluster.status === 'rejected') throw cluster.reason;
    world = await theStage.furnish(databases, cluster.value);
    const { plane, postgres } = world;
    tell.say(
      `A real Kubernetes ${plane.binaries.versions.kubernetes} is up on loopback after ${elapsed()} s.`,
    );
    tell.say('Its node is a stand-in: it runs the command of a pod as a process of this machine.');
    await (backups === undefined ? tellStory(world, tell) : tellBackups(world, tell));
    tell.say('');
    tell.say(`Every step came out as told, after ${elapsed()} s.`);
    if (once) return null;
    showTheWayOn(plane.kubeconfigPath, plane.binaries.kubectl, postgres.url('glance'));
    while (!stopping) await sleep(60_000);
    return null;
  } catch (cause) {
    if (stopping) return null;
    const error = cause instanceof Error ? cause : new Error(String(cause));
    tell.say('');
    tell.say(`The demo did not come out as told. ${error.message}`);
    tellOfOperator();
    return error;
  }
}

/** While the first half is told, a line of the build now and then would only break into it. */
function sayOfCluster(line: string): void {
  if (waitsForCluster) tell.progress(line);
}

function elapsed(): string {
  return ((performance.now() - began) / 1000).toFixed(1);
}

/** The operator's last words, which are gone with the demo otherwise. */
function tellOfOperator(): void {
  if (world === null) return;
  for (const { namespace, pod, text } of world.node.allLogs()) {
    tell.say(`The last lines of ${namespace}/${pod}:`);
    tell.output(text.trimEnd().split('\n').slice(-10).join('\n'));
  }
}

function showTheWayOn(kubeconfig: string, kubectl: string, url: string): void {
  tell.heading('Go on by hand, in another terminal; Ctrl-C here stops and removes everything');
  const path = kubectl.startsWith('/usr/') ? 'kubectl' : kubectl;
  tell.output(
    [
      `export KUBECONFIG=${kubeconfig}`,
      `${path} get glanceschemas --all-namespaces --output=wide`,
      `${path} explain glanceschema.spec`,
      `${path} edit glanceschema glance --namespace openstack      # revision: "ocata01" makes it Ready again`,
      `${path} describe glanceschema glance --namespace openstack`,
      `${path} logs deployment/glance-schema-operator --namespace glance-schema-system`,
      `node_modules/.bin/node dist/glance-schema.js db version --connection ${url}`,
      `psql ${url}`,
    ].join('\n'),
  );
}
