import { expect } from 'chai';
import pg from 'pg';
import { seedNewton } from '../../../lab/databases/glance-data.ts';
import type { AuditEvent } from '../../../lab/kubernetes/audit-log.ts';
import { type Environment, startEnvironment, type Tenant } from '../../../lab/kubernetes/environment.ts';
import { kubectl } from '../../../lab/kubernetes/kubectl.ts';
import { renderManifests } from '../../../lab/kubernetes/manifests.ts';
import type { Operator } from '../../../lab/kubernetes/operator.ts';
import { eventually } from '../../../lab/process/eventually.ts';

const ACCOUNT = 'system:serviceaccount:glance-schema-system:glance-schema-operator';

/** `verb group/resource`, as in a rule. */
type Right = string;

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

/** Every right that the rules of these manifests give, in all their Roles. */
async function rightsOf(folder: string): Promise<readonly Right[]> {
  const roles = (await renderManifests(folder))
    .filter(
      // The others are for people.
      ({ kind, metadata }) => kind === 'Role' || metadata?.name === 'glance-schema-operator',
    )
    .filter(({ kind }) => kind?.endsWith('Role'));
  const rules: readonly Rule[] = roles.flatMap((role) => role.rules);
  expect(JSON.stringify(rules), 'no wildcard').not.to.contain('*');
  const rights = rules.flatMap((rule) =>
    rule.apiGroups.flatMap((group) =>
      rule.resources.flatMap((resource) => rule.verbs.map((verb) => `${verb} ${group}/${resource}`)),
    ),
  );
  return rights.sort();
}

/** The right that a request needed; fails when it was refused. */
function rightOf({ verb, requestURI, objectRef, responseStatus }: AuditEvent): Right {
  expect(responseStatus?.code, `${verb} ${requestURI}`).not.to.be.oneOf([401, 403]);
  const { apiGroup = '', resource, subresource } = objectRef ?? {};
  return `${verb} ${apiGroup}/${resource}${subresource === undefined ? '' : `/${subresource}`}`;
}

for (const [rights, folder] of [
  ['cluster', 'manifests/overlays/cluster'],
  ['namespaced', 'manifests/overlays/namespaced'],
] as const) {
  describe(`the rights of the operator, ${rights}`, () => {
    let environment: Environment;
    const operators: Operator[] = [];

    before(async () => {
      environment = await startEnvironment({ rights });
    });

    after(async () => {
      await Promise.all(operators.map((operator) => operator.stop()));
      await environment?.stop();
    });

    /**
     * The pod that the operator takes for its own, which no node runs: the operator is a process of
     * the test.
     */
    async function operatorPod(): Promise<string> {
      const deployment = (await renderManifests(folder)).find(({ kind }) => kind === 'Deployment');
      const { metadata, spec } = deployment?.spec.template ?? {};
      await environment.api.call('POST', '/api/v1/namespaces/glance-schema-system/pods', {
        metadata: { ...metadata, name: 'operator' },
        spec: { ...spec, nodeSelector: { nowhere: 'yes' } },
      });
      return 'operator';
    }

    async function newton(name: string, images: number): Promise<Tenant> {
      const url = await environment.postgres.createDatabase(name);
      await seedNewton(url, { images });
      return environment.tenant(name, url);
    }

    it('are used, each of them, in the life of a resource, and nothing is asked that they do not allow', async () => {
      const life = await newton('life', 2000);
      const blocked = await newton('blocked', 10);
      const pod = await operatorPod();
      const args = ['--pod-name', pod, ...(rights === 'cluster' ? [] : ['--namespaces', 'life,blocked'])];
      args.push('--pod-namespace', 'glance-schema-system');
      const first = await environment.operator(args);
      operators.push(first);

      await life.apply({ revision: 'mitaka02' });
      await life.reaches('UpToDate');

      await blocked.apply({ revision: 'ocata01', database: { secretRef: { name: 'mistyped' } } });
      await blocked.reaches('SecretNotReady');
      await blocked.apply({ revision: 'ocata01' });
      await blocked.reaches('UpToDate');

      await life.kubectl('annotate', 'glanceschema', 'glance', 'db.glance.openstack.org/observe=again');
      await eventually(async () => {
        expect((await life.read()).status.handledObserve).to.equal('again');
      });
      await life.reaches('UpToDate');

      const { data } = await environment.api.call('GET', '/api/v1/namespaces/life/secrets/glance-db');
      await life.kubectl('patch', 'secret', 'glance-db', '-p', '{"stringData": {"connection": "nonsense"}}');
      await life.apply({ revision: 'ocata01', job: { backoffLimit: 0 } });
      await life.reaches('ConnectionInvalid');

      // The next leader goes on with what the first has left.
      operators.push(await environment.operator(args, { standby: true }));
      expect(await first.stop()).to.equal(0);
      await life.kubectl('patch', 'secret', 'glance-db', '-p', JSON.stringify({ data }));
      const used = () => {
        const verbs = environment.plane.auditEvents({ user: ACCOUNT });
        return new Set(verbs.map((event) => rightOf(event)));
      };
      // How far it has come is read of a migration that takes long.
      const lock = new pg.Client(Buffer.from(data.connection, 'base64').toString());
      await lock.connect();
      await lock.query('BEGIN; LOCK TABLE images');
      await life.kubectl('annotate', 'glanceschema', 'glance', 'db.glance.openstack.org/retry=now');
      await life.reaches('MigrationRunning');
      await eventually(() => expect([...used()]).to.include('get /pods/log'), {
        timeoutMilliseconds: 30_000,
      });
      await lock.query('ROLLBACK');
      await lock.end();
      const deleted = await life.kubectl('delete', 'glanceschema', 'glance', '--timeout=300s');
      expect(deleted.code, deleted.stderr).to.equal(0);

      await eventually(async () => {
        expect([...used()].sort()).to.deep.equal(await rightsOf(folder));
      });
    });

    it('do not reach a Secret, a pod of their own making, or another operator', async () => {
      const { kubeconfigPath } = environment.plane;
      for (const question of [
        ['get', 'secrets'],
        ['list', 'secrets'],
        ['create', 'pods'],
        ['delete', 'pods'],
        ['create', 'pods/exec'],
        ['create', 'serviceaccounts/token'],
        ['get', 'configmaps'],
        ['update', 'glanceschemas.db.glance.openstack.org'],
        ['delete', 'glanceschemas.db.glance.openstack.org'],
        ['update', 'roles.rbac.authorization.k8s.io'],
        ['update', 'deployments.apps', '-n', 'glance-schema-system'],
      ]) {
        const namespace = question.length > 2 ? [] : ['-n', 'life'];
        const asked = ['auth', 'can-i', ...question, ...namespace, `--as=${ACCOUNT}`];
        const answer = await kubectl(kubeconfigPath, asked);
        expect(answer.stdout.trim(), question.join(' ')).to.equal('no');
      }
    });
  });
}
