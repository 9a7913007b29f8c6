import type { Duplex } from "node:stream";
import { launchCount } from "./container/launch.ts";
import { PassedStreams } from "./container/passfd/passed-streams.ts";
import { launchConsoleShell, restoreConsoleShell } from "./container/shell.ts";
import { Devices } from "./device/devices.ts";
import { realFiles } from "./kernel/files.ts";
import { openInit } from "./kernel/init/init-client.ts";
import { openJournal } from "./kernel/journal/journal.ts";
import type { Fd, Init } from "./kernel/kernel.ts";
import { openLoopWatches } from "./kernel/sys/loop-watches.ts";
import { adoptStream } from "./kernel/sys/streams.ts";
import { openSys } from "./kernel/sys/sys.ts";
import { watchedMounts } from "./kernel/sys/watched-mounts.ts";
import { runLimited } from "./kernel/wait/limited-calls.ts";
import { agentUpgrades } from "./main/bundle/agent-upgrades.ts";
import { confineAgent, refuseModules } from "./main/confine/confine.ts";
import { keepConsoleShell } from "./main/console-shell.ts";
import { serveDebugConsole } from "./main/debug-console.ts";
import { endAgent, logDefects } from "./main/defects.ts";
import { followMemory } from "./main/follow-memory.ts";
import { startHeartbeat } from "./main/heartbeat.ts";
import { returnIdleMemory } from "./main/idle-memory.ts";
import { type ListenOn, listen } from "./main/listen.ts";
import { listenForStreams, streamAddress } from "./main/listen-streams.ts";
import { lockState } from "./main/lock-state.ts";
import { createLog } from "./main/log.ts";
import { LogSink } from "./main/log-sink.ts";
import { openMemAgent } from "./main/open-mem-agent.ts";
import { openPolicy } from "./main/open-policy.ts";
import { readOptions } from "./main/options.ts";
import { protectGuest } from "./main/protect-guest.ts";
import { cgroupRoot, claimAddresses, forgetLastLife, isService } from "./main/service-mode.ts";
import { VERSION } from "./main/version.ts";
import { warmNode } from "./main/warm-node.ts";
import { logCgroups } from "./main/watch-cgroups.ts";
import { watchDevices } from "./main/watch-devices.ts";
import { logHooks } from "./main/watch-hooks.ts";
import { logStorages } from "./main/watch-storages.ts";
import { logTransport, watchDurations } from "./main/watch-transport.ts";
import { writeConsole } from "./main/write-console.ts";
import { GuestMetrics } from "./metrics/scrape.ts";
import { openNetwork } from "./network/network.ts";
import { Sandbox, type SandboxOptions } from "./sandbox/sandbox.ts";
import { serviceTable } from "./service/table.ts";
import type { OpenCall } from "./transport/connection.ts";
import { RpcServer } from "./transport/rpc-server.ts";

/** Microseconds of CLOCK_MONOTONIC: all of the bundle has been loaded. */
const LOADED = nowMicros();

/** VMADDR_CID_HOST: nobody else may have a log or a shell. */
const HOST_CID = 2;

/** A port that serves the host alone. */
const hostAddress = (port: number) => `vsock://-1:${port}`;

/** The agent's whole life: restore, listen, serve until the sandbox ends. */
async function main(): Promise<void> {
  openLoopWatches();
  const { env } = process;
  const sys = openSys();
  const init = await openInit(sys, env["GUESTD_INIT_FD"]);
  const stateDirectory = env["GUESTD_STATE_DIR"] ?? "/run/guestd";
  const { generation } = init.greeting;
  const service = isService();
  const { options, problems } = readOptions({
    commandLine: realFiles.readText("/proc/cmdline"),
    env,
    configFile: env["GUESTD_CONFIG_FILE"],
    readText: realFiles.readText,
  });
  const addresses = [options.serverAddress];
  if (options.passfdPort > 0) addresses.push(streamAddress(options.serverAddress, options.passfdPort));
  if (options.logPort > 0) addresses.push(hostAddress(options.logPort));
  if (options.debugConsolePort > 0 && options.debugConsole) addresses.push(hostAddress(options.debugConsolePort));
  realFiles.makeDirectory(stateDirectory, 0o700);
  const claimed = service
    ? await lockState(sys, init, stateDirectory)
        .then(() => claimAddresses(init, addresses))
        .catch((error: unknown) => giveUp(error, init))
    : undefined;
  const isServiceStart = service && generation === 1;
  if (isServiceStart) forgetLastLife(realFiles, stateDirectory);
  const mapJournal = (fd: Fd, length: number) => sys.keepForGood(sys.mapShared(fd, length));
  const journal = openJournal(`${stateDirectory}/journal`, mapJournal);
  const files = { ...realFiles, mounts: watchedMounts(sys.changed, realFiles.readText) };
  const kernel = { sys, init, files, outputs: journal.outputs };
  const heartbeat = startHeartbeat(init, options.watchdogMs);
  const sink = new LogSink();
  const log = createLog({ level: options.logLevel, version: VERSION, write: (line) => sink.write(line) });
  for (const problem of problems) log.error(problem);
  logTransport(log);
  logHooks(log);
  logCgroups(log);
  logStorages(log);
  logDefects(log);
  void init.ended.then((error) => endAgent(log, error));

  const warn = (problems: readonly string[]) => {
    for (const problem of problems) log.warn({ problem }, "the agent is less confined than it could be");
  };
  warn(confineAgent(sys));
  const uevents = watchDevices(sys, log);
  const devices = new Devices({ uevents, timeoutMs: options.hotplugTimeoutMs });
  const sandboxOptions: SandboxOptions = {
    stateDirectory,
    protectGuest: protectGuest(options, { files, service, log, refuseModules: () => warn(refuseModules(sys)) }),
    devices,
    cdi: { timeoutMs: options.cdiTimeoutMs, visible: options.visibleCdiDevices },
    pipeSize: options.containerPipeSize,
    images: {
      timeoutMs: options.imagePullTimeoutMs,
      httpsProxy: options.httpsProxy,
      noProxy: options.noProxy,
    },
    ...(service ? { cgroupRoot: cgroupRoot(realFiles) } : { isGuest: true }),
  };
  let sandbox = new Sandbox(kernel, sandboxOptions);
  if (isServiceStart && (await sandbox.discard())) {
    log.warn("what the service had left at its last end is taken away");
    sandbox = new Sandbox(kernel, sandboxOptions);
  }
  const notFollowed = (error: unknown) => log.warn({ error: String(error) }, "memory limits did not follow the memory");
  followMemory(uevents, () => sandbox.followMemory(), notFollowed);
  if (sandbox.exists) warn(refuseModules(sys));
  const inUse = new Set(sandbox.containers.flatMap(({ processes }) => processes.flatMap((it) => it.streamNames)));
  const streams = options.passfdPort > 0 ? new PassedStreams(kernel, inUse) : undefined;
  const tracing = options.trace ? await import("./main/trace/start-tracing.ts") : undefined;
  const trace = tracing?.startTracing(options.serverAddress, VERSION, log);
  const metrics = new GuestMetrics({
    readText: (path) => realFiles.readText(path),
    statfs: (path) => runLimited(path, () => realFiles.statfs(path)),
    pid: process.pid,
    restarts: generation - 1,
    launches: launchCount,
    calls: watchDurations(),
    spans: trace?.counts,
  });
  journal.outputs.keepOnly((id) => init.greeting.processes.some((process) => process.id === id));
  const { lost } = journal.outputs;
  if (lost > 0) log.warn({ lost }, "output that was on its way to hosts was lost at the restart of the agent");
  const running = env["GUESTD_BUNDLE"];
  const isCutOff = ({ service, method }: OpenCall) => method !== "Upgrade" && !table.mayRepeat(service, method);
  const busy = () => server.openCalls().some(isCutOff);
  const upgrades = agentUpgrades({ sys, stateDirectory, running, generation, busy, log });
  const memAgent = openMemAgent({
    ...{ kernel, log, stateDirectory, options: options.memAgent },
    cgroupRoot: sandboxOptions.cgroupRoot ?? "/sys/fs/cgroup",
  });
  const table = serviceTable({
    ...upgrades,
    sandbox,
    kernel,
    memAgent,
    policy: openPolicy(options, stateDirectory),
    network: openNetwork(realFiles, (path, signal) => devices.netDevice(path, signal)),
    version: VERSION,
    defaultSeccomp: options.defaultSeccomp,
    streams,
    initDaemon: !service,
    readText: realFiles.readText,
    exists: realFiles.exists,
    list: realFiles.list,
    warn: (line) => log.warn(line),
    scrape: () => metrics.scrape(),
    stop: () => void stop(),
  });
  const server = new RpcServer(
    { sys, init, journal: journal.calls },
    trace === undefined ? table : trace.traced(table),
  );

  server.resume(init.greeting.deposits, sandbox.undone);
  const listenOn: ListenOn = (address, onConnection) => listen(init, address, onConnection, claimed?.get(address));
  const listener = listenOn(options.serverAddress, (fd, cid) => void server.accept(fd, cid));
  const listenForHost = (port: number, serve: (socket: Duplex) => void) => {
    listenOn(hostAddress(port), (fd, cid) => (cid === HOST_CID ? serve(adoptStream(fd)) : sys.close(fd)));
  };
  if (streams !== undefined) {
    listenForStreams(sys, listenOn, streamAddress(options.serverAddress, options.passfdPort), (port, fd) => {
      log.debug({ port }, "stream for stdio came in");
      streams.add(port, fd);
    });
  }
  if (options.logPort > 0) {
    sink.console = false;
    listenForHost(options.logPort, (socket) => sink.addReader(socket));
  }
  if (options.debugConsolePort > 0 && options.debugConsole) {
    listenForHost(options.debugConsolePort, (socket) => void serveDebugConsole(kernel, socket));
  } else if (options.debugConsole) {
    const found = restoreConsoleShell(kernel);
    void keepConsoleShell({
      launch: () => launchConsoleShell(kernel),
      found,
      onFailure: (line) => log.error(line),
    });
  }
  const bundle = running === "" ? "image" : running;
  log.info({ address: options.serverAddress, generation, bundle, marks: marks(init) }, "listening");
  writeConsole(`guestd: listening on ${options.serverAddress}\n`);
  upgrades.listening();
  heartbeat.listening();
  returnIdleMemory(sys, { isBusy: busy });
  setImmediate(warmNode);
  if (service) process.once("SIGTERM", () => void sandbox.discard().finally(stop));

  /** The sandbox has ended: what is under way is answered, then the guest powers off, or the service ends. */
  async function stop(): Promise<void> {
    log.info("the sandbox has ended");
    await listener.close();
    await server.close();
    await trace?.close();
    memAgent.close();
    sink.close();
    init.power("off");
  }
}

/** Microseconds of CLOCK_MONOTONIC: when init began, when this agent was executed and loaded, and now. */
function marks(init: Init): Record<string, number> {
  const { initStartMicros, agentExecMicros } = init.greeting;
  return {
    init: initStartMicros,
    agent: agentExecMicros,
    loaded: LOADED,
    listening: nowMicros(),
  };
}

function nowMicros(): number {
  return Math.round(Number(process.hrtime.bigint()) / 1000);
}

if (process.env["GUESTD_VERSION_ONLY"] === undefined) main().catch((error: unknown) => giveUp(error));
else writeConsole(`guestd ${VERSION}\n`);

/** Ends the agent, and the service with it if its init is given: the next try would fail alike. */
function giveUp(error: unknown, init?: Init): never {
  const line = error instanceof Error ? error.message : String(error);
  writeConsole(`guestd: the agent can't start: ${line}\n`);
  init?.power("reboot");
  process.exit(1); // what it watches by now would keep it here
}
