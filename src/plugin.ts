// kubectl-glanceschema: the program that kubectl finds as its plugin.

import { kubectlCommand } from './cli/kubectl.ts';
import { runProgram } from './cli/run-program.ts';

void runProgram(async (args) => {
  const program = kubectlCommand('kubectl glanceschema');
  if (args[0] === 'complete') {
    await (await import('./cli/completion.ts')).addCompletion(program, args);
  }
  return program;
});
