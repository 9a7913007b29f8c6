import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { runGuestctl } from "../../host/cli/testing/run-guestctl.ts";
import { Sandbox } from "../../host/sdk/index.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { GUEST, ServedAgent } from "./testing/served-agent.ts";

const SECRET = "hunter2";

describeInNamespaces("guestctl audit", () => {
  let served: ServedAgent;
  let box: string;
  const places = () => ({ ...served.env, GUESTD_AUDIT: "on", XDG_STATE_HOME: join(served.machine.directory, "state") });
  const guestctl = async (...words: readonly string[]) => {
    const { code, stdout, stderr } = await runGuestctl(served.machine.directory, words, places());
    expect([code, stderr]).toEqual([0, ""]);
    return stdout;
  };
  const since = async (time: Date): Promise<readonly Record<string, unknown>[]> => {
    const printed = await guestctl("audit", "--json", "--since", time.toISOString());
    return printed.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line)]));
  };

  beforeAll(async () => {
    served = await ServedAgent.start();
    for (const [name, value] of Object.entries(places())) vi.stubEnv(name, value);
    box = await served.pod.start(["sleep", "1000"]);
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await served?.[Symbol.asyncDispose]();
  });

  it("has what guestctl's commands change, without their words and environment, and not what they read", async () => {
    const begin = new Date();
    const here = ["--address", served.machine.address];
    await guestctl("exec", ...here, "--name", "x1", "-e", `PASSWORD=${SECRET}`, box, "sh", "-c", `: ${SECRET}`);
    await guestctl("pause", ...here, box);
    await guestctl("unpause", ...here, box);
    await guestctl("stats", ...here, box);
    await guestctl("ps");
    await guestctl("kill", ...here, "--signal", "CONT", box);
    const found = { container: box, address: served.machine.address, uid: process.getuid?.() };
    expect(await since(begin)).toEqual([
      expect.objectContaining({ ...found, program: "guestctl exec", operation: "exec", exec: "x1" }),
      expect.objectContaining({ ...found, program: "guestctl pause", operation: "pause" }),
      expect.objectContaining({ ...found, program: "guestctl unpause", operation: "unpause" }),
      expect.objectContaining({ ...found, program: "guestctl kill", operation: "kill" }),
    ]);
    expect(JSON.stringify(await since(begin))).not.toContain(SECRET);
    const lines = (await guestctl("audit", "--container", box)).split("\n");
    expect(lines[0]).toMatch(new RegExp(`^\\S+Z  \\S+  guestctl exec  container=${box}  exec=x1  address=\\S+$`));
    expect(await guestctl("audit", "--guest", "another")).toBe("");
  });

  it("has what programs with the SDK change", async () => {
    const begin = new Date();
    vi.stubEnv("TMPDIR", served.machine.directory); // the agent sees its own /tmp
    const image = { path: served.machine.rootfs("image") };
    await using sandbox = await Sandbox.create({ image, address: served.machine.address, name: "sdk" });
    await sandbox.exec(["true"], { env: { PASSWORD: SECRET } });
    await sandbox.files.write("/file", SECRET);
    await sandbox.files.read("/file");
    await sandbox.stop();
    const entries = await since(begin);
    expect(entries.map(({ operation }) => operation)).toEqual(["create", "exec", "files.write", "stop"]);
    for (const entry of entries) expect(entry).toMatchObject({ container: "sdk", pid: process.pid });
    expect(entries[1]).toHaveProperty("exec", expect.any(String));
  });

  it("has what a page of guestctl serve changes, as of serve", async () => {
    const begin = new Date();
    const page = await served.open(["--allow-exec"]);
    const base = `/api/guests/${GUEST}/containers/${box}`;
    await page.post(`${base}/actions`, { action: "kill", signal: "CONT" });
    await page.request(`${base}/file?path=/uploaded`, { method: "PUT", body: "content" });
    const entries = await since(begin);
    expect(await guestctl("audit", "--container", box)).toContain("  guestctl serve  kill  container=");
    expect(entries.map(({ program, operation }) => [program, operation])).toEqual([
      ["guestctl serve", "kill"],
      ["guestctl serve", "files.write"],
      ["guestctl serve", "exec"],
    ]);
  });

  it("has the operation that an agent refuses, and a failing audit fails none", async () => {
    const begin = new Date();
    const address = served.machine.address;
    const refused = await runGuestctl(served.machine.directory, ["rm", "--address", address, "none"], places());
    expect([refused.code === 0, (await since(begin)).map(({ operation }) => operation)]).toEqual([false, ["rm"]]);
    const nowhere = { ...places(), XDG_STATE_HOME: join(served.machine.rootfs("file"), "bin/busybox") };
    const words = ["kill", "--address", address, "--signal", "CONT", box];
    const { code, stderr } = await runGuestctl(served.machine.directory, words, nowhere);
    expect([code, stderr]).toEqual([0, expect.stringMatching(/^guestd: audit kill: .*GUESTD_AUDIT=off.*\n$/)]);
    const off = await runGuestctl(served.machine.directory, words, { ...nowhere, GUESTD_AUDIT: "off" });
    expect([off.code, off.stderr]).toEqual([0, ""]);
  });
});
