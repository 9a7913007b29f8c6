import type { ChildProcess } from "node:child_process";
import { relayOneCall } from "./relay-client.ts";
import { useEveryRoute } from "./serve-lines.ts";
import { useSftp } from "./sftp-client.ts";
import { useSupervisor } from "./supervisor-client.ts";

/** Names of the guest and the container that the state store has. */
export const [GUEST, CONTAINER] = ["evil", "web"];

export interface Line {
  /** Words after `guestctl`; ADDRESS is the agent's, COPIED a folder that the command may write to. */
  readonly words: readonly string[];
  /** True if stdout is a process's own output, or an archive or packets, which are passed on as they are. */
  readonly isRaw?: true;
  /** A client of the command. */
  readonly use?: (program: UsedProgram) => Promise<void>;
}

/** A command that serves clients. */
export interface UsedProgram {
  readonly child: ChildProcess;
  /** Its output so far. */
  readonly printed: { readonly stdout: string };
  /** The folder that the command may write to. */
  readonly copied: string;
  readonly home: string;
}

const here = ["--guest", GUEST];
const atAgent = ["--address", "ADDRESS", "--rootfs", "/rootfs"];
/** A relay between the client of the command and the agent. */
const between = ["--listen", "unix://COPIED/relay.sock", "--to", "ADDRESS"];

/** Lines that attack each command of guestctl, or the reason why an agent has no say in it. */
export const GUESTCTL_LINES: Readonly<Record<string, readonly Line[] | string>> = {
  run: [{ words: ["run", ...atAgent, "ls"], isRaw: true }],
  exec: [{ words: ["exec", ...here, CONTAINER, "ls"], isRaw: true }],
  attach: [{ words: ["attach", ...here, CONTAINER], isRaw: true }],
  debug: [{ words: ["debug", ...atAgent, CONTAINER, "--", "ls"], isRaw: true }],
  capture: [{ words: ["capture", ...here, CONTAINER, "-w", "COPIED/packets.pcap"] }],
  cp: [
    { words: ["cp", ...here, `${CONTAINER}:/var/log/app.log`, "COPIED/"] },
    { words: ["cp", ...here, `${CONTAINER}:/var/log`, "-"], isRaw: true },
    { words: ["cp", ...here, "COPIED", `${CONTAINER}:/tmp`] },
  ],
  export: [
    { words: ["export", ...here, CONTAINER], isRaw: true },
    { words: ["export", ...here, "-o", "COPIED/export.tar", CONTAINER] },
  ],
  forward: [
    { words: ["forward", ...here, CONTAINER, "0:80"] },
    { words: ["forward", ...here, CONTAINER, "-R", "8080:1"] },
  ],
  "ssh-proxy": [{ words: ["ssh-proxy", ...here, CONTAINER], isRaw: true, use: useSftp }],
  ports: [{ words: ["ports", ...here, CONTAINER] }, { words: ["ports", ...here, "--follow", CONTAINER] }],
  ps: [{ words: ["ps", ...here] }],
  inspect: "it prints guestctl's own records",
  stats: [
    { words: ["stats", ...here] },
    { words: ["stats", ...here, CONTAINER] },
    { words: ["stats", ...here, "--watch"] },
  ],
  top: [{ words: ["top", "--once", "--json"] }],
  serve: [
    { words: ["serve", "--no-open", "--listen", "127.0.0.1:0"] },
    { words: ["serve", "--no-open", "--allow-exec", "--listen", "127.0.0.1:0"], use: useEveryRoute },
  ],
  metrics: [{ words: ["metrics", ...here] }, { words: ["metrics", "--all"] }],
  traces: [{ words: ["traces", ...here, "--to", "http://127.0.0.1:9"] }],
  logs: [
    { words: ["logs", ...here, CONTAINER], isRaw: true },
    { words: ["logs", ...here] },
    { words: ["logs", ...here, "-f", CONTAINER], isRaw: true },
    { words: ["logs", ...here, "-t", "--tail", "100000", CONTAINER], isRaw: true },
  ],
  events: [{ words: ["events", ...here, "--since", "1"] }, { words: ["events", ...here, "--json"] }],
  audit: "it prints what this machine's programs have noted; no agent is called",
  cores: [{ words: ["cores", "ls", ...here] }, { words: ["cores", "get", ...here, "2", "-o", "COPIED/core"] }],
  explain: [{ words: ["explain", ...here, CONTAINER] }],
  wait: [{ words: ["wait", ...here, CONTAINER] }],
  kill: [{ words: ["kill", ...here, CONTAINER] }],
  pause: [{ words: ["pause", ...here, CONTAINER] }],
  unpause: [{ words: ["unpause", ...here, CONTAINER] }],
  update: [{ words: ["update", ...here, "--memory", "64m", CONTAINER] }],
  rm: [{ words: ["rm", ...here, CONTAINER] }],
  start: "it leaves a container to the supervisor; what it calls before, run calls",
  restart: [{ words: ["restart", CONTAINER] }],
  boot: "it starts a guest; what it calls, run calls",
  template: "its guests are of the user's image, before any container runs in them",
  snapshot: "it asks the guest's keeper",
  fork: "it asks the guest's keeper",
  stop: [{ words: ["stop", ...here, CONTAINER] }],
  upgrade: [{ words: ["upgrade", ...here, "--image"] }],
  agent: [{ words: ["agent", "kill", ...here] }],
  record: [{ words: ["record", "COPIED/new.jsonl", ...between], use: relayOneCall }],
  replay: [{ words: ["replay", "COPIED/conversation.jsonl", "ADDRESS"] }],
  chaos: [{ words: ["chaos", ...between, "--rule", "call=GetMetrics,delay=1ms"], use: relayOneCall }],
  conformance: [{ words: ["conformance", "ADDRESS"] }],
  mcp: "its tools have their own lines",
  ...{ pull: "no agent", images: "no agent", rmi: "no agent", image: "no agent", setup: "no agent" },
  ...{ tag: "no agent", save: "no agent", load: "no agent", volume: "no agent" },
  ...{ container: "it removes records of ended containers", system: "no agent" },
  ...{ doctor: "no agent", completion: "no agent", __complete: "it lists names of the state store" },
  __supervise: [
    {
      words: ["__supervise"],
      use: ({ child, home }) => useSupervisor(child, home, { guest: GUEST, container: CONTAINER }),
    },
  ],
  __restart: "what it calls, start calls",
};
