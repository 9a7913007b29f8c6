import type { Command } from "commander";
import type { ProgramFor } from "./new-program.ts";

export interface CommandEntry {
  /** A few words for lists of commands. */
  readonly summary: string;
  readonly aliases?: readonly string[];
  readonly isHidden?: boolean;
  /** Returns the function that adds the command. */
  readonly load: () => Promise<(program: Command, programFor: ProgramFor) => void>;
}

/** The commands of guestctl by name, in the order of its help. Loading them all takes ten times as long as starting Node. */
export const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  run: { summary: "run a container from an image", load: async () => (await import("./command/run.ts")).addRun },
  exec: {
    summary: "run a command in a running container",
    load: async () => (await import("./command/exec.ts")).addExec,
  },
  attach: {
    summary: "connect to a running container's or exec's stdio",
    load: async () => (await import("./command/attach.ts")).addAttach,
  },
  debug: {
    summary: "run tools beside a container's processes",
    load: async () => (await import("./command/debug.ts")).addDebug,
  },
  capture: {
    summary: "capture the packets of a container's network",
    load: async () => (await import("./command/capture.ts")).addCapture,
  },
  cp: {
    summary: "copy files between this machine and a container or a guest",
    load: async () => (await import("./command/cp.ts")).addCp,
  },
  export: {
    summary: "write a container's files to a tar archive",
    load: async () => (await import("./command/export.ts")).addExport,
  },
  forward: {
    summary: "forward ports and sockets to a container, or from it",
    load: async () => (await import("./command/forward.ts")).addForward,
  },
  "ssh-proxy": {
    summary: "serve SSH to a container, as ssh's ProxyCommand",
    load: async () => (await import("./command/ssh-proxy.ts")).addSshProxy,
  },
  ports: {
    summary: "list the ports on which a container's processes listen",
    load: async () => (await import("./command/ports.ts")).addPorts,
  },
  ps: { summary: "list guests, containers and processes", load: async () => (await import("./command/ps.ts")).addPs },
  inspect: {
    summary: "print the records of containers, guests and images",
    load: async () => (await import("./command/inspect.ts")).addInspect,
  },
  stats: {
    summary: "show containers' resource usage",
    load: async () => (await import("./command/stats.ts")).addStats,
  },
  top: {
    summary: "watch guests, containers and processes live",
    load: async () => (await import("./command/top.ts")).addTop,
  },
  serve: {
    summary: "serve a live page of guests for a browser",
    load: async () => (await import("./command/serve.ts")).addServe,
  },
  metrics: {
    summary: "print a guest's metrics, or serve those of all guests",
    load: async () => (await import("./command/metrics.ts")).addMetrics,
  },
  traces: {
    summary: "send an agent's spans to a collector",
    load: async () => (await import("./command/traces.ts")).addTraces,
  },
  logs: {
    summary: "show the log of a guest's agent, or a container's output",
    load: async () => (await import("./command/logs.ts")).addLogs,
  },
  events: {
    summary: "print what happens to containers and execs",
    load: async () => (await import("./command/events.ts")).addEvents,
  },
  audit: {
    summary: "print who did what to guests and containers",
    load: async () => (await import("./command/audit.ts")).addAudit,
  },
  cores: {
    summary: "list, fetch and remove core dumps",
    load: async () => (await import("./command/cores.ts")).addCores,
  },
  explain: {
    summary: "show the system calls that create a container",
    load: async () => (await import("./command/explain.ts")).addExplain,
  },
  wait: {
    summary: "wait until containers end, and print their exit codes",
    load: async () => (await import("./command/wait.ts")).addWait,
  },
  kill: { summary: "send a signal to containers", load: async () => (await import("./command/kill.ts")).addKill },
  pause: {
    summary: "freeze containers' processes, or a guest",
    load: async () => (await import("./command/pause.ts")).addPause,
  },
  unpause: {
    summary: "resume paused containers, or a guest",
    aliases: ["resume"],
    load: async () => (await import("./command/pause.ts")).addUnpause,
  },
  update: {
    summary: "change the limits of containers",
    load: async () => (await import("./command/update.ts")).addUpdate,
  },
  rm: { summary: "remove containers", load: async () => (await import("./command/rm.ts")).addRm },
  start: { summary: "run ended containers again", load: async () => (await import("./command/start.ts")).addStart },
  restart: {
    summary: "stop containers and run them again",
    load: async () => (await import("./command/start.ts")).addRestart,
  },
  boot: { summary: "boot a guest and keep it running", load: async () => (await import("./command/boot.ts")).addBoot },
  template: {
    summary: "make guests that others start from",
    load: async () => (await import("./command/template.ts")).addTemplate,
  },
  snapshot: {
    summary: "save a running guest as a template",
    load: async () => (await import("./command/snapshot.ts")).addSnapshot,
  },
  fork: { summary: "start copies of a running guest", load: async () => (await import("./command/fork.ts")).addFork },
  stop: {
    summary: "power off guests or stop containers",
    load: async () => (await import("./command/stop.ts")).addStop,
  },
  upgrade: {
    summary: "replace the agent of a running guest",
    load: async () => (await import("./command/upgrade.ts")).addUpgrade,
  },
  agent: {
    summary: "kill a guest's agent to test its recovery",
    load: async () => (await import("./command/agent.ts")).addAgent,
  },
  record: {
    summary: "record a host's conversation with an agent",
    load: async () => (await import("./command/record.ts")).addRecord,
  },
  replay: {
    summary: "replay a recorded conversation, and compare",
    load: async () => (await import("./command/replay.ts")).addReplay,
  },
  chaos: {
    summary: "delay, drop, cut or fail a host's calls",
    load: async () => (await import("./command/chaos.ts")).addChaos,
  },
  conformance: {
    summary: "test an agent against the contract of Kata's hosts",
    load: async () => (await import("./command/conformance.ts")).addConformance,
  },
  mcp: {
    summary: "serve sandboxes to AI clients by the Model Context Protocol",
    load: async () => (await import("./command/mcp.ts")).addMcp,
  },
  pull: { summary: "pull images from registries", load: async () => (await import("./command/pull.ts")).addPull },
  images: { summary: "list pulled images", load: async () => (await import("./command/images.ts")).addImages },
  rmi: { summary: "remove pulled images", load: async () => (await import("./command/rmi.ts")).addRmi },
  tag: { summary: "give an image one more name", load: async () => (await import("./command/tag.ts")).addTag },
  save: { summary: "write images to an archive", load: async () => (await import("./command/save.ts")).addSave },
  load: { summary: "load images from an archive", load: async () => (await import("./command/load.ts")).addLoad },
  volume: {
    summary: "keep data beyond its containers",
    load: async () => (await import("./command/volume.ts")).addVolume,
  },
  container: {
    summary: "remove ended containers",
    load: async () => (await import("./command/container.ts")).addContainer,
  },
  system: {
    summary: "show and free disk space",
    load: async () => (await import("./command/system.ts")).addSystem,
  },
  image: { summary: "build and inspect guest images", load: async () => (await import("./command/image.ts")).addImage },
  setup: { summary: "install what guests need", load: async () => (await import("./command/setup.ts")).addSetup },
  doctor: { summary: "check what guests need", load: async () => (await import("./command/doctor.ts")).addDoctor },
  completion: {
    summary: "print the completion script of a shell",
    load: async () => (await import("./command/completion.ts")).addCompletion,
  },
  __supervise: {
    summary: "keep detached guests and containers",
    isHidden: true,
    load: async () => (await import("./command/supervise.ts")).addSupervise,
  },
  __restart: {
    summary: "run a container again by its policy",
    isHidden: true,
    load: async () => (await import("./command/supervise.ts")).addRestartByPolicy,
  },
  __complete: {
    summary: "list completions",
    isHidden: true,
    load: async () => (await import("./command/completion.ts")).addComplete,
  },
};
