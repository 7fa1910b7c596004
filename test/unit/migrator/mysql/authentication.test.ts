import { expect } from 'chai';
import { authPlugins } from '../../../../src/migrator/mysql/authentication.ts';

/**
 * What a plugin answers to a question of the server; the driver's own objects are not checked.
 */
async function answer(name: string, trusted: boolean): Promise<string> {
  const plugin = authPlugins('pässword', trusted)[name];
  const reply = await plugin?.(Object.create(null))(Buffer.from('\x04Password: '));
  return String(reply);
}

describe('a password that the server wants in clear', () => {
  for (const name of ['dialog', 'mysql_clear_password']) {
    it(`${name}: is given to a server that was made sure of, and to no other`, async () => {
      expect(await answer(name, true)).to.equal('pässword\0');
      const refusal = await answer(name, false).catch((error: Error) => error.message);
      expect(refusal).to.include('Set ssl_ca or --tls-ca').and.not.include('pässword');
    });
  }
});
