import type { Dispatcher } from 'undici';

/** How one request went. */
export interface RequestOutcome {
  readonly method: string;
  /** Host and port. */
  readonly host: string;
  /** The HTTP status; undefined when there was no answer. */
  readonly status: number | undefined;
  /** Until the head of the answer was there, in seconds. */
  readonly seconds: number;
}

/**
 * Has a dispatcher report each request once: when its answer begins, or when it fails before.
 * Watches are requests too.
 */
export function observeRequests(
  onRequest: (outcome: RequestOutcome) => void,
): Dispatcher.DispatcherComposeInterceptor {
  const hosts = new Map<string, string>();
  return (dispatch) => (options, handler) => {
    const { method } = options;
    const origin = String(options.origin);
    const host = hosts.get(origin) ?? new URL(origin).host;
    hosts.set(origin, host);
    const began = performance.now();
    let answered = false;
    const once = (status: number | undefined): void => {
      if (!answered) {
        answered = true;
        onRequest({ method, host, status, seconds: (performance.now() - began) / 1000 });
      }
    };
    return dispatch(options, {
      onRequestStart: (controller, context) => handler.onRequestStart?.(controller, context),
      onResponseStart(controller, status, headers, text) {
        once(status);
        handler.onResponseStart?.(controller, status, headers, text);
      },
      onResponseData: (controller, chunk) => handler.onResponseData?.(controller, chunk),
      onResponseEnd: (controller, trailers) => handler.onResponseEnd?.(controller, trailers),
      onResponseError(controller, error) {
        once(undefined);
        handler.onResponseError?.(controller, error);
      },
    });
  };
}
