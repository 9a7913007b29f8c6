import { RpcError } from "./rpc-error.ts";

export interface CallOptions {
  /** The agent gives up after this, and so do we. Without it the call lasts as long as the agent lives (`endsWithAgent`). */
  readonly timeoutMs?: number;
  /** Ends the wait. Over gRPC the agent learns of it; ttRPC has no word for it. */
  readonly signal?: AbortSignal;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** One connection that carries any number of unary calls at once. Owns its stream. */
export interface RpcChannel extends AsyncDisposable {
  /** Encoded request to encoded response. Throws RpcError. */
  call(service: string, method: string, payload: Uint8Array, options?: CallOptions): Promise<Uint8Array>;
  /** Resolves when the connection has ended, from whichever side. Never rejects. */
  readonly closed: Promise<void>;
  /** Rejects the open calls with UNAVAILABLE and closes. Idempotent. */
  close(): Promise<void>;
}

/** Longest delay of a timer; a longer limit is none. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Runs `start` and gives it the two ends of a promise, which also ends by the deadline or the signal of the options.
 * `stop` is called when it ended by one of these.
 */
export function bounded<T>(
  what: string,
  options: CallOptions,
  start: (resolve: (value: T) => void, reject: (error: RpcError) => void) => { stop: () => void },
): Promise<T> {
  const { timeoutMs = Number.POSITIVE_INFINITY, signal } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(new RpcError("canceled", `${what}: canceled before it was sent`, { cause: signal.reason }));
      return;
    }
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    };
    const fail = (error: RpcError): void => {
      end();
      reject(error);
    };
    const onAbort = (): void => {
      fail(new RpcError("canceled", `${what}: canceled`, { cause: signal?.reason }));
      call.stop();
    };
    const onTimeout = (): void => {
      fail(new RpcError("deadline-exceeded", `${what}: no answer within ${timeoutMs} ms`));
      call.stop();
    };
    const timer = timeoutMs > MAX_TIMER_MS ? undefined : setTimeout(onTimeout, timeoutMs);
    signal?.addEventListener("abort", onAbort, { once: true });
    const succeed = (value: T): void => {
      end();
      resolve(value);
    };
    let call = { stop: (): void => {} };
    try {
      call = start(succeed, fail);
    } catch (error) {
      fail(new RpcError("internal", `${what}: ${(error as Error).message}`, { cause: error }));
    }
  });
}
