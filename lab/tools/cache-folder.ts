import { homedir } from 'node:os';
import { basename, join } from 'node:path';

/**
 * Where programs built for this machine's kind are kept; `key` names the program and its version.
 */
export function cacheFolder(key: string): string {
  const root = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  const arch = process.arch === 'x64' ? 'amd64' : process.arch;
  return join(root, 'glance-schema', `${key}-${process.platform}-${arch}`);
}

/**
 * The same for what servers need. They give up root's rights when root starts them, and could not
 * read what is below root's home: what root keeps for them is in /var/cache, which every user may
 * read.
 */
export function serverCacheFolder(key: string): string {
  const folder = cacheFolder(key);
  return process.getuid?.() === 0 ? join('/var/cache/glance-schema', basename(folder)) : folder;
}
