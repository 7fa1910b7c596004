// `node lab/tools/build.ts`: builds the tools that tests run, if they are not there yet.
import { progressLine } from '../cluster/progress-line.ts';
import { ensureTool, toolNames } from './ensure-tool.ts';

const progress = progressLine(process.stderr);
try {
  for (const name of toolNames(true)) {
    const path = await ensureTool(name, progress.say);
    progress.end();
    console.log(`${name}: ${path}`);
  }
} catch (error) {
  progress.end();
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
