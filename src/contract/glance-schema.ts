import { z } from 'zod';
import { PHASES } from '../glance/phase.ts';
import { LATEST, LATEST_SUPPORTED } from '../glance/revisions.ts';
import { DRIFT_PATTERN, LONGEST_DRIFT_PATTERN } from './drift-pattern.ts';
import { PLAN_HASH } from './plan-hash.ts';

/**
 * A piece of a Pod's spec that is handed on as it is: the API server checks it when the Job is
 * created.
 */
function podField(description: string) {
  return z.looseObject({}).describe(description);
}

const quantity = z.union([z.string().max(64), z.int()]);

/**
 * The name of an object in the same namespace: never a path to another. Source: RFC 1123, as
 * Kubernetes reads it.
 */
const objectName = z
  .string()
  .min(1)
  .max(253)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/);

const secretName = objectName.describe('The name of a Secret in the namespace of this GlanceSchema.');

/** The name of a container image. */
const imageName = z.string().min(1).max(1024);

const keyName = z
  .string()
  .min(1)
  .max(253)
  .regex(/^[-._a-zA-Z0-9]+$/);

const secretKey = z.strictObject({
  name: secretName,
  key: keyName.default('connection').describe('The key in the Secret whose value is the connection URL.'),
});

function caKey(kind: 'Secret' | 'ConfigMap') {
  return z.strictObject({
    name: objectName.describe(`The name of a ${kind} in the namespace of this GlanceSchema.`),
    key: keyName.default('ca.crt').describe(`The key in the ${kind} whose value is the CA, as PEM.`),
  });
}

/**
 * A host name, an IPv4 or an IPv6 address, and nothing that has a meaning in a URL, in a path or to
 * Kubernetes.
 */
const DATABASE_HOST = /^([A-Za-z0-9]([-A-Za-z0-9._]*[A-Za-z0-9])?|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+)$/;

const DATABASE_NAME = /^[A-Za-z0-9_][-A-Za-z0-9_.]*$/;

/** A map of at most 64 entries. */
function few<T extends z.ZodType>(value: T) {
  return z.record(z.string(), value).meta({ maxProperties: 64 });
}

/** What Kubernetes keeps in 32 bits. */
const MOST = 2_147_483_647;

/** Linux keeps it in 32 bits and Kubernetes in 31. */
const userNumber = z.int().min(0).max(MOST);

/**
 * Of the other form of `database`: a connection whose parts are kept apart. None of them can refer
 * to a variable of the pod.
 */
function credential(what: string) {
  return z.strictObject({
    name: secretName,
    key: keyName.describe(`The key in the Secret whose value is the ${what}.`),
  });
}

const database = z
  .strictObject({
    secretRef: secretKey
      .optional()
      .describe(
        "Where the connection is: a URL as in glance-api.conf (`postgresql+psycopg2://user:password@host/glance`), or a file as glance-api.conf is; see docs/connections.md. Only the migration's pod reads it; the operator does not. In its place the parts can be named: `engine`, `host`, `name`, `userSecretRef` and `passwordSecretRef`.",
      ),
    engine: z
      .enum(['mysql', 'postgresql'])
      .optional()
      .describe('What the database is, without secretRef; `mysql` is MariaDB too.'),
    host: z
      .string()
      .min(1)
      .max(253)
      .regex(DATABASE_HOST)
      .optional()
      .describe('The name or the address of one host, without secretRef.'),
    port: z
      .int()
      .min(1)
      .max(65_535)
      .optional()
      .describe('The port, without secretRef; 3306 for `mysql` and 5432 for `postgresql` if absent.'),
    name: z
      .string()
      .min(1)
      .max(64)
      .regex(DATABASE_NAME)
      .optional()
      .describe('The name of the database, without secretRef.'),
    userSecretRef: credential("user's name")
      .optional()
      .describe("Where the user's name is, without secretRef. A line break at its end is left out."),
    passwordSecretRef: credential('password')
      .optional()
      .describe('Where the password is, without secretRef. A line break at its end is left out.'),
    tls: z
      .strictObject({
        caSecretRef: caKey('Secret')
          .optional()
          .describe('Where the CA is that signed the certificate of the database server.'),
        caConfigMapRef: caKey('ConfigMap')
          .optional()
          .describe('The same in a ConfigMap, as trust-manager writes it, in place of caSecretRef.'),
        certSecretRef: z
          .strictObject({ name: secretName })
          .optional()
          .describe(
            'A Secret of the type `kubernetes.io/tls`, as cert-manager writes it: the certificate by which the database knows its client, and its key.',
          ),
        mode: z
          .enum(['disable', 'prefer', 'require', 'verify-ca', 'verify-full'])
          .optional()
          .describe(
            "How the server is checked, as libpq's sslmode; `verify-full` where a CA is given, at least `require` where a certificate is.",
          ),
      })
      .optional()
      .describe('TLS to the database, over what the connection URL says.'),
  })
  .describe('How the database is reached.');

const toleration = z.strictObject({
  key: z.string().max(316).optional().describe('The key of the taints; absent for any.'),
  operator: z
    .enum(['Exists', 'Equal', 'Lt', 'Gt'])
    .optional()
    .describe("How the taint's value is compared; `Equal` if absent."),
  value: z.string().max(256).optional().describe('The value that it is compared with.'),
  effect: z
    .enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute'])
    .optional()
    .describe('The effect of the taints; absent for any.'),
  tolerationSeconds: z
    .int()
    .min(-MOST)
    .max(MOST)
    .optional()
    .describe('How long `NoExecute` is tolerated, in seconds; forever if absent.'),
});

/** A key of an object of the same namespace. */
function keyOf(kind: string) {
  return z
    .strictObject({
      name: objectName.describe(`The name of the ${kind}.`),
      key: keyName.describe('The key in it.'),
      optional: z.boolean().optional().describe('Whether the pod starts without it.'),
    })
    .describe(`A key of a ${kind} in the namespace of this GlanceSchema.`);
}

const environmentVariable = z.strictObject({
  name: z
    .string()
    .min(1)
    .max(253)
    .describe(
      'The name of the variable: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` or `NO_PROXY`, in either case, `TZ`, `LANG` or `LC_*`. Others are refused; see docs/security.md.',
    ),
  value: z
    .string()
    .max(4096)
    .optional()
    .describe(
      'One line, without `$`; of `TZ`, `LANG` and `LC_*` a name such as `Europe/Berlin` or `C.UTF-8`.',
    ),
  valueFrom: z
    .strictObject({
      secretKeyRef: keyOf('Secret').optional(),
      configMapKeyRef: keyOf('ConfigMap').optional(),
    })
    .optional()
    .describe('For proxies only: where the value is.'),
});

const job = z
  .strictObject({
    image: imageName
      .optional()
      .describe("The image of the migration's pod; default is the operator's own image."),
    imagePullSecrets: z
      .array(z.strictObject({ name: secretName }))
      .max(16)
      .optional()
      .describe('Secrets with which the image is pulled.'),
    serviceAccountName: objectName
      .optional()
      .describe('The ServiceAccount of the pod; `default` if absent. No token of it is mounted.'),
    resources: z
      .strictObject({
        limits: few(quantity).optional().describe('The most that it may use.'),
        requests: few(quantity).optional().describe('What is set aside for it.'),
      })
      .optional()
      .describe("The container's compute resources."),
    nodeSelector: few(z.string().max(63)).optional().describe("The pod's node selector."),
    tolerations: z.array(toleration).max(32).optional().describe("The pod's tolerations."),
    affinity: podField("The pod's affinity, as in a Pod.").optional(),
    priorityClassName: objectName.optional().describe("The pod's priority class."),
    labels: few(z.string().max(63))
      .optional()
      .describe("Labels on the Job and its pod; the operator's own win."),
    annotations: few(z.string().max(4096))
      .optional()
      .describe(
        "Annotations on the Job and its pod; they win over the operator's defaults. Those that change the confinement of its container are refused; see docs/security.md.",
      ),
    env: z
      .array(environmentVariable)
      .max(64)
      .optional()
      .describe('More variables in the environment of the container.'),
    lockTimeoutSeconds: z
      .int()
      .min(0)
      .max(86_400)
      .optional()
      .describe('How long to wait for another migrator, and for a table in use, in seconds; 600 if absent.'),
    podSecurityContext: z
      .strictObject({
        runAsUser: userNumber.min(1).optional().describe('The user, who is never root.'),
        runAsGroup: userNumber.optional().describe('The first group.'),
        fsGroup: userNumber.optional().describe('The group that owns the volumes.'),
        supplementalGroups: z.array(userNumber).max(32).optional().describe('Further groups.'),
      })
      .optional()
      .describe(
        'Numbers of user and groups for the pod, where neither the image nor the platform gives the right ones. None is set if absent.',
      ),
    backoffLimit: z
      .int()
      .min(0)
      .max(10)
      .default(2)
      .describe('How often a failed pod is replaced within one Job.'),
    activeDeadlineSeconds: z
      .int()
      .min(1)
      .max(MOST)
      .optional()
      .describe('The longest that a Job may take, in seconds; no bound if absent.'),
    ttlSecondsAfterFinished: z
      .int()
      .min(0)
      .max(MOST)
      .default(86400)
      .describe(
        'How long a finished Job stays, in seconds, counted once its result is in the status; one that has made a plan stays for a week at least.',
      ),
  })
  .describe('How the pod of a migration runs. All optional.');

const window = z
  .strictObject({
    schedule: z
      .string()
      .max(128)
      .describe(
        'When the window opens: five fields as in a CronJob (`0 2 * * SAT`), `SUN#1` for the first Sunday of a month, `L` for its last day, or a name such as `@daily`.',
      ),
    duration: z.string().max(16).describe('How long it stays open each time, from `1m` to `744h`: `2h30m`.'),
    timeZone: z
      .string()
      .max(64)
      .default('UTC')
      .describe('The zone in which the schedule is read, by its name in the IANA database: `Europe/Berlin`.'),
  })
  .describe(
    'When a migration may start; at any time if absent. One that runs is never ended by it, and the database is read outside of it too.',
  );

/** One of the workloads that run Glance's nodes. */
const workload = z.strictObject({
  kind: z.enum(['Deployment', 'StatefulSet', 'DaemonSet']).describe('Its kind, of the group `apps`.'),
  name: objectName.describe('Its name, in the namespace of this GlanceSchema.'),
  image: imageName
    .optional()
    .describe(
      'The image that a container of its pods has to have, exactly as its template names it. Name it: without it a workload that has not been changed yet counts as rolled out.',
    ),
});
const drift = z
  .strictObject({
    interval: z
      .string()
      .max(16)
      .optional()
      .describe(
        'How often a drift check is made: a Job that only reads compares the schema with that of its revision. From `10m` to `744h`, such as `24h`. None is made if absent, or while `suspend` is true.',
      ),
    beforeMigration: z
      .enum(['Report', 'Block'])
      .optional()
      .describe(
        'Compare the schema with what its revision has before the first change of a migration: `Report` goes on, `Block` stops there where it differs. Not compared if absent.',
      ),
    exclude: z
      .array(z.string().min(1).max(LONGEST_DRIFT_PATTERN).regex(DRIFT_PATTERN))
      .max(32)
      .optional()
      .describe(
        'What is meant to be as it is: names of tables, of columns as `table.column`, and of indexes. `*` is any text and `?` any character; at most three `*` in each.',
      ),
  })
  .describe(
    'Drift: whether the schema is what its revision has. Nothing of it is fixed by itself, and other tables and indexes are named and not called wrong.',
  );

/** How many backups a claim may be told to keep, and how many the status lists. */
const MOST_RETAINED = 100;

/** How many backups `status.backups` lists at the most. */
export const MOST_BACKUPS = 10;

const backup = z
  .strictObject({
    policy: z
      .enum(['None', 'BeforeUpgrade'])
      .default('None')
      .describe(
        'Whether the pod of a migration takes a backup first, without which nothing is migrated. An empty database needs none.',
      ),
    volumeClaimName: objectName
      .optional()
      .describe(
        'The PersistentVolumeClaim in the namespace of this GlanceSchema on which backups are kept; required with BeforeUpgrade.',
      ),
    image: imageName
      .optional()
      .describe(
        "The image that takes the backup: one of this operator's version that has the database's own client programs; that of the migration if absent.",
      ),
    retain: z
      .int()
      .min(1)
      .max(MOST_RETAINED)
      .default(3)
      .describe(
        'How many backups of this GlanceSchema stay on the claim: older ones are removed once a newer one is proven.',
      ),
    timeout: z
      .string()
      .max(16)
      .default('1h')
      .describe(
        'The longest that a backup may take, from `1m` to `24h`. It is added to job.activeDeadlineSeconds where that is set.',
      ),
    format: z
      .enum(['Compressed', 'Plain'])
      .default('Compressed')
      .describe('Whether the file of a backup is compressed.'),
  })
  .describe('The backup before a migration; none is taken if absent.');

/**
 * The spec of a GlanceSchema: what is checked at run time, and what the CRD and its reference are
 * made of.
 */
export const specSchema = z
  .strictObject({
    revision: z
      .union([z.string().min(1).max(64), z.int()])
      .describe(
        `The wanted revision, in quotes, such as \`"${LATEST_SUPPORTED}"\`; or the name of a script or release (\`caracal\`, \`"2024.1"\`) that stands for it, in any case; or \`${LATEST}\`, the newest that the operator supports: then an upgrade of the operator migrates the database. Never lower than what the database is at.`,
      ),
    through: z
      .enum(PHASES)
      .default('Contract')
      .describe("How far through the revision's cycle: Expand, Migrate or Contract, which is all of it."),
    suspend: z
      .boolean()
      .default(false)
      .describe(
        'Start no migration. One that is running is left to finish; a reading that the annotation `observe` asks for is still made.',
      ),
    approval: z
      .enum(['Automatic', 'Manual'])
      .default('Automatic')
      .describe(
        'Whether a migration starts by itself, or waits until a person has approved its plan, which a Job that only reads makes first. A plan with nothing to do needs no approval.',
      ),
    approvedPlan: z
      .string()
      .regex(PLAN_HASH)
      .optional()
      .describe(
        'With `approval: Manual`: the `status.plan.hash` of the plan that may run. That of another plan, or of another resource, counts for nothing.',
      ),
    window: window.optional(),
    contractAfter: z
      .array(workload)
      .min(1)
      .max(16)
      .optional()
      .describe(
        'Workloads that have to be rolled out before contract starts, so that no old Glance server meets a contracted schema: the database is expanded and its rows are moved first, and contract waits (`WaitingForRollOut`). An empty database, and a revision before `ocata01`, have nothing to wait for. The operator needs the right to read them: `manifests/roll-outs`.',
      ),
    drift: drift.optional(),
    backup: backup.optional(),
    database,
    job: job.optional(),
  })
  .describe('What is wanted of the schema of one Glance database.');

/**
 * A spec that an older CRD has let in: the line that names the revision may be missing, and
 * nothing is migrated then.
 */
export const storedSpecSchema = specSchema.partial({ revision: true });

const time = z.iso.datetime().describe('RFC 3339, UTC.');
const phase = z.enum(PHASES);

const historyEntry = z.strictObject({
  from: z.string().max(64).optional().describe('Where the database was; absent when it was empty.'),
  to: z.string().max(64).optional().describe('Where the database was left.'),
  startedAt: time,
  finishedAt: time,
  applied: z
    .array(z.string().max(64))
    .max(64)
    .describe('The revision scripts that were committed, in order.'),
  rows: z.int().optional().describe('How many rows its data migrations moved; absent where none ran.'),
  backup: z
    .string()
    .max(253)
    .optional()
    .describe('The file of the backup from before it; absent where none was taken.'),
  job: z.string().max(253).describe('The Job that did it.'),
  error: z.string().max(2048).optional().describe('Why it failed; absent when it did not.'),
});

/**
 * The status of a GlanceSchema, which only the operator writes; the CRD and its reference are made
 * of it.
 */
export const statusSchema = z
  .strictObject({
    observedGeneration: z
      .int()
      .optional()
      .describe(
        'The generation of the spec that this status speaks of; -1 until the operator has seen the resource.',
      ),
    recordedRevision: z
      .string()
      .max(64)
      .optional()
      .describe('The revision that was last read from the database, not the one that was asked for.'),
    recordedPhase: phase.optional().describe("Where in that revision's cycle the database is."),
    recordedFrom: z
      .string()
      .max(512)
      .optional()
      .describe(
        'Which database that is: the Secret and its key by which it was reached, `glance-db/connection`, or, where the parts of the connection are named, where it is: `mysql://db.example.org:3306/glance`.',
      ),
    sharesDatabaseWith: z
      .string()
      .max(253)
      .optional()
      .describe(
        'The oldest of the other GlanceSchemas of this namespace that name the same key of the same Secret, or the same database, where it is older than this one: both are of one database.',
      ),
    databaseHeads: z
      .array(z.string().max(64))
      .max(64)
      .optional()
      .describe('The rows of alembic_version as they were last read.'),
    schemaDifferences: z
      .string()
      .max(2048)
      .optional()
      .describe(
        'What of the schema was not that of the revision when a migration last compared it; absent when nothing was, or the database is at another revision since. A reading does not compare it.',
      ),
    drift: z
      .strictObject({
        differences: z
          .array(z.string().max(256))
          .max(10)
          .optional()
          .describe("What is missing or different, and the columns that are not Glance's: the first ten."),
        also: z
          .array(z.string().max(256))
          .max(10)
          .optional()
          .describe('Extra tables and indexes, which are not wrong: the first ten.'),
        behindMessage: z
          .string()
          .max(2048)
          .optional()
          .describe(
            'That a drift check has found the database before where it is recorded, or at nothing that is known; the record stays then.',
          ),
        movedMessage: z
          .string()
          .max(512)
          .optional()
          .describe(
            'That a drift check has found that another tool has migrated the database; the record follows.',
          ),
        checkedAt: time.optional().describe('When a drift check last read the database.'),
        nextCheckAt: time
          .optional()
          .describe('When the next drift check is due, or was, if none could be made.'),
      })
      .optional()
      .describe(
        'What was found when the schema was last checked for drift; absent where `spec.drift` is, or before the first check.',
      ),
    targetRevision: z
      .string()
      .max(64)
      .optional()
      .describe('spec.revision with aliases and `latest` resolved.'),
    job: z
      .strictObject({
        name: z.string().max(253).describe('The name of the Job.'),
        uid: z
          .string()
          .max(64)
          .describe('Its UID, which distinguishes it from another Job of the same name.'),
        purpose: z
          .enum(['Migrate', 'Observe', 'Plan', 'DriftCheck'])
          .describe(
            'Whether it migrates, or only reads: where the database is, what would run, or whether its schema is still that of its revision.',
          ),
        sequence: z.int().describe('Counts the Jobs of this GlanceSchema, from 1.'),
        attempt: z.int().describe('Counts the Jobs for one spec, from 1.'),
        generation: z.int().describe('The generation of the spec that the Job was started for.'),
        image: z.string().max(1024).optional().describe('What its pod runs.'),
        startedAt: time,
        finishedAt: time.optional().describe('When it ended; absent while it runs.'),
        backup: z
          .enum(['Proven', 'NotNeeded', 'Unproven'])
          .optional()
          .describe(
            'What came of the backup before its migration: `Unproven` where the step for it succeeded and left no result that could be read. Absent where none was asked for, or it has not succeeded.',
          ),
        failure: z
          .strictObject({
            reason: z.string().max(64).describe('One of the reasons of `Ready`, or `NoResult`.'),
            message: z.string().max(2048).describe('What happened, and what to do.'),
            databaseRead: z
              .boolean()
              .describe('Whether it could say where it left the database; if not, the record may be old.'),
          })
          .optional()
          .describe('Why it failed; absent when it did not.'),
      })
      .optional()
      .describe('The newest Job.'),
    plan: z
      .strictObject({
        hash: z.string().max(64).describe('Stands for all that would run; what `spec.approvedPlan` names.'),
        from: z
          .string()
          .max(64)
          .optional()
          .describe('Where the database was when the plan was made; absent when it was empty.'),
        to: z.string().max(64).describe('Where the plan leads.'),
        revisions: z
          .array(z.string().max(64))
          .max(64)
          .describe('The revision scripts and data migrations that would run, in order.'),
        rows: z.int().describe('How many rows it would write.'),
        mostRows: z
          .int()
          .describe(
            'How many it may write: a migration that would write more is refused, and planned again.',
          ),
        locks: z
          .array(z.string().max(256))
          .max(64)
          .describe('The locks that it takes on tables in use; a long list is cut.'),
        warnings: z
          .array(z.string().max(256))
          .max(64)
          .describe('What is in the way, so that the migration would refuse to begin.'),
        database: z.string().max(512).optional().describe('Which database it is for, as in recordedFrom.'),
        image: z.string().max(1024).optional().describe('The image that made it, and is to run it.'),
        job: z.string().max(253).describe('The Job that made it: its log has all of the SQL.'),
      })
      .optional()
      .describe(
        'What the next migration would do, with `spec.approval: Manual`; absent while no plan has been made, or none is due.',
      ),
    refusedPlan: z
      .string()
      .max(64)
      .optional()
      .describe(
        'The hash of the plan that a migration refused last, as it would have done something else. A new plan of that hash waits for the annotation `retry` too.',
      ),
    nextAttemptAt: time
      .optional()
      .describe(
        'When what has failed is tried again, or the window opens, RFC 3339, UTC; absent while nothing waits for that.',
      ),
    progress: z
      .strictObject({
        migration: z.string().max(64).describe('The data migration.'),
        done: z.int().describe('The rows that it has moved.'),
        total: z.int().describe('The rows that it is to move, those included.'),
      })
      .optional()
      .describe(
        'How far a data migration has come that takes longer than some seconds: the newest that its log reports; after a Job that did not end it, where that stopped.',
      ),
    lastMigration: historyEntry.optional().describe('The newest migration that succeeded.'),
    history: z
      .array(historyEntry)
      .max(10)
      .optional()
      .describe('The last ten migrations, newest first, failures with their cause.'),
    backups: z
      .array(
        z.strictObject({
          file: z.string().max(253).describe('The name of its file on the claim.'),
          revision: z.string().max(64).describe('Where the database was.'),
          phase: phase.describe("Where in that revision's cycle it was."),
          takenAt: time.describe('When its snapshot was taken. RFC 3339, UTC.'),
          bytes: z.int().describe('The length of its file.'),
          sha256: z.string().max(64).describe('The SHA-256 of its file, in hex.'),
          tables: z.int().describe('How many tables it has.'),
          rows: z.int().describe('How many rows it has, of all tables.'),
          volumeClaimName: z.string().max(253).describe('The PersistentVolumeClaim that it is on.'),
          database: z.string().max(512).optional().describe('Which database it is of, as in recordedFrom.'),
          job: z.string().max(253).describe('The Job that took it.'),
        }),
      )
      .max(MOST_BACKUPS)
      .optional()
      .describe(
        'The backups that were taken and proven, newest first: as many as spec.backup.retain keeps, and ten at the most.',
      ),
    handledObserve: z
      .string()
      .max(256)
      .optional()
      .describe('The value of the annotation `observe` that was last acted on.'),
    handledRetry: z
      .string()
      .max(256)
      .optional()
      .describe('The value of the annotation `retry` that was last acted on.'),
    conditions: z
      .array(
        z.strictObject({
          type: z.string().max(316).describe('Ready, Reconciling, Stalled or SchemaDrift.'),
          status: z.enum(['True', 'False', 'Unknown']).describe('Whether it is so.'),
          observedGeneration: z.int().optional().describe('The generation of the spec that it speaks of.'),
          lastTransitionTime: time.describe('When its status changed last. RFC 3339, UTC.'),
          reason: z.string().min(1).max(1024).describe('Why, in one word; see docs/glance-schema.md.'),
          message: z.string().max(32768).describe('Why, in sentences, and what to do.'),
        }),
      )
      .max(8)
      .optional()
      .describe('Ready, and while they are true Reconciling, Stalled or SchemaDrift.'),
  })
  .describe('What the operator has read and done.');

/** The spec as the API server hands it out: defaults are filled in. */
export type GlanceSchemaSpec = z.output<typeof storedSpecSchema>;

/**
 * The status of a GlanceSchema as the operator writes it; empty before it has seen the resource.
 */
export type GlanceSchemaStatus = z.output<typeof statusSchema>;

/** A workload of `spec.contractAfter`. */
export type Workload = NonNullable<GlanceSchemaSpec['contractAfter']>[number];

/** What the status keeps of the last Job, so that it can be read when the Job is gone. */
export type StatusJob = NonNullable<GlanceSchemaStatus['job']>;

/** What the next migration would do, as in `status.plan`. */
export type StatusPlan = NonNullable<GlanceSchemaStatus['plan']>;

/** A backup that is proven, as in `status.backups`. */
export type StatusBackup = NonNullable<GlanceSchemaStatus['backups']>[number];

/** One migration of the past, as in `status.history`. */
export type HistoryEntry = z.output<typeof historyEntry>;

/**
 * A condition as in `status.conditions`.
 *
 * Source: https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md
 */
export type Condition = NonNullable<GlanceSchemaStatus['conditions']>[number];

/** The condition `Ready` as it is now. */
export function readyCondition({ conditions }: GlanceSchemaStatus): Condition | undefined {
  return conditions?.find(({ type }) => type === 'Ready');
}

/** The reason that the condition `Ready` has now. */
export function readyReason(status: GlanceSchemaStatus): string | undefined {
  return readyCondition(status)?.reason;
}
