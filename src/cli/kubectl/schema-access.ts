import type { GlanceSchemaSpec, GlanceSchemaStatus, Workload } from '../../contract/glance-schema.ts';
import { GROUP, PLURAL, VERSION } from '../../contract/names.ts';
import type { Phase } from '../../glance/phase.ts';
import type { KubeRequest } from '../../operator/kube/client.ts';
import { causeOf, KubeError } from '../../operator/kube/kube-error.ts';

/** The options that all verbs have. */
export interface SchemaFlags {
  readonly namespace?: string;
  readonly context?: string;
  readonly kubeconfig?: string;
  readonly as?: string;
}

/** As much of a GlanceSchema as a person asks about. */
export interface SchemaView {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly creationTimestamp: string;
    readonly generation?: number;
    readonly deletionTimestamp?: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: {
    readonly revision?: string | number;
    readonly through?: Phase;
    readonly suspend?: boolean;
    readonly window?: GlanceSchemaSpec['window'];
    readonly approval?: GlanceSchemaSpec['approval'];
    readonly approvedPlan?: string;
    readonly database: GlanceSchemaSpec['database'];
    readonly contractAfter?: readonly Workload[];
  };
  readonly status?: GlanceSchemaStatus;
}

/**
 * One GlanceSchema on the API server. What fails is an Error with a sentence for a person, its
 * cause a KubeError.
 */
export interface SchemaAccess {
  /** `GlanceSchema openstack/glance` */
  readonly title: string;
  read(): Promise<SchemaView>;
  /** Merges this into the object. */
  change(patch: object): Promise<SchemaView>;
  /** The command line of another verb for the same object. */
  commandFor(verb: string): string;
  /**
   * ` -n openstack`, and the context and the kubeconfig where they were named: what kubectl needs
   * to read the same place.
   */
  readonly kubectlFlags: string;
}

/** The API server as a person's kubeconfig reaches it. */
export interface ClusterAccess {
  /** The one that is named, or the context's. */
  readonly namespace: string;
  /** As of a GlanceSchema. */
  readonly kubectlFlags: string;
  /** `what` describes the request where it fails: what was tried, and the right that it needs. */
  request<T>(request: KubeRequest, what: What, signal?: AbortSignal): Promise<T>;
  /** The same for what is answered with a text, which is given as it comes. */
  follow(request: KubeRequest, what: What, onText: (text: string) => void): Promise<void>;
}

interface What {
  /** `read GlanceSchema openstack/glance` */
  readonly doing: string;
  /** `'get' on glanceschemas.db.glance.openstack.org` */
  readonly right: string;
}

/** Opens a GlanceSchema by the user's kubeconfig for as long as `work` takes. */
export async function withSchema<T>(
  name: string,
  flags: SchemaFlags,
  work: (schema: SchemaAccess, cluster: ClusterAccess) => Promise<T>,
): Promise<T> {
  return withCluster(flags, async (cluster) => {
    const { namespace, kubectlFlags } = cluster;
    const title = `GlanceSchema ${namespace}/${name}`;
    const path = `${pathOf(namespace)}/${encodeURIComponent(name)}`;
    const right = (verb: string) => `'${verb}' on ${PLURAL}.${GROUP}`;
    return work(
      {
        title,
        read: () => cluster.request({ method: 'GET', path }, { doing: `read ${title}`, right: right('get') }),
        change: (body) =>
          cluster.request(
            { method: 'PATCH', path, body },
            { doing: `change ${title}`, right: right('patch') },
          ),
        commandFor: (verb) => `kubectl glanceschema ${verb} ${name}${kubectlFlags}`,
        kubectlFlags,
      },
      cluster,
    );
  });
}

/** Where the API server has the GlanceSchemas of a namespace, or of all. */
export function pathOf(namespace: string | undefined): string {
  const within = namespace === undefined ? '' : `/namespaces/${encodeURIComponent(namespace)}`;
  return `/apis/${GROUP}/${VERSION}${within}/${PLURAL}`;
}

/**
 * Opens the cluster by the user's kubeconfig for as long as `work` takes. The Kubernetes client is
 * loaded here only.
 */
export async function withCluster<T>(
  flags: SchemaFlags,
  work: (cluster: ClusterAccess) => Promise<T>,
): Promise<T> {
  const { openKubeConfig } = await import('../../operator/kube/open-kube-config.ts');
  const { KubeClient } = await import('../../operator/kube/client.ts');
  const config = openKubeConfig(flags);
  const client = new KubeClient(config);
  const context = config.getCurrentContext();
  const namespace = flags.namespace ?? config.getContextObject(context)?.namespace ?? 'default';
  const clusterFlags =
    flag('--context', flags.context) + flag('--kubeconfig', flags.kubeconfig) + flag('--as', flags.as);
  const kubectlFlags = flag('-n', namespace) + clusterFlags;

  async function telling<R>({ doing, right }: What, answer: Promise<R>): Promise<R> {
    try {
      return await answer;
    } catch (error) {
      const server = config.getCurrentCluster()?.server ?? '';
      throw new Error(
        `Cannot ${doing}: ${why(error, { right, kubectlFlags, clusterFlags, server, context })}`,
        { cause: error },
      );
    }
  }

  try {
    // Who cannot log in is told before anything is tried.
    await config.access();
    return await work({
      namespace,
      kubectlFlags,
      request: (request, what, signal) => telling(what, client.request(request, signal)),
      follow: (request, what, onText) => telling(what, client.follow(request, onText)),
    });
  } finally {
    await config.close();
  }
}

/** ` --context test`, as a shell takes it; nothing where there is no value. */
function flag(name: string, value: string | undefined): string {
  if (value === undefined) {
    return '';
  }
  return ` ${name} ${/^[\w@%+=:,./-]+$/.test(value) ? value : `'${value.replaceAll("'", "'\\''")}'`}`;
}

interface Asked {
  readonly right: string;
  readonly kubectlFlags: string;
  readonly clusterFlags: string;
  readonly server: string;
  readonly context: string;
}

/** What was found and what helps, by the API server's answer. */
function why(error: unknown, { right, kubectlFlags, clusterFlags, server, context }: Asked): string {
  const status = error instanceof KubeError ? error.status : undefined;
  const said = error instanceof Error ? error.message.replace(/\.$/, '') : String(error);
  switch (status) {
    case undefined:
      return `${server} does not answer (${causeOf(error)}). Check the network, and the context '${context}' of the kubeconfig.`;
    case 401:
      return `${server} does not know who asks (${said}). Log in again, or renew the credentials of the context '${context}'.`;
    case 403:
      return `you have no right to do so (${said}). Ask for the verb ${right}.`;
    case 404:
      // The API server names the object where it knows the kind, and has no Status at all where it
      // does not.
      return error instanceof KubeError && error.reason === 'NotFound'
        ? `there is none of that name. List those that exist with 'kubectl get glanceschemas${kubectlFlags}'.`
        : `${server} knows no GlanceSchemas. Install the CRD by 'kubectl apply -k crds${clusterFlags}', or choose another --context.`;
    default:
      return `${server} answered ${status} (${said}). Try again, or correct what it names.`;
  }
}
