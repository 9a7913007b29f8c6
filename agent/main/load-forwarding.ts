import type { Agent } from "../service/rpc.ts";
import type { Forwarding } from "../service/streams/forwarding.ts";
import type { OpenedKernel } from "./open-kernel.ts";

/** The forwarding, which `load` loads at its first call. */
export interface LoadedForwarding {
  load(): Promise<Forwarding>;
  /** Undefined unless it is loaded. */
  loaded(): Forwarding | undefined;
}

/**
 * Returns the forwarding, which is loaded at its first use: most agents never forward. Loads it at once if the previous
 * agent did, whose connections continue.
 */
export function loadForwarding(agent: Agent, opened: OpenedKernel): LoadedForwarding {
  let loading: Promise<Forwarding> | undefined;
  let loaded: Forwarding | undefined;
  const load = () => {
    loading ??= open(agent, opened).then((forwarding) => {
      loaded = forwarding;
      return forwarding;
    });
    return loading;
  };
  const names = [...opened.kernel.init.greeting.deposits.keys()];
  if (names.some((name) => /^(reverse-)?forward:/.test(name))) {
    load().catch((error: unknown) => opened.log.error({ error: String(error) }, "forwarded connections were lost"));
  }
  return { load, loaded: () => loaded };
}

async function open(agent: Agent, { kernel, stateDirectory }: OpenedKernel): Promise<Forwarding> {
  const [{ Forwarding }, { openForwardLedger }] = await Promise.all([
    import("../service/streams/forwarding.ts"),
    import("../kernel/journal/forward-ledger.ts"),
  ]);
  const { sys } = kernel;
  const map = (fd: number, length: number) => sys.keepForGood(sys.mapShared(fd, length));
  return new Forwarding(agent, kernel, openForwardLedger(`${stateDirectory}/forwards`, map));
}
