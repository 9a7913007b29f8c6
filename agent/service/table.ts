import { type AnyMethod, services } from "../../proto/methods.ts";
import { AgentError } from "../kernel/error.ts";
import { addARPNeighbors } from "./agent/add-arp-neighbors.ts";
import { addSwap } from "./agent/add-swap.ts";
import { addSwapPath } from "./agent/add-swap-path.ts";
import { closeStdin } from "./agent/close-stdin.ts";
import { copyFile } from "./agent/copy-file.ts";
import { createContainer } from "./agent/create-container.ts";
import { createSandbox } from "./agent/create-sandbox.ts";
import { destroySandbox } from "./agent/destroy-sandbox.ts";
import { execProcess } from "./agent/exec-process.ts";
import { getDiagnosticData } from "./agent/get-diagnostic-data.ts";
import { getGuestDetails } from "./agent/get-guest-details.ts";
import { getIPTables } from "./agent/get-iptables.ts";
import { getMetrics } from "./agent/get-metrics.ts";
import { getOOMEvent } from "./agent/get-oom-event.ts";
import { getVolumeStats } from "./agent/get-volume-stats.ts";
import { listInterfaces } from "./agent/list-interfaces.ts";
import { listRoutes } from "./agent/list-routes.ts";
import { memAgentCompactSet } from "./agent/mem-agent-compact-set.ts";
import { memAgentMemcgSet } from "./agent/mem-agent-memcg-set.ts";
import { memHotplugByProbe } from "./agent/mem-hotplug-by-probe.ts";
import { onlineCPUMem } from "./agent/online-cpu-mem.ts";
import { pauseContainer } from "./agent/pause-container.ts";
import { readStderr } from "./agent/read-stderr.ts";
import { readStdout } from "./agent/read-stdout.ts";
import { removeContainer } from "./agent/remove-container.ts";
import { removeStaleVirtiofsShareMounts } from "./agent/remove-stale-virtiofs-share-mounts.ts";
import { reseedRandomDev } from "./agent/reseed-random-dev.ts";
import { resizeVolume } from "./agent/resize-volume.ts";
import { resumeContainer } from "./agent/resume-container.ts";
import { setGuestDateTime } from "./agent/set-guest-date-time.ts";
import { setIPTables } from "./agent/set-iptables.ts";
import { setPolicy } from "./agent/set-policy.ts";
import { signalProcess } from "./agent/signal-process.ts";
import { startContainer } from "./agent/start-container.ts";
import { statsContainer } from "./agent/stats-container.ts";
import { ttyWinResize } from "./agent/tty-win-resize.ts";
import { updateContainer } from "./agent/update-container.ts";
import { updateEphemeralMounts } from "./agent/update-ephemeral-mounts.ts";
import { updateInterface } from "./agent/update-interface.ts";
import { updateRoutes } from "./agent/update-routes.ts";
import { waitProcess } from "./agent/wait-process.ts";
import { writeStdin } from "./agent/write-stdin.ts";
import { ANSWER_ROOM, type Handler, type ServiceTable } from "./dispatch.ts";
import { explain } from "./guest/explain.ts";
import { kill } from "./guest/kill.ts";
import { running } from "./guest/running.ts";
import { upgrade } from "./guest/upgrade.ts";
import { check } from "./health/check.ts";
import { version } from "./health/version.ts";
import type { Agent, MethodName, Rpc } from "./rpc.ts";

/** Characters of an id that is told. */
const MAX_ID = 256;

const RPCS: { readonly [Name in MethodName]: Rpc<Name> } = {
  Check: check,
  Version: version,
  CreateSandbox: createSandbox,
  DestroySandbox: destroySandbox,
  GetGuestDetails: getGuestDetails,
  CreateContainer: createContainer,
  StartContainer: startContainer,
  RemoveContainer: removeContainer,
  UpdateContainer: updateContainer,
  PauseContainer: pauseContainer,
  ResumeContainer: resumeContainer,
  StatsContainer: statsContainer,
  ExecProcess: execProcess,
  SignalProcess: signalProcess,
  WaitProcess: waitProcess,
  ReadStdout: readStdout,
  ReadStderr: readStderr,
  WriteStdin: writeStdin,
  CloseStdin: closeStdin,
  TtyWinResize: ttyWinResize,
  GetMetrics: getMetrics,
  GetOOMEvent: getOOMEvent,
  CopyFile: copyFile,
  OnlineCPUMem: onlineCPUMem,
  MemHotplugByProbe: memHotplugByProbe,
  ReseedRandomDev: reseedRandomDev,
  SetGuestDateTime: setGuestDateTime,
  GetVolumeStats: getVolumeStats,
  ResizeVolume: resizeVolume,
  UpdateEphemeralMounts: updateEphemeralMounts,
  AddSwap: addSwap,
  AddSwapPath: addSwapPath,
  GetDiagnosticData: getDiagnosticData,
  RemoveStaleVirtiofsShareMounts: removeStaleVirtiofsShareMounts,
  MemAgentMemcgSet: memAgentMemcgSet,
  MemAgentCompactSet: memAgentCompactSet,
  UpdateInterface: updateInterface,
  UpdateRoutes: updateRoutes,
  ListInterfaces: listInterfaces,
  ListRoutes: listRoutes,
  AddARPNeighbors: addARPNeighbors,
  GetIPTables: getIPTables,
  SetIPTables: setIPTables,
  SetPolicy: setPolicy,
  Explain: explain,
  Upgrade: upgrade,
  Running: running,
  Kill: kill,
};

/** These ask and change nothing, or nothing more when they are made twice. */
const REPEATED: ReadonlySet<string> = new Set<MethodName>([
  "Check",
  "Version",
  "GetGuestDetails",
  "GetMetrics",
  "StatsContainer",
  "WaitProcess",
  "ReadStdout",
  "ReadStderr",
  "GetOOMEvent",
  "TtyWinResize",
  "GetVolumeStats",
  "GetDiagnosticData",
  "UpdateEphemeralMounts",
  "RemoveStaleVirtiofsShareMounts",
  "MemAgentMemcgSet",
  "MemAgentCompactSet",
  "UpdateInterface",
  "UpdateRoutes",
  "ListInterfaces",
  "ListRoutes",
  "AddARPNeighbors",
  "GetIPTables",
  "SetIPTables",
  "Explain",
  "Running",
]);

/** These change something: each notes what must not be done twice. CloseStdin waits for the writes before it. */
const WITH_NOTES: ReadonlySet<string> = new Set<MethodName>([
  "CreateSandbox",
  "DestroySandbox",
  "CreateContainer",
  "StartContainer",
  "RemoveContainer",
  "UpdateContainer",
  "PauseContainer",
  "ResumeContainer",
  "ExecProcess",
  "SignalProcess",
  "WriteStdin",
  "CloseStdin",
  "CopyFile",
  "OnlineCPUMem",
  "MemHotplugByProbe",
  "ReseedRandomDev",
  "SetGuestDateTime",
  "ResizeVolume",
  "AddSwap",
  "AddSwapPath",
  "SetPolicy",
]);

type Erased = (agent: Agent, request: never, call: Parameters<Handler>[1]) => Promise<unknown>;

/** The services as transport sees them: bytes in, bytes out. */
export function serviceTable(agent: Agent): ServiceTable {
  const table = new Map<string, Map<string, Handler>>();
  for (const [service, methods] of Object.entries(services)) {
    const handlers = Object.entries(methods).map(([name, method]) => {
      const rpc = RPCS[name as MethodName] as unknown as Erased;
      return [name, bind(agent, method as unknown as AnyMethod, rpc)] as const;
    });
    table.set(service, new Map(handlers));
  }
  return {
    find(service, method) {
      const handlers = table.get(service);
      return handlers === undefined ? "no-service" : (handlers.get(method) ?? "no-method");
    },
    mayRepeat: (service, method) => table.get(service)?.has(method) === true && REPEATED.has(method),
    mayGoOn: (service, method) => table.get(service)?.has(method) === true && WITH_NOTES.has(method),
    *list() {
      for (const [service, methods] of table) for (const method of methods.keys()) yield { service, method };
    },
  };
}

function bind(agent: Agent, method: AnyMethod, rpc: Erased): Handler {
  const name = method.path.replace(/^.*\//, "");
  const requestName = method.request.name.replace(/^.*\./, "");
  if (method.path.startsWith("/grpc.Health/")) {
    return async (payload, call) => encode(method, await rpc(agent, method.request.decode(payload) as never, call));
  }
  return async (payload, call) => {
    const request = method.request.decode(payload);
    const { container_id, exec_id } = request as { readonly container_id?: string; readonly exec_id?: string };
    call.container = told(container_id);
    call.exec = told(exec_id);
    try {
      agent.policy.check(name, requestName, request);
    } catch (error) {
      if (READS.has(name) && isDenial(error)) return encode(method, {});
      throw error;
    }
    return encode(method, await rpc(agent, request as never, call));
  };
}

/** Ids are short; what a caller says that is not stays out of logs and spans. */
const told = (id: string | undefined) => (id === undefined || id.length > MAX_ID ? undefined : id);

const encode = (method: AnyMethod, response: unknown): Uint8Array =>
  method.response.encodeAfter(ANSWER_ROOM, response as never);

/** A read that the policy denies is answered with no data. */
const READS: ReadonlySet<string> = new Set<MethodName>(["ReadStdout", "ReadStderr"]);

const isDenial = (error: unknown) => error instanceof AgentError && error.kind === "permission-denied";
