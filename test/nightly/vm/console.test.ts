import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connect } from "../../../host/client/agent-client.ts";
import { Guest } from "../../../host/vm/guest.ts";
import { buildDebugImage } from "../../vm/testing/guest-machine.ts";

const LIMIT_MS = 100_000;

const CONFIG = "/run/agent.toml";

describe("agent.debug_console without a port", () => {
  const lines: string[] = [];
  let guest: Guest;

  beforeAll(async () => {
    const image = join(await buildDebugImage(), "image");
    guest = await Guest.start({
      memoryMib: 384,
      kernel: join(image, "vmlinuz"),
      initrd: join(image, "initrd.cpio"),
      image: join(image, "guest.img"),
      kernelArgs: ["agent.debug_console", `agent.config_file=${CONFIG}`, "agent.deny_calls=GetMetrics"],
      consoleInput: true,
      onConsole: (line) => lines.push(line),
    });
    await shows(/built-in shell/);
  });
  afterAll(() => guest?.close());

  async function shows(pattern: RegExp, from = 0): Promise<void> {
    const seen = () => lines.slice(from);
    for (const end = performance.now() + LIMIT_MS; !seen().some((line) => pattern.test(line)); await sleep(20)) {
      if (performance.now() > end) throw new Error(`no ${pattern} on the console: ${seen().join(" | ")}`);
    }
  }

  /** Types a command. Returns the last line that it prints, without lines of the log. */
  async function type(command: string): Promise<string> {
    const from = lines.length;
    guest.type(`${command}; echo E''ND\n`);
    await shows(/^END$/, from);
    return lines.slice(from).findLast((line) => !/^(\{.*|END)$/.test(line)) ?? "";
  }

  it("gives a root shell with job control on the guest's console", async () => {
    expect(await type("echo $(tty) $(id -u) $(cat /proc/1/comm)")).toBe("/dev/console 0 init");
    const shell = await type("echo shell $$");
    const from = lines.length;
    // Printed by a child, which is in the foreground then: a ^C before that would go to the shell.
    guest.type("sh -c 'echo begun; exec sleep 1000'\n");
    await shows(/^begun$/, from);
    guest.type("\x03");
    expect(await type("echo shell $$"), "^C ends the running program, not the shell").toBe(shell);
  });

  it("restarts the shell when it exits, and keeps it when the agent is killed", async () => {
    const first = await type("echo shell $$");
    const ended = lines.length;
    guest.type("exit\n");
    await shows(/built-in shell/, ended);
    const second = await type("echo shell $$");
    expect(second).not.toBe(first);
    const killed = lines.length;
    guest.type("kill -9 $(pidof node)\n");
    await shows(/guestd: listening/, killed);
    expect(await type("echo shell $$")).toBe(second);
  });

  it("yields to agent.config_file, which replaces the command line; while the file is missing, the command line is used", async () => {
    await using client = await connect(guest.address(1024));
    const denied = { code: 7, message: expect.stringContaining("agent.deny_calls names it") };
    await expect(client.agent.getMetrics({})).rejects.toMatchObject(denied);
    expect((await client.agent.getGuestDetails({})).agent_details).toBeTruthy();
    await shows(/option agent\.config_file=\/run\/agent\.toml: .*; the command line is used/);

    await type(`printf 'debug_console = true\ndeny_calls = "GetGuestDetails"\n' >${CONFIG}`);
    const killed = lines.length;
    guest.type("kill -9 $(pidof node)\n");
    await shows(/guestd: listening/, killed);
    await expect(client.agent.getGuestDetails({})).rejects.toMatchObject(denied);
    expect((await client.agent.getMetrics({})).metrics).toContain("kata_agent_scrape_count 1\n");
    expect(lines.slice(killed).join("\n")).not.toContain("config_file");
    expect(await type("echo still $(id -u)")).toBe("still 0");
  });
});
