import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';

/** One request, as undici's dispatchers take it. */
export type ExchangeRequest = Pick<
  Dispatcher.DispatchOptions,
  'origin' | 'path' | 'method' | 'headers' | 'body'
>;

/** How long a request may take, and who hears of its answer. */
export interface ExchangeOptions {
  /**
   * How long it may take, in milliseconds; with `onData`, how long it may be silent. Absent for as
   * long as it likes.
   */
  readonly timeout?: number;
  readonly signal?: AbortSignal | undefined;
  /** Called when the answer begins; not where it fails before. */
  readonly onHead?: (status: number) => void;
  /**
   * Takes the body of an answer that is no refusal, piece by piece, instead of `text`; what it
   * throws ends the request.
   */
  readonly onData?: (piece: Buffer) => void;
}

/** What was answered. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The body; empty where it went to `onData`. */
  readonly text: string;
}

/**
 * Makes one request. undici's own `request` makes a stream of each body, and an AbortSignal of its
 * own for each is needed there to end it in time; both cost more than all the rest of a request.
 *
 * @throws what ended it: the dispatcher's error, the signal's reason, a DOMException `TimeoutError`.
 */
export function exchange(
  dispatcher: Dispatcher,
  request: ExchangeRequest,
  options: ExchangeOptions,
): Promise<Answer> {
  const { timeout, signal, onHead, onData } = options;
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    let controller: Dispatcher.DispatchController | undefined;
    let status = 0;
    let headers: IncomingHttpHeaders = {};
    /** Why it was ended from here. */
    let ended: Error | undefined;
    const timer = timeout === undefined ? undefined : setTimeout(() => end(timedOut()), timeout);
    const abort = (): void => end(asError(signal?.reason));

    function leave(): void {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    }
    function end(error: Error): void {
      ended = error;
      leave();
      reject(error);
      controller?.abort(error);
    }

    signal?.addEventListener('abort', abort);
    if (signal?.aborted) {
      abort();
      return;
    }
    dispatcher.dispatch(request, {
      onRequestStart(started) {
        controller = started;
        // It has waited for a connection until now: it is not sent any more.
        if (ended !== undefined) {
          started.abort(ended);
        }
      },
      onResponseStart(_controller, code, head) {
        status = code;
        headers = head;
        if (onData !== undefined) {
          timer?.refresh();
        }
        onHead?.(code);
      },
      onResponseData(_controller, piece) {
        if (onData === undefined || !isSuccess(status)) {
          pieces.push(piece);
          return;
        }
        timer?.refresh();
        try {
          onData(piece);
        } catch (error) {
          end(asError(error));
        }
      },
      onResponseEnd() {
        leave();
        const [only] = pieces;
        const body = pieces.length === 1 ? only : Buffer.concat(pieces);
        resolve({ status, headers, text: body?.toString('utf8') ?? '' });
      },
      onResponseError(_controller, error) {
        leave();
        reject(error);
      },
    });
  });
}

/** Whether the API server has done what it was asked for. */
export function isSuccess(status: number): boolean {
  return status >= 200 && status <= 299;
}

function timedOut(): DOMException {
  return new DOMException('The operation was aborted due to timeout', 'TimeoutError');
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
