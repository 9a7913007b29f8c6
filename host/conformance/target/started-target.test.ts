import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { startedTarget } from "./started-target.ts";

/** Serves health checks by a minimal agent, and notes the end by SIGTERM in a file, as a command that cleans up. */
const AGENT = join(import.meta.dirname, "../testing/minimal-agent-command.ts");

test("a command that begins with bare: runs without namespaces of the suite, and ends by SIGTERM", async () => {
  const folder = mkdtempSync(join(tmpdir(), "guestd-bare-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "command.sh");
  writeFileSync(
    file,
    [
      `trap 'kill $agent; wait $agent; echo ended > ${folder}/end; exit' TERM`,
      `readlink /proc/self/ns/pid > ${folder}/namespace`,
      `"${process.execPath}" "${AGENT}" "$1" & agent=$!`,
      "wait $agent",
      "",
    ].join("\n"),
  );
  const target = startedTarget({ command: `bare: sh ${file} {address}` });
  expect(target.surroundings).toBe("those that its command prepares");
  {
    await using agent = await target.open();
    expect(agent.isOwn).toBe(true);
    await expect(agent.spareInterface?.()).rejects.toThrow("the agent has this machine's network");
  }
  const own = readFileSync(join(folder, "namespace"), "utf8");
  expect([own.startsWith("pid:"), existsSync(join(folder, "end"))]).toEqual([true, true]);
});
