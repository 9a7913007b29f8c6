import { readFileSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import * as abi from "../../agent/kernel/constants.ts";
import { initRefusals } from "../../agent/kernel/init/init-client.ts";
import type { PlanOp } from "../../agent/kernel/init/plan.ts";
import { startRelayedInit, sys } from "./testing/relayed-init.ts";
import { EXTRA, execute, failure, launch, run, shell, stdio } from "./testing/run-plan.ts";
import { describeInit } from "./testing/variants.ts";

const EINVAL = 22;
const fork: PlanOp = { op: "fork", flags: 0 };

/** In a plan with a fork, the launched child forks again, and that grandchild becomes the process. */
describeInit("a launch with a fork", (binary) => {
  test("returns the pid, pidfd and exit of the forked process", async () => {
    await using init = await startRelayedInit({ init: binary });
    const agent = await init.nextAgent();
    await using launched = await launch(agent, [fork, { op: "setsid" }, stdio, ...shell("echo $$; read x; exit 7")]);
    const text = new Uint8Array(16);
    await sys.poll(launched.output, "read");
    expect(Buffer.from(text.subarray(0, sys.read(launched.output, text))).toString()).toBe(`${launched.process.pid}\n`);
    await expect.poll(() => init.running.children()).toHaveLength(2); // the agent and the forked process; its parent ends
    sys.signal(launched.process.pidfd, 15);
    expect(await launched.process.exit).toMatchObject({ signal: 15 });
  });

  test("does not delay other launches while its child has not reached the fork", async () => {
    await using init = await startRelayedInit({ init: binary });
    const agent = await init.nextAgent();
    const release = sys.pipe();
    // `wait` stands for a slow operation. Its report is not read.
    const late: PlanOp[] = [{ op: "wait", slot: EXTRA }, fork, stdio, ...shell("exit 5")];
    const settled: string[] = [];
    const launching = launch(agent, late, { extra: [release.read] }).then((launched) => {
      settled.push("late");
      return launched;
    });
    expect((await run(agent, [stdio, ...shell("echo meanwhile")])).output).toBe("meanwhile\n");
    settled.push("other");
    sys.write(release.write, Uint8Array.of(1));
    await using launched = await launching;
    expect(settled).toEqual(["other", "late"]);
    expect(await launched.process.exit).toMatchObject({ code: 5 });
    for (const fd of [release.read, release.write]) sys.close(fd);
  });

  test("reports the exit of a child that fails before the fork and of a process that ends at once", async () => {
    await using init = await startRelayedInit({ init: binary });
    const agent = await init.nextAgent();
    const failing: PlanOp[] = [{ op: "chdir", path: "/not/there" }, fork, stdio, ...shell("true")];
    const failed = await run(agent, failing);
    expect([failure(failing, failed), failed.exit.code]).toEqual(["chdir: errno 2", 127]);
    const wrong: PlanOp[] = [{ op: "fork", flags: abi.CLONE_NEWNET }, stdio, ...shell("true")];
    expect(failure(wrong, await run(agent, wrong))).toBe(`fork: errno ${EINVAL}`);
    const quick = Array.from({ length: 200 }, () => run(agent, [fork, stdio, ...execute(["/bin/false"])]));
    for (const { exit } of await Promise.all(quick)) expect(exit).toMatchObject({ code: 1, signal: 0 });
    await expect.poll(() => init.running.children()).toHaveLength(1); // a forked process may end before its parent
  });

  test("is killed and forgotten if the agent dies before the fork, and passed to the next agent if it dies after it", async () => {
    await using init = await startRelayedInit({ init: binary });
    const agent = await init.nextAgent();
    const [relay = 0] = await init.running.children();
    const release = sys.pipe();
    const waiting: PlanOp[] = [{ op: "wait", slot: EXTRA }, fork, stdio, ...shell("exit 5")];
    const cut = launch(agent, waiting, { extra: [release.read], label: "cut" }).catch((error: Error) => error.message);
    const done = await launch(agent, [fork, stdio, ...shell("read x; exit 6")], { label: "done" });
    process.kill(relay, "SIGKILL");
    const { greeting } = await init.nextAgent();
    expect(await cut).toContain("init is gone");
    const found = new Map(greeting.processes.map((each) => [each.label, each]));
    expect(found.get("cut")).toBeUndefined();
    await expect.poll(async () => (await init.running.children()).length).toBe(2);
    expect(found.get("done")).toMatchObject({ pid: done.process.pid });
    expect(found.get("done")?.exited).toBeUndefined();
    sys.write(done.stdin, Buffer.from("\n"));
    expect(await found.get("done")?.exit).toMatchObject({ code: 6 });
    const mine = [release.read, release.write, done.stdin, done.output];
    for (const fd of [...mine, ...greeting.processes.map(({ pidfd }) => pidfd ?? -1)]) sys.close(fd);
  });

  test("can be cancelled before the fork, which kills the child and leaves nothing behind", async () => {
    await using init = await startRelayedInit({ init: binary });
    const agent = await init.nextAgent();
    const release = sys.pipe();
    const waiting: PlanOp[] = [{ op: "wait", slot: EXTRA }, fork, stdio, ...shell("exit 5")];
    const controller = new AbortController();
    const cancelled = launch(agent, waiting, { extra: [release.read], signal: controller.signal });
    await expect.poll(() => init.running.children()).toHaveLength(2);
    controller.abort(new Error("cancelled on purpose"));
    await expect(cancelled).rejects.toThrow("cancelled on purpose");
    await expect.poll(() => init.running.children()).toHaveLength(1);
    const gone = launch(agent, waiting, { extra: [release.read], signal: AbortSignal.abort(new Error("before")) });
    await expect(gone).rejects.toThrow("before");
    expect((await run(agent, [fork, stdio, ...shell("echo next")])).output).toBe("next\n");
    for (const fd of [release.read, release.write]) sys.close(fd);
    await expect.poll(() => init.running.children()).toHaveLength(1);
  });

  test("can be cancelled at any moment", async () => {
    await using init = await startRelayedInit({ init: binary });
    const agent = await init.nextAgent();
    const refusals: unknown[] = [];
    const listen = (refusal: unknown) => refusals.push(refusal);
    initRefusals.subscribe(listen);
    onTestFinished(() => void initRefusals.unsubscribe(listen));
    for (let delay = 0; delay < 100; delay++) {
      const controller = new AbortController();
      const cancelled = launch(agent, [fork, stdio, ...shell("read x")], { signal: controller.signal });
      for (let turn = 0; turn < delay % 25; turn++) await setImmediate();
      controller.abort(new Error("cancelled"));
      const launched = await cancelled.catch((error: Error) => error);
      if (!(launched instanceof Error)) {
        sys.signal(launched.process.pidfd, 9);
        await launched[Symbol.asyncDispose]();
      } else expect(launched.message).toBe("cancelled");
    }
    await expect.poll(() => init.running.children()).toHaveLength(1);
    expect(refusals).toEqual([]);
  });

  test("shares no memory with init after the fork", async () => {
    await using init = await startRelayedInit({ init: binary });
    const agent = await init.nextAgent();
    const release = sys.pipe();
    await using launched = await launch(agent, [fork, { op: "wait", slot: EXTRA }, stdio, ...shell("true")], {
      extra: [release.read],
    });
    const [, child] = await init.running.children();
    const maps = readFileSync(`/proc/${child}/maps`, "utf8");
    expect([maps.includes("[stack]"), maps.match(/ rw-s .*/g)]).toEqual([true, null]);
    sys.write(release.write, Uint8Array.of(1));
    await launched.process.exit;
    for (const fd of [release.read, release.write]) sys.close(fd);
  });
});
