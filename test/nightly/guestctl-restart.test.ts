import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { runGuestctl } from "../../host/cli/testing/run-guestctl.ts";
import { makeBusyboxImage } from "../../host/image/make-image.ts";
import { makeWorkDirectory } from "../clean-up/work-directory.ts";

const POLL = { interval: 200 };

it("guestctl start runs a container again in a new guest, and --restart after its guest has died", async () => {
  using work = new DisposableStack();
  const directory = makeWorkDirectory("guestctl-restart");
  work.defer(() => rmSync(directory, { recursive: true, force: true }));
  const image = join(directory, "busybox.tar");
  await makeBusyboxImage(image);
  const run = (...args: string[]) => runGuestctl(directory, args);
  const wait = "trap 'exit 7' TERM; echo up; while :; do sleep 0.1; done";
  const script = `cat /root/note 2>/dev/null; echo old >/root/note; ${wait}`;
  const ups = async () => (await run("logs", "again")).stdout.match(/^up$/gm)?.length;
  const line = ["run", "-d", "--name", "again", "--restart", "always", image, "sh", "-c", script];
  expect((await run(...line)).stdout).toBe("again\n");
  await expect.poll(ups, POLL).toBe(1);
  const inspected = async () => JSON.parse((await run("inspect", "again")).stdout)[0];
  const { keeper } = await inspected();
  const children = readFileSync(`/proc/${keeper}/task/${keeper}/children`, "utf8").trim().split(" ");
  const [qemu] = children.filter((pid) => readFileSync(`/proc/${pid}/comm`, "utf8").startsWith("qemu"));
  process.kill(Number(qemu), "SIGKILL");
  await expect.poll(async () => (await inspected()).state, POLL).toMatchObject({ status: "running", restarts: 1 });
  await expect.poll(ups, POLL).toBe(2);
  expect(await run("stop", "again")).toEqual({ stdout: "again\n", stderr: "", code: 0 });
  expect((await inspected()).state).toMatchObject({ status: "exited", exitCode: 7 });
  expect(await run("start", "again")).toEqual({ stdout: "again\n", stderr: "", code: 0 });
  await expect.poll(ups, POLL).toBe(3);
  expect((await run("exec", "again", "cat", "/root/note")).stdout).toBe("old\n");
  await run("stop", "again");
  expect((await run("logs", "again")).stdout).not.toMatch(/^old$/m);
  expect((await run("rm", "again")).code).toBe(0);
  expect(readdirSync(join(directory, `guestd-${process.getuid?.() ?? 0}`))).toEqual([]);
});
