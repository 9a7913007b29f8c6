/** pino's names for the contract's levels. */
const LEVELS = {
  trace: "trace",
  debug: "debug",
  info: "info",
  warn: "warn",
  error: "error",
  critical: "fatal",
} as const;

export type LogLevel = (typeof LEVELS)[keyof typeof LEVELS];

export interface Options {
  readonly logLevel: LogLevel;
  /** `vsock://<cid>:<port>` (-1 is any CID), `unix:///path` or `unix://@name`. */
  readonly serverAddress: string;
  readonly debugConsole: boolean;
  /** vsock port of the debug console; 0: /dev/console. */
  readonly debugConsolePort: number;
  /** vsock port for log lines; 0: none. */
  readonly logPort: number;
  /** How long a hot-plugged device is waited for, ms. */
  readonly hotplugTimeoutMs: number;
  /** F_SETPIPE_SZ of stdio pipes, bytes; 0 is the kernel's default. */
  readonly containerPipeSize: number;
  /** A container that asks for no seccomp filter gets guestd's own. */
  readonly defaultSeccomp: boolean;
}

export const defaultOptions: Options = {
  logLevel: "info",
  serverAddress: "vsock://-1:1024",
  debugConsole: false,
  debugConsolePort: 0,
  logPort: 0,
  hotplugTimeoutMs: 3000,
  containerPipeSize: 0,
  defaultSeccomp: false,
};

type Mutable = { -readonly [Key in keyof Options]: Options[Key] };

/** Each option's name on the kernel command line, and how its value is read. Undefined: the value is bad. */
const READERS: Readonly<Record<string, (options: Mutable, value: string) => string | undefined>> = {
  "agent.log": readLevel,
  "agent.server_addr": readAddress,
  "agent.debug_console": (options) => {
    options.debugConsole = true;
    return undefined;
  },
  "agent.debug_console_vport": readNumber("debugConsolePort", 0xffff_fffe),
  "agent.log_vport": readNumber("logPort", 0xffff_fffe),
  "agent.hotplug_timeout": readNumber("hotplugTimeoutMs", 3600, 1000),
  "agent.container_pipe_size": readNumber("containerPipeSize", 1 << 30),
  "agent.default_seccomp": readDefaultSeccomp,
};

/**
 * Options from the kernel command line, then from the environment (KATA_AGENT_SERVER_ADDR, KATA_AGENT_LOG_LEVEL).
 * Unknown ones are ignored, as hosts expect. A bad value leaves the default and gives one line in `problems`.
 */
export function parseOptions(
  commandLine: string,
  env: Readonly<Record<string, string | undefined>>,
): { readonly options: Options; readonly problems: readonly string[] } {
  const options: Mutable = { ...defaultOptions };
  const problems: string[] = [];
  const apply = (name: string, given: string, value: string) => {
    const problem = READERS[name]?.(options, value);
    if (problem !== undefined) problems.push(`option ${given}=${value}: ${problem}; the default is used`);
  };
  for (const word of commandLine.trim().split(/\s+/)) {
    const at = word.indexOf("=");
    const name = at < 0 ? word : word.slice(0, at);
    const bareOnly = name === "agent.debug_console";
    if (bareOnly ? at < 0 : at > 0) apply(name, name, word.slice(at + 1));
  }
  const address = env["KATA_AGENT_SERVER_ADDR"];
  if (address) apply("agent.server_addr", "KATA_AGENT_SERVER_ADDR", address);
  const level = env["KATA_AGENT_LOG_LEVEL"];
  if (level) apply("agent.log", "KATA_AGENT_LOG_LEVEL", level);
  return { options, problems };
}

function readLevel(options: Mutable, value: string): string | undefined {
  if (!Object.hasOwn(LEVELS, value)) return `not one of ${Object.keys(LEVELS).join(", ")}`;
  options.logLevel = LEVELS[value as keyof typeof LEVELS];
  return undefined;
}

function readAddress(options: Mutable, value: string): string | undefined {
  if (!/^(vsock:\/\/-?\d+:\d+|unix:\/\/[/@].+)$/.test(value))
    return "not vsock://CID:PORT, unix:///PATH or unix://@NAME";
  options.serverAddress = value;
  return undefined;
}

function readDefaultSeccomp(options: Mutable, value: string): string | undefined {
  if (value !== "on" && value !== "off") return "not on or off";
  options.defaultSeccomp = value === "on";
  return undefined;
}

/** A whole number up to `most`; 0 means "not given" and leaves the default. */
function readNumber(
  key: "debugConsolePort" | "logPort" | "hotplugTimeoutMs" | "containerPipeSize",
  most: number,
  scale = 1,
) {
  return (options: Mutable, value: string): string | undefined => {
    const number = /^\d{1,10}$/.test(value) ? Number(value) : Number.NaN;
    if (!(number <= most)) return `not a whole number from 0 to ${most}`;
    if (number > 0) options[key] = number * scale;
    return undefined;
  };
}
