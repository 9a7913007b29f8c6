import type { CallOptions, RpcChannel } from "./rpc-channel.ts";
import { RpcError } from "./rpc-error.ts";

/** Between two checks, while a call without a time limit is open. */
const EVERY_MS = 10_000;
/** Longer than init waits for a silent agent of a starved guest, 80 s, before it replaces it. */
const LIMIT_MS = 120_000;
const NO_BYTES = new Uint8Array();

export interface CheckTimes {
  readonly everyMs?: number;
  readonly limitMs?: number;
}

/**
 * The same channel, whose calls without a time limit fail with UNAVAILABLE when the agent does not answer a health check in time. A
 * guest keeps the connections of a dead agent open for the next one, which may never come, so no end of the connection tells.
 */
export function endsWithAgent(channel: RpcChannel, times: CheckTimes = {}): RpcChannel {
  const { everyMs = EVERY_MS, limitMs = LIMIT_MS } = times;
  const unlimited = new Map<(error: RpcError) => void, string>();
  let scheduled = false;
  const schedule = () => {
    if (!scheduled) setTimeout(() => void check(), everyMs).unref();
    scheduled = true;
  };
  const check = async () => {
    if (unlimited.size > 0 && !(await isAlive(channel, limitMs))) {
      const why = `the agent has not answered a health check within ${limitMs / 1000} s; look at its guest's console`;
      for (const [reject, what] of unlimited) reject(new RpcError("unavailable", `${what}: ${why}`));
      unlimited.clear();
    }
    scheduled = false;
    if (unlimited.size > 0) schedule();
  };
  return {
    closed: channel.closed,
    close: () => channel.close(),
    [Symbol.asyncDispose]: () => channel.close(),
    call(service, method, payload, options: CallOptions = {}) {
      if (options.timeoutMs !== undefined) return channel.call(service, method, payload, options);
      return new Promise((resolve, reject) => {
        unlimited.set(reject, `/${service}/${method}`);
        schedule();
        channel
          .call(service, method, payload, options)
          .then(resolve, reject)
          .finally(() => unlimited.delete(reject));
      });
    },
  };
}

/** An error is an answer too, and a closed connection ends the calls by itself. */
async function isAlive(channel: RpcChannel, timeoutMs: number): Promise<boolean> {
  return channel.call("grpc.Health", "Check", NO_BYTES, { timeoutMs }).then(
    () => true,
    (error: RpcError) => error.kind !== "deadline-exceeded",
  );
}
