import { z } from 'zod';
import { specSchema, statusSchema } from '../contract/glance-schema.ts';
import { GROUP, KIND, PLURAL, VERSION } from '../contract/names.ts';
import { withoutUndefined } from '../glance/without-undefined.ts';
import {
  type AdmissionRule,
  annotationsKeepConfinement,
  backupHasClaim,
  driftCanBeRead,
  oneAuthority,
  oneConnection,
  revisionIsSupported,
  targetIsNotLower,
  variablesAreAllowed,
  windowCanBeRead,
} from './admission-rules.ts';

/** A node of a structural OpenAPI schema, as a CustomResourceDefinition has it. */
export interface Schema {
  [keyword: string]: unknown;
  type?: string;
  description?: string;
  enum?: readonly unknown[];
  properties?: Record<string, Schema>;
  items?: Schema;
  additionalProperties?: boolean | Schema;
}

/**
 * The CustomResourceDefinition of GlanceSchema, made from the TypeScript schema; nothing of it is
 * written twice.
 */
export function customResourceDefinition(): object {
  const { spec, status } = structuralSchemas();
  addRule(at(spec, 'revision'), revisionIsSupported());
  addRule(at(spec, 'job', 'env', '[]'), ...variablesAreAllowed());
  addRule(at(spec, 'job', 'annotations'), annotationsKeepConfinement());
  addRule(at(spec, 'database'), oneConnection());
  addRule(at(spec, 'database', 'tls'), oneAuthority());
  addRule(at(spec, 'window'), ...windowCanBeRead());
  addRule(at(spec, 'drift'), driftCanBeRead());
  Object.assign(at(spec, 'contractAfter'), {
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['kind', 'name'],
  });
  addRule(at(spec, 'backup'), ...backupHasClaim());
  Object.assign(at(status, 'conditions'), {
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['type'],
  });
  // kstatus takes an object without a status for finished, and Flux would go on before the operator
  // has seen it.
  status.default = { observedGeneration: -1 };
  const schema: Schema = {
    description: 'The wanted and the recorded revision of the schema of one OpenStack Glance database.',
    type: 'object',
    required: ['spec'],
    properties: {
      apiVersion: { type: 'string', description: 'The version of this API.' },
      kind: { type: 'string', description: `Always ${KIND}.` },
      metadata: { type: 'object' },
      spec,
      status,
    },
  };
  addRule(schema, targetIsNotLower());
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${PLURAL}.${GROUP}` },
    spec: {
      group: GROUP,
      scope: 'Namespaced',
      names: {
        kind: KIND,
        listKind: `${KIND}List`,
        plural: PLURAL,
        singular: KIND.toLowerCase(),
        shortNames: ['glschema'],
        categories: ['openstack'],
      },
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: PRINTER_COLUMNS,
          schema: { openAPIV3Schema: schema },
        },
      ],
    },
  };
}

/** The two halves of a GlanceSchema as structural schemas, without the rules. */
export function structuralSchemas(): { readonly spec: Schema; readonly status: Schema } {
  return { spec: structural(specSchema), status: structural(statusSchema) };
}

const READY = '.status.conditions[?(@.type=="Ready")]';

const PRINTER_COLUMNS = [
  { name: 'Desired', type: 'string', jsonPath: '.spec.revision', description: 'The wanted revision.' },
  {
    name: 'Recorded',
    type: 'string',
    jsonPath: '.status.recordedRevision',
    description: 'The revision last read from the database.',
  },
  { name: 'Ready', type: 'string', jsonPath: `${READY}.status` },
  { name: 'Reason', type: 'string', jsonPath: `${READY}.reason` },
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  {
    name: 'Target',
    type: 'string',
    jsonPath: '.status.targetRevision',
    description: 'The wanted revision with aliases and `latest` resolved.',
    priority: 1,
  },
  { name: 'Phase', type: 'string', jsonPath: '.status.recordedPhase', priority: 1 },
  { name: 'Job', type: 'string', jsonPath: '.status.job.name', priority: 1 },
  { name: 'Progress', type: 'integer', jsonPath: '.status.progress.done', priority: 1 },
  { name: 'Message', type: 'string', jsonPath: `${READY}.message`, priority: 1 },
];

function structural(schema: z.ZodType): Schema {
  return fix(z.toJSONSchema(schema, { target: 'openapi-3.0', io: 'input' }) as Schema);
}

/** Turns what zod writes into what a structural schema may hold. */
function fix(schema: Schema): Schema {
  if (isIntOrString(schema)) {
    const { anyOf, ...rest } = schema;
    const { maxLength } = anyOf.find((option) => option.type === 'string') ?? {};
    return { ...rest, ...withoutUndefined({ maxLength }), 'x-kubernetes-int-or-string': true };
  }
  const fixed: Schema = { ...schema };
  if (fixed.type === 'integer') {
    fixed.format = 'int64';
    // zod bounds every integer by 2^53; the API server would print these bounds in its messages.
    for (const bound of ['minimum', 'maximum']) {
      if (Math.abs(Number(fixed[bound])) === Number.MAX_SAFE_INTEGER) {
        delete fixed[bound];
      }
    }
  }
  if (fixed.pattern !== undefined && fixed.format === 'date-time') {
    delete fixed.pattern;
  }
  if (fixed.properties !== undefined) {
    if (isOpen(fixed.additionalProperties)) {
      fixed['x-kubernetes-preserve-unknown-fields'] = true;
    }
    // Beside `properties` a structural schema may not have it; unknown fields are refused or pruned
    // by the API server.
    delete fixed.additionalProperties;
    fixed.properties = Object.fromEntries(
      Object.entries(fixed.properties).map(([name, property]) => [name, fix(property)]),
    );
  } else if (typeof fixed.additionalProperties === 'object') {
    fixed.additionalProperties = fix(fixed.additionalProperties);
  }
  if (fixed.items !== undefined) {
    fixed.items = fix(fixed.items);
  }
  return fixed;
}

function isIntOrString(schema: Schema): schema is Schema & { anyOf: Schema[] } {
  return Array.isArray(schema.anyOf);
}

function isOpen(additional: Schema['additionalProperties']): boolean {
  return typeof additional === 'object' && Object.keys(additional).length === 0;
}

/** The node under these names of fields; `[]` is what is in a list. */
function at(schema: Schema, ...path: readonly string[]): Schema {
  return path.reduce((node, name) => {
    const child = name === '[]' ? node.items : node.properties?.[name];
    if (child === undefined) {
      throw new Error(`Cannot add to '${path.join('.')}' of the CRD: the schema has no '${name}'`);
    }
    return child;
  }, schema);
}

function addRule(schema: Schema, ...rules: readonly AdmissionRule[]): void {
  schema['x-kubernetes-validations'] = rules;
}
