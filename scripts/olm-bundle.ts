import type { KubeObject } from '../lab/kubernetes/test-api.ts';

const PACKAGE = 'glance-schema';
const CHANNEL = 'alpha';

const OPERATOR = 'glance-schema-operator';

/**
 * OLM makes these from the ClusterServiceVersion; the namespace is the user's, and versions of OLM
 * before 2025 refuse a NetworkPolicy.
 */
const NOT_IN_A_BUNDLE = [
  'ServiceAccount',
  'Role',
  'RoleBinding',
  'ClusterRoleBinding',
  'Deployment',
  'Namespace',
  'NetworkPolicy',
];

/** What a bundle is made of. */
export interface BundleSources {
  readonly version: string;
  /** Of `manifests/overlays/cluster`. */
  readonly objects: readonly KubeObject[];
  /** A GlanceSchema that OLM's pages show. */
  readonly example: KubeObject;
}

/** The bundle's manifests, by the names of their files. */
export function bundleManifests(sources: BundleSources): Readonly<Record<string, object>> {
  const rest = sources.objects.filter(
    ({ kind = '', metadata }) =>
      !NOT_IN_A_BUNDLE.includes(kind) && !(kind === 'ClusterRole' && metadata?.name === OPERATOR),
  );
  return {
    [`${PACKAGE}.clusterserviceversion.yaml`]: clusterServiceVersion(sources),
    ...Object.fromEntries(rest.map((object) => [fileOf(object), withoutNamespace(object)])),
  };
}

function fileOf({ kind, metadata }: KubeObject): string {
  return `${metadata?.name}.${kind?.toLowerCase()}.yaml`;
}

/** OLM puts it into the namespace that the operator is installed in. */
function withoutNamespace({ metadata, ...object }: KubeObject): object {
  const { namespace: _namespace, ...rest } = metadata ?? {};
  return { ...object, metadata: rest };
}

function clusterServiceVersion({ version, objects, example }: BundleSources): object {
  const named = (kind: string, name: string): KubeObject => {
    const found = objects.find((object) => object.kind === kind && object.metadata?.name === name);
    if (found === undefined)
      throw new Error(`Cannot make a bundle: ${kind} ${name} is not in the manifests.`);
    return found;
  };
  const deployment = named('Deployment', OPERATOR);
  const crd = named('CustomResourceDefinition', 'glanceschemas.db.glance.openstack.org');
  const serviceAccountName = deployment.spec.template.spec.serviceAccountName;
  return {
    apiVersion: 'operators.coreos.com/v1alpha1',
    kind: 'ClusterServiceVersion',
    metadata: {
      name: `${PACKAGE}.v${version}`,
      annotations: {
        'alm-examples': JSON.stringify([example]),
        capabilities: 'Seamless Upgrades',
        categories: 'Database, OpenShift Optional',
        containerImage: deployment.spec.template.spec.containers[0].image,
      },
    },
    spec: {
      displayName: PACKAGE,
      description:
        'Keeps the schema of an OpenStack Glance database at the revision that a GlanceSchema names. It migrates by Jobs, upgrades without downtime, and refuses a lower revision.',
      version,
      maturity: CHANNEL,
      minKubeVersion: '1.29.0',
      provider: { name: 'The authors of glance-schema' },
      keywords: ['openstack', 'glance', 'database', 'migration'],
      installModes: ['OwnNamespace', 'SingleNamespace', 'MultiNamespace', 'AllNamespaces'].map((type) => ({
        type,
        supported: type === 'AllNamespaces',
      })),
      customresourcedefinitions: {
        owned: crd.spec.versions.map(({ name }: { readonly name: string }) => ({
          name: crd.metadata?.name,
          version: name,
          kind: crd.spec.names.kind,
          displayName: crd.spec.names.kind,
          description: 'The wanted and the recorded revision of the schema of one Glance database.',
        })),
      },
      install: {
        strategy: 'deployment',
        spec: {
          clusterPermissions: [{ serviceAccountName, rules: named('ClusterRole', OPERATOR).rules }],
          permissions: [{ serviceAccountName, rules: named('Role', 'glance-schema-leader').rules }],
          deployments: [{ name: OPERATOR, label: deployment.metadata?.labels, spec: deployment.spec }],
        },
      },
    },
  };
}

/** As annotations of the bundle's folder and as labels of its image, which have to be the same. */
const ANNOTATIONS = {
  'operators.operatorframework.io.bundle.mediatype.v1': 'registry+v1',
  'operators.operatorframework.io.bundle.manifests.v1': 'manifests/',
  'operators.operatorframework.io.bundle.metadata.v1': 'metadata/',
  'operators.operatorframework.io.bundle.package.v1': PACKAGE,
  'operators.operatorframework.io.bundle.channels.v1': CHANNEL,
  'operators.operatorframework.io.bundle.channel.default.v1': CHANNEL,
};

/** The content of `metadata/annotations.yaml`. */
export const bundleAnnotations = { annotations: ANNOTATIONS };

/** With which the bundle's image is built. */
export const bundleDockerfile = [
  'FROM scratch',
  ...Object.entries(ANNOTATIONS).map(([name, value]) => `LABEL ${name}=${value}`),
  'COPY manifests /manifests/',
  'COPY metadata /metadata/',
  '',
].join('\n');
