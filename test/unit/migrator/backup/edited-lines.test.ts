import { expect } from 'chai';
import { editedLines } from '../../../../src/migrator/backup/edited-lines.ts';

const DUMP = `-- a dump
CREATE SCHEMA public;
SET a = 1;
/*!50003 CREATE*/ /*!50017 DEFINER=x*/ kept
INSERT INTO t VALUES ('CREATE SCHEMA ');
CREATE SCHEMA`;

async function edited(text: string, size: number, until?: string): Promise<string> {
  async function* pieces(): AsyncGenerator<Buffer> {
    for (let at = 0; at < text.length; at += size) {
      yield Buffer.from(text.slice(at, at + size));
    }
  }
  const lines: Buffer[] = [];
  for await (const piece of editedLines(pieces(), {
    beginnings: ['CREATE SCHEMA ', '/*!50003 '],
    edit: (line) => (line.startsWith('CREATE') ? undefined : line.replace(/\/\*!50017.*\*\/ /, '')),
    ...(until === undefined ? {} : { until }),
  })) {
    lines.push(piece);
  }
  return Buffer.concat(lines).toString();
}

describe('editedLines', () => {
  it('changes and leaves out lines, wherever the pieces end', async () => {
    for (let size = 1; size <= DUMP.length; size += 1) {
      expect(await edited(DUMP, size), `pieces of ${size}`).to.equal(`-- a dump
SET a = 1;
/*!50003 CREATE*/ kept
INSERT INTO t VALUES ('CREATE SCHEMA ');
CREATE SCHEMA`);
    }
  });

  it('leaves all as it is from a line on', async () => {
    const text = `CREATE SCHEMA public;\nCOPY t FROM stdin;\nCREATE SCHEMA public;\n\\.\n`;
    for (let size = 1; size <= text.length; size += 1) {
      expect(await edited(text, size, 'COPY '), `pieces of ${size}`).to.equal(
        'COPY t FROM stdin;\nCREATE SCHEMA public;\n\\.\n',
      );
    }
    expect(await edited('', 1)).to.equal('');
  });
});
