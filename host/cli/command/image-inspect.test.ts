import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";

const guestctl = join(import.meta.dirname, "../launch.cjs");
let directory = "";
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "guestd-image-cli-"));
});
afterAll(() => rm(directory, { recursive: true }));

/** Runs guestctl and reads its output only after a while, as a pager does. */
async function run(...args: string[]): Promise<{ code: number | null; output: string; errors: string }> {
  const child = spawn(process.execPath, [guestctl, "image", ...args], { stdio: ["ignore", "pipe", "pipe"] });
  // At the end of a child, Node discards output without a listener.
  for (const stream of [child.stdout, child.stderr]) stream.on("readable", () => {});
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  await sleep(300);
  const [output, errors] = await Promise.all(
    [child.stdout, child.stderr].map((stream) => stream.setEncoding("utf8").toArray()),
  );
  return { code: await ended, output: (output ?? []).join(""), errors: (errors ?? []).join("") };
}

test("prints a failed check as one line and exits with 1", async () => {
  await writeFile(join(directory, "noise"), Buffer.alloc(4096, "noise"));
  const { code, output, errors } = await run("inspect", join(directory, "noise"));
  expect([code, errors]).toEqual([1, ""]);
  expect(output.split("\n").filter((line) => line.includes("FAILED"))).toEqual([
    expect.stringMatching(/^ {2}FAILED {2}content {2}unknown format: not a kernel/),
  ]);
  const asJson = JSON.parse((await run("inspect", "--json", join(directory, "noise"))).output);
  expect(asJson).toMatchObject({
    files: [{ kind: "?", checks: [{ name: "content", ok: false }] }],
    checks: [],
    parts: [],
  });
});

test("prints a whole SBOM however slowly it is read", async () => {
  const text = JSON.stringify({ filler: "x".repeat(500_000) });
  await writeFile(join(directory, "sbom.cdx.json"), text);
  expect(await run("sbom", join(directory, "noise"))).toEqual({ code: 0, output: text, errors: "" });
});

test("reports a missing path in one line on stderr", async () => {
  const missing = join(directory, "missing");
  expect(await run("inspect", missing)).toMatchObject({
    code: 1,
    errors: expect.stringMatching(/^guestctl: .*no such file/),
  });
  expect(await run("sbom", missing)).toMatchObject({
    code: 1,
    errors: expect.stringMatching(/^guestctl: .*no such file/),
  });
});
