import type { ForwardedSpans } from "./forward-spans.ts";
import { type OtlpEndpoint, otlpEndpoint } from "./otlp-endpoint.ts";

/** Word of the guest's kernel command line that makes the agent trace its calls. */
const TRACE_OPTION = "agent.trace=true";

/** Tracing of guests that this process boots. */
export interface GuestTracing {
  readonly kernelArgs: readonly string[];
  /** Receives the spans of a guest's agent, until it is closed. */
  receive(address: string, name: string): Promise<ForwardedSpans>;
}

/** Returns the tracing of guests if the environment names a collector. Never throws: a wrong variable is a warning. */
export function guestTracing(): GuestTracing | undefined {
  const endpoint = endpointOrWarning();
  if (endpoint === undefined) return undefined;
  return {
    kernelArgs: [TRACE_OPTION],
    async receive(address, name) {
      const { forwardSpans } = await import("./forward-spans.ts");
      return forwardSpans(address, name, endpoint, warn).catch((error: Error) => {
        warn(error.message);
        return { close: () => undefined };
      });
    },
  };
}

function endpointOrWarning(): OtlpEndpoint | undefined {
  try {
    return otlpEndpoint();
  } catch (error) {
    warn(`no spans are sent: ${(error as Error).message}`);
    return undefined;
  }
}

function warn(line: string): void {
  process.emitWarning(`guestd: ${line}`);
}
