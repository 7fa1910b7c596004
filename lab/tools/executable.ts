import { constants } from 'node:fs';
import { access } from 'node:fs/promises';

/** The path, if this process may run what is there. */
export async function executable(path: string): Promise<string | null> {
  try {
    await access(path, constants.X_OK);
    return path;
  } catch {
    return null;
  }
}
