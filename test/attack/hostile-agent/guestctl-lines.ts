/** Names of the guest and the container that the state store has. */
export const [GUEST, CONTAINER] = ["evil", "web"];

export interface Line {
  /** Words after `guestctl`; ADDRESS is the agent's, COPIED a folder that the command may write to. */
  readonly words: readonly string[];
  /** True if stdout is a process's own output, or an archive or packets, which are passed on as they are. */
  readonly isRaw?: true;
}

const here = ["--guest", GUEST];

/** Lines that attack each command of guestctl, or the reason why an agent has no say in it. */
export const GUESTCTL_LINES: Readonly<Record<string, readonly Line[] | string>> = {
  run: "its calls are those of exec and attach, after an image of the user's",
  exec: [{ words: ["exec", ...here, CONTAINER, "ls"], isRaw: true }],
  attach: [{ words: ["attach", ...here, CONTAINER], isRaw: true }],
  debug: "its calls are those of exec, after an image of the user's",
  capture: [{ words: ["capture", ...here, CONTAINER, "-w", "COPIED/packets.pcap"] }],
  cp: [
    { words: ["cp", ...here, `${CONTAINER}:/var/log/app.log`, "COPIED/"] },
    { words: ["cp", ...here, `${CONTAINER}:/var/log`, "-"], isRaw: true },
    { words: ["cp", ...here, "COPIED", `${CONTAINER}:/tmp`] },
  ],
  forward: [
    { words: ["forward", ...here, CONTAINER, "0:80"] },
    { words: ["forward", ...here, CONTAINER, "-R", "8080:1"] },
  ],
  "ssh-proxy": "its calls are those of exec, forward and cp; test/namespaces has its own clients",
  ports: [{ words: ["ports", ...here, CONTAINER] }, { words: ["ports", ...here, "--follow", CONTAINER] }],
  ps: [{ words: ["ps", ...here] }],
  inspect: [{ words: ["inspect", CONTAINER] }],
  stats: [{ words: ["stats", ...here] }, { words: ["stats", ...here, CONTAINER] }],
  top: [{ words: ["top", "--once", "--json"] }],
  serve: [{ words: ["serve", "--no-open", "--listen", "127.0.0.1:0"] }],
  metrics: [{ words: ["metrics", ...here] }, { words: ["metrics", "--all"] }],
  traces: [{ words: ["traces", ...here, "--to", "http://127.0.0.1:9"] }],
  logs: [{ words: ["logs", ...here, CONTAINER], isRaw: true }, { words: ["logs", ...here] }],
  events: [{ words: ["events", ...here, "--since", "1"] }, { words: ["events", ...here, "--json"] }],
  cores: [{ words: ["cores", "ls", ...here] }, { words: ["cores", "get", ...here, "2", "-o", "COPIED/core"] }],
  explain: [{ words: ["explain", ...here, CONTAINER] }],
  wait: [{ words: ["wait", ...here, CONTAINER] }],
  kill: [{ words: ["kill", ...here, CONTAINER] }],
  pause: [{ words: ["pause", ...here, CONTAINER] }],
  unpause: [{ words: ["unpause", ...here, CONTAINER] }],
  update: [{ words: ["update", ...here, "--memory", "64m", CONTAINER] }],
  rm: [{ words: ["rm", ...here, CONTAINER] }],
  start: [{ words: ["start", CONTAINER] }],
  restart: [{ words: ["restart", CONTAINER] }],
  boot: "it starts a guest; what it calls, run calls",
  template: "its guests are of the user's image, before any container runs in them",
  snapshot: [{ words: ["snapshot", GUEST, "name"] }],
  fork: [{ words: ["fork", GUEST] }],
  stop: [{ words: ["stop", ...here, CONTAINER] }],
  upgrade: [{ words: ["upgrade", ...here, "--image"] }],
  agent: [{ words: ["agent", "kill", ...here] }],
  record: "it passes on the bytes of two others, and reads none that it trusts (host/conversation has its own attacks)",
  replay: [{ words: ["replay", "COPIED/conversation.jsonl", "ADDRESS"] }],
  chaos: "it passes on the bytes of two others",
  conformance: [{ words: ["conformance", "ADDRESS"] }],
  mcp: "its tools have their own lines",
  ...{ pull: "no agent", images: "no agent", rmi: "no agent", image: "no agent", setup: "no agent" },
  ...{ doctor: "no agent", completion: "no agent", __complete: "it lists names of the state store" },
};
