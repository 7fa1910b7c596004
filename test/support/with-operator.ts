import { type Environment, startEnvironment } from '../../lab/kubernetes/environment.ts';
import type { Operator } from '../../lab/kubernetes/operator.ts';

/** What the tests of one `describeWithOperator` share; only inside of its tests. */
export interface WithOperator {
  readonly environment: Environment;
  readonly operator: Operator;
}

/**
 * A `describe` whose tests have a control plane, a fake kubelet, PostgreSQL and an operator that
 * leads. All of it is started before the first test and stopped after the last.
 */
export function describeWithOperator(title: string, tests: (shared: WithOperator) => void): void {
  describe(title, () => {
    let environment: Environment | undefined;
    let operator: Operator | undefined;

    before(async () => {
      environment = await startEnvironment();
      operator = await environment.operator();
    });

    after(async () => {
      await operator?.stop();
      await environment?.stop();
    });

    tests({
      get environment() {
        return started(environment);
      },
      get operator() {
        return started(operator);
      },
    });
  });
}

function started<T>(part: T | undefined): T {
  if (part === undefined) {
    throw new Error('Nothing is started yet: use what is shared inside of a test');
  }
  return part;
}
