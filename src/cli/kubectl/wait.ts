import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { OBSERVE_ANNOTATION, RETRY_ANNOTATION } from '../../contract/names.ts';
import { reasonMeaning } from '../../contract/reasons.ts';
import { KubeError } from '../../operator/kube/kube-error.ts';
import { onOneLine } from '../say.ts';
import { type SchemaAccess, type SchemaFlags, type SchemaView, withSchema } from './schema-access.ts';
import { schemaCommand } from './schema-command.ts';
import { openWaitDisplay, type WaitDisplay } from './wait-display.ts';

interface WaitFlags extends SchemaFlags {
  /** Milliseconds. */
  readonly timeout: number;
}

const STALLED = 3;
const TIMED_OUT = 4;

/** The time of several GlanceSchemas that are waited for is one. */
const BEGUN = Date.now();

/** How often the GlanceSchema is read, in milliseconds. */
const PACE = 1_000;

/** `kubectl glanceschema wait NAME` */
export function waitCommand(): Command {
  return schemaCommand<WaitFlags>({
    verb: 'wait',
    description: 'Wait until the database is where the newest spec wants it, and show how far it is.',
    exitCodes: [
      `  ${STALLED}  it needs a person: the condition Stalled is true for the newest spec`,
      `  ${TIMED_OUT}  the time is up; what is under way goes on`,
    ],
    run: wait,
  }).addOption(
    new Option('--timeout <duration>', 'how long: 90s, 30m, 1h30m')
      .argParser(parseDuration)
      .default(1_800_000, '30m'),
  );
}

async function wait(name: string, flags: WaitFlags): Promise<void> {
  await withSchema(name, flags, async (schema) => {
    const display = await openWaitDisplay(process.stderr.isTTY === true);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      // The terminal first; then the signal ends the process in its usual way.
      process.once(signal, () => {
        display.close();
        process.kill(process.pid, signal);
      });
    }
    try {
      const end = await untilItEnds(schema, display, BEGUN + flags.timeout);
      display.close();
      process.exitCode = end.exitCode;
      (end.exitCode === 0 ? process.stdout : process.stderr).write(`${end.message}\n`);
    } finally {
      display.close();
    }
  });
}

interface End {
  readonly exitCode: number;
  readonly message: string;
}

async function untilItEnds(schema: SchemaAccess, display: WaitDisplay, deadline: number): Promise<End> {
  // What cannot be read at all is an error at once; what could be read is waited for through an
  // outage.
  let view = await schema.read();
  for (;;) {
    const end = endOf(view, schema);
    if (end !== undefined) {
      return end;
    }
    const asked = notTakenUp(view);
    if (asked === undefined) {
      display.show(view);
    } else {
      display.line(`The operator has not taken up the annotation ${asked} yet`);
    }
    const left = deadline - Date.now();
    if (left <= 0) {
      const ready = readyOf(view);
      return {
        exitCode: TIMED_OUT,
        message: `Cannot wait for ${schema.title} any longer: when the time was up it was at ${ready?.reason ?? 'no state'}${ready === undefined ? '' : ` (${onOneLine(ready.message)})`}. Wait again, or check with '${schema.commandFor('status')}'.`,
      };
    }
    await sleep(Math.min(PACE, left));
    try {
      view = await schema.read();
    } catch (error) {
      if (!mayPass(error)) {
        throw error;
      }
      display.line(`${error.message}; waiting goes on`);
    }
  }
}

/** Whether an API server that fails like this can be back in a moment. */
function mayPass(error: unknown): error is Error {
  if (!(error instanceof Error) || !(error.cause instanceof KubeError)) {
    return false;
  }
  const { status } = error.cause;
  return status === undefined || status === 429 || status >= 500;
}

/** How it ended for the newest spec and all that was asked; undefined while it goes on. */
function endOf(view: SchemaView, { title, commandFor }: SchemaAccess): End | undefined {
  const newest = view.status?.conditions?.filter(
    (condition) => condition.observedGeneration === view.metadata.generation,
  );
  const ready = newest?.find((condition) => condition.type === 'Ready');
  const stalled = newest?.find((condition) => condition.type === 'Stalled' && condition.status === 'True');
  if (notTakenUp(view) !== undefined) {
    return undefined;
  }
  if (ready?.status === 'True') {
    return { exitCode: 0, message: onOneLine(`${title} is ready: ${ready.message}`) };
  }
  return stalled === undefined
    ? undefined
    : {
        exitCode: STALLED,
        message: `${onOneLine(`${title} is stalled, ${stalled.reason}: ${stalled.message}`)}\nWhat to do is shown by '${commandFor('status')}'`,
      };
}

/**
 * The annotation by which more was asked for than the operator has begun: the status is
 * from before that.
 */
function notTakenUp(view: SchemaView): 'observe' | 'retry' | undefined {
  const { metadata, status } = view;
  const { [OBSERVE_ANNOTATION]: observe, [RETRY_ANNOTATION]: retry } = metadata.annotations ?? {};
  if (observe !== undefined && observe !== status?.handledObserve) {
    return 'observe';
  }
  // Of other reasons, or where no Job has failed, the operator ignores it.
  const helps = reasonMeaning(readyOf(view)?.reason)?.verb === 'retry' && status?.job?.failure !== undefined;
  return helps && retry !== undefined && retry !== status?.handledRetry ? 'retry' : undefined;
}

function readyOf(view: SchemaView) {
  return view.status?.conditions?.find((condition) => condition.type === 'Ready');
}

function parseDuration(text: string): number {
  const parts = /^(?=\d)(?:(?<h>\d{1,6})h)?(?:(?<m>\d{1,6})m)?(?:(?<s>\d{1,6})s)?$/.exec(text)?.groups;
  if (parts === undefined) {
    throw new InvalidArgumentError(`'${text}' is no duration. Write numbers with h, m and s, such as 1h30m.`);
  }
  const { h = 0, m = 0, s = 0 } = parts;
  return ((Number(h) * 60 + Number(m)) * 60 + Number(s)) * 1_000;
}
