import type { GlanceSchemaSpec } from '../../../contract/glance-schema.ts';
import { CONNECTION_SOURCE_VARIABLE, CONNECTION_VARIABLE, PART_VARIABLES } from '../../../contract/names.ts';

type Database = GlanceSchemaSpec['database'];

/**
 * The environment by which the container of a migration knows how the database is reached. The
 * values of Secrets come by the kubelet, and are in no argument; the other parts are of characters
 * that Kubernetes makes nothing of.
 */
export function connectionVariables(database: Database, namespace: string): readonly object[] {
  const { secretRef } = database;
  if (secretRef !== undefined) {
    const source = `key '${secretRef.key}' of Secret ${namespace}/${secretRef.name}`;
    return [
      { name: CONNECTION_SOURCE_VARIABLE, value: source },
      fromSecret(CONNECTION_VARIABLE, { name: secretRef.name, key: secretRef.key }),
    ];
  }
  const { engine, host, port, name, userSecretRef, passwordSecretRef } = database;
  return [
    { name: CONNECTION_SOURCE_VARIABLE, value: 'spec.database' },
    { name: PART_VARIABLES.engine, value: engine },
    { name: PART_VARIABLES.host, value: host },
    ...(port === undefined ? [] : [{ name: PART_VARIABLES.port, value: String(port) }]),
    { name: PART_VARIABLES.name, value: name },
    fromSecret(PART_VARIABLES.user, userSecretRef),
    fromSecret(PART_VARIABLES.password, passwordSecretRef),
  ];
}

function fromSecret(name: string, key: { readonly name: string; readonly key: string } | undefined): object {
  return { name, valueFrom: { secretKeyRef: key } };
}
