import { describe, expect, it } from "vitest";
import { defaultOptions, parseOptions } from "./options.ts";

const options = (line: string, env = {}) => parseOptions(line, env).options;

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

  it("turn the default filter of system calls on and off", () => {
    expect(options("agent.default_seccomp=on").defaultSeccomp).toBe(true);
    expect(options("agent.default_seccomp=on agent.default_seccomp=off").defaultSeccomp).toBe(false);
    expect(options("").defaultSeccomp).toBe(false);
  });

  it("that are unknown are ignored, and so is what is not ours", () => {
    expect(parseOptions("agent.nonsense=1 root=/dev/pmem0p1 agent.trace", {})).toEqual({
      options: defaultOptions,
      problems: [],
    });
  });

  it("debug_console counts only as the bare word", () => {
    expect(options("agent.debug_console").debugConsole).toBe(true);
    expect(options("agent.debug_console=1").debugConsole).toBe(false);
  });

  it.each([
    "agent.log=loud",
    "agent.log_vport=-1",
    "agent.server_addr=tcp://x",
    "agent.hotplug_timeout=1e9",
    "agent.default_seccomp=1",
  ])("with a bad value, %s, give one line and leave the default", (word) => {
    const parsed = parseOptions(word, {});
    expect(parsed.options).toEqual(defaultOptions);
    expect(parsed.problems).toHaveLength(1);
    expect(parsed.problems[0]).toMatch(/^option agent\.\S+: .* the default is used$/);
  });

  it("zero means not given", () => {
    expect(options("agent.hotplug_timeout=0").hotplugTimeoutMs).toBe(3000);
  });

  it("are overridden by the environment", () => {
    expect(options("agent.log=info", { KATA_AGENT_LOG_LEVEL: "trace" }).logLevel).toBe("trace");
    expect(options("", { KATA_AGENT_SERVER_ADDR: "unix:///a" }).serverAddress).toBe("unix:///a");
  });
});
