import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where programs built for this machine's kind are kept; `key` names the program and its version. */
export function cacheFolder(key: string): string {
  const root = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  const arch = process.arch === 'x64' ? 'amd64' : process.arch;
  return join(root, 'glance-schema', `${key}-${process.platform}-${arch}`);
}
