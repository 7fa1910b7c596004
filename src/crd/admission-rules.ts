import {
  ALLOWED_VARIABLES,
  CONFINEMENT_ANNOTATIONS,
  PLAIN_VALUE,
  PROXY_VALUE,
  PROXY_VARIABLES,
} from '../contract/job-environment.ts';
import { PHASES } from '../glance/phase.ts';
import { ordinal } from '../glance/position.ts';
import { LATEST, LATEST_SUPPORTED, LEGACY_NUMBERS, REVISIONS } from '../glance/revisions.ts';

/** A validation rule of a CustomResourceDefinition, in CEL. */
export interface AdmissionRule {
  readonly rule: string;
  readonly message?: string;
  /**
   * CEL that gives the message; the API server falls back to `message` where it cannot be computed.
   */
  readonly messageExpression?: string;
  /** Where the refusal is reported, below the field that has the rule. */
  readonly fieldPath?: string;
}

/** On `spec.revision`: only what this operator supports, by any of its names, in any case. */
export function revisionIsSupported(): AdmissionRule {
  const names = REVISIONS.flatMap((revision) => [revision.name, ...revision.aliases]);
  const numbers = Object.entries(LEGACY_NUMBERS);
  const advice = `Name one of ${REVISIONS.map((revision) => revision.name).join(', ')}, or \\'${LATEST}\\'.`;
  const inQuotes = `Write the name of the revision in quotes, such as "${LATEST_SUPPORTED}": YAML reads a name of digits as a number.`;
  return {
    rule: `string(self).lowerAscii() in ${celList(names)}`,
    message: `Cannot use this revision: this operator does not support it. ${advice.replaceAll('\\', '')}`,
    messageExpression:
      `'Cannot use revision \\'' + string(self) + '\\': ' + (string(self) in ${celList(numbers.map(([number]) => number))}` +
      ` ? 'it is a number of the migration tool before Ocata. Name the revision \\'' + ${celMap(numbers)}[string(self)] + '\\'.'` +
      ` : string(self).matches('${NUMBER}') ? 'it is a number that stands for no revision. ${inQuotes}'` +
      ` : 'this operator supports no such revision. ${advice}')`,
  };
}

/** What YAML and Helm make of a name of digits; as in resolve.ts, in CEL's words. */
const NUMBER = '^[0-9]+([.]0+)?$|^[0-9]+([.][0-9]+)?[eE][-+]?[0-9]+$';

/**
 * On each of `spec.job.env`: only names that no program takes code, hosts or files from, and values
 * that are of their kind.
 */
export function variablesAreAllowed(): readonly AdmissionRule[] {
  const only = 'Only proxies, TZ, LANG and LC_* can be set';
  const kinds =
    'A proxy is one line without $; TZ, LANG and LC_* are a name, such as Europe/Berlin or C.UTF-8';
  const isProxy = `self.name.matches('${PROXY_VARIABLES}')`;
  return [
    {
      rule: `self.name.matches('${ALLOWED_VARIABLES}')`,
      message: `Cannot set this variable in job.env. ${only}.`,
      messageExpression: `'Cannot set ' + self.name + ' in job.env. ${only}.'`,
      fieldPath: '.name',
    },
    {
      rule: `!has(self.value) || self.value.matches(${isProxy} ? '${PROXY_VALUE}' : '${PLAIN_VALUE}')`,
      message: `Cannot use the value of this variable in job.env. ${kinds}.`,
      fieldPath: '.value',
    },
    {
      rule: `!has(self.valueFrom) || (${isProxy} && !has(self.value) && has(self.valueFrom.secretKeyRef) != has(self.valueFrom.configMapKeyRef))`,
      message:
        'Cannot use this valueFrom in job.env. It is for proxies, without value, and has either secretKeyRef or configMapKeyRef.',
      fieldPath: '.valueFrom',
    },
  ];
}

/** On `spec.job.annotations`: none that loosens the pod's confinement. */
export function annotationsKeepConfinement(): AdmissionRule {
  return {
    rule: `self.all(name, !name.matches('${CONFINEMENT_ANNOTATIONS}'))`,
    message:
      "Cannot put one of these in job.annotations: it would change the confinement of the migration's container. Leave out those of AppArmor, seccomp, CRI-O, containerd, Kata and CDI.",
  };
}

/** On `spec.database`: a Secret with the whole connection, or its parts. */
export function oneConnection(): AdmissionRule {
  const parts = ['engine', 'host', 'name', 'userSecretRef', 'passwordSecretRef'];
  const none = [...parts, 'port'].map((part) => `!has(self.${part})`).join(' && ');
  const all = parts.map((part) => `has(self.${part})`).join(' && ');
  return {
    rule: `has(self.secretRef) ? ${none} : ${all}`,
    message:
      'Cannot tell how the database is reached. Set secretRef alone, or without it engine, host, name, userSecretRef and passwordSecretRef.',
  };
}

/** On `spec.database.tls`. */
export function oneAuthority(): AdmissionRule {
  return {
    rule: '!has(self.caSecretRef) || !has(self.caConfigMapRef)',
    message: 'Cannot use two CAs for one database. Name it by caSecretRef or by caConfigMapRef.',
  };
}

/** On `spec.window`: what can be said without a calendar and the list of time zones. */
export function windowCanBeRead(): readonly AdmissionRule[] {
  return [
    {
      rule: `self.schedule.matches('${CRON_SCHEDULE}')`,
      message:
        'Cannot read this schedule. Write five fields, such as 0 2 * * SAT for each Saturday at two, or @daily.',
      fieldPath: '.schedule',
    },
    {
      rule: isDuration('self.duration'),
      message: 'Cannot use this duration. Write hours and minutes, from 1m to 744h, such as 2h30m.',
      fieldPath: '.duration',
    },
    {
      rule: `self.timeZone.matches('^[A-Za-z][A-Za-z0-9_+/-]*$')`,
      message: 'Cannot read this time zone. Write its name in the IANA database, such as Europe/Berlin.',
      fieldPath: '.timeZone',
    },
  ];
}

/** On `spec.drift`. */
export function driftCanBeRead(): AdmissionRule {
  return {
    rule: `!has(self.interval) || (${isDuration('self.interval', '10m')})`,
    message: 'Cannot use this interval. Write hours and minutes, from 10m to 744h, such as 24h.',
    fieldPath: '.interval',
  };
}

/** As croner reads it, with numbers within their bounds; whether it ever comes takes a calendar. */
const CRON_SCHEDULE = (() => {
  const field = (number: string, more = '') => {
    const step = '(/[1-9][0-9]?)?';
    const item = `([*]${step}|(${number})(-(${number}))?${step}${more})`;
    return `${item}(,${item})*`;
  };
  const months = 'JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC';
  const fields = [
    field('[0-5]?[0-9]'),
    field('[01]?[0-9]|2[0-3]'),
    field('0?[1-9]|[12][0-9]|3[01]', '|L'),
    field(`0?[1-9]|1[0-2]|${months}`),
    field('[0-7]|SUN|MON|TUE|WED|THU|FRI|SAT', '(#[1-5])?'),
  ];
  return `^(?i:@(yearly|annually|monthly|weekly|daily|hourly)|${fields.join(' +')})$`;
})();

/** As the operator reads it, a month at the most. */
function isDuration(field: string, least = '1m', most = '744h'): string {
  return `${field}.matches('^([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,5}s)?$') && duration(${field}) >= duration('${least}') && duration(${field}) <= duration('${most}')`;
}

/** On `spec.backup`. */
export function backupHasClaim(): readonly AdmissionRule[] {
  return [
    {
      rule: "self.policy != 'BeforeUpgrade' || has(self.volumeClaimName)",
      message:
        'Cannot take backups without a place for them. Name a PersistentVolumeClaim of this namespace in backup.volumeClaimName.',
      fieldPath: '.volumeClaimName',
    },
    {
      rule: isDuration('self.timeout', '1m', '24h'),
      message: 'Cannot use this timeout. Write hours and minutes, from 1m to 24h, such as 2h30m.',
      fieldPath: '.timeout',
    },
  ];
}

/**
 * On the whole object: a change of the wanted position to one before the recorded one is refused.
 * It compares only when the spec changes, so that a status write, or a label put on a resource that
 * is already refused, always passes.
 *
 * Source: kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions,
 * transition rules.
 */
export function targetIsNotLower(): AdmissionRule {
  // It is required, but an older CRD did not ask for it, and a status must still be written to
  // what that has let in.
  const revision = (object: string) =>
    `(has(${object}.spec.revision) ? string(${object}.spec.revision) : '')`;
  const name = (object: string) => `${revision(object)}.lowerAscii()`;
  const wanted = `${ORDER}[${name('self')}]`;
  const wantedOrdinal = `${wanted} + (${name('self')} in ${WHOLE} ? 0 : ${PHASE_OFFSET}[self.spec.through])`;
  const recordedOrdinal =
    `${ORDER}[self.status.recordedRevision] + (self.status.recordedRevision in ${WHOLE}` +
    ` || !has(self.status.recordedPhase) ? 0 : ${PHASE_OFFSET}[self.status.recordedPhase])`;
  const wantedPhase = `(self.spec.through == 'Contract' ? '' : ' (' + self.spec.through + ')')`;
  const recordedPhase =
    `(!has(self.status.recordedPhase) || self.status.recordedPhase == 'Contract' ? ''` +
    ` : ' (' + self.status.recordedPhase + ')')`;
  return {
    rule: [
      `${revision('self')} == ${revision('oldSelf')} && self.spec.through == oldSelf.spec.through`,
      `!has(self.status) || !has(self.status.recordedRevision)`,
      `!(self.status.recordedRevision in ${ORDER}) || !(${name('self')} in ${ORDER})`,
      `${wantedOrdinal} >= ${recordedOrdinal}`,
    ].join(' || '),
    fieldPath: '.spec.revision',
    message:
      'Cannot lower the revision: downgrades are not supported. Set spec.revision and spec.through to where the database is, or later; or restore a backup and then set the annotation db.glance.openstack.org/observe.',
    messageExpression:
      `'Cannot lower the revision to \\'' + ${revision('self')} + '\\'' + ${wantedPhase} + ': the database is already at \\''` +
      ` + self.status.recordedRevision + '\\'' + ${recordedPhase} + ', which is later. Nothing was changed. ' + (${wanted} == ${ORDER}[self.status.recordedRevision] && has(self.status.recordedPhase) ? 'Set spec.through to ' + self.status.recordedPhase : 'Set spec.revision to \\'' + self.status.recordedRevision + '\\' or later') + ', or restore a backup and then set the annotation db.glance.openstack.org/observe.'`,
  };
}

/**
 * Every name of every known revision, with its position at phase Contract; the recorded one may be
 * newer than we support.
 */
const ORDER = celMap(
  REVISIONS.flatMap((revision) =>
    [revision.name, ...revision.aliases].map(
      (name) => [name, ordinal({ revision: revision.name, phase: 'Contract' })] as const,
    ),
  ),
);

/** The names of the revisions that have no phases. */
const WHOLE = celList(
  REVISIONS.filter((revision) => !revision.phased).flatMap((revision) => [
    revision.name,
    ...revision.aliases,
  ]),
);

const PHASE_OFFSET = celMap(
  PHASES.map((phase, index) => [phase, index - PHASES.indexOf('Contract')] as const),
);

function celList(values: readonly string[]): string {
  return `[${values.map((value) => `'${value}'`).join(', ')}]`;
}

function celMap(entries: readonly (readonly [string, string | number])[]): string {
  return `{${entries.map(([key, value]) => `'${key}': ${typeof value === 'string' ? `'${value}'` : value}`).join(', ')}}`;
}
