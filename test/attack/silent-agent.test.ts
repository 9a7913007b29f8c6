import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { makeWorkDirectory } from "../clean-up/work-directory.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startInit } from "../init/testing/harness.ts";
import { startHostAgent } from "../namespaces/testing/host-agent.ts";
import { Pod } from "../scenarios/pod.ts";
import { compileC } from "../testing/compile-c.ts";

const SILENT = /the agent has not answered for \d+\.\d s; it is replaced/g;
const noFuse = !existsSync("/dev/fuse");
const STAND_IN = join(import.meta.dirname, "testing/stalling-agent.ts");

describeInNamespaces("an agent whose event loop hangs", () => {
  it.concurrent.each(["spin", "wait", "read", "microtasks"])(
    "is replaced, and the next one is left alone: %s",
    async (stall) => {
      await using init = startInit({ agentCommand: [process.execPath, STAND_IN, stall] });
      await init.waitForConsole(/^the next agent serves$/m);
      expect(init.console().match(SILENT)).toEqual(["the agent has not answered for 1.5 s; it is replaced"]);
    },
  );

  it.concurrent("is replaced when it is stopped for 5 s: containers, output, open calls and connections continue", async () => {
    await using machine = await startHostAgent();
    const pod = await Pod.open(machine);
    await using client = pod.client;
    const id = await pod.start([
      "sh",
      "-c",
      "i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo $i; sleep 0.01; done; exit 9",
    ]);
    const waiting = client.agent.waitProcess({ container_id: id, exec_id: id });
    const stopped = await machine.agentPid();
    process.kill(stopped, "SIGSTOP");
    const whole = Array.from({ length: 300 }, (_, index) => `${index + 1}\n`).join("");
    let output = "";
    while (output.length < whole.length) {
      const { data } = await client.agent.readStdout({ container_id: id, exec_id: id, len: 4096 });
      output += Buffer.from(data).toString();
    }
    expect(output).toBe(whole);
    expect((await waiting).status).toBe(9);
    expect(await machine.agentPid()).not.toBe(stopped);
    expect(machine.console().match(SILENT)).toEqual(["the agent has not answered for 5.0 s; it is replaced"]);
    await pod.remove(id);
  });

  it.concurrent(`is replaced once the kernel releases it, and the console says that it waits${noFuse ? ": skipped, no /dev/fuse" : ""}`, {
    skip: noFuse,
  }, async () => {
    const program = join(makeWorkDirectory("taken-mount"), "taken-mount");
    compileC([join(import.meta.dirname, "taken-mount.c")], program, []);
    await using init = startInit({ agentCommand: [process.execPath, STAND_IN, "taken", program] });
    await init.waitForConsole(/^the next agent serves$/m);
    expect(
      init
        .console()
        .match(/the agent .*/g)
        ?.map((line) => line.replace(/;.*/, "")),
    ).toEqual([
      "the agent has not answered for 1.5 s",
      "the agent does not end: the kernel holds it",
      "the agent ended (signal 9)",
    ]);
  });

  it.concurrent("is left alone with agent.watchdog=0, so that a debugger can stop it", async () => {
    await using machine = await startHostAgent({ config: "watchdog = 0" });
    await using client = await machine.connect();
    const pid = await machine.agentPid();
    process.kill(pid, "SIGSTOP");
    await sleep(6500); // longer than the default allows
    process.kill(pid, "SIGCONT");
    await client.health.check({});
    expect(await machine.agentPid()).toBe(pid);
    expect(machine.console()).not.toMatch(SILENT);
  });
});
