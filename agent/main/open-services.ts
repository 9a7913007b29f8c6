import { launchCount } from "../container/launch.ts";
import { PassedStreams } from "../container/passfd/passed-streams.ts";
import { ResumableProcesses } from "../container/resumable/resumable-processes.ts";
import { Devices } from "../device/devices.ts";
import type { MemAgent } from "../guest/mem-agent/mem-agent.ts";
import { realFiles } from "../kernel/files.ts";
import { runLimited } from "../kernel/wait/limited-calls.ts";
import { GuestMetrics } from "../metrics/scrape.ts";
import { openNetwork } from "../network/network.ts";
import { Sandbox, type SandboxOptions } from "../sandbox/sandbox.ts";
import type { Agent } from "../service/rpc.ts";
import { streamBytes } from "../service/stream-bytes.ts";
import { serviceTable } from "../service/table.ts";
import type { AttachmentServer } from "../transport/attachment/attachment-server.ts";
import type { OpenCall } from "../transport/connection.ts";
import { RpcServer } from "../transport/rpc-server.ts";
import { agentUpgrades } from "./bundle/agent-upgrades.ts";
import { confineAgent, refuseModules } from "./confine/confine.ts";
import { followMemory } from "./follow-memory.ts";
import { loadAttachments } from "./load-attachments.ts";
import { loadForwarding } from "./load-forwarding.ts";
import { coreMemory, openCores } from "./open-cores.ts";
import type { OpenedKernel } from "./open-kernel.ts";
import { openMemAgent } from "./open-mem-agent.ts";
import { openPolicy } from "./open-policy.ts";
import { openWarmStart } from "./open-warm-start.ts";
import { protectGuest } from "./protect-guest.ts";
import { recordEvents } from "./record-events.ts";
import { cgroupRoot } from "./service-mode.ts";
import type { Tracing } from "./trace/start-tracing.ts";
import { VERSION } from "./version.ts";
import { watchDevices } from "./watch-devices.ts";
import { watchCalls } from "./watch-transport.ts";

/** Everything that serves calls, restored from what the last agent left. */
export interface OpenedServices {
  readonly sandbox: Sandbox;
  readonly server: RpcServer;
  /** Loads the server of guestd.v1.Streams. */
  readonly attachments: () => Promise<AttachmentServer>;
  /** Undefined if hosts can't pass streams for stdio. */
  readonly streams: PassedStreams | undefined;
  readonly upgrades: ReturnType<typeof agentUpgrades>;
  readonly memAgent: MemAgent;
  /** Undefined unless tracing is on. */
  readonly trace: Tracing | undefined;
  /** True while a call is open that a restart would cut off. */
  busy(): boolean;
  /** Resolves when the sandbox has ended, and the agent with it. */
  readonly ended: Promise<void>;
}

/** Confines the agent, restores the sandbox and makes the server, which has no connection yet. */
export async function openServices(opened: OpenedKernel): Promise<OpenedServices> {
  const { kernel, options, stateDirectory, journal, log, service } = opened;
  const { sys, init } = kernel;
  const { generation } = init.greeting;
  const warn = (problems: readonly string[]) => {
    for (const problem of problems) log.warn({ problem }, "the agent is less confined than it could be");
  };
  warn(confineAgent(sys));
  const uevents = watchDevices(sys, log);
  const devices = new Devices({ uevents, timeoutMs: options.hotplugTimeoutMs });
  const cgroups = service ? cgroupRoot(realFiles) : undefined;
  const sandbox = await openSandbox(opened, devices, cgroups, () => warn(refuseModules(sys)));
  const notFollowed = (error: unknown) =>
    log.warn({ error: String(error) }, "memory limits were not adjusted to the size of the memory");
  followMemory(uevents, () => sandbox.followMemory(), notFollowed);
  if (sandbox.exists) warn(refuseModules(sys));
  const inUse = new Set(sandbox.containers.flatMap(({ processes }) => processes.flatMap((it) => it.streamNames)));
  const streams = options.passfdPort > 0 ? new PassedStreams(kernel, inUse) : undefined;
  const tracing = options.trace ? await import("./trace/start-tracing.ts") : undefined;
  const trace = tracing?.startTracing(options.serverAddress, VERSION, log);
  const metrics = new GuestMetrics({
    readText: (path) => realFiles.readText(path),
    statfs: (path) => runLimited(path, () => realFiles.statfs(path)),
    pid: process.pid,
    restarts: generation - 1,
    launches: launchCount,
    calls: watchCalls(),
    streamBytes: () => streamBytes,
    spans: trace?.counts,
  });
  journal.outputs.keepOnly((id) => init.greeting.processes.some((process) => process.id === id));
  const { lost } = journal.outputs;
  if (lost > 0) log.warn({ lost }, "output on its way to hosts was lost when the agent restarted");
  // Upgrade waits for the server's other open calls, so `busy` refers to table and server, which exist before any call.
  const isCutOff = ({ service, method }: OpenCall) => method !== "Upgrade" && !table.mayRepeat(service, method);
  const busy = () => server.openCalls().some(isCutOff);
  const running = process.env["GUESTD_BUNDLE"];
  const upgrades = agentUpgrades({ contained: kernel.contained, stateDirectory, running, generation, busy, log });
  const memAgent = openMemAgent({
    ...{ kernel, log, stateDirectory, options: options.memAgent },
    cgroupRoot: cgroups ?? "/sys/fs/cgroup",
  });
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const processes = sandbox.containers.flatMap(({ id, processes: each }) =>
    each.map((process) => ({ container: id, process })),
  );
  const resumable = new ResumableProcesses(kernel, opened.ledger, processes, `${stateDirectory}/spools`);
  const network = openNetwork(realFiles, (path, signal) => devices.netDevice(path, signal));
  // Clients exist once the server does, which serves with this.
  const clients = () => ({
    connections: server.connections,
    streams: attachments.loaded()?.uses ?? [],
    forwards: forwarding.loaded()?.forwards.size ?? 0,
  });
  // A connection that has sent nothing yet is lost with the agent, and its client is about to send.
  const isSilent = () => Array.from(server.connections).some(({ protocol }) => protocol === "unknown");
  const warmStart = openWarmStart(opened, { sandbox, network, clients, busy: () => isSilent() || busy() });
  const agent: Agent = {
    ...upgrades,
    warmStart,
    sandbox,
    kernel,
    stateDirectory,
    memAgent,
    policy: openPolicy(options, stateDirectory),
    network,
    version: VERSION,
    defaultSeccomp: options.defaultSeccomp,
    streams,
    beginLog: ({ id, init }) => {
      if (options.containerLogs > 0) resumable.log(id, init, options.containerLogs);
    },
    initDaemon: !service,
    readText: realFiles.readText,
    exists: realFiles.exists,
    list: realFiles.list,
    warn: (line) => log.warn(line),
    scrape: () => metrics.scrape(),
    cores: () => cores(),
    stop: end,
  };
  const table = serviceTable(agent);
  const served = trace === undefined ? table : trace.traced(table);
  const forwarding = loadForwarding(agent, opened);
  const events = recordEvents(agent, opened, () => resumable.epoch);
  const cores = openCores(agent, opened, () => resumable.epoch, events);
  const attachments = loadAttachments(agent, sys, resumable, { forwarding, events, cores, trace });
  const server = new RpcServer(
    { sys, init, journal: journal.calls },
    served,
    options.streamsPort > 0 ? { attachments: attachments.load } : {},
  );
  if (service) process.once("SIGTERM", () => void sandbox.discard().finally(end));
  return { sandbox, server, attachments: attachments.load, streams, upgrades, memAgent, trace, busy, ended };
}

/** Restores the sandbox; the first agent of a service discards what the service left, and begins with none. */
async function openSandbox(
  opened: OpenedKernel,
  devices: Devices,
  cgroups: string | undefined,
  refuseModules: () => void,
): Promise<Sandbox> {
  const { kernel, options, stateDirectory, log, service, isServiceStart } = opened;
  const sandboxOptions: SandboxOptions = {
    stateDirectory,
    protectGuest: protectGuest(options, { files: kernel.files, service, log, refuseModules }),
    devices,
    cdi: { timeoutMs: options.cdiTimeoutMs, visible: options.visibleCdiDevices },
    pipeSize: options.containerPipeSize,
    images: {
      timeoutMs: options.imagePullTimeoutMs,
      httpsProxy: options.httpsProxy,
      noProxy: options.noProxy,
    },
    ...(cgroups === undefined ? { isGuest: true, reservedBytes: coreMemory(opened) } : { cgroupRoot: cgroups }),
  };
  const sandbox = new Sandbox(kernel, sandboxOptions);
  if (!isServiceStart || !(await sandbox.discard())) return sandbox;
  log.warn("removed the remains of the service's last run");
  return new Sandbox(kernel, sandboxOptions);
}
