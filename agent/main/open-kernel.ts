import { cgroupNotices } from "../container/cgroup/cgroup-notices.ts";
import { type HookFailure, hookFailures } from "../container/hooks/run-hooks.ts";
import { KilledContainers, killedNotices } from "../container/killed/killed-containers.ts";
import { newLaunchId } from "../container/launch.ts";
import { ownsKernel } from "../guest/guest-sysctls.ts";
import { FileServers } from "../kernel/files/file-servers.ts";
import { realFiles } from "../kernel/files.ts";
import { openInit } from "../kernel/init/open-init.ts";
import { type Journal, openJournal } from "../kernel/journal/journal.ts";
import { openStreamLedger, type StreamLedger } from "../kernel/journal/stream-ledger.ts";
import type { Fd, Kernel } from "../kernel/kernel.ts";
import { openLoopWatches } from "../kernel/sys/loop-watches.ts";
import { openSys, type RealSys } from "../kernel/sys/sys.ts";
import { watchedMounts } from "../kernel/sys/watched-mounts.ts";
import { guestHookProblems } from "../sandbox/guest-hooks.ts";
import { storageNotices } from "../storage/storage-notices.ts";
import { endAgent, giveUp, logDefects } from "./defects.ts";
import { type Heartbeat, startHeartbeat } from "./heartbeat.ts";
import { apiAddress, hostAddress } from "./listen.ts";
import { attachAddress, streamAddress } from "./listen-streams.ts";
import { lockState } from "./lock-state.ts";
import { createLog, type Log } from "./log.ts";
import { LogSink } from "./log-sink.ts";
import { type Options, readOptions } from "./options.ts";
import { claimAddresses, forgetLastRun, isService } from "./service-mode.ts";
import { VERSION } from "./version.ts";
import { logTransport } from "./watch-transport.ts";

/** The kernel, init and everything else that the services are built on. Stays open for the agent's whole life. */
export interface OpenedKernel {
  readonly kernel: Required<Kernel> & { readonly sys: RealSys };
  readonly options: Options;
  readonly stateDirectory: string;
  readonly journal: Journal;
  readonly ledger: StreamLedger;
  readonly heartbeat: Heartbeat;
  readonly sink: LogSink;
  readonly log: Log;
  /** The agent's init is a process of a system with an init of its own. */
  readonly service: boolean;
  /** The first agent of a service: its state directory may hold remains of the service's last run. */
  readonly isServiceStart: boolean;
  /** A service's sockets by address, already bound, that init doesn't keep yet. */
  readonly claimed: ReadonlyMap<string, Fd>;
}

/** Connects to init, reads the options, locks the state, maps the journal and starts heartbeat and log. */
export async function openKernel(): Promise<OpenedKernel> {
  openLoopWatches();
  const { env } = process;
  const sys = openSys();
  const init = await openInit(sys, env["GUESTD_INIT_FD"]);
  const stateDirectory = env["GUESTD_STATE_DIR"] ?? "/run/guestd";
  const service = isService();
  const { options, problems } = readOptions({
    commandLine: realFiles.readText("/proc/cmdline"),
    env,
    configFile: env["GUESTD_CONFIG_FILE"],
    readText: realFiles.readText,
  });
  realFiles.makeDirectory(stateDirectory, 0o700);
  const claimed = service
    ? await lockState(sys, init, stateDirectory)
        .then(() => claimAddresses(init, addressesOf(options)))
        .catch((error: unknown) => giveUp(error, init))
    : new Map<string, Fd>();
  const isServiceStart = service && init.greeting.generation === 1;
  if (isServiceStart) forgetLastRun(realFiles, stateDirectory);
  const mapJournal = (fd: Fd, length: number) => sys.keepForGood(sys.mapShared(fd, length));
  const journal = openJournal(`${stateDirectory}/journal`, mapJournal);
  const ledger = openStreamLedger(`${stateDirectory}/streams`, mapJournal);
  const files = { ...realFiles, mounts: watchedMounts(sys.changed, realFiles.readText) };
  const contained = new FileServers({ sys, init, newId: newLaunchId });
  const killed = new KilledContainers({ kernel: { sys, files }, ownsKernel: ownsKernel() });
  const heartbeat = startHeartbeat(init, options.watchdogMs);
  const sink = new LogSink(VERSION);
  const log = createLog({ level: options.logLevel, version: VERSION, write: (line) => sink.write(line) });
  for (const problem of problems) log.error(problem);
  logTransport(log);
  logNotices(log);
  logDefects(log);
  void init.ended.then((error) => endAgent(log, error));
  return {
    kernel: { sys, init, files, contained, killed, outputs: journal.outputs },
    ...{ options, stateDirectory, journal, ledger, heartbeat, sink, log, service, isServiceStart, claimed },
  };
}

/** Every address on which an agent with these options listens. */
function addressesOf(options: Options): string[] {
  const { passfdPort, logPort, debugConsole, debugConsolePort } = options;
  const addresses = [apiAddress(options), attachAddress(options)].filter((address) => address !== undefined);
  if (passfdPort > 0) addresses.push(streamAddress(options, passfdPort));
  if (logPort > 0) addresses.push(hostAddress(options, logPort));
  if (debugConsolePort > 0 && debugConsole) addresses.push(hostAddress(options, debugConsolePort));
  return addresses;
}

/** Logs problems that fail no call: limits, guest hooks and storage features left out, aborted FUSE connections, and failures of tolerated hooks. */
function logNotices(log: Log): void {
  for (const notices of [cgroupNotices, killedNotices, storageNotices, guestHookProblems]) {
    notices.subscribe((line) => log.warn(line as string));
  }
  hookFailures.subscribe((failure) => log.warn({ ...(failure as HookFailure) }, "hook failed"));
}
