import { testSpec } from "../../../../agent/container/test-spec.ts";
import { AgentError } from "../../../../agent/kernel/error.ts";
import { Lock } from "../../../../agent/kernel/lock.ts";
import type { Agent } from "../../../../agent/service/rpc.ts";

/** An agent of which every part refuses whatever is asked of it, so that a call is decoded and converted and nothing is done. */
export function playedAgent(): Agent {
  const text = (path: string) => {
    throw new AgentError("not-found", `${path} is played`);
  };
  const files = refusing({ readText: text, mounts: () => "", exists: () => false, list: () => [] });
  const parts: Partial<Record<keyof Agent, unknown>> = {
    sandbox: refusing({
      oomEvents: refusing(),
      pciAddresses: () => new Map(),
      find: (id: string) =>
        id === "c"
          ? refusing({ id, has: () => false, spec: testSpec(), init: { pid: 0, status: { code: 0 } } })
          : undefined,
    }),
    kernel: { sys: refusing(), files },
    network: { files, run: refuse, lock: new Lock(), deviceAt: async () => refuse() },
    policy: { check: () => undefined, set: () => undefined },
    memAgent: refusing(),
    version: "0.0.0",
    initDaemon: true,
    defaultSeccomp: true,
    streams: undefined,
    readText: text,
    exists: () => false,
    list: () => [],
    copyFile: refuse,
    warn: () => undefined,
    scrape: async () => "",
    prepareUpgrade: async () => refuse(),
    restart: () => undefined,
    running: () => ({ bundle: "", generation: 1 }),
    stop: () => undefined,
  };
  return parts as unknown as Agent;
}

function refuse(): never {
  throw new AgentError("unavailable", "this is played");
}

function refusing(known: Readonly<Record<string, unknown>> = {}): object {
  return new Proxy(known, {
    get: (_, name) => (typeof name === "string" && Object.hasOwn(known, name) ? known[name] : refuse),
    ownKeys: () => Object.keys(known),
  });
}
