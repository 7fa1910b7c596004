/**
 * What an image of the Glance API starts in its place: all that a roll-out asks of it is that it
 * answers on its port. Of several on this machine the first does.
 */
export function standInApi(port: number): readonly string[] {
  const answer = `require('http').createServer((_, r) => r.end()).on('error', () => setInterval(() => {}, 1e6)).listen(${port}, '127.0.0.1')`;
  return [process.execPath, '-e', answer];
}
