import { setTimeout as delay } from "node:timers/promises";
import { reason } from "../../../lib/reason.ts";
import type { Init } from "../../../proto/codec.ts";
import type { guestd } from "../../../proto/gen/messages.js";
import { connect } from "../../client/agent-client.ts";
import { RpcError } from "../../client/rpc-error.ts";
import { MachineError } from "../machine-error.ts";

export interface GuestCallOptions {
  /** Time limit in milliseconds for the call with all its attempts; 60 s by default. */
  readonly guestTimeoutMs?: number;
  readonly signal?: AbortSignal;
}

const LIMIT_MS = 60_000;
/** Time limit in milliseconds of one attempt: a VMM can drop what arrives before the guest has reset its vsock device. */
const ATTEMPT_MS = 5_000;
const RETRY_MS = 20;

/** Calls Quiesce on its own connection, which is closed before the machine is paused: a VMM resets open ones. */
export async function quiesce(
  address: string,
  request: Init<guestd.v1.QuiesceRequest>,
  { guestTimeoutMs = LIMIT_MS, signal }: GuestCallOptions,
): Promise<guestd.v1.QuiesceResponse> {
  const options = { timeoutMs: guestTimeoutMs, ...(signal === undefined ? {} : { signal }) };
  try {
    await using client = await connect(address, options);
    return await client.guest.quiesce(request, options);
  } catch (error) {
    throw new MachineError(`quiesce the guest at ${address}: ${reason(error)}; repeat it, or call Resumed`, {
      cause: error,
    });
  }
}

/**
 * Calls Resumed with the present time, and a new request for each attempt, until the guest answers. Repeating it is
 * safe, since a guest takes the identity of an epoch only once.
 */
export async function resumed(
  address: string,
  request: () => Init<guestd.v1.ResumedRequest>,
  { guestTimeoutMs = LIMIT_MS, signal }: GuestCallOptions,
): Promise<guestd.v1.ResumedResponse> {
  const late = AbortSignal.timeout(guestTimeoutMs);
  const stop = AbortSignal.any([late, ...(signal === undefined ? [] : [signal])]);
  const options = { timeoutMs: Math.min(guestTimeoutMs, ATTEMPT_MS), signal: stop };
  for (;;) {
    try {
      await using client = await connect(address, options);
      return await client.guest.resumed({ ...request(), ...realtime() }, options);
    } catch (error) {
      if (!stop.aborted && isLost(error)) {
        await delay(RETRY_MS);
        continue;
      }
      const why = late.aborted ? `no answer within ${guestTimeoutMs} ms, at last ${reason(error)}` : reason(error);
      throw new MachineError(`resume the guest at ${address}: ${why}; destroy a clone that can't be told`, {
        cause: error,
      });
    }
  }
}

function realtime(): { realtime_seconds: number; realtime_nanos: number } {
  const ms = Date.now();
  return { realtime_seconds: Math.floor(ms / 1000), realtime_nanos: (ms % 1000) * 1e6 };
}

/** True if the connection or its answer was lost. The agent's other answers, and invalid addresses, are final. */
function isLost(error: unknown): boolean {
  if (error instanceof RpcError) return error.kind === "unavailable" || error.kind === "deadline-exceeded";
  return !(error instanceof TypeError);
}
