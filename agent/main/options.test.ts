import { describe, expect, it } from "vitest";
import { defaultOptions, readOptions } from "./options.ts";

const noFile = (path: string): string => {
  throw new Error(`open ${path}: no such file`);
};
const read = (commandLine: string, env: Record<string, string> = {}, readText = noFile) =>
  readOptions({ commandLine, env, readText });
const options = (commandLine: string, env = {}) => read(commandLine, env).options;

describe("options of the kernel command line", () => {
  it("are read by their Kata names", () => {
    const line = "quiet agent.log=debug agent.log_vport=1025 agent.hotplug_timeout=9 agent.server_addr=unix://@x";
    expect(options(line)).toMatchObject({
      logLevel: "debug",
      logPort: 1025,
      hotplugTimeoutMs: 9000,
      serverAddress: "unix://@x",
    });
  });

  it("may all be given, as by hosts", () => {
    const line = `agent.cdi_timeout=7 agent.image_pull_timeout=60 agent.visible_cdi_devices=true agent.devmode agent.trace
      agent.container_pipe_size=65536 agent.passfd_listener_port=1027 agent.https_proxy=http://p agent.no_proxy=a,b`;
    expect(read(line)).toEqual({
      problems: [],
      options: {
        ...defaultOptions,
        cdiTimeoutMs: 7000,
        imagePullTimeoutMs: 60_000,
        visibleCdiDevices: true,
        developerMode: true,
        trace: true,
        containerPipeSize: 65_536,
        passfdPort: 1027,
        httpsProxy: "http://p",
        noProxy: "a,b",
      },
    });
  });

  it("turn guestd.v1.Streams off by port 0", () => {
    expect([options(""), options("agent.streams_port=0"), options("agent.streams_port=1100")]).toMatchObject([
      { streamsPort: 1028 },
      { streamsPort: 0 },
      { streamsPort: 1100 },
    ]);
    expect(read("agent.streams_port=x").problems).toHaveLength(1);
  });

  it("set the size of containers' logs, of which there are none by default", () => {
    const sizes = ["", "agent.container_logs=262144", "agent.container_logs=262144 agent.container_logs=0"];
    expect(sizes.map((words) => options(words).containerLogs)).toEqual([0, 262_144, 0]);
    expect(read("agent.container_logs=67108865").problems).toHaveLength(1);
  });

  it("make the guest a template, which it is not by default", () => {
    const on = ["", "agent.template=on", "agent.template=off"];
    expect(on.map((words) => options(words).template)).toEqual([false, true, false]);
    expect(read("agent.template=true").problems).toHaveLength(1);
  });

  it("set the memory for core dumps, which are off by default", () => {
    const sizes = ["", "agent.core_dumps=4294967296", "agent.core_dumps=0"];
    expect(sizes.map((words) => options(words).coreDumps)).toEqual([0, 2 ** 32, 0]);
    expect(read("agent.core_dumps=4294967297").problems).toHaveLength(1);
  });

  it("turn the default filter of system calls on and off", () => {
    expect(options("agent.default_seccomp=on").defaultSeccomp).toBe(true);
    expect(options("agent.default_seccomp=on agent.default_seccomp=off").defaultSeccomp).toBe(false);
    expect(options("").defaultSeccomp).toBe(false);
  });

  it("of the memory agent take 0 as a number, and flags as 1 and 0 too", () => {
    const line = `agent.mem_agent_enable=1 agent.mem_agent_memcg_swap=true agent.mem_agent_memcg_period_psi_percent_limit=0
      agent.mem_agent_compact_force_times=0 agent.mem_agent_compact_threshold=18446744073709551615`;
    const { memAgent } = options(line);
    expect(memAgent).toEqual({
      enabled: true,
      memcg: { ...defaultOptions.memAgent.memcg, swap: true, periodPsiPercentLimit: 0 },
      compact: { ...defaultOptions.memAgent.compact, compactForceTimes: 0, compactThreshold: 2 ** 64 },
    });
    const bad = read("agent.mem_agent_memcg_period_secs=0 agent.mem_agent_memcg_swap=on");
    expect(bad).toEqual({
      options: defaultOptions,
      problems: [
        "option agent.mem_agent_memcg_period_secs=0: not a whole number from 1 to 2147483; the default is used",
        "option agent.mem_agent_memcg_swap=on: not true or false; the default is used",
      ],
    });
  });

  it("are ignored if they are unknown or not the agent's", () => {
    const line = "agent.nonsense=1 root=/dev/pmem0p1 agent.cdh_api_timeout=50 agent.toString=1 agent.log";
    expect(read(line)).toEqual({ options: defaultOptions, problems: [] });
  });

  it("debug_console counts only as the bare word", () => {
    expect(options("agent.debug_console").debugConsole).toBe(true);
    expect(options("agent.debug_console=true").debugConsole).toBe(false);
  });

  it.each([
    "agent.log=loud",
    "agent.log_vport=-1",
    "agent.server_addr=tcp://x",
    "agent.hotplug_timeout=1e9",
    "agent.default_seccomp=1",
    "agent.trace=yes",
  ])("with a bad value, %s, give one line and leave the default", (word) => {
    const parsed = read(word);
    expect(parsed.options).toEqual(defaultOptions);
    expect(parsed.problems).toHaveLength(1);
    expect(parsed.problems[0]).toMatch(/^option agent\.\S+: .* the default is used$/);
  });

  it("that list calls drop malformed names, which allow nothing", () => {
    const parsed = read("agent.allow_calls= agent.deny_calls=ExecProcess,rm");
    expect(parsed.options).toEqual({ ...defaultOptions, allowedCalls: [], deniedCalls: ["ExecProcess"] });
    expect(parsed.problems).toEqual([
      'option agent.allow_calls=: "" is not the name of a call; the others count',
      'option agent.deny_calls=ExecProcess,rm: "rm" is not the name of a call; the others count',
    ]);
  });

  it("keep their default if they are zero", () => {
    expect(options("agent.hotplug_timeout=0").hotplugTimeoutMs).toBe(3000);
  });

  it("of the watchdog are seconds, and zero switches it off", () => {
    expect(options("").watchdogMs).toBe(5000);
    expect(options("agent.watchdog=12").watchdogMs).toBe(12_000);
    expect(options("agent.watchdog=0").watchdogMs).toBe(0);
    expect(options("agent.watchdog=3", { KATA_AGENT_WATCHDOG: "0" }).watchdogMs).toBe(0);
    expect(read("agent.watchdog=never")).toMatchObject({ options: defaultOptions, problems: [expect.any(String)] });
  });

  it("are overridden by the environment", () => {
    expect(options("agent.log=info", { KATA_AGENT_LOG_LEVEL: "trace" }).logLevel).toBe("trace");
    const env = { KATA_AGENT_SERVER_ADDR: "unix:///a", KATA_AGENT_TRACING: "true", KATA_AGENT_POLICY_FILE: "/p.rego" };
    expect(options("", env)).toMatchObject({ serverAddress: "unix:///a", trace: true, policyFile: "/p.rego" });
  });
});

describe("a configuration file", () => {
  const file = 'log_level = "warn"\ndebug_console = true\nhotplug_timeout = 4\nlog_vport = "x"\nunknown = 1\n';
  const env = { KATA_AGENT_SERVER_ADDR: "unix:///a" };

  it("takes the place of the command line and the environment", () => {
    const parsed = read("agent.log_vport=1025 agent.config_file=/etc/agent.toml", env, () => file);
    expect(parsed.options).toEqual({
      ...defaultOptions,
      logLevel: "warn",
      debugConsole: true,
      hotplugTimeoutMs: 4000,
    });
    expect(parsed.problems).toEqual([
      "option /etc/agent.toml: log_vport=x: not a whole number from 0 to 4294967294; the default is used",
    ]);
  });

  it("is ignored if it can't be read", () => {
    const parsed = read("agent.log_vport=1025 agent.config_file=/x", env);
    expect(parsed.options).toEqual({ ...defaultOptions, logPort: 1025, serverAddress: "unix:///a" });
    expect(parsed.problems).toEqual(["option agent.config_file=/x: open /x: no such file; the command line is used"]);
  });

  it("is reported in one line even if a bad value has line breaks", () => {
    const parsed = read("agent.config_file=/c", {}, () => 'log = "i\\n\\tfo"');
    expect(parsed.problems).toEqual([expect.stringMatching(/^option \/c: log=i fo: [^\n]+$/)]);
  });

  it("may be named by the environment", () => {
    const given = { commandLine: "agent.log=trace", env: {}, configFile: "/c", readText: () => file };
    expect(readOptions(given).options.logLevel).toBe("warn");
  });
});
