import type { CallOptions, RpcChannel } from "./rpc-channel.ts";
import { RpcError } from "./rpc-error.ts";

/** Milliseconds between two checks while a call without a time limit is open. */
const EVERY_MS = 10_000;
/** Time limit in milliseconds of a check; init waits up to 80 s before it replaces a silent agent in a starved guest. */
const LIMIT_MS = 120_000;
const NO_BYTES = new Uint8Array();

export interface CheckTimes {
  readonly everyMs?: number;
  readonly limitMs?: number;
}

/**
 * Wraps a channel so that calls without a time limit fail with UNAVAILABLE if the agent answers nothing for a while and then no
 * health check in time. The connection's end doesn't tell: a guest keeps a dead agent's connections open for the next one,
 * which may never start.
 */
export function endsWithAgent(channel: RpcChannel, times: CheckTimes = {}): RpcChannel {
  const { everyMs = EVERY_MS, limitMs = LIMIT_MS } = times;
  const unlimited = new Map<(error: RpcError) => void, string>();
  let scheduled = false;
  let heard = false;
  const schedule = () => {
    if (!scheduled) setTimeout(() => void check(), everyMs).unref();
    scheduled = true;
  };
  const isAlive = async () => {
    if (heard) return true;
    // Reads what has arrived first: a write to a closed connection would lose an answer that is unread.
    await new Promise((resolve) => setImmediate(resolve));
    return unlimited.size === 0 || isAnswered(channel.call("grpc.Health", "Check", NO_BYTES, { timeoutMs: limitMs }));
  };
  const check = async () => {
    if (unlimited.size > 0 && !(await isAlive())) {
      const why = `no answer to a health check within ${limitMs / 1000} s; look at the guest's console`;
      for (const [reject, what] of unlimited) reject(new RpcError("unavailable", `${what}: ${why}`));
      unlimited.clear();
    }
    scheduled = false;
    heard = false;
    if (unlimited.size > 0) schedule();
  };
  return {
    closed: channel.closed,
    close: () => channel.close(),
    [Symbol.asyncDispose]: () => channel.close(),
    call(service, method, payload, options: CallOptions = {}) {
      const answered = channel.call(service, method, payload, options);
      void isAnswered(answered).then((is) => (heard ||= is));
      if (options.timeoutMs !== undefined) return answered;
      return new Promise((resolve, reject) => {
        unlimited.set(reject, `/${service}/${method}`);
        schedule();
        answered.then(resolve, reject).finally(() => unlimited.delete(reject));
      });
    },
  };
}

/** Counts any answer, even an error, as one. A closed connection already ends the calls. */
function isAnswered(call: Promise<Uint8Array>): Promise<boolean> {
  return call.then(
    () => true,
    (error: RpcError) => error.kind !== "deadline-exceeded",
  );
}
