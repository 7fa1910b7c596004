// kubectl-glanceschema: the program that kubectl finds as its plugin.

import { kubectlCommand } from './cli/kubectl.ts';
import { runProgram } from './cli/run-program.ts';

void runProgram(async () => kubectlCommand('kubectl glanceschema'));
