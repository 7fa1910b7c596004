import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { eventually } from '../../../../lab/process/eventually.ts';
import { startClient } from '../../../../src/migrator/backup/client-program.ts';

const SHELL = { name: 'sh', path: '/bin/sh', says: '' };

describe('a client program', () => {
  it('output of a program that exits before anybody reads it is not lost', async () => {
    const client = startClient(SHELL, { args: ['-c', 'echo all of it'], env: {} });
    expect(await client.ended).to.deep.equal({ ok: true, said: '' });
    expect(await text(client.output)).to.equal('all of it\n');
  });

  it('that fails says why, and its output ends', async () => {
    const client = startClient(SHELL, { args: ['-c', 'echo a part; echo why >&2; exit 3'], env: {} });
    expect(await text(client.output)).to.equal('a part\n');
    expect(await client.ended).to.deep.equal({ ok: false, said: 'why' });
  });

  it('that is ended has ended, though nobody reads the rest of what it wrote', async () => {
    const client = startClient(SHELL, { args: ['-c', 'while :; do echo more and more; done'], env: {} });
    await eventually(() => expect(client.output.readableLength).to.be.greaterThan(0));
    client.end();
    expect((await client.ended).ok).to.equal(false);
  });
});
