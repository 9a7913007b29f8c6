import { spawn } from "node:child_process";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { expect, it } from "vitest";
import { startedAt } from "../../lib/process-owner.ts";
import { freePort } from "../testing/free-port.ts";
import { ownGuests, POLL } from "./testing/own-guests.ts";

const { directory, env, image, run, readState, killKeeper, left } = ownGuests("idle-");
/** Prints each line of a file, and ends with 3 at SIGTERM. */
const ECHO = "trap 'echo bye; exit 3' TERM; echo up >>/log; tail -n +1 -f /log & wait";
const say = (name: string, word: string) => run("exec", name, "sh", "-c", `echo ${word} >>/log`);
const record = (guest: string) => readState(guest, "guest.json");
const isSaved = (guest: string) => expect.poll(() => record(guest).isSaved, POLL).toBe(true);
const folders = () => readdirSync(join(directory, "guestd/saved"));

it("a guest that is idle is saved, has no process, and continues with its output and files when it is used", async () => {
  expect(await run("run", "-d", "--name", "one", "--idle", "3600", image, "sh", "-c", ECHO)).toBe("one\n");
  expect(await run("update", "--guest", "one", "--idle", "2")).toBe("");
  for (const words of [["first"], ["first", "second"]]) {
    const { monitor } = record("one");
    await isSaved("one");
    await expect.poll(() => startedAt(monitor.pid), POLL).toBeUndefined();
    await expect.poll(left, POLL).toEqual(["one"]);
    // Those who only look don't continue it.
    expect(await run("ps")).toMatch(/^one +one +init +saved /m);
    expect(JSON.parse(await run("inspect", "--type", "guest", "one"))[0].state.status).toBe("saved");
    expect(record("one").isSaved).toBe(true);
    expect(await say("one", words.at(-1) ?? "")).toBe("");
    await expect.poll(() => run("logs", "one"), POLL).toBe(`${["up", ...words].join("\n")}\n`);
    expect(folders()).toEqual([]);
  }
  // A signal continues it too, also for another supervisor; what it wrote to its disk is there in the next guest.
  await isSaved("one");
  await killKeeper("one");
  expect(await run("stop", "one")).toBe("one\n");
  expect(await run("inspect", "--format", "{{.State.ExitCode}}", "one")).toBe("3\n");
  expect(await run("logs", "one")).toBe("up\nfirst\nsecond\nbye\n");
  expect(await run("start", "one")).toBe("one\n");
  expect(await run("exec", "one", "cat", "/log")).toBe("up\nfirst\nsecond\nup\n");
  expect(await run("rm", "-f", "one")).toBe("one\n");
  await expect.poll(left, POLL).toEqual([]);
});

it("a supervisor that is killed while it saves a guest, or continues it, loses nothing", async () => {
  expect(await run("run", "-d", "--name", "two", "--idle", "1", image, "sh", "-c", ECHO)).toBe("two\n");
  const fast = { interval: 1, timeout: POLL.timeout };
  const words = ["up"];
  for (const word of ["one", "two", "three"]) {
    await expect.poll(() => record("two").saved, fast).toBeDefined();
    await killKeeper("two");
    words.push(word);
    expect(await say("two", word)).toBe("");
    await expect.poll(() => run("logs", "two"), POLL).toBe(`${words.join("\n")}\n`);
  }
  await isSaved("two");
  await expect.poll(left, POLL).toEqual(["two"]);
  const saying = say("two", "four");
  // The new guest's folder has an owner before its QEMU is there.
  const isOwned = (name: string) => existsSync(join(directory, name, ".owner.json"));
  await expect.poll(() => left().some(isOwned), fast).toBe(true);
  await killKeeper("two");
  expect(await run("ps", "-q")).toBe("two\n");
  expect(await saying).toBe("");
  await expect.poll(() => run("logs", "two"), POLL).toBe("up\none\ntwo\nthree\nfour\n");
  expect(await run("rm", "-f", "two")).toBe("two\n");
  await expect.poll(left, POLL).toEqual([]);
  expect(folders()).toEqual([]);
});

it("a supervisor that is killed once a saved guest runs again, before its agent knows, leaves no container frozen", async () => {
  expect(await run("run", "-d", "--name", "five", "--idle", "1", image, "sh", "-c", ECHO)).toBe("five\n");
  await isSaved("five");
  const saying = say("five", "one");
  await expect.poll(() => record("five").isSaved, { interval: 1, timeout: POLL.timeout }).toBeUndefined();
  await killKeeper("five");
  expect(await run("ps", "-q")).toBe("five\n");
  await saying;
  expect(await say("five", "two")).toBe("");
  await expect.poll(() => run("logs", "five"), POLL).toMatch(/^up\n(one\n)?two\n$/);
  expect(await run("rm", "-f", "five")).toBe("five\n");
  await expect.poll(left, POLL).toEqual([]);
});

it("a program with the SDK finds a saved guest whose supervisor was killed, and goes on when the next one is", async () => {
  expect(await run("run", "-d", "--name", "six", "--idle", "1", image, "sleep", "1000")).toBe("six\n");
  await isSaved("six");
  await killKeeper("six");
  const words = [join(import.meta.dirname, "testing/exec-by-sdk.ts"), "six"];
  const program = spawn(process.execPath, words, { env, stdio: "pipe" });
  const errors = text(program.stderr);
  const lines = createInterface({ input: program.stdout })[Symbol.asyncIterator]();
  expect(await lines.next()).toMatchObject({ value: "six" });
  for (const [line, answer] of [
    ["echo one", "one"],
    ["echo two", "two"],
    ["limit", "limited"],
  ]) {
    program.stdin.write(`${line}\n`);
    expect(await lines.next()).toMatchObject({ value: answer });
    await killKeeper("six");
  }
  program.stdin.end();
  expect(await errors).toBe("");
  expect(await run("rm", "-f", "six")).toBe("six\n");
  await expect.poll(left, POLL).toEqual([]);
});

it("a connection to a published port continues a guest, and containers in it go on", async () => {
  const port = await freePort();
  expect(await run("boot", "-d", "--name", "three", "--idle", "2", "--network", "user", "-p", `${port}:80`)).toContain(
    "three  hvsock://",
  );
  const serve = "mkdir /www; echo 'from the container' >/www/page; exec httpd -f -p 80 -h /www";
  expect(await run("run", "-d", "--guest", "three", "--name", "web", image, "sh", "-c", serve)).toBe("web\n");
  await isSaved("three");
  const page = () => fetch(`http://127.0.0.1:${port}/page`).then((response) => response.text());
  expect(await page()).toBe("from the container\n");
  expect(record("three").isSaved).toBeUndefined();
  // Those of other commands that need the guest's devices.
  await isSaved("three");
  expect(await run("run", "--guest", "three", image, "echo", "beside")).toBe("beside\n");
  await isSaved("three");
  expect(await run("stop", "web")).toBe("web\n");
  expect(await run("inspect", "--format", "{{.State.Status}}", "web")).toBe("exited\n");
  expect(await run("stop", "three")).toBe("three\n");
  await expect.poll(left, POLL).toEqual([]);
});

it("a guest that can't continue says why to those who use it, until it is given up", async () => {
  expect(await run("run", "-d", "--name", "four", "--idle", "1", image, "sleep", "1000")).toBe("four\n");
  await isSaved("four");
  const { saved } = record("four");
  writeFileSync(join(saved, "snapshot/manifest.json"), "{");
  const why = `snapshot ${saved}/snapshot: its manifest is damaged; create it again`;
  const line = `guest four: it is saved, as it was idle, and can't continue: ${why}; guestctl stop four gives it up`;
  expect(await run("exec", "four", "true")).toBe(`guestctl: ${line}\nexit code 125`);
  expect(await run("rm", "-f", "four")).toBe(`guestctl: ${line}\nexit code 1`);
  expect(await run("wait", "four")).toBe(`guestctl: ${line}\nexit code 1`);
  expect(record("four")).toMatchObject({ isSaved: true, savedFailure: why });
  expect(await run("stop", "four")).toContain("four\n");
  const [{ state }] = JSON.parse(await run("inspect", "four"));
  expect(state).toMatchObject({ status: "exited", exitCode: 255, why });
  expect(existsSync(saved)).toBe(false);
  expect(await run("rm", "four")).toBe("four\n");
  expect(left()).toEqual([]);
});

it("--idle is refused where a guest can't be saved", async () => {
  for (const [words, why] of [
    [["run", "--idle", "9", image, "true"], "run: --idle needs --detach: a guest that a command keeps isn't idle"],
    [
      ["run", "-d", "--idle", "9", "-v", `${directory}:/data`, image, "true"],
      "run: a guest with a shared folder can't be saved; leave out --idle, or -v and --rootfs",
    ],
    [["run", "-d", "--idle", "9", "--guest", "x", image, "true"], "run: --idle is of a guest that run boots"],
    [["boot", "-d", "--idle", "9", "--network", "tap"], "boot: a guest with a tap network can't be saved"],
  ] as const) {
    expect(await run(...words)).toContain(`guestctl: ${why}`);
  }
});
