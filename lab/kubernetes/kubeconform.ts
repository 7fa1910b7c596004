import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureTool } from '../tools/ensure-tool.ts';
import type { ControlPlane } from './control-plane.ts';
import type { KubeObject } from './test-api.ts';

/** A node of a schema; see OpenAPI 2.0. */
interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly format?: string;
  readonly [keyword: string]: unknown;
}

/**
 * Writes what an API server takes, in the words of its own OpenAPI, as the JSON schemas that
 * kubeconform reads, and gives the check of a stream of objects against them: empty when all is
 * well, else what is not.
 */
export async function conformance(plane: ControlPlane): Promise<(objects: string) => string> {
  const kubeconform = await ensureTool('kubeconform');
  const folder = join(plane.folder, 'schemas');
  mkdirSync(folder);
  const { definitions } = await plane.api().call('GET', '/openapi/v2');
  const strict = Object.fromEntries(
    Object.entries<Schema>(definitions).map(([name, schema]) => [name, asStrict(schema)]),
  );
  writeFileSync(join(folder, 'definitions.json'), JSON.stringify({ definitions: strict }));
  for (const [name, schema] of Object.entries<KubeObject>(definitions)) {
    for (const { group, version, kind } of schema['x-kubernetes-group-version-kind'] ?? []) {
      // Where there is no group it takes the version for it.
      const file = `${kind}-${group || version}-${version}.json`.toLowerCase();
      writeFileSync(join(folder, file), JSON.stringify({ $ref: `definitions.json#/definitions/${name}` }));
    }
  }
  const location = `${folder}/{{.ResourceKind}}-{{.Group}}-{{.ResourceAPIVersion}}.json`;
  return (objects) => {
    const args = ['-output', 'json', '-schema-location', location];
    const { stdout, stderr } = spawnSync(kubeconform, args, { input: objects, encoding: 'utf8' });
    if (stderr !== '') return stderr;
    const { resources } = JSON.parse(stdout);
    return resources
      .map((each: { kind: string; name: string; msg: string }) => `${each.kind} ${each.name}: ${each.msg}`)
      .join('\n');
  };
}

/** No field beyond those that are there, and both ways to write a number. */
function asStrict(schema: Schema): Schema {
  if (schema.format === 'int-or-string') return { oneOf: [{ type: 'string' }, { type: 'integer' }] };
  if (schema.properties === undefined) return schema;
  const properties = Object.entries(schema.properties).map(([name, each]) => [name, asStrict(each)]);
  return { additionalProperties: false, ...schema, properties: Object.fromEntries(properties) };
}
