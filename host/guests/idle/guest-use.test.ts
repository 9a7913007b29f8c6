import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, onTestFinished, test } from "vitest";
import { hasConnections, ProcessorUse } from "./guest-use.ts";

test("a process that computes is in use, one that sleeps isn't, and one that has ended can't be read", async () => {
  const [busy, quiet] = [spawn("sh", ["-c", "while :; do :; done"]), spawn("sleep", ["1000"])];
  onTestFinished(() => {
    for (const child of [busy, quiet]) child.kill("SIGKILL");
  });
  await Promise.all([once(busy, "spawn"), once(quiet, "spawn")]);
  const uses = [busy, quiet].map(({ pid = 0 }) => new ProcessorUse(pid));
  await expect.poll(() => uses[0]?.isUsed()).toBe(true);
  expect(uses[1]?.isUsed()).toBe(false);
  const exited = once(quiet, "exit");
  quiet.kill("SIGKILL");
  await exited;
  expect(() => uses[1]?.isUsed()).toThrow("ENOENT");
});

// As QEMU 7.2 prints it.
const HEAD = `Hub -1 (user):
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
`;
test.each([
  [`${HEAD}  TCP[HOST_FORWARD]  15       127.0.0.1 33333       10.0.2.15    80     0     0\r\n`, false],
  [`${HEAD}  TCP[ESTABLISHED]   16       127.0.0.1 33333       10.0.2.15    80     0     0\r\n`, true],
  [`${HEAD}  TCP[SYN_SENT]      16       10.0.2.15 33333       192.0.2.1    80     0     0\r\n`, true],
  [`${HEAD}  UDP[236 sec]       17       10.0.2.15 33333       192.0.2.1    53     0     0\r\n`, false],
  [{}, false],
])("connections of the user network are found: %#", async (table, has) => {
  expect(await hasConnections({ execute: async () => table } as never)).toBe(has);
});
