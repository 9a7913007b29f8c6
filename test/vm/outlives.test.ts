import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";
import { startedAt } from "../../lib/process-owner.ts";
import { ownGuests, POLL } from "./testing/own-guests.ts";

/** Counts until a file exists, a hundred numbers at a time. */
const COUNTING = "i=0; until [ -e /go ]; do seq $i $((i+99)); i=$((i+100)); sleep 0.1; done; echo $i; exit 3";
const { directory, image, start, run, stateOf, readState, killKeeper, left } = ownGuests("outlives-");

it("a detached container whose guestctl is killed again and again loses no byte of output, nor its exit code", async () => {
  expect(await run("run", "-d", "--name", "count", image, "sh", "-c", COUNTING)).toBe("count\n");
  for (let kill = 0; kill < 4; kill++) {
    await killKeeper("count");
    // At once, as commands of two terminals may be: one has its way.
    const [ps, exec] = await Promise.all([run("ps", "-q"), run("exec", "count", "echo", "still here")]);
    expect([ps, exec]).toEqual(["count\n", "still here\n"]);
  }
  expect(await run("exec", "count", "touch", "/go")).toBe("");
  expect(await run("wait", "count")).toBe("3\n");
  const lines = (await run("logs", "count")).trimEnd().split("\n");
  expect([lines.length > 100, lines.length % 100]).toEqual([true, 1]);
  expect(lines).toEqual(lines.map((_, at) => `${at}`));
  expect(await run("rm", "count")).toBe("count\n");
  await expect.poll(left, POLL).toEqual([]); // its guest powers off
});

it("a command that is killed while it starts another guestctl harms nothing, and the next one waits for that", async () => {
  expect(await run("run", "-d", "--name", "job", image, "sleep", "1000")).toBe("job\n");
  await killKeeper("job");
  const killed = start("ps");
  const children = () => readFileSync(`/proc/${killed.pid}/task/${killed.pid}/children`, "utf8");
  await expect.poll(children, POLL).toMatch(/\d/);
  killed.kill("SIGKILL");
  const [first, second] = await Promise.all([run("exec", "job", "echo", "one"), run("exec", "job", "echo", "two")]);
  expect([first, second]).toEqual(["one\n", "two\n"]);
  const served = JSON.parse(await run("inspect", "job"))[0];
  expect(startedAt(served.keeper)).toBeDefined();
  expect(await run("rm", "job")).toBe("job\n");
  await expect.poll(left, POLL).toEqual([]);
});

it("a restart policy is obeyed although each guestctl is killed", async () => {
  const script = "echo up; until rm /go 2>/dev/null; do sleep 0.1; done; exit 3";
  expect(await run("run", "-d", "--name", "again", "--restart", "on-failure:2", image, "sh", "-c", script)).toBe(
    "again\n",
  );
  const ups = async () => (await run("logs", "again")).split("up\n").length - 1;
  for (let runs = 1; runs <= 3; runs++) {
    await expect.poll(ups, POLL).toBe(runs);
    const client = start("exec", "again", "sh", "-c", "read line; touch /go");
    await killKeeper("again");
    client.stdin.end("\n");
  }
  await expect.poll(() => run("ps", "-a"), POLL).toMatch(/exited \(3\)/);
  expect(JSON.parse(await run("inspect", "again"))[0].state).toMatchObject({
    status: "exited",
    exitCode: 3,
    restarts: 2,
  });
  expect(await ups()).toBe(3);
  expect(await run("rm", "again")).toBe("again\n");
  await expect.poll(left, POLL).toEqual([]);
});

it("a booted guest and its container are as before when both of their guestctls are killed", async () => {
  const volume = mkdtempSync(join(directory, "volume-"));
  expect(await run("boot", "-d", "--name", "dev", "--rootfs", "share")).toMatch(/^dev /);
  expect(await run("run", "-d", "-g", "dev", "--name", "web", "-v", `${volume}:/data`, image, "sleep", "1000")).toBe(
    "web\n",
  );
  await killKeeper("dev", "web");
  await killKeeper("dev");
  expect(await run("exec", "web", "sh", "-c", "echo mine >/data/file; hostname")).toBe("dev\n");
  expect(readFileSync(join(volume, "file"), "utf8")).toBe("mine\n");
  expect(await run("pause", "--guest", "dev")).toBe("dev\n");
  await killKeeper("dev");
  expect(await run("unpause", "--guest", "dev")).toBe("dev\n");
  expect(await run("run", "-g", "dev", image, "echo", "one more")).toBe("one more\n");
  const killed = start("run", "-g", "dev", "--name", "begun", image, "sleep", "1000");
  await expect.poll(() => run("exec", "begun", "echo", "up"), POLL).toBe("up\n");
  killed.kill("SIGKILL");
  await once(killed, "exit");
  // As if it had been killed when the agent had created the container, but the record didn't say so yet.
  writeFileSync(
    join(stateOf("dev"), "process-begun.json"),
    JSON.stringify({ ...readState("dev", "process-begun.json"), starting: true }),
  );
  expect(await run("ps", "-q")).toBe("web\n");
  expect(await run("run", "-g", "dev", "--name", "begun", image, "echo", "free")).toBe("free\n");
  expect(await run("rm", "web")).toBe("web\n");
  await killKeeper("dev");
  expect(await run("stop", "dev")).toBe("dev\n");
  expect(left()).toEqual([]);
});

it("one supervisor keeps all detached guests and containers, whoever starts it, and ends after the last", async () => {
  const begun = ["one", "two"].map((name) => run("run", "-d", "--name", name, image, "sleep", "1000"));
  expect(await Promise.all(begun)).toEqual(["one\n", "two\n"]);
  const also = ["three", "four"].map((name) => run("run", "-d", "-g", "one", "--name", name, image, "sleep", "1000"));
  expect(await Promise.all(also)).toEqual(["three\n", "four\n"]);
  const keepers = [
    ...["one", "two"].map((guest) => readState(guest, "owner.json").pid as number),
    ...["three", "four"].map((name) => readState("one", `process-${name}.json`).keeper.pid as number),
  ];
  expect(new Set(keepers).size).toBe(1);
  expect(await run("rm", "three", "four", "one", "two")).toBe("three\nfour\none\ntwo\n");
  await expect.poll(left, POLL).toEqual([]);
  await expect.poll(() => startedAt(keepers[0] ?? 0), POLL).toBeUndefined();
});

it("a container at a terminal keeps running when its guestctl is killed, waits with its output, and is removed at its end", async () => {
  const terminal = start(
    "run",
    "--name",
    "task",
    image,
    "sh",
    "-c",
    "echo one; while ! [ -e /go ]; do sleep 0.1; done; echo two",
  );
  let seen = "";
  terminal.stdout.on("data", (bytes) => {
    seen += bytes;
  });
  await expect.poll(() => seen, POLL).toBe("one\n");
  await killKeeper("task");
  expect(await run("ps", "-q")).toBe("task\n");
  const attached = run("attach", "task");
  expect(await run("exec", "task", "touch", "/go")).toBe("");
  expect(await attached).toMatch(/two\n$/);
  await expect.poll(left, POLL).toEqual([]);
});

it("a supervisor that is killed while it takes a snapshot leaves the guest and its containers running", async () => {
  const count = "i=0; while :; do echo $i; i=$((i+1)); sleep 0.1; done";
  expect(await run("run", "-d", "--name", "shot", image, "sh", "-c", count)).toBe("shot\n");
  const { control } = readState("shot", "guest.json");
  const templates = join(directory, "guestd/templates");
  const inside = (path: string) => (existsSync(path) ? readdirSync(path) : []);
  const moments = [
    // Its containers are being frozen.
    () => existsSync(join(dirname(control), "saving")),
    // Its devices are unplugged.
    () => inside(templates).some((each) => inside(join(templates, each)).some((name) => name.startsWith("saving-"))),
  ];
  for (const isThere of moments) {
    const shooting = run("snapshot", "shot", "never");
    await expect.poll(isThere, { interval: 1, timeout: POLL.timeout }).toBe(true);
    await killKeeper("shot");
    expect(await shooting).toContain("its keeper doesn't answer");
    expect(await run("exec", "shot", "echo", "here")).toBe("here\n");
    const lines = async () => (await run("logs", "shot")).trimEnd().split("\n");
    const before = (await lines()).length;
    await expect.poll(async () => (await lines()).length, POLL).toBeGreaterThan(before);
    const all = await lines();
    expect(all).toEqual(all.map((_, at) => `${at}`));
  }
  expect(await run("rm", "-f", "shot")).toBe("shot\n");
  await expect.poll(left, POLL).toEqual([]);
});

it("a guest is powered off at its time limit, although its supervisor was killed, and its container's record says why", async () => {
  expect(await run("run", "-d", "--name", "timed", "--restart", "always", image, "sleep", "1000")).toBe("timed\n");
  expect(await run("update", "--guest", "timed", "--timeout", "1000")).toBe("");
  expect(Date.parse(readState("timed", "guest.json").endsAt)).toBeGreaterThan(Date.now());
  const waiting = run("wait", "timed");
  await killKeeper("timed");
  expect(await run("update", "--guest", "timed", "--timeout", "1")).toBe("");
  const { endsAt } = readState("timed", "guest.json");
  expect(await waiting).toBe("255\n");
  const [{ state }] = JSON.parse(await run("inspect", "timed"));
  expect(state.why).toBe(`guest: powered off, as its time limit has passed at ${endsAt}`);
  expect(readState("timed", "process-timed.json")).toMatchObject({ stopped: true });
  expect(await run("rm", "timed")).toBe("timed\n");
  await expect.poll(left, POLL).toEqual([]);
});

it("a guest is paused at its time limit if the user wants that, although its supervisor was killed, and continues", async () => {
  const ticks = "n=0; while :; do echo $n; n=$((n + 1)); sleep 0.1; done";
  expect(await run("boot", "-d", "--name", "held", "--timeout", "1000", "--on-timeout", "pause")).toContain(
    "held  hvsock:",
  );
  expect(await run("run", "-d", "-g", "held", "--name", "ticks", image, "sh", "-c", ticks)).toBe("ticks\n");
  await killKeeper("held");
  expect(await run("update", "--guest", "held", "--timeout", "1")).toBe("");
  await expect.poll(() => readState("held", "guest.json").endsAt, POLL).toBeUndefined();
  await killKeeper("held");
  expect(await run("ps")).toMatch(/^held +ticks +init +paused /m);
  expect(await run("exec", "ticks", "true")).toBe(
    "guestctl: guest held: paused; guestctl unpause --guest held continues it\nexit code 125",
  );
  expect(await run("unpause", "--guest", "held")).toBe("held\n");
  const lines = async () => (await run("logs", "ticks")).trimEnd().split("\n");
  const before = (await lines()).length;
  await expect.poll(async () => (await lines()).length, POLL).toBeGreaterThan(before);
  const all = await lines();
  expect(all).toEqual(all.map((_, at) => `${at}`));
  expect(await run("stop", "held")).toBe("held\n");
  await expect.poll(left, POLL).toEqual([]);
});

it("what ends while no guestctl is there is recorded by the next command, with its cause", async () => {
  expect(
    await run("run", "-d", "--name", "quick", image, "sh", "-c", "while ! [ -e /go ]; do sleep 0.1; done; exit 4"),
  ).toBe("quick\n");
  expect(await run("run", "-d", "--name", "dying", image, "sleep", "1000")).toBe("dying\n");
  const client = start("exec", "quick", "sh", "-c", "read line; touch /go");
  await Promise.all([killKeeper("quick"), killKeeper("dying")]);
  client.stdin.end("\n");
  const { control } = readState("dying", "guest.json");
  const monitor: number = readState("dying", "guest.json").monitor.pid;
  process.kill(Number(readFileSync(join(dirname(control), "qemu.pid"), "utf8")), "SIGKILL");
  await expect.poll(() => startedAt(monitor), POLL).toBeUndefined();
  await expect.poll(() => run("ps", "-a"), POLL).toMatch(/dying .*exited \(255\)[\s\S]*quick .*exited \(4\)/);
  const [{ state }] = JSON.parse(await run("inspect", "dying"));
  expect(JSON.stringify(state)).toContain("QEMU ended with SIGKILL, while no guestctl kept it");
  expect(await run("rm", "quick", "dying")).toBe("quick\ndying\n");
});

it("a guestctl that is killed while its guest boots leaves nothing running", async () => {
  const booting = start("boot", "--name", "early");
  const children = () =>
    readFileSync(`/proc/${booting.pid}/task/${booting.pid}/children`, "utf8").split(" ").filter(Boolean);
  await expect.poll(() => children().length, POLL).toBeGreaterThan(1);
  const monitors = children().map(Number);
  booting.kill("SIGKILL");
  await expect.poll(() => monitors.flatMap((pid) => startedAt(pid) ?? []), POLL).toEqual([]);
  expect(await run("ps", "-q")).toBe("");
  // The folder of its sockets is removed with the next guest's.
  expect(await run("run", image, "echo", "next")).toBe("next\n");
  await expect.poll(left, POLL).toEqual([]);
});

it("a guest that no guestctl can keep any more is ended by stop", async () => {
  expect(await run("boot", "-d", "--name", "stuck")).toMatch(/^stuck /);
  const { control } = readState("stuck", "guest.json");
  const processes = JSON.parse(readFileSync(join(dirname(control), "released.json"), "utf8"));
  // QEMU serves one client at a time.
  const holder = connect(control);
  await once(holder, "data");
  await killKeeper("stuck");
  const lines = await run("stop", "stuck");
  holder.destroy();
  expect(lines).toMatch(
    /^stuck\nguestctl: stuck: no guestctl keeps it any more, and the supervisor can't: QEMU's control/,
  );
  const monitors = [processes.qemu.monitor.pid, processes.vsock.program.monitor.pid];
  await expect.poll(() => monitors.flatMap((pid) => startedAt(pid) ?? []), POLL).toEqual([]);
  await expect.poll(left, POLL).toEqual([]);
});
