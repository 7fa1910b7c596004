// `make demo`: the operator at work on a real Kubernetes and a real PostgreSQL, told as it happens.
//
//   node scripts/demo/main.ts [--once]      --once: end after the story; exit 0 only if every step came out as told

import { setTimeout as sleep } from 'node:timers/promises';
import { narrator } from './narrator.ts';
import { tellStory } from './story.ts';
import { stage, type World } from './world.ts';

const once = process.argv.includes('--once');
const theStage = stage();
let world: World | null = null;
let stopping = false;

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
  tell.say(stopping ? 'Everything that was started is stopped and removed.' : 'Done; everything is removed.');
}
// What the story was in the middle of, such as a kubectl, is of no interest any more.
process.exit();

/** The error that ended the story early; null when all came out as told. */
async function play(): Promise<Error | null> {
  try {
    world = await theStage.start(tell.progress);
    const { plane, postgres } = world;
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    tell.say(
      `A real Kubernetes ${plane.binaries.versions.kubernetes} and PostgreSQL are up on loopback after ${seconds} s.`,
    );
    tell.say('Its node is a stand-in: it runs the command of a pod as a process of this machine.');
    await tellStory(world, tell);
    tell.say('');
    tell.say(`Every step came out as told, after ${((performance.now() - began) / 1000).toFixed(1)} s.`);
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
      `${path} edit glanceschema glance --namespace openstack      # revision: ocata01 makes it Ready again`,
      `${path} describe glanceschema glance --namespace openstack`,
      `${path} logs deployment/glance-schema-operator --namespace glance-schema-system`,
      `node_modules/.bin/node dist/glance-schema.js db version --connection ${url}`,
      `psql ${url}`,
    ].join('\n'),
  );
}
