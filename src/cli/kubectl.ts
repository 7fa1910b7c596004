import { Command } from 'commander';
import { approveCommand } from './kubectl/approve.ts';
import { historyCommand } from './kubectl/history.ts';
import { listCommand } from './kubectl/list.ts';
import { logsCommand } from './kubectl/logs.ts';
import { observeCommand } from './kubectl/observe.ts';
import { planCommand } from './kubectl/plan.ts';
import { restoreCommand } from './kubectl/restore.ts';
import { resumeCommand } from './kubectl/resume.ts';
import { retryCommand } from './kubectl/retry.ts';
import { statusCommand } from './kubectl/status.ts';
import { suspendCommand } from './kubectl/suspend.ts';
import { waitCommand } from './kubectl/wait.ts';

/** `kubectl glanceschema`, which is `glance-schema kubectl` under another name. */
export function kubectlCommand(name: string): Command {
  return new Command(name)
    .description("Show GlanceSchemas and steer them, with the rights of one's own kubeconfig.")
    .helpCommand(false)
    .addCommand(listCommand())
    .addCommand(statusCommand())
    .addCommand(historyCommand())
    .addCommand(planCommand())
    .addCommand(logsCommand())
    .addCommand(waitCommand())
    .addCommand(approveCommand())
    .addCommand(retryCommand())
    .addCommand(observeCommand())
    .addCommand(restoreCommand())
    .addCommand(suspendCommand())
    .addCommand(resumeCommand());
}
