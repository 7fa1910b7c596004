import { progressLine } from '../../lab/cluster/progress-line.ts';
import { kubectl } from '../../lab/kubernetes/kubectl.ts';
import { runCli } from '../../lab/process/bundle.ts';

/** Tells a story: what is done, the command lines that do it, and what they print. */
export interface Narrator {
  /** Begins a half of the story. */
  part(text: string): void;
  heading(text: string): void;
  say(text: string): void;
  /** What goes on while one waits; gone again from a terminal when the story goes on. */
  progress(text: string): void;
  /**
   * Shows a command line, runs it and shows what it printed. Returns all of it, errors included.
   */
  kubectl(args: readonly string[], expected?: ExpectedExit): Promise<string>;
  /**
   * Shows a `glance-schema` command line, runs it on a database and shows what it printed. Returns
   * that and its exit code.
   */
  glanceSchema(
    database: string,
    args: readonly string[],
  ): Promise<{ readonly code: number; readonly printed: string }>;
  /** Shows a file that is about to be used. */
  file(name: string, text: string): void;
  output(text: string): void;
}

export type ExpectedExit = 'succeeds' | 'fails';

export interface NarratorOptions {
  readonly stream: NodeJS.WriteStream;
  readonly kubectlPath: () => string;
  readonly kubeconfig: () => string;
  /** Where the commands run, so that their file names are short. */
  readonly folder: () => string;
}

export function narrator(options: NarratorOptions): Narrator {
  const { stream } = options;
  const progress = progressLine(stream);
  const colour = stream.isTTY && !process.env.NO_COLOR;
  const paint = (code: number, text: string): string => (colour ? `\u001b[${code}m${text}\u001b[0m` : text);
  let chapter = 0;

  function write(text: string): void {
    progress.end();
    stream.write(`${text}\n`);
  }

  function output(text: string): void {
    for (const line of text.trimEnd().split('\n')) write(`    ${line.trimEnd()}`);
  }

  return {
    output,
    progress: (text) => progress.say(text),
    part(text) {
      write(paint(1, `\n== ${text} ==`));
    },
    heading(text) {
      chapter += 1;
      write(paint(1, `\n${chapter}. ${text}`));
    },
    say: (text) => write(`  ${text}`),
    file(name, text) {
      write(paint(2, `  ${name}:`));
      output(text);
    },
    async glanceSchema(database, args) {
      write(paint(36, `  $ glance-schema ${args.map(quoted).join(' ')}`));
      const { code, stdout, stderr } = await runCli(args, { DATABASE_CONNECTION: database });
      const printed = stderr + stdout;
      if (printed.trim() !== '') output(printed);
      return { code: code ?? -1, printed };
    },
    async kubectl(args, expected = 'succeeds') {
      write(paint(36, `  $ kubectl ${args.map(quoted).join(' ')}`));
      const run = await kubectl(options.kubeconfig(), args, {
        path: options.kubectlPath(),
        cwd: options.folder(),
      });
      const printed = run.stdout + run.stderr;
      if (printed.trim() !== '') output(printed);
      if ((run.code === 0) === (expected === 'succeeds')) return printed;
      throw new Error(
        `This was to ${expected === 'fails' ? 'fail' : 'succeed'}, and ended with exit code ${run.code}`,
      );
    },
  };
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word}'`;
}
