import { describe, expect, it } from "vitest";
import { sdkScenarios } from "../../../test/scenarios/sdk.ts";
import { SandboxError } from "../error/sandbox-error.ts";
import { Mock } from "./mock.ts";

describe("a mock sandbox", () => {
  it.each(sdkScenarios)("$name", async ({ play, run }) => {
    const mock = new Mock();
    play?.(mock);
    const { Sandbox } = mock;
    await run({ Sandbox, create: (options) => Sandbox.create({ image: "busybox", ...options }) });
  });

  it("records the commands, and rejects those without an answer", async () => {
    const mock = new Mock().once("one", "1");
    await using sandbox = await mock.Sandbox.create({ image: "busybox", name: "web" });
    expect((await sandbox.exec("one", { cwd: "/tmp" })).stdout).toBe("1");
    await expect(sandbox.exec("one")).rejects.toThrow(/no answer is scripted for "sh -c one"/);
    expect(mock.calls.map(({ sandbox, argv, cwd }) => [sandbox, argv[2], cwd])).toEqual([
      ["web", "one", "/tmp"],
      ["web", "one", undefined],
    ]);
  });

  it("ends as a guest's death would end a sandbox", async () => {
    const mock = new Mock().on(
      "wait",
      ({ killed }) => new Promise((done) => killed.addEventListener("abort", () => done(0))),
    );
    const sandbox = await mock.Sandbox.create({ image: "busybox", name: "web" });
    const waiting = sandbox.exec("wait");
    await mock.kill("web");
    await expect(waiting).rejects.toMatchObject({ code: "guest-died" });
    await expect(sandbox.stats()).rejects.toMatchObject({ code: "guest-died" });
    expect(await mock.Sandbox.list()).toEqual([]);
  });

  it("changes its guest's memory, which the list shows, and refuses what a guest can't have", async () => {
    const { Sandbox } = new Mock();
    const sandbox = await Sandbox.create({ image: "busybox", memoryMib: 512 });
    for (const memoryMib of [0, 1.5, 64, 1024])
      await expect(sandbox.resize({ memoryMib })).rejects.toBeInstanceOf(SandboxError);
    await sandbox.resize({ memoryMib: 256 });
    expect(await Sandbox.list()).toMatchObject([{ memoryMib: 256 }]);
  });

  it("ends at its time limit as a sandbox's guest does", async () => {
    const { Sandbox } = new Mock();
    const sandbox = await Sandbox.create({ image: "busybox", lifetimeMs: 1_000_000 });
    await expect(sandbox.setTimeout(0)).rejects.toMatchObject({ code: "invalid-argument" });
    await sandbox.setTimeout(1);
    await new Promise((resolve) => sandbox.ended.addEventListener("abort", resolve));
    const line = /guest: powered off, as its time limit has passed at /;
    await expect(sandbox.stats()).rejects.toMatchObject({ code: "guest-died", message: expect.stringMatching(line) });
  });
});
