import type { CallSpan } from "../../serve/protocol/calls.ts";
import type { SentEvent } from "../../serve/protocol/events.ts";
import type { FilesAnswer } from "../../serve/protocol/files.ts";
import type { ReportAnswer, ReportsAnswer } from "../../serve/protocol/reports.ts";
import type {
  BootsAnswer,
  MeAnswer,
  MemoryAnswer,
  PlanAnswer,
  PortsAnswer,
  TemplatesAnswer,
} from "../../serve/protocol/requests.ts";
import { noise } from "./sample-guests.ts";

const MIB = 1 << 20;

const BOOTS: BootsAnswer = {
  boots: ["shop", "guest-01", "guest-03", "old-one"].map((guest, index) => {
    const at = (ms: number) => Math.round(ms * (0.85 + noise(index) * 0.3));
    const steps = [
      { name: "kernel", ms: 0 },
      { name: "init", ms: at(310) },
      { name: "agent", ms: at(420) },
      { name: "loaded", ms: at(540) },
      { name: "listening", ms: at(610) },
      { name: "first answer", ms: at(700) },
    ];
    return {
      ...{
        guest,
        bootedAt: `2026-11-28T1${8 - index}:00:00.000Z`,
        accelerator: "kvm",
        isClone: index === 2,
        isRunning: index < 2,
        steps,
      },
      ...(index === 3 ? { endedAt: "2026-11-28T16:00:00.000Z" } : {}),
    };
  }),
};

const MEMORY: MemoryAnswer = {
  guest: [
    { kind: "containers", bytes: 412 * MIB },
    { kind: "agent", bytes: 57 * MIB },
    { kind: "page cache", bytes: 120 * MIB },
    { kind: "kernel", bytes: 48 * MIB },
    { kind: "free", bytes: 387 * MIB },
  ],
  guestTotal: 1024 * MIB,
  host: [
    { kind: "private", bytes: 640 * MIB },
    { kind: "image, shared", bytes: 33 * MIB },
    { kind: "rings", bytes: 2 * MIB },
  ],
  hostTotal: 675 * MIB,
  notes: [],
};

const PLAN: PlanAnswer = {
  steps: [
    ["bounding", "0xa80425fb", "process.capabilities.bounding", 14],
    ["drop", "0x12c00e3", "every process", 3],
    ["write", "0 to /proc/self/oom_score_adj", "process.oomScoreAdj", 22],
    ["unshare", "mount, ipc, uts, cgroup", "linux.namespaces", 187],
    ["mount", "proc on /proc", "mounts[0]", 96],
    ["mount", "tmpfs on /dev, size 64 MiB", "mounts[1]", 71],
    ["mask", "/proc/kcore", "linux.maskedPaths", 31],
    ["pivot", "/run/kata-containers/web/rootfs", "root.path", 118],
    ["user", "0:0", "process.user", 4],
    ["capset", "permitted 0xa80425fb", "process.capabilities", 3],
    ["exec", "/usr/sbin/nginx", "process.args", 402],
  ].map(([operation, object, reason, micros]) => ({
    ...{ operation: `${operation}`, object: `${object}`, reason: `${reason}`, micros: Number(micros) },
  })),
};

const PORTS: PortsAnswer = {
  ports: [
    { protocol: "tcp", address: "0.0.0.0", port: 80 },
    { protocol: "tcp6", address: "::", port: 80 },
    { protocol: "udp", address: "127.0.0.1", port: 5353 },
  ],
  isTruncated: false,
};

const FILES: FilesAnswer = {
  path: "/",
  files: (["bin", "dev", "etc", "index.html", "proc", "root", "run.log", "sh", "tmp"] as const).map((name) => ({
    ...{ name, type: /\./.test(name) ? "file" : name === "sh" ? "link" : "directory" },
    ...{ size: 4096 * name.length, mode: 0o755, uid: 0, gid: 0, modified: "2026-11-28T12:00:00.000Z" },
  })),
  isTruncated: false,
};

const TEMPLATES: TemplatesAnswer = {
  templates: [
    {
      ...{ name: "node-24", createdAt: "2026-11-20T10:00:00.000Z", usedAt: "2026-11-28T18:00:00.000Z" },
      ...{ size: 310 * MIB, memoryMib: 512, cpus: 1, guest: "builder", containers: ["box"] },
    },
    { name: "broken", usedAt: "2026-11-01T10:00:00.000Z", size: 12 * MIB, containers: [] },
  ],
};

const REPORT: ReportAnswer = {
  ...{ name: "guestd.json", agent: "guestd", agentVersion: "0.1.0", begun: "2026-11-28T09:00:00.000Z" },
  ...{ isConformant: true, counts: { passed: 2, failed: 1, skipped: 1 }, problems: [] },
  cases: [
    ["WaitProcess: returns the exit code 42", "processes", "passed", undefined],
    ["ExecProcess: refuses an exec id that is in use", "processes", "passed", undefined],
    ["SetGuestDateTime: sets the clock", "guest", "failed", "the clock did not change"],
    ["AddSwap: adds a swap device", "guest", "skipped", "no device was given"],
  ].map(([name, group, state, reason], index) => ({
    ...{ name: `${name}`, group: `${group}`, level: "must", protocol: "ttrpc", ms: 12 + index },
    ...{ state: state as "passed", reason },
  })),
};

const { problems: _, cases: __, ...head } = REPORT;
const REPORTS: ReportsAnswer = { reports: [head] };

/** Answers by the end of the path of a GET request. */
export const ANSWERS: Readonly<Record<string, object>> = {
  ...{ boots: BOOTS, memory: MEMORY, plan: PLAN, ports: PORTS, files: FILES, templates: TEMPLATES, reports: REPORTS },
  ...{ "guestd.json": REPORT, me: { version: "0.1.0", allowExec: true } satisfies MeAnswer },
};

/** Events of a guest. */
export function sampleEvents(guest: string): readonly SentEvent[] {
  return ["container-created", "container-started", "exec-started", "exec-exited", "agent-restarted", "oom"].map(
    (type, index) => ({
      ...{ guest, number: index + 1, time: `2026-11-28T18:0${index}:00.000Z`, type },
      ...{ container: type.startsWith("agent") ? "" : "web", exec: type.startsWith("exec") ? "x-3fa94c1b" : "" },
      ...{ code: type.endsWith("exited") ? 3 : 0, signal: 0, generation: type.startsWith("agent") ? 2 : 0 },
    }),
  );
}

/** Spans of some calls. */
export function sampleSpans(): readonly CallSpan[] {
  const began = Date.parse("2026-11-28T18:30:00.000Z");
  return [0, 1, 2].flatMap((call) => {
    const trace = `t${call}`;
    const at = began + call * 700;
    const parts: readonly (readonly [string, number, number])[] = [
      ["decode", 0.1, 0.4],
      ["compile plan", 0.4, 2.1],
      ["launch", 2.1, 6.4],
      ["answer", 6.4, 6.7],
    ];
    const root: CallSpan = {
      ...{
        trace,
        id: `${trace}-root`,
        name: "grpc.AgentService/ExecProcess",
        kind: "server",
        began: at,
        ended: at + 7,
      },
      attributes: { container: "web", exec: `x${call}` },
      ...(call === 1 ? { failure: 'exec "nope": executable file not found in $PATH' } : {}),
    };
    return [
      root,
      ...parts.map(
        ([name, from, to]): CallSpan => ({
          ...{ trace, id: `${trace}-${name}`, parent: root.id, name, kind: "internal" },
          ...{ began: at + from, ended: at + to, attributes: {} },
        }),
      ),
    ];
  });
}
