import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { makeBusyboxImage } from "../../host/engine/image/make-image.ts";
import { Sandbox } from "../../host/sdk/index.ts";

const launcher = join(import.meta.dirname, "../../host/cli/launch.cjs");
/** Each poll runs a process. */
const POLL = { interval: 200, timeout: 100_000 };
let directory: string;
let image: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "volumes-"));
  for (const name of ["XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "XDG_DATA_HOME"]) vi.stubEnv(name, directory);
  image = join(directory, "busybox.tar");
  await makeBusyboxImage(image);
});
afterAll(async () => {
  const guests = JSON.parse((await guestctl("ps", "-a", "--json")).stdout) as { guest: string }[];
  const names = [...new Set(guests.map(({ guest }) => guest))];
  if (names.length > 0) await guestctl("stop", ...names);
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true, force: true });
});

/** Runs guestctl to its end. */
function guestctl(...args: string[]) {
  return guestctlIn({}, ...args);
}

async function guestctlIn(env: NodeJS.ProcessEnv, ...args: string[]) {
  const child = spawn(process.execPath, [launcher, ...args], {
    env: { ...process.env, NO_COLOR: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { stdout, stderr, code };
}

const refusal = (line: string) => ({ stdout: "", stderr: `guestctl: ${line}\n`, code: 1 });

it("a volume keeps what one guest wrote for others, several at a time, and isn't removed while one uses it", async () => {
  const odd = "printf '%b' 'a\\nb\\0377' | xargs -0 touch --";
  const write = `umask 0; echo kept >file; mkdir -m 0 closed; ln -s /etc/passwd link; ${odd}`;
  const first = await guestctl("run", "-v", "data:/data", "--workdir", "/data", image, "sh", "-c", write);
  expect(first).toEqual({ stdout: "", stderr: "", code: 0 });

  const reader = ["run", "-d", "--name", "reader", "-v", "data:/data:ro", image, "sleep", "1000"];
  expect(await guestctl(...reader)).toMatchObject({ stdout: "reader\n", code: 0 });
  const read = await guestctl("exec", "reader", "sh", "-c", "cat /data/file; touch /data/new");
  expect(read).toMatchObject({ stdout: "kept\n", code: 1 });
  expect(read.stderr).toContain("Read-only file system");
  expect(await guestctl("inspect", "-f", "{{json .Volumes}}", "reader")).toMatchObject({
    stdout: '["data:/data:ro"]\n',
  });

  {
    await using sandbox = await Sandbox.create({
      name: "writer",
      image,
      volumes: [{ volume: "data", guest: "/data" }],
    });
    expect((await sandbox.exec("cat /data/file; echo more >/data/more; sync")).stdout).toBe("kept\n");
    await expect.poll(async () => (await guestctl("exec", "reader", "cat", "/data/more")).stdout, POLL).toBe("more\n");
    const both = "volume data: used by reader, writer; guestctl rm reader writer first";
    expect(await guestctl("volume", "rm", "data")).toEqual(refusal(both));
    await expect(sandbox.snapshot("saved")).rejects.toThrow("containers use the share");
  }
  const used = "volume data: used by reader; guestctl rm reader first";
  expect(await guestctl("volume", "rm", "data")).toEqual(refusal(used));
  expect(await guestctl("rm", "reader")).toMatchObject({ stdout: "reader\n", code: 0 });
  const [{ path }] = JSON.parse((await guestctl("volume", "ls", "--json")).stdout);
  expect(existsSync(join(path, "more"))).toBe(true);
  expect(await guestctl("volume", "rm", "data")).toEqual({ stdout: "data\n", stderr: "", code: 0 });
  expect(existsSync(path)).toBe(false);
});

it("a detached container has its volume in each of its runs, and keeps it when it has ended", async () => {
  const count = "echo run >>/data/runs; test $(wc -l </data/runs) -ge 3 || exit 1";
  const flags = ["-d", "--name", "job", "--restart", "on-failure:5", "-v", "jobs:/data"];
  expect(await guestctl("run", ...flags, image, "sh", "-c", count)).toMatchObject({ stdout: "job\n", code: 0 });
  const [{ path }] = JSON.parse((await guestctl("volume", "inspect", "jobs")).stdout);
  const runs = () => (existsSync(join(path, "runs")) ? readFileSync(join(path, "runs"), "utf8") : "");
  await expect.poll(runs, POLL).toBe("run\n".repeat(3));
  expect(await guestctl("wait", "job")).toMatchObject({ stdout: "0\n" });
  expect(readdirSync(join(path, "../uses"))).toHaveLength(1);

  // A session with another folder of records, such as that of cron.
  const elsewhere = { XDG_RUNTIME_DIR: join(directory, "elsewhere") };
  mkdirSync(elsewhere.XDG_RUNTIME_DIR, { mode: 0o700 });
  expect(await guestctlIn(elsewhere, "ps", "-a", "-q")).toMatchObject({ stdout: "" });
  const used = "volume jobs: used by job; guestctl rm job first";
  expect(await guestctlIn(elsewhere, "volume", "rm", "jobs")).toEqual(refusal(used));
  expect(await guestctlIn(elsewhere, "volume", "prune", "-f")).toEqual({ stdout: "", stderr: "", code: 0 });

  expect(await guestctl("start", "job")).toMatchObject({ stdout: "job\n", code: 0 });
  expect(await guestctl("wait", "job")).toMatchObject({ stdout: "0\n" });
  expect(runs()).toBe("run\n".repeat(4));
  expect(await guestctl("volume", "rm", "jobs")).toEqual(refusal(used));
  expect(await guestctl("rm", "job")).toMatchObject({ stdout: "job\n", code: 0 });
  expect(await guestctl("volume", "prune", "-f")).toEqual({ stdout: "jobs\n", stderr: "", code: 0 });
  expect(existsSync(path)).toBe(false);
});
