import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import { writeKubeconfig } from '../kubeconfig.ts';
import type { TestApi } from '../test-api.ts';
import type {
  Container,
  DownwardItem,
  EnvVar,
  KeyRef,
  NamedSource,
  Pod,
  ProjectedSource,
  Volume,
} from './pod.ts';

/**
 * Why a container cannot be started yet, in the kubelet's own words; it is tried again, as there.
 */
export class ContainerConfigError extends Error {
  readonly kind: 'env' | 'volume';

  constructor(kind: 'env' | 'volume', message: string) {
    super(message);
    this.kind = kind;
  }
}

/** A container as a local process. */
export interface ProcessConfig {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly terminationMessageFile: string;
  /**
   * Whom the process runs as; absent where the pod names nobody, or this process is not root's and
   * cannot choose.
   */
  readonly user?: { readonly uid: number; readonly gid: number };
}

/** What is needed to turn a container of a pod into a process of this machine. */
export interface ContainerConfigOptions {
  readonly api: TestApi;
  readonly pod: Pod;
  readonly container: Container;
  /** What the image starts, as ENTRYPOINT would say. */
  readonly entrypoint: readonly string[];
  /** The pod's own folder: volumes, the termination message and the kubeconfig go there. */
  readonly folder: string;
  readonly nodeName: string;
  /** Where the pod's own calls to the API server go. */
  readonly apiServer: string;
  /** The folder that stands for a claim of the pod's namespace; null where there is none. */
  claimFolder(namespace: string, claim: string): string | null;
  /** Environment of every container besides its own. */
  readonly baseEnv: Readonly<Record<string, string>>;
}

const serviceAccountMount = '/var/run/secrets/kubernetes.io/serviceaccount';
const defaultMessagePath = '/dev/termination-log';

/**
 * Resolves all that a kubelet resolves before it starts a container. A local process sees the
 * machine's own file system, so wherever a mount path or the termination message's path stands in
 * command, args or an environment value, the local folder or file is put in its place; and in place
 * of the in-cluster files of a ServiceAccount, which a library looks for at a fixed path,
 * KUBECONFIG names a file with the same token.
 */
export async function containerConfig(options: ContainerConfigOptions): Promise<ProcessConfig> {
  const { pod, container, folder } = options;
  const places = new Map<string, string>();
  const local: Record<string, string> = {};

  for (const mount of container.volumeMounts ?? []) {
    const volume = (pod.spec.volumes ?? []).find((each) => each.name === mount.name);
    if (volume === undefined) throw new ContainerConfigError('volume', `volume "${mount.name}" not found`);
    const content = claimed(options, volume) ?? join(folder, 'volumes', volume.name);
    await writeVolume(options, volume, content);
    places.set(mount.mountPath.replace(/\/+$/, ''), mount.subPath ? join(content, mount.subPath) : content);
    if (mount.mountPath === '/tmp') local.TMPDIR = content;
    if (mount.mountPath === serviceAccountMount)
      local.KUBECONFIG = await writePodKubeconfig(options, content);
  }

  const messageFile = join(folder, `${container.name}.termination-message`);
  await writeFile(messageFile, '');
  await chmod(messageFile, 0o666);
  places.set(container.terminationMessagePath ?? defaultMessagePath, messageFile);

  const replaced = pathReplacer(places);
  const own = await resolveEnv(options);
  const { host, hostname, port } = new URL(options.apiServer);
  const env: Record<string, string> = {
    PATH: [dirname(process.execPath), process.env.PATH ?? ''].join(delimiter),
    HOME: folder,
    HOSTNAME: pod.metadata.name,
    KUBERNETES_SERVICE_HOST: hostname,
    KUBERNETES_SERVICE_PORT: port,
    KUBERNETES_PORT: `tcp://${host}`,
    ...options.baseEnv,
    ...local,
  };
  for (const [name, value] of Object.entries(own)) env[name] = replaced(value);

  const command = container.command?.length ? container.command : options.entrypoint;
  // As in Kubernetes: a command of its own without args does not inherit the image's.
  const argv = [...command, ...(container.args ?? [])].map((word) => replaced(expand(word, own)));
  const cwd =
    container.workingDir && isAbsolute(container.workingDir) ? replaced(container.workingDir) : folder;
  return { argv, env, cwd, terminationMessageFile: messageFile, ...userOf(options) };
}

/** As a container runtime: without a group of its own it is in root's. */
function userOf({ pod, container }: ContainerConfigOptions): Pick<ProcessConfig, 'user'> {
  const { runAsUser: uid, runAsGroup: gid = 0 } = {
    ...pod.spec.securityContext,
    ...container.securityContext,
  };
  return uid === undefined || process.getuid?.() !== 0 ? {} : { user: { uid, gid } };
}

async function resolveEnv(options: ContainerConfigOptions): Promise<Record<string, string>> {
  const env: Record<string, string> = {};
  for (const variable of options.container.env ?? []) {
    const value = await resolveVariable(options, variable, env);
    if (value !== null) env[variable.name] = value;
  }
  return env;
}

async function resolveVariable(
  options: ContainerConfigOptions,
  variable: EnvVar,
  before: Readonly<Record<string, string>>,
): Promise<string | null> {
  const from = variable.valueFrom;
  if (from === undefined) return expand(variable.value ?? '', before);
  if (from.secretKeyRef !== undefined) return await keyOf(options, 'Secret', from.secretKeyRef);
  if (from.configMapKeyRef !== undefined) return await keyOf(options, 'ConfigMap', from.configMapKeyRef);
  if (from.fieldRef !== undefined) return fieldOf(options, from.fieldRef.fieldPath);
  throw new ContainerConfigError('env', `the fake kubelet cannot resolve the source of env ${variable.name}`);
}

async function keyOf(
  options: ContainerConfigOptions,
  kind: 'Secret' | 'ConfigMap',
  ref: KeyRef,
): Promise<string | null> {
  const data = await dataOf(options, kind, ref.name);
  if (data === null) {
    if (ref.optional) return null;
    throw new ContainerConfigError('env', `${kind.toLowerCase()} "${ref.name}" not found`);
  }
  const value = data.get(ref.key);
  if (value !== undefined) return value.toString('utf8');
  if (ref.optional) return null;
  const where = `${options.pod.metadata.namespace}/${ref.name}`;
  throw new ContainerConfigError('env', `couldn't find key ${ref.key} in ${kind} ${where}`);
}

async function dataOf(
  options: ContainerConfigOptions,
  kind: 'Secret' | 'ConfigMap',
  name: string,
): Promise<ReadonlyMap<string, Buffer> | null> {
  const plural = kind === 'Secret' ? 'secrets' : 'configmaps';
  const path = `/api/v1/namespaces/${options.pod.metadata.namespace}/${plural}/${name}`;
  const answer = await options.api.request('GET', path);
  if (answer.status === 404) return null;
  if (answer.status !== 200) throw new ContainerConfigError('env', answer.body.message ?? answer.text);
  const data = new Map<string, Buffer>();
  const encoding = kind === 'Secret' ? 'base64' : 'utf8';
  const values: Record<string, string> = answer.body.data ?? {};
  for (const [key, value] of Object.entries(values)) data.set(key, Buffer.from(value, encoding));
  return data;
}

function fieldOf(options: ContainerConfigOptions, fieldPath: string): string {
  const { metadata, spec } = options.pod;
  const byKey = /^metadata\.(labels|annotations)\['([^']+)'\]$/.exec(fieldPath);
  if (byKey?.[2] !== undefined)
    return metadata[byKey[1] === 'labels' ? 'labels' : 'annotations']?.[byKey[2]] ?? '';
  switch (fieldPath) {
    case 'metadata.name':
      return metadata.name;
    case 'metadata.namespace':
      return metadata.namespace;
    case 'metadata.uid':
      return metadata.uid;
    case 'spec.serviceAccountName':
      return spec.serviceAccountName ?? 'default';
    case 'spec.nodeName':
      return options.nodeName;
    case 'status.podIP':
    case 'status.hostIP':
      return '127.0.0.1';
    default:
      throw new ContainerConfigError('env', `the fake kubelet cannot resolve fieldPath ${fieldPath}`);
  }
}

/** `$(NAME)` and `$$` as in core/v1 Container. */
function expand(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(/\$\$|\$\(([^)]+)\)/g, (whole, name: string | undefined) => {
    if (name === undefined) return '$';
    return env[name] ?? whole;
  });
}

/** All at once, so that a local folder under /tmp is not itself taken for a mounted /tmp. */
function pathReplacer(places: ReadonlyMap<string, string>): (text: string) => string {
  const paths = [...places.keys()].sort((one, other) => other.length - one.length);
  const escaped = paths.map((path) => path.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const pattern = new RegExp(`(?<![\\w.\\-/])(?:${escaped.join('|')})(?![\\w.\\-])`, 'g');
  return (text) => text.replace(pattern, (path) => places.get(path) ?? path);
}

/** Where the files of a claim are; undefined for a volume of another kind. */
function claimed({ pod, claimFolder }: ContainerConfigOptions, volume: Volume): string | undefined {
  const { claimName } = volume.persistentVolumeClaim ?? {};
  if (claimName === undefined) return undefined;
  const found = claimFolder(pod.metadata.namespace, claimName);
  if (found === null)
    throw new ContainerConfigError('volume', `persistentvolumeclaim "${claimName}" not found`);
  return found;
}

async function writeVolume(options: ContainerConfigOptions, volume: Volume, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  if (volume.emptyDir !== undefined || volume.persistentVolumeClaim !== undefined) return;
  if (volume.secret !== undefined) {
    const { secretName, ...rest } = volume.secret;
    await writeSource(options, volume, { secret: { name: secretName, ...rest } }, folder);
  } else if (volume.projected !== undefined) {
    for (const source of volume.projected.sources) await writeSource(options, volume, source, folder);
  } else if (volume.configMap !== undefined) {
    await writeSource(options, volume, { configMap: volume.configMap }, folder);
  } else if (volume.downwardAPI !== undefined) {
    await writeSource(options, volume, { downwardAPI: volume.downwardAPI }, folder);
  } else {
    throw new ContainerConfigError('volume', `the fake kubelet cannot mount volume "${volume.name}"`);
  }
}

async function writeSource(
  options: ContainerConfigOptions,
  volume: Volume,
  source: ProjectedSource,
  folder: string,
): Promise<void> {
  if (source.secret !== undefined) await writeKeys(options, volume, 'Secret', source.secret, folder);
  if (source.configMap !== undefined) await writeKeys(options, volume, 'ConfigMap', source.configMap, folder);
  if (source.downwardAPI !== undefined) await writeFields(options, source.downwardAPI.items ?? [], folder);
  if (source.serviceAccountToken !== undefined) {
    const token = await requestToken(options, source.serviceAccountToken.audience);
    await writeFile(join(folder, source.serviceAccountToken.path), token, { mode: 0o644 });
  }
}

async function writeKeys(
  options: ContainerConfigOptions,
  volume: Volume,
  kind: 'Secret' | 'ConfigMap',
  source: NamedSource,
  folder: string,
): Promise<void> {
  const data = await dataOf(options, kind, source.name);
  const failed = `MountVolume.SetUp failed for volume "${volume.name}" : `;
  if (data === null) {
    if (source.optional) return;
    throw new ContainerConfigError('volume', `${failed}${kind.toLowerCase()} "${source.name}" not found`);
  }
  const items = source.items ?? [...data.keys()].map((key) => ({ key, path: key }));
  for (const { key, path } of items) {
    const value = data.get(key);
    if (value === undefined) {
      if (source.optional) continue;
      const missing = `references non-existent ${kind === 'Secret' ? 'secret' : 'config'} key: ${key}`;
      throw new ContainerConfigError('volume', `${failed}${missing}`);
    }
    await mkdir(dirname(join(folder, path)), { recursive: true });
    // As a kubelet has it by default.
    await writeFile(join(folder, path), value, { mode: 0o644 });
  }
}

async function writeFields(
  options: ContainerConfigOptions,
  items: readonly DownwardItem[],
  folder: string,
): Promise<void> {
  for (const item of items) {
    if (item.fieldRef !== undefined)
      await writeFile(join(folder, item.path), fieldOf(options, item.fieldRef.fieldPath));
  }
}

/**
 * Bound to the pod, as a kubelet's: it is worth nothing once the pod is gone. It is not renewed, so
 * it lives long.
 */
async function requestToken(options: ContainerConfigOptions, audience: string | undefined): Promise<string> {
  const { metadata, spec } = options.pod;
  const account = spec.serviceAccountName ?? 'default';
  const answer = await options.api.request(
    'POST',
    `/api/v1/namespaces/${metadata.namespace}/serviceaccounts/${account}/token`,
    {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {
        expirationSeconds: 30 * 86_400,
        ...(audience === undefined ? {} : { audiences: [audience] }),
        boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: metadata.name, uid: metadata.uid },
      },
    },
  );
  if (answer.status >= 300) throw new ContainerConfigError('volume', answer.body.message ?? answer.text);
  return answer.body.status.token;
}

async function writePodKubeconfig(options: ContainerConfigOptions, mounted: string): Promise<string> {
  const path = writeKubeconfig(join(options.folder, 'kubeconfig'), {
    server: options.apiServer,
    caFile: join(mounted, 'ca.crt'),
    token: await readFile(join(mounted, 'token'), 'utf8'),
    namespace: options.pod.metadata.namespace,
  });
  // The container's user need not be this process's.
  await chmod(path, 0o644);
  return path;
}
