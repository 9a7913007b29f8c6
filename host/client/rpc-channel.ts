import { MAX_TIMER_MS } from "../../lib/max-timer.ts";
import { RpcError } from "./rpc-error.ts";

export interface CallOptions {
  /** Deadline for the agent and for this client. By default the call lasts as long as the agent (`endsWithAgent`). */
  readonly timeoutMs?: number | undefined;
  /** Cancels the wait. gRPC also cancels the call in the agent; ttRPC can't. */
  readonly signal?: AbortSignal;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A connection that carries any number of concurrent unary calls. Owns its stream. */
export interface RpcChannel extends AsyncDisposable {
  /** Sends an encoded request and returns the encoded response. Throws RpcError. */
  call(service: string, method: string, payload: Uint8Array, options?: CallOptions): Promise<Uint8Array>;
  /** Resolves when either side has closed the connection. Never rejects. */
  readonly closed: Promise<void>;
  /** Rejects the open calls with UNAVAILABLE and closes the connection. Idempotent. */
  close(): Promise<void>;
}

/**
 * Passes the resolve and reject functions of a new promise to `start`. The promise also rejects at the deadline or when
 * the signal of the options aborts; in both cases `stop` is called.
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
