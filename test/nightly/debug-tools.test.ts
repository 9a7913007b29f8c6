import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { repositoryRoot } from "../../host/vm/paths.ts";
import { thisPlatform } from "../../image/platform.ts";
import { packTar, writeLayout } from "../../image/write-layout.ts";
import { buildRecipe } from "../../rootfs-builder/recipe/recipe-tasks.ts";
import { makeWorkDirectory } from "../clean-up/work-directory.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startHostAgent } from "../namespaces/testing/host-agent.ts";
import { startGuestctl } from "../scenarios/guestctl-process.ts";
import { ociSpec } from "../scenarios/oci.ts";
import { Pod } from "../scenarios/pod.ts";

const BUILD_MS = 600_000;
const PAUSE = join(repositoryRoot, "build/native/pause");

describeInNamespaces("the tools of rootfs-builder/recipes/tools.yaml", () => {
  let machine: Awaited<ReturnType<typeof startHostAgent>>;
  let pod: Pod;
  let tools: string;
  let id: string;

  /** Builds the image, unpacks it, and starts a container whose root has one static program and nothing else. */
  beforeAll(async () => {
    machine = await startHostAgent();
    pod = await Pod.open(machine);
    tools = unpack(await buildTools(machine.directory), machine.directory);
    const root = join(machine.directory, "distroless");
    mkdirSync(join(root, "app"), { recursive: true });
    cpSync(PAUSE, join(root, "app/pause"));
    const spec = ociSpec(root, ["/app/pause"]);
    id = await pod.create([], { Process: spec.Process, Linux: spec.Linux }, root);
    await pod.client.agent.startContainer({ container_id: id });
  }, BUILD_MS);
  afterAll(async () => {
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });

  const debug = (...command: string[]) =>
    startGuestctl(["debug", "--address", machine.address, "--rootfs", tools, id, "--", ...command]);

  it("attach gdb to the process of a container without tools, which keeps running", async () => {
    const script = ["-ex", "print $pc", "-ex", "info proc exe"];
    const running = debug("gdb", "-nx", "-batch", "-p", "1", "-iex", "set sysroot /target", ...script);
    expect(await running.ended).toBe(0);
    expect(running.output.stdout.toString()).toMatch(
      /\$1 = \(void \(\*\)\(\)\) 0x[0-9a-f]+[\s\S]*exe = '\/app\/pause'/,
    );
    expect(await debug("ps", "-o", "pid,stat,args", "-p", "1").ended).toBe(0);
  });

  it("attach strace to it, and list its files in a shell", async () => {
    const shell = debug("sh", "-c", "ls /target /target/app | grep pause; ps -p 1 -o args=");
    expect(await shell.ended).toBe(0);
    expect(shell.output.stdout.toString()).toBe("pause\n/app/pause\n");
    const running = debug("strace", "-p", "1");
    await expect.poll(() => running.output.stderr).toMatch(/Process 1 attached\n.*pause\(/);
    await pod.client.agent.signalProcess({ container_id: id, exec_id: id, signal: 9 });
    expect(await running.ended).toBe(137);
    await pod.remove(id);
  });
});

describe("guestctl debug --image of these tools in a guest", () => {
  let directory: string;
  let tools: string;

  const start = (...args: string[]) => startGuestctl(args, { env: { XDG_RUNTIME_DIR: directory } });
  const guestctl = async (...args: string[]) => {
    const { ended, output } = start(...args);
    expect({ args, code: await ended, stderr: output.stderr }).toEqual({ args, code: 0, stderr: "" });
    return output.stdout.toString();
  };

  beforeAll(async () => {
    directory = makeWorkDirectory("debug-tools");
    tools = await buildTools(directory);
    const image = join(directory, "distroless.tar");
    const layer = await packTar([{ name: "pause", mode: 0o755, content: readFileSync(PAUSE) }]);
    await writeLayout(image, { name: "app", platform: thisPlatform(), config: { Cmd: ["/pause"] }, layers: [layer] });
    await guestctl("boot", "-d", "--name", "debugged");
    await guestctl("run", "-d", "-g", "debugged", "--name", "app", image);
  }, BUILD_MS);
  afterAll(async () => {
    await start("stop", "debugged").ended;
    rmSync(directory, { recursive: true, force: true });
  });

  it("attach gdb and strace to a process of a distroless container, also over the agent's death, and leave it unchanged", async () => {
    const debug = ["debug", "--image", tools];
    const gdb = ["gdb", "-nx", "-batch", "-p", "1", "-iex", "set sysroot /target", "-ex", "info proc exe"];
    const traced = start(...debug, "app", "--", ...gdb);
    expect(await traced.ended).toBe(0);
    expect(traced.output.stdout.toString()).toMatch(/exe = '\/pause'/);
    const strace = start(...debug, "--name", "traced", "app", "--", "strace", "-p", "1");
    await expect.poll(() => strace.output.stderr).toMatch(/Process 1 attached\n.*pause\(/);
    expect(await guestctl("explain", "traced")).toMatch(/mount on +\/target +shared_mounts debug app/);
    expect(await guestctl("agent", "kill")).toMatch(/^agent 1 was killed/);
    const script = "ls /target/pause; ps -p 1 -o args=; touch /target/new 2>&1; true";
    expect(await guestctl(...debug, "app", "--", "sh", "-c", script)).toBe(
      "/target/pause\n/pause\ntouch: cannot touch '/target/new': Read-only file system\n",
    );
    await guestctl("kill", "app");
    expect(await strace.ended).toBe(137);
  });
});

/** Builds the image of the recipe below a folder. Returns its path. */
async function buildTools(directory: string): Promise<string> {
  const recipe = join(directory, "tools.yaml");
  cpSync(join(repositoryRoot, "rootfs-builder/recipes/tools.yaml"), recipe);
  await buildRecipe(recipe, { root: repositoryRoot, to: join(directory, "out") });
  return join(directory, "out/oci-image.tar");
}

/** Unpacks the only layer of an OCI layout. Returns the root's path. */
function unpack(image: string, directory: string): string {
  const layout = join(directory, "layout");
  const root = join(directory, "tools");
  for (const folder of [layout, root]) mkdirSync(folder);
  execFileSync("tar", ["-xf", image, "-C", layout]);
  const blob = (digest: string) => join(layout, "blobs", digest.replace(":", "/"));
  const { manifests } = JSON.parse(readFileSync(join(layout, "index.json"), "utf8"));
  const { layers } = JSON.parse(readFileSync(blob(manifests[0].digest), "utf8"));
  execFileSync("tar", ["-xzf", blob(layers[0].digest), "-C", root, "--numeric-owner", "--same-owner", "-p"]);
  return root;
}
