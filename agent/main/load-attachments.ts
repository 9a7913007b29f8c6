import type { ResumableProcesses } from "../container/resumable/resumable-processes.ts";
import type { RealSys } from "../kernel/sys/sys.ts";
import type { Agent } from "../service/rpc.ts";
import type { Cores } from "../service/streams/cores.ts";
import type { Events } from "../service/streams/events.ts";
import type { AttachmentServer } from "../transport/attachment/attachment-server.ts";
import { loadCapturing } from "./load-capturing.ts";
import type { LoadedForwarding } from "./load-forwarding.ts";
import { loadWatching } from "./load-watching.ts";
import type { Tracing } from "./trace/start-tracing.ts";

/** Functions that load parts of the agent at their first call, and the tracing of starts. */
interface Parts {
  readonly forwarding: LoadedForwarding;
  readonly events: () => Promise<Events>;
  readonly cores: () => Promise<Cores>;
  readonly trace?: Tracing | undefined;
}

/**
 * Returns functions that load the server of guestd.v1.Streams at the first call, as many hosts use none of it, and that return it
 * if it is loaded.
 */
export function loadAttachments(
  agent: Agent,
  sys: RealSys,
  processes: ResumableProcesses,
  parts: Parts,
): { readonly load: () => Promise<AttachmentServer>; readonly loaded: () => AttachmentServer | undefined } {
  let loading: Promise<AttachmentServer> | undefined;
  let loaded: AttachmentServer | undefined;
  return {
    load() {
      loading ??= open(agent, sys, processes, parts).then((server) => {
        loaded = server;
        return server;
      });
      return loading;
    },
    loaded: () => loaded,
  };
}

async function open(agent: Agent, sys: RealSys, processes: ResumableProcesses, parts: Parts) {
  const [
    { AttachmentServer },
    { Attaching },
    { captureKinds },
    { coresKinds },
    { eventsKinds },
    { forwardKinds },
    { watchKinds },
  ] = await Promise.all([
    import("../transport/attachment/attachment-server.ts"),
    import("../service/streams/attach.ts"),
    import("../transport/attachment/capture-session.ts"),
    import("../transport/attachment/cores-connection.ts"),
    import("../transport/attachment/events-connection.ts"),
    import("../transport/attachment/forward-connection.ts"),
    import("../transport/attachment/watch-connection.ts"),
  ]);
  const kinds = {
    ...forwardKinds(sys, parts.forwarding.load),
    ...eventsKinds(parts.events),
    ...coresKinds(parts.cores),
    ...captureKinds(loadCapturing(agent, sys)),
    ...watchKinds(loadWatching(agent, processes, parts.forwarding)),
  };
  return new AttachmentServer(sys, new Attaching(agent, processes, parts.trace), {
    kinds,
    policy: agent.policy,
    checkCreation: (what) => agent.warmStart.gate.check(what),
  });
}
