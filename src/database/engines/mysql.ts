import { Failure } from '../failure.ts';
import type { Engine } from './engine.ts';

/** MariaDB and MySQL. */
export const mysql: Engine = {
  async connect() {
    throw new Failure('Usage', 'not yet');
  },
};
