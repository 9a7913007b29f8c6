import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../../image/testing/tree.ts";
import { scriptedAgent } from "../engine/guest/testing/scripted-agent.ts";
import { sendFiles } from "./send-files.ts";

/** Returns an agent that records the type and content of each file by path. */
function recorder() {
  const got = new Map<string, string>();
  const agent = scriptedAgent({
    async copyFile({ path, data, file_mode }) {
      got.set(String(path), `${(Number(file_mode) >> 12).toString(8)} ${Buffer.from(data as Uint8Array)}`);
      return {};
    },
  });
  return { got, agent };
}

test("sends files, directories and links unchanged", async () => {
  using temporary = temporaryDirectory();
  const source = join(temporary.path, "source");
  mkdirSync(join(source, "dir"), { recursive: true });
  writeFileSync(join(source, "dir/file"), "text");
  writeFileSync(join(source, "empty"), "");
  symlinkSync("dir/file", join(source, "link"));
  const { got, agent } = recorder();
  await sendFiles(agent, source, "/to");
  expect(Object.fromEntries(got)).toEqual({
    "/to": "4 ",
    "/to/dir": "4 ",
    "/to/dir/file": "10 text",
    "/to/empty": "10 ",
    "/to/link": "12 dir/file",
  });
  await expect(sendFiles(agent, "/dev/null", "/to")).rejects.toThrow(
    "send /dev/null: neither a file, a directory nor a",
  );
});

test("never sends the targets of links that replace the source while it is being sent", async () => {
  using temporary = temporaryDirectory();
  const source = join(temporary.path, "source");
  const outside = join(temporary.path, "outside");
  for (const path of [source, outside]) mkdirSync(join(path, "dir"), { recursive: true });
  writeFileSync(join(outside, "file"), "secret");
  writeFileSync(join(outside, "dir/file"), "secret");
  const swap = `
    import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
    const [source, outside] = process.argv.slice(1);
    process.chdir(source);
    process.send("up");
    for (;;) {
      symlinkSync(outside + "/file", "new");
      renameSync("new", "file");
      writeFileSync("new", "open");
      renameSync("new", "file");
      renameSync("dir", "away");
      symlinkSync(outside + "/dir", "dir");
      rmSync("dir");
      renameSync("away", "dir");
    }`;
  const attacker = spawn(process.execPath, ["--input-type=module", "-e", swap, source, outside], {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  try {
    await once(attacker, "message");
    const { got, agent } = recorder();
    for (const end = performance.now() + 1000; performance.now() < end; ) {
      await sendFiles(agent, source, "/to").catch(() => undefined);
      expect([...got.values()].filter((sent) => sent.includes("secret"))).toEqual([]);
    }
    expect(got.get("/to")).toBe("4 ");
  } finally {
    attacker.kill("SIGKILL");
    await once(attacker, "exit");
  }
});
