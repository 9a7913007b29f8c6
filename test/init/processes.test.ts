import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import * as abi from "../../agent/kernel/constants.ts";
import type { InitClient } from "../../agent/kernel/init/init-client.ts";
import type { Fd } from "../../agent/kernel/kernel.ts";
import { mostProcesses } from "./testing/most-processes.ts";
import { type RelayedInit, startRelayedInit, sys } from "./testing/relayed-init.ts";
import { EXTRA, execute, keepAll, launch, readAll, run, shell, stdio } from "./testing/run-plan.ts";
import { describeInit } from "./testing/variants.ts";

/** Descriptors that a process has open, each with what it is. */
function openOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [`${pid}: ${fd} ${readlinkSync(`/proc/${pid}/fd/${fd}`)}`];
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return []; // the one of the listing itself
      throw error;
    }
  });
}

describeInit("processes and descriptors that outlive the agent:", (binary) => {
  let init: RelayedInit;
  let agent: InitClient;

  beforeEach(async () => {
    init = await startRelayedInit({ init: binary });
    agent = await init.nextAgent();
  });
  afterEach(async () => init[Symbol.asyncDispose]());

  /** Kills the agent and waits for the next one. */
  async function restart(): Promise<void> {
    const [relay = 0] = await relays();
    process.kill(relay, "SIGKILL");
    agent = await init.nextAgent();
  }
  async function relays(): Promise<number[]> {
    return (await init.running.children()).filter((pid) =>
      readFileSync(`/proc/${pid}/comm`, "utf8").startsWith("relay"),
    );
  }
  const restored = (id: number) => agent.greeting.processes.find((process) => process.id === id);

  test("a process ends with its exit code or signal and its resource usage", async () => {
    const { exit } = await run(agent, [stdio, ...shell("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exit 42")]);
    expect(exit.code).toBe(42);
    expect(exit.userMicros + exit.systemMicros).toBeGreaterThan(1000);
    expect(exit.maxRssKib).toBeGreaterThan(100);
    expect((await run(agent, [stdio, ...shell("kill -9 $$")])).exit).toMatchObject({ code: 137, signal: 9 });
  });

  test("init reaps the orphans of any process", async () => {
    await run(agent, [stdio, ...shell("for i in 1 2 3 4 5; do (sleep 0.05; exit 3) & done")]);
    const names = async () => (await init.running.children()).map((pid) => readFileSync(`/proc/${pid}/stat`, "utf8"));
    await expect.poll(async () => (await names()).filter((stat) => !stat.includes("(relay"))).toEqual([]);
  });

  test("the next agent receives a running process with its label, pidfd and working kept descriptors", async () => {
    const label = JSON.stringify({ container: "c1", text: "é".repeat(400) });
    const plan = [stdio, ...shell("echo before; read line; echo got $line; exit 7")];
    const first = await launch(agent, plan, { label, keepOf: keepAll });
    const { id, pid } = first.process;
    for (const fd of [first.stdin, first.output, first.process.pidfd]) sys.close(fd);
    await restart();
    const back = restored(id);
    expect(back).toMatchObject({ label, pid, id });
    expect(back?.exited).toBeUndefined();
    expect(Object.keys(back?.kept ?? {})).toEqual(["stdin", "stdout", "report"]);
    sys.write(back?.kept.stdin ?? -1, Buffer.from("line\n"));
    expect(await readAll(back?.kept.stdout ?? -1)).toBe("before\ngot line\n");
    expect((await back?.exit)?.code).toBe(7);
    expect(() => sys.signal(back?.pidfd ?? -1, abi.SIGTERM)).toThrow("ESRCH");
    for (const fd of [...Object.values(back?.kept ?? {}), back?.pidfd ?? -1]) sys.close(fd);
    agent.forget(id);
  });

  test("init keeps an exit until an agent forgets it, over any number of agents", async () => {
    const first = await launch(agent, [stdio, ...shell("exit 9")], { label: "ended" });
    expect((await first.process.exit).code).toBe(9);
    for (let restarts = 0; restarts < 2; restarts++) {
      await restart();
      const back = restored(first.process.id);
      expect(back?.label).toBe("ended");
      expect(back?.exited?.code).toBe(9);
      expect((await back?.exit)?.code).toBe(9);
      sys.close(back?.pidfd ?? -1);
    }
    agent.forget(first.process.id);
    await restart();
    expect(restored(first.process.id)).toBeUndefined();
    for (const fd of [first.stdin, first.output, first.process.pidfd]) sys.close(fd);
  });

  test("a process that ends while no agent runs is reported as ended, and its last output is kept", async () => {
    const release = sys.pipe();
    const plan = [stdio, { op: "wait", slot: EXTRA } as const, ...shell("echo last words; exit 5")];
    const keepOf = (fds: { output: Fd }) => ({ stdout: fds.output, release: release.write });
    const first = await launch(agent, plan, { extra: [release.read], keepOf });
    await first.report.next();
    const [relay = 0] = await relays();
    process.kill(relay, "SIGKILL");
    sys.write(release.write, Uint8Array.of(1));
    await first.text();
    agent = await init.nextAgent();
    let back = restored(first.process.id);
    if (back?.exited === undefined) await back?.exit;
    await restart();
    back = restored(first.process.id);
    expect(back?.exited?.code).toBe(5);
    agent.forget(first.process.id);
  });

  test("forgetting a running process closes its kept descriptors, reports no exit, and leaves the process running", async () => {
    const keepOf = (fds: { stdin: Fd }) => ({ stdin: fds.stdin });
    const first = await launch(agent, [stdio, ...shell("read line; echo end of file; sleep 0.1; echo done")], {
      keepOf,
    });
    let reported = false;
    void first.process.exit.then(() => {
      reported = true;
    });
    sys.close(first.stdin);
    agent.forget(first.process.id);
    expect(await first.text()).toBe("end of file\ndone\n");
    await run(agent, [stdio, ...shell("true")]);
    expect(reported).toBe(false);
    await restart();
    expect(restored(first.process.id)).toBeUndefined();
    for (const fd of [first.output, first.process.pidfd]) sys.close(fd);
  });

  test("closing a kept role gives the process its end of file", async () => {
    const keepOf = (fds: { stdin: Fd }) => ({ stdin: fds.stdin });
    const first = await launch(agent, [stdio, ...shell("cat; echo eof")], { keepOf });
    sys.write(first.stdin, Buffer.from("text\n"));
    sys.close(first.stdin);
    agent.closeKept(first.process.id, "stdin");
    expect(await first.text()).toBe("text\neof\n");
    expect((await first.process.exit).code).toBe(0);
    agent.forget(first.process.id);
    for (const fd of [first.output, first.process.pidfd]) sys.close(fd);
  });

  test("init closes a kept report together with its release", async () => {
    const keepOf = (fds: { stdin: Fd; output: Fd; report: Fd }) => ({
      stdout: fds.output,
      report: fds.report,
      release: fds.stdin,
    });
    const first = await launch(agent, [stdio, ...shell("sleep 1000")], { keepOf });
    const { id } = first.process;
    agent.closeKept(id, "release");
    for (const fd of [first.stdin, first.output, first.process.pidfd]) sys.close(fd);
    await restart();
    const back = restored(id);
    expect(Object.keys(back?.kept ?? {})).toEqual(["stdout"]);
    if (back !== undefined) sys.signal(back.pidfd ?? -1, abi.SIGKILL);
    for (const fd of [...Object.values(back?.kept ?? {}), back?.pidfd ?? -1]) sys.close(fd);
    agent.forget(id);
  });

  test("the next agent receives working deposits by name; a later one replaces an earlier one, and a withdrawn one is gone", async () => {
    const [kept, replaced, gone] = [sys.pipe(), sys.pipe(), sys.pipe()];
    agent.deposit("kept", kept.read);
    agent.deposit("replaced", replaced.read);
    agent.deposit("replaced", gone.read);
    agent.deposit("replaced", replaced.read);
    agent.deposit("n".repeat(100), gone.read);
    agent.withdraw("n".repeat(100));
    await run(agent, [stdio, ...shell("true")]);
    for (const pipe of [kept, replaced, gone]) sys.close(pipe.read);
    await restart();
    expect([...agent.greeting.deposits.keys()].sort()).toEqual(["kept", "replaced"]);
    for (const [name, pipe] of Object.entries({ kept, replaced })) {
      sys.write(pipe.write, Buffer.from(name));
      const text = new Uint8Array(16);
      const fd = agent.greeting.deposits.get(name) ?? -1;
      expect(Buffer.from(text.subarray(0, sys.read(fd, text))).toString()).toBe(name);
      sys.close(fd);
      agent.withdraw(name);
    }
    expect(() => sys.write(gone.write, Uint8Array.of(1))).toThrow("EPIPE");
    for (const pipe of [kept, replaced, gone]) sys.close(pipe.write);
  });

  test("init keeps 4096 deposits and refuses one more", async () => {
    const { read, write } = sys.pipe();
    for (let i = 0; i < 4097; i++) {
      agent.deposit(`deposit-${i}`, read);
      if (i % 1000 === 999) await run(agent, [stdio, ...shell("true")]); // init reads what is queued
    }
    await run(agent, [stdio, ...shell("true")]);
    await restart();
    expect(agent.greeting.deposits.size).toBe(4096);
    for (const [at, [name, fd]] of [...agent.greeting.deposits].entries()) {
      sys.close(fd);
      agent.withdraw(name);
      if (at % 1000 === 999) await run(agent, [stdio, ...shell("true")]);
    }
    await run(agent, [stdio, ...shell("true")]);
    for (const fd of [read, write]) sys.close(fd);
  });

  // test/nightly also fills the table of the one under ASan, which forks more slowly.
  if (!binary.endsWith("-asan")) mostProcesses(binary);

  test("500 launches leave no descriptor behind in init or the agent", async () => {
    const pid = await init.running.pid();
    const exec = [stdio, ...execute(["/bin/busybox", "true"])];
    await run(agent, exec);
    await restart(); // the next greeting comes after init has handled the last forget
    const open = () => [...openOf(pid), ...openOf(process.pid)];
    const before = new Set(open()); // other test files of this process may still close theirs
    for (let i = 0; i < 500; i++) {
      const plan = i % 5 === 0 ? ([{ op: "chdir", path: "/missing" }, ...exec] as const) : exec;
      expect((await run(agent, plan, { keepOf: keepAll })).exit.code).toBe(i % 5 === 0 ? 127 : 0);
    }
    await expect.poll(() => open().filter((one) => !before.has(one))).toEqual([]);
  });

  test("init reports the exits of hundreds of processes that end at once", async () => {
    const launched = await Promise.all(Array.from({ length: 300 }, () => launch(agent, [stdio, ...shell("exit 3")])));
    const exits = await Promise.all(launched.map(({ process }) => process.exit));
    expect(exits.every(({ code }) => code === 3)).toBe(true);
    for (const one of launched) await one[Symbol.asyncDispose]();
  });
});
