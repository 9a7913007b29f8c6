import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startRegistry } from "../../../image/registry/testing/registry.ts";
import { file } from "../../../image/testing/layers.ts";
import { temporaryDirectory } from "../../../image/testing/tree.ts";
import { packTar } from "../../../image/write-layout.ts";
import { ImageStore } from "../../engine/image/store/image-store.ts";
import { pullImage } from "../../engine/image/store/pull-image.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { runGuestctl } from "../testing/run-guestctl.ts";

let folder: ReturnType<typeof temporaryDirectory>;
let image: { name: string; digest: string };

beforeAll(async () => {
  folder = temporaryDirectory();
  const store = new StateStore(join(folder.path, `guestd-${process.geteuid?.()}`));
  store.claim("dev");
  const place = { address: "unix:///none", logAddress: "unix:///none", folder: "/none" };
  const timeline = { kernel: 0, init: 0, agent: 0, answered: 0 };
  const size = { accelerator: "kvm", memoryMib: 512, cpus: 1 };
  store.writeGuest({ name: "dev", ...place, ...size, timeline, bootedAt: "2026-01-01T00:00:00Z" } as never);
  const settings = { image: "busybox", terminal: false, rootfs: "/none", env: ["A=b"], cwd: "/", user: "" };
  const startedAt = "2026-01-01T00:00:01Z";
  const ended = { code: 3, at: "2026-01-01T00:00:02Z" };
  const of = (name: string) => ({ container: name, exec: name, args: ["sleep", "9"], ...settings, startedAt });
  store.processes.write("dev", { ...of("web"), kept: true, ended });
  store.processes.write("dev", of("development"));
  await using registry = await startRegistry();
  const digest = registry.putImage([await packTar([file("f", "x")])], "1");
  image = { name: `${registry.host}/test/image:1`, digest };
  const images = new ImageStore(join(folder.path, "guestd/images"));
  await pullImage(images, image.name, { signal: new AbortController().signal });
});
afterAll(() => folder[Symbol.dispose]());

const run = (...args: string[]) => runGuestctl(folder.path, ["inspect", ...args]);

test("prints containers, guests and images as JSON", async () => {
  const { stdout } = await run("--output", "json", "web", "dev", "development", image.name);
  const [web, dev, development, stored] = JSON.parse(stdout);
  expect(web).toMatchObject({
    id: "web",
    guest: "dev",
    state: { status: "exited", exitCode: 3 },
    args: ["sleep", "9"],
  });
  expect(dev).toMatchObject({
    name: "dev",
    memoryMib: 512,
    state: { status: "running" },
    containers: ["development", "web"],
  });
  expect(development).toMatchObject({ id: "development", state: { status: "running" } });
  expect(stored).toMatchObject({ id: image.digest, names: [image.name], platform: { os: "linux" }, config: {} });
  expect(stored.layers).toHaveLength(1);
});

test("prints a template's line for each name", async () => {
  expect(await run("--format", '{{.State.Status}} {{join .Args " "}}', "web", "development")).toEqual({
    stdout: "exited sleep 9\nrunning sleep 9\n",
    stderr: "",
    code: 0,
  });
});

test.each([
  [
    ["none"],
    "inspect none: no container, guest or pulled image has this name; guestctl ps -a and guestctl images list them",
  ],
  [["--type", "guest", "web"], "inspect web: no guest has this name; guestctl ps -a and guestctl images list them"],
  [["--type", "image", "UPPER"], "inspect UPPER: no image has this name; guestctl ps -a and guestctl images list them"],
  [["--type", "container", "none"], "container none: not found; containers: development, web"],
  [["-g", "none", "web"], "guest none: not running; running guests: dev"],
  [["--format", "{{.Nope}}", "web"], /^--format: there is no field .Nope; fields there: id, guest, state, /],
  [
    ["--format", "{{range .Args}}", "web"],
    /^option '-f, --format <template>' argument '{{range .Args}}' is invalid. {{range .Args}}: range is not supported; supported are /,
  ],
])("%j fails in one line", async (args, message) => {
  const { stdout, stderr, code } = await run(...args);
  expect({ stdout, code }).toEqual({ stdout: "", code: 1 });
  if (typeof message === "string") expect(stderr).toBe(`guestctl: ${message}\n`);
  else expect(stderr.replace("guestctl: ", "")).toMatch(message);
});
