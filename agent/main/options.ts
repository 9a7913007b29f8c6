import type { MemAgentOptions } from "../guest/mem-agent/mem-agent.ts";
import { defaultCompact, defaultMemcg } from "../guest/mem-agent/settings.ts";
import { parseConfigFile } from "./config-file.ts";
import {
  type LogLevel,
  MAX_PORT,
  type MutableOptions,
  type OptionReader,
  readAddress,
  readCalls,
  readCompact,
  readFlag,
  readLevel,
  readMemAgent,
  readMemcg,
  readNumber,
  readOptional,
  readSeconds,
  readText,
} from "./option-readers.ts";

/** A day, the longest sensible time limit. */
const MAX_SECONDS = 86_400;

export interface Options {
  readonly logLevel: LogLevel;
  /** `vsock://<cid>:<port>` (-1 is any CID), `unix:///path` or `unix://@name`. */
  readonly serverAddress: string;
  readonly debugConsole: boolean;
  /** vsock port of the debug console; 0 puts it on /dev/console. */
  readonly debugConsolePort: number;
  /** vsock port for log lines; 0: none. */
  readonly logPort: number;
  /** Silence of the event loop after which init replaces the agent, ms; 0: never. */
  readonly watchdogMs: number;
  /** Time limit for the appearance of a hot-plugged device, ms. */
  readonly hotplugTimeoutMs: number;
  /** Time limit for pulling an image, ms. */
  readonly imagePullTimeoutMs: number;
  /** Time limit for the appearance of CDI files, ms. */
  readonly cdiTimeoutMs: number;
  /** F_SETPIPE_SZ of stdio pipes, bytes; 0 is the kernel's default. */
  readonly containerPipeSize: number;
  /** vsock port on which the host passes stdio streams; 0: none. */
  readonly passfdPort: number;
  /** vsock port of guestd.v1.Streams; 0: none. */
  readonly streamsPort: number;
  /** Bytes that the log of each container's stdout, and stderr, keeps; 0: no logs. */
  readonly containerLogs: number;
  /** Bytes of memory for core dumps; 0: none are kept. */
  readonly coreDumps: number;
  /** Name of the virtio-serial port by which the host reaches the agent, through init's relay; empty: vsock. */
  readonly channel: string;
  /** Gives guestd's default filter to containers without a seccomp filter. */
  readonly defaultSeccomp: boolean;
  /** Sets the sysctls that harden a guest for untrusted code when the sandbox is created. */
  readonly guestSysctl: boolean;
  /** Forbids loading kernel modules once the sandbox exists. */
  readonly lockModules: boolean;
  /** Refuses calls that create something until the first Resumed. */
  readonly template: boolean;
  readonly developerMode: boolean;
  readonly trace: boolean;
  readonly visibleCdiDevices: boolean;
  /** Proxy for pulling images; empty: none. */
  readonly httpsProxy: string;
  readonly noProxy: string;
  /** File of the first policy; empty: the default file, if it exists. */
  readonly policyFile: string;
  /** The only calls allowed; undefined: all that the policy allows. */
  readonly allowedCalls: readonly string[] | undefined;
  readonly deniedCalls: readonly string[];
  readonly memAgent: MemAgentOptions;
}

export const defaultOptions: Options = {
  logLevel: "info",
  serverAddress: "vsock://-1:1024",
  debugConsole: false,
  debugConsolePort: 0,
  logPort: 0,
  watchdogMs: 5000,
  hotplugTimeoutMs: 3000,
  imagePullTimeoutMs: 1_200_000,
  cdiTimeoutMs: 100_000,
  containerPipeSize: 0,
  passfdPort: 0,
  streamsPort: 1028,
  containerLogs: 0,
  coreDumps: 0,
  channel: "",
  defaultSeccomp: false,
  guestSysctl: true,
  lockModules: false,
  template: false,
  developerMode: false,
  trace: false,
  visibleCdiDevices: false,
  httpsProxy: "",
  noProxy: "",
  policyFile: "",
  allowedCalls: undefined,
  deniedCalls: [],
  memAgent: { enabled: false, memcg: defaultMemcg, compact: defaultCompact },
};

/** Readers by the option's name on the kernel command line. */
const READERS: Readonly<Record<string, OptionReader>> = {
  "agent.log": readLevel,
  "agent.server_addr": readAddress,
  "agent.debug_console": readFlag("debugConsole"),
  "agent.debug_console_vport": readNumber("debugConsolePort", MAX_PORT),
  "agent.log_vport": readNumber("logPort", MAX_PORT),
  "agent.devmode": readFlag("developerMode"),
  "agent.trace": readFlag("trace"),
  "agent.watchdog": readSeconds("watchdogMs", MAX_SECONDS),
  "agent.hotplug_timeout": readNumber("hotplugTimeoutMs", MAX_SECONDS, 1000),
  "agent.image_pull_timeout": readNumber("imagePullTimeoutMs", MAX_SECONDS, 1000),
  "agent.cdi_timeout": readNumber("cdiTimeoutMs", MAX_SECONDS, 1000),
  "agent.visible_cdi_devices": readFlag("visibleCdiDevices"),
  "agent.container_pipe_size": readNumber("containerPipeSize", 1 << 30),
  "agent.passfd_listener_port": readNumber("passfdPort", MAX_PORT),
  "agent.streams_port": readOptional("streamsPort", MAX_PORT),
  "agent.container_logs": readOptional("containerLogs", 64 << 20),
  "agent.core_dumps": readOptional("coreDumps", 2 ** 32),
  "agent.channel": readText("channel"),
  "agent.https_proxy": readText("httpsProxy"),
  "agent.no_proxy": readText("noProxy"),
  "agent.default_seccomp": readFlag("defaultSeccomp", ["on", "off"]),
  "agent.guest_sysctl": readFlag("guestSysctl", ["on", "off"]),
  "agent.lock_modules": readFlag("lockModules", ["on", "off"]),
  "agent.template": readFlag("template", ["on", "off"]),
  "agent.policy_file": readText("policyFile"),
  "agent.allow_calls": readCalls("allowedCalls"),
  "agent.deny_calls": readCalls("deniedCalls"),
  "agent.mem_agent_enable": readMemAgent,
  "agent.mem_agent_memcg_disable": readMemcg("disabled"),
  "agent.mem_agent_memcg_swap": readMemcg("swap"),
  "agent.mem_agent_memcg_swappiness_max": readMemcg("swappinessMax"),
  "agent.mem_agent_memcg_period_secs": readMemcg("periodSecs"),
  "agent.mem_agent_memcg_period_psi_percent_limit": readMemcg("periodPsiPercentLimit"),
  "agent.mem_agent_memcg_eviction_psi_percent_limit": readMemcg("evictionPsiPercentLimit"),
  "agent.mem_agent_memcg_eviction_run_aging_count_min": readMemcg("evictionRunAgingCountMin"),
  "agent.mem_agent_compact_disable": readCompact("disabled"),
  "agent.mem_agent_compact_period_secs": readCompact("periodSecs"),
  "agent.mem_agent_compact_period_psi_percent_limit": readCompact("periodPsiPercentLimit"),
  "agent.mem_agent_compact_psi_percent_limit": readCompact("compactPsiPercentLimit"),
  "agent.mem_agent_compact_sec_max": readCompact("compactSecMax"),
  "agent.mem_agent_compact_order": readCompact("compactOrder"),
  "agent.mem_agent_compact_threshold": readCompact("compactThreshold"),
  "agent.mem_agent_compact_force_times": readCompact("compactForceTimes"),
};

/** Options that are switched on by a bare word; the first one only by that. */
const BARE: ReadonlySet<string> = new Set(["agent.debug_console", "agent.devmode", "agent.trace"]);

/** Keys of the file that differ from the command line's words by more than the "agent." prefix. */
const FILE_NAMES: Readonly<Record<string, string>> = { dev_mode: "devmode", log_level: "log" };

const ENVIRONMENT: Readonly<Record<string, string>> = {
  KATA_AGENT_SERVER_ADDR: "agent.server_addr",
  KATA_AGENT_LOG_LEVEL: "agent.log",
  KATA_AGENT_TRACING: "agent.trace",
  KATA_AGENT_POLICY_FILE: "agent.policy_file",
  KATA_AGENT_WATCHDOG: "agent.watchdog",
};

export interface OptionSources {
  readonly commandLine: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Replaces command line and environment. Default: the file that agent.config_file on the command line names. */
  readonly configFile?: string | undefined;
  readText(path: string): string;
}

export interface ReadOptions {
  readonly options: Options;
  /** One line for each bad value, whose option keeps its default. */
  readonly problems: readonly string[];
}

/** Reads the options from the kernel command line, then the environment, or from a file alone. Ignores unknown options, as hosts expect. */
export function readOptions(sources: OptionSources): ReadOptions {
  const { commandLine, env, readText } = sources;
  const words = commandLine.trim().split(/\s+/).map(splitWord);
  const configFile = sources.configFile ?? words.findLast(([name]) => name === "agent.config_file")?.[1];
  const reading = new Reading();
  if (configFile === undefined || !reading.file(configFile, readText)) {
    for (const [name, value] of words) if (isComplete(name, value)) reading.take(name, value ?? "", name);
    for (const [name, option] of Object.entries(ENVIRONMENT)) if (env[name]) reading.take(option, env[name], name);
  }
  return reading;
}

class Reading implements ReadOptions {
  readonly options: MutableOptions = { ...defaultOptions };
  readonly problems: string[] = [];

  take(name: string, value: string, given: string): void {
    const reader = Object.hasOwn(READERS, name) ? READERS[name] : undefined;
    const problem = reader?.(this.options, value);
    // A string in the file may contain line breaks.
    const shown = value.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ");
    if (problem !== undefined) this.problems.push(`option ${given}=${shown}: ${problem}`);
  }

  /** Reads a configuration file. Returns false if it can't be read, in which case nothing of it is used. */
  file(path: string, readText: (path: string) => string): boolean {
    try {
      const { values, problems } = parseConfigFile(readText(path));
      for (const [key, value] of values) this.take(`agent.${FILE_NAMES[key] ?? key}`, value, `${path}: ${key}`);
      this.problems.push(...problems.map((problem) => `${path}: ${problem}`));
      return true;
    } catch (error) {
      this.problems.push(`option agent.config_file=${path}: ${(error as Error).message}; the command line is used`);
      return false;
    }
  }
}

/** Splits a word at "="; the value of a bare word is undefined. */
function splitWord(word: string): readonly [string, string | undefined] {
  const at = word.indexOf("=");
  return at < 0 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)];
}

function isComplete(name: string, value: string | undefined): boolean {
  if (value === undefined) return BARE.has(name);
  return name !== "agent.debug_console";
}
