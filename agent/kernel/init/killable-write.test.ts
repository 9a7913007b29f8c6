import { expect, test } from "vitest";
import { SIGKILL } from "../constants.ts";
import { openSys } from "../sys/sys.ts";
import { type ChildDouble, createInitDouble } from "../testing/init-double.ts";
import { killableWriter } from "./killable-write.ts";

function writer(play: (child: ChildDouble) => void) {
  const killed: number[] = [];
  const real = openSys();
  const init = createInitDouble(real, { play });
  const signal = (pidfd: number, number: number) => {
    killed.push(number);
    init.byPidfd(pidfd)?.end({ code: 137, signal: number });
  };
  return { init, killed, write: killableWriter({ sys: { ...real, signal }, init }, () => 7) };
}

test("a child of init writes the file, and is forgotten once it ends", async () => {
  const { init, write } = writer((child) => child.end());
  await write("/proc/x", "1");
  expect(init.children[0]?.request.plan).toEqual([{ op: "write", path: "/proc/x", data: "1" }, { op: "exit" }]);
  expect(init.calls).toEqual([["forget", 7]]);
});

test("a failed write rejects with the kernel's error", async () => {
  const { write } = writer((child) => {
    child.report({ kind: "failed", index: 0, errno: 22, text: "" });
    child.end({ code: 1 });
  });
  await expect(write("/proc/x", "1")).rejects.toThrow("write /proc/x: EINVAL");
});

test("an aborted write rejects only after its child was killed and has ended", async () => {
  const { killed, init, write } = writer(() => undefined);
  await expect(write("/proc/x", "1", AbortSignal.timeout(10))).rejects.toMatchObject({ name: "TimeoutError" });
  expect(killed).toEqual([SIGKILL]);
  expect(init.calls).toEqual([["forget", 7]]);
});

test("a write that was aborted before it began launches no child", async () => {
  const { init, write } = writer(() => undefined);
  await expect(write("/proc/x", "1", AbortSignal.abort())).rejects.toMatchObject({ name: "AbortError" });
  expect(init.children).toEqual([]);
});
