import { readFileSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { InitClient } from "../../agent/kernel/init/init-client.ts";
import type { AdoptedProcess } from "../../agent/kernel/kernel.ts";
import { message, nextReply, u32 } from "./testing/raw.ts";
import { type RelayedInit, startRelayedInit, sys } from "./testing/relayed-init.ts";
import { run, shell, stdio } from "./testing/run-plan.ts";
import { describeInit } from "./testing/variants.ts";

const ADOPT = 7;

function closePidfd({ pidfd }: AdoptedProcess): void {
  if (pidfd !== undefined) sys.close(pidfd);
}

describeInit("a process that init adopts", (binary) => {
  let init: RelayedInit;
  let agent: InitClient;
  let id = 1000;

  beforeEach(async () => {
    init = await startRelayedInit({ init: binary });
    agent = await init.nextAgent();
  });
  afterEach(async () => {
    expect(init.running.console()).not.toMatch(/runtime error|AddressSanitizer/);
    await init[Symbol.asyncDispose]();
  });

  async function restart(): Promise<InitClient> {
    const relay = (await init.running.children()).find((pid) =>
      readFileSync(`/proc/${pid}/comm`, "utf8").startsWith("relay"),
    );
    process.kill(relay ?? 0, "SIGKILL");
    return init.nextAgent();
  }

  /** Starts a script as an orphan, with a pipe as its descriptor 0. Returns its pid. */
  async function orphan(script: string): Promise<number> {
    // The shell ends at once. Its child has other stdio, so the output ends too.
    const { output } = await run(agent, [stdio, ...shell(`(${script}) > /dev/null 2>&1 < /dev/null & echo $!`)]);
    return Number(output);
  }

  test("is reported with its usage when it ends, and is passed to the next agent with its label and descriptors", async () => {
    const pid = await orphan("sleep 0.5; exit 9");
    const pipe = sys.pipe();
    const adopted = await agent.adopt({ id: ++id, pid, keep: { stdout: pipe.read }, label: "orphan" });
    expect(adopted).toMatchObject({ id, pid });
    agent = await restart();
    const back = agent.greeting.processes.find((process) => process.id === id);
    expect(back).toMatchObject({ pid, label: "orphan" });
    expect(Object.keys(back?.kept ?? {})).toEqual(["stdout"]);
    expect((await back?.exit)?.code).toBe(9);
    agent.forget(id);
    for (const fd of [pipe.read, pipe.write]) sys.close(fd);
    closePidfd(adopted);
  });

  test("comes with a pidfd that can kill it", async () => {
    const adopted = await agent.adopt({ id: ++id, pid: await orphan("exec sleep 100"), keep: {}, label: "" });
    sys.signal(adopted.pidfd ?? -1, 9);
    expect(await adopted.exit).toMatchObject({ code: 137, signal: 9 });
    closePidfd(adopted);
  });

  test("is reported once, without a pidfd, if it ended before its adoption", async () => {
    const pid = await orphan("sleep 0.1; exit 33"); // ends after its parent, which would reap it
    await run(agent, [stdio, ...shell("sleep 0.4")]);
    const adopted = await agent.adopt({ id: ++id, pid, keep: {}, label: "ended" });
    expect((await adopted.exit).code).toBe(33);
    expect(adopted.pidfd).toBeUndefined();
    agent = await restart();
    const back = agent.greeting.processes.find((process) => process.id === id);
    expect(back).toMatchObject({ pid, label: "ended", exited: { code: 33 } });
    expect(back?.pidfd).toBeUndefined();
    await expect(agent.adopt({ id: ++id, pid, keep: {}, label: "" })).rejects.toThrow("ESRCH");
  });

  test("is refused if it is not init's child, is already in the table, or would use a taken id", async () => {
    const adopt = (pid: number, as = ++id) => agent.adopt({ id: as, pid, keep: {}, label: "" });
    await expect(adopt(2 ** 22)).rejects.toThrow("ESRCH");
    const pid = await orphan("exec sleep 100");
    const first = await adopt(pid);
    await expect(adopt(pid)).rejects.toThrow("EBUSY");
    const other = await orphan("exec sleep 100");
    await expect(adopt(other, first.id)).rejects.toThrow("EEXIST");
    const second = await adopt(other);
    for (const each of [first, second]) {
      sys.signal(each.pidfd ?? -1, 9);
      await each.exit;
      closePidfd(each);
    }
  });
});

describeInit("init refuses an ADOPT message", (binary) => {
  const EINVAL = 22;
  const EBADF = 9;
  const EBADMSG = 74;
  test.each([
    ["without a body", Buffer.alloc(4), EBADMSG],
    ["for pid 0", u32(0, 0), EINVAL],
    ["for pid 1", u32(1, 0), EINVAL],
    ["for a negative pid", u32(0x8000_0000, 0), EINVAL],
    ["with an unknown role", u32(5, 1 << 6), EINVAL],
    ["with a label of 1025 bytes", Buffer.concat([u32(5, 0), Buffer.alloc(1025)]), EINVAL],
    ["without its descriptors", u32(5, 3), EBADF],
  ])("%s", async (_, body, errno) => {
    await using init = await startRelayedInit({ init: binary });
    const socket = await init.nextSocket();
    await nextReply(socket);
    sys.sendMessage(socket, message(ADOPT, 3, body), []);
    const reply = await nextReply(socket);
    expect([reply.type, reply.id, -reply.body.readInt32LE(0)]).toEqual([16, 3, errno]);
    sys.close(socket);
  });
});
