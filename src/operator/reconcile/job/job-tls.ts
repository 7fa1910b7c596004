import type { GlanceSchemaSpec } from '../../../contract/glance-schema.ts';

type Tls = NonNullable<GlanceSchemaSpec['database']['tls']>;

const FOLDER = '/etc/glance-schema/tls';

const CA_FILE = `${FOLDER}/ca.crt`;

/** Of a Secret of the type kubernetes.io/tls. */
const CERTIFICATE = { cert: 'tls.crt', key: 'tls.key' } as const;

/**
 * What `spec.database.tls` adds to the containers and to the pod of a migration; nothing where it
 * names no files.
 *
 * @param fsGroup the group that owns the volumes, where the spec names one: then it and nobody else
 *   may read the files, as libpq takes no key that everybody may read
 */
export function tlsVolume(
  tls: Tls | undefined,
  fsGroup: number | undefined,
): {
  readonly mounts: readonly object[];
  readonly volumes: readonly object[];
} {
  const sources = sourcesOf(tls);
  if (sources.length === 0) {
    return { mounts: [], volumes: [] };
  }
  return {
    mounts: [{ name: 'tls', mountPath: FOLDER, readOnly: true }],
    volumes: [
      { name: 'tls', projected: { sources, ...(fsGroup === undefined ? {} : { defaultMode: 0o440 }) } },
    ],
  };
}

/** The options that name these files to the migration. */
export function tlsArguments(tls: Tls | undefined): readonly string[] {
  const hasAuthority = tls?.caSecretRef !== undefined || tls?.caConfigMapRef !== undefined;
  const mode = tls?.mode ?? (hasAuthority ? 'verify-full' : undefined);
  return [
    ...(hasAuthority ? ['--tls-ca', CA_FILE] : []),
    ...(tls?.certSecretRef === undefined
      ? []
      : ['--tls-cert', `${FOLDER}/${CERTIFICATE.cert}`, '--tls-key', `${FOLDER}/${CERTIFICATE.key}`]),
    ...(mode === undefined ? [] : ['--tls-mode', mode]),
  ];
}

function sourcesOf(tls: Tls | undefined): readonly object[] {
  const caOf = ({ name, key }: { readonly name: string; readonly key: string }) => ({
    name,
    items: [{ key, path: 'ca.crt' }],
  });
  return [
    ...(tls?.caSecretRef === undefined ? [] : [{ secret: caOf(tls.caSecretRef) }]),
    ...(tls?.caConfigMapRef === undefined ? [] : [{ configMap: caOf(tls.caConfigMapRef) }]),
    ...(tls?.certSecretRef === undefined
      ? []
      : [
          {
            secret: {
              name: tls.certSecretRef.name,
              items: Object.values(CERTIFICATE).map((key) => ({ key, path: key })),
            },
          },
        ]),
  ];
}
