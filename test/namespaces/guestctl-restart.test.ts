import { expect, it } from "vitest";
import { describeWithDevGuest, named } from "./testing/dev-guest.ts";

const POLL = { interval: 200 };

// test/nightly/guestctl-restart.test.ts has more.
describeWithDevGuest("guestctl with detached containers of a guest", (dev) => {
  it("start runs an ended container again with its options, and its log continues", async () => {
    expect(await dev.detach("job", ["-e", "NAME=value"], "echo $NAME; exit 3")).toEqual(named("job"));
    expect((await dev.run("wait", "job")).stdout).toBe("3\n");
    await expect.poll(async () => (await dev.stateOf("job")).status, POLL).toBe("exited");
    expect(await dev.run("start", "job")).toEqual(named("job"));
    await expect.poll(async () => (await dev.run("logs", "job")).stdout, POLL).toBe("value\nvalue\n");
    await expect.poll(async () => await dev.stateOf("job"), POLL).toMatchObject({ status: "exited", exitCode: 3 });
    expect((await dev.run("rm", "job")).code).toBe(0);
  });

  it("on-failure:2 runs a failing container three times, and one that succeeds once", async () => {
    expect(await dev.detach("failing", ["--restart", "on-failure:2"], "echo run; exit 5")).toEqual(named("failing"));
    const ended = { status: "exited", exitCode: 5, restarts: 2 };
    await expect.poll(() => dev.stateOf("failing"), POLL).toMatchObject(ended);
    expect((await dev.run("logs", "failing")).stdout).toBe("run\nrun\nrun\n");
    expect(await dev.detach("fine", ["--restart", "on-failure"], "true")).toEqual(named("fine"));
    await expect.poll(() => dev.stateOf("fine"), POLL).toMatchObject({ status: "exited", exitCode: 0, restarts: 0 });
    expect((await dev.run("rm", "failing", "fine")).code).toBe(0);
  });
});
