import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { alone, removeCgroups } from '../../lab/kubernetes/real-node.ts';
import { eventually } from '../../lab/process/eventually.ts';

const CGROUPS = '/sys/fs/cgroup';

/**
 * Does what a node does: mounts, connects, makes control groups with a process in them, and leaves
 * a daemon behind.
 */
const BUSY = `
mount -t tmpfs tmpfs /mnt
ip link add glance-left type veth peer name glance-right
for parent in ${CGROUPS} ${CGROUPS}/*; do
  case $parent in */cpuset) continue ;; esac
  [ -e "$parent/cgroup.procs" ] || continue
  mkdir -p "$parent/$REAL_NODE/pods/pod"
  echo $$ >"$parent/$REAL_NODE/pods/pod/cgroup.procs"
done
setsid sleep 1000 >/dev/null 2>&1 &
echo busy
# Killed, its input ends: then it stays.
read -r answer || wait
`;

describe('the namespaces of a real node', () => {
  for (const end of ['its end', 'SIGKILL'] as const) {
    it(`are gone after ${end}, with all that was made in them`, async () => {
      const cgroup = `glance-schema-namespaces-${process.pid}`;
      const before = outside();
      const [program = '', ...args] = [...alone(cgroup), 'sh', '-ec', BUSY];
      const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
      const exited = once(child, 'exit');
      await once(child.stdout, 'data');
      expect(outside()).to.deep.equal(before);
      const processes = processesIn(cgroup);
      expect(processes.length).to.be.greaterThan(1);

      if (end === 'SIGKILL') child.kill('SIGKILL');
      else child.stdin.end('\n');
      await exited;
      await eventually(() => expect(processesIn(cgroup)).to.deep.equal([]));
      // A process has left its cgroup before its parent has heard of its end.
      await eventually(() => {
        for (const pid of processes) expect(existsSync(`/proc/${pid}`), pid).to.equal(false);
      });
      await removeCgroups(cgroup);
      expect(placesOf(cgroup)).to.deep.equal([]);
      expect(outside()).to.deep.equal(before);
    });
  }
});

/** The mounts of this process with `/mnt` or our name in them, and the devices. */
function outside(): unknown {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  return {
    mounts: mounts.filter((line) => line.includes(' /mnt ')),
    devices: readdirSync('/sys/class/net').filter((name) => name.startsWith('glance')),
  };
}

function placesOf(cgroup: string): readonly string[] {
  const parents = [CGROUPS, ...readdirSync(CGROUPS).map((name) => join(CGROUPS, name))];
  return parents.map((parent) => join(parent, cgroup)).filter((path) => existsSync(path));
}

function processesIn(cgroup: string): readonly string[] {
  const found = placesOf(cgroup)
    .map((path) => join(path, 'pods/pod/cgroup.procs'))
    .filter((path) => existsSync(path))
    .flatMap((path) => readFileSync(path, 'utf8').split('\n'));
  return [...new Set(found)].filter((pid) => pid !== '');
}
