import { expect } from 'chai';
import { readGrants } from '../../../../src/migrator/mysql/grants.ts';

const USAGE = "GRANT USAGE ON *.* TO `glance`@`%` IDENTIFIED BY PASSWORD '*X'";

describe('the rights that SHOW GRANTS says', () => {
  const rows: readonly (readonly [string, string, boolean, boolean])[] = [
    ['all on the database', 'GRANT ALL PRIVILEGES ON `glance`.* TO `glance`@`%`', true, false],
    ['all on a pattern', 'GRANT ALL PRIVILEGES ON `gl%`.* TO `glance`@`%`', true, false],
    ['all on an escaped name', 'GRANT ALL PRIVILEGES ON `glanc_`.* TO `glance`@`%`', true, false],
    ['all on another', 'GRANT ALL PRIVILEGES ON `nova`.* TO `glance`@`%`', false, false],
    [
      'all on one with an escaped underscore',
      'GRANT ALL PRIVILEGES ON `glanc\\_`.* TO `glance`@`%`',
      false,
      false,
    ],
    ['all on the server', 'GRANT ALL PRIVILEGES ON *.* TO `glance`@`%` WITH GRANT OPTION', true, false],
    ['one of several', 'GRANT SELECT, INSERT, ALTER, INDEX ON `glance`.* TO `glance`@`%`', true, false],
    ['others', 'GRANT SELECT, INSERT ON `glance`.* TO `glance`@`%`', false, false],
    ['a table', 'GRANT ALTER ON `glance`.`images` TO `glance`@`%`', false, true],
    ['a table named with a dot', 'GRANT ALTER ON `glance`.`images.bak` TO `glance`@`%`', false, true],
    ['a role', 'GRANT `dba` TO `glance`@`%`', false, true],
  ];
  it('is read of a database with any name', () => {
    for (const name of ['glance db', 'glance.db', 'gl``ance', 'glance ON x TO y']) {
      const grants = readGrants(
        [USAGE, `GRANT ALL PRIVILEGES ON \`${name}\`.* TO \`glance\`@\`%\``],
        name.replace('``', '`'),
      );
      expect([grants.onDatabase.has('ALTER'), grants.more], name).to.deep.equal([true, false]);
    }
  });

  for (const [name, line, alter, more] of rows) {
    it(name, () => {
      const grants = readGrants([USAGE, line], 'glance');
      expect([grants.onDatabase.has('ALTER'), grants.more]).to.deep.equal([alter, more]);
    });
  }
});
