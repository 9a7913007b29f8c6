import type { ResumableProcesses } from "../container/resumable/resumable-processes.ts";
import type { Agent } from "../service/rpc.ts";
import type { Watching } from "../service/streams/watching.ts";
import type { LoadedForwarding } from "./load-forwarding.ts";

/** Returns a function that loads the watching of the guest at its first call. */
export function loadWatching(
  agent: Agent,
  processes: ResumableProcesses,
  forwarding: LoadedForwarding,
): () => Promise<Watching> {
  let loading: Promise<Watching> | undefined;
  return () => {
    loading ??= open(agent, processes, forwarding);
    return loading;
  };
}

async function open(agent: Agent, processes: ResumableProcesses, forwarding: LoadedForwarding): Promise<Watching> {
  const [{ Watching }, { GuestState }] = await Promise.all([
    import("../service/streams/watching.ts"),
    import("../service/streams/guest-state.ts"),
  ]);
  const streamsOf = processes.find.bind(processes);
  const state = new GuestState(agent, { streamsOf, forwards: () => forwarding.loaded()?.forwards.list() ?? [] });
  return new Watching(agent, state);
}
