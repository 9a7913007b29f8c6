import { execFileSync, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cacheDirectory } from "../../host/vm/paths.ts";
import { isRoot } from "../../lib/is-root.ts";
import { packageRoot } from "../../lib/package-root.ts";
import { elfSections } from "../../rootfs-builder/debian/elf.ts";
import { packagedNode } from "../../rootfs-builder/image/stripped-node.ts";
import { readVersion } from "../../rootfs-builder/read-version.ts";
import { page } from "../docs/pages.ts";
import { startMcp } from "../scenarios/mcp-client.ts";
import { buildRelease } from "./testing/build-release.ts";

/** The program of README.md. */
const sample = /```js\n([\s\S]*?)```/.exec(readFileSync(join(packageRoot(), "README.md"), "utf8"))?.[1] ?? "";
const NOBODY = 65_534;
const NODE_22 = "22.23.3";
const root = packageRoot();
const release = join(root, "release/release.ts");

// The folder of other tests is closed to other users.
let directory = "";
let version = "";
let tarballs: readonly string[] = [];
/** Number of homes so far: each installation has its own. */
let homes = 0;
/** Folder with each Node, by its major version. */
const nodes = new Map<string, string>();

beforeAll(async () => {
  directory = mkdtempSync("/tmp/guestd-package-");
  chmodSync(directory, 0o755);
  version = await readVersion(root);
  buildRelease(join(directory, "release"));
  tarballs = ["guestd", `guestd-guest-linux-${process.arch}`].map((name) =>
    join(directory, "release", `${name}-${version}.tgz`),
  );
  const name = `node-linux-${process.arch}`;
  const older = folder("node-22");
  execFileSync("npm", ["install", "--silent", "--prefix", older, `${name}@${NODE_22}`]);
  nodes.set("22", join(older, "node_modules", name, "bin"));
  nodes.set("24", folder("node-24"));
  copyFileSync(packagedNode(), join(directory, "node-24/node"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function folder(name: string, owner = 0): string {
  const path = join(directory, name);
  mkdirSync(path, { recursive: true });
  chownSync(path, owner, owner);
  return path;
}

interface User {
  readonly uid: number;
  readonly node: string;
  readonly home: string;
  readonly cwd: string;
}

/** Certificates with which this machine reaches the registry, if it needs any. */
const certificates = process.env["NODE_EXTRA_CA_CERTS"];
const forRegistry = certificates === undefined ? {} : { NODE_EXTRA_CA_CERTS: certificates };

/** Returns the words that run a program as a user. */
const as = (uid: number) => ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups", "--"];
/** Returns the PATH of a user with a Node. */
const pathOf = (node: string) => `${nodes.get(node)}:/usr/sbin:/usr/bin:/sbin:/bin`;

/** Runs a program as a user with a Node, a home and no other environment. */
function run({ uid, node, home, cwd }: User, command: string, ...args: readonly string[]) {
  const env = { ...forRegistry, HOME: home, PATH: pathOf(node) };
  const words = [...as(uid), command, ...args];
  const { status, stdout, stderr } = spawnSync(words[0] ?? "", words.slice(1), { cwd, env, encoding: "utf8" });
  return { status, stdout, stderr };
}

/** Installs the packages in an empty folder of the user's home, from the tarballs. */
function install(uid: number, node: string): User {
  homes += 1;
  const home = folder(`home-${homes}`, uid);
  const cwd = join(home, "project");
  const user = { uid, node, home, cwd: home };
  expect(run(user, "mkdir", cwd).status).toBe(0);
  const inProject = { ...user, cwd };
  const { status, stderr } = run(inProject, "npm", "install", "--no-audit", "--no-fund", ...tarballs);
  expect([status, stderr]).toEqual([0, expect.not.stringContaining("npm error")]);
  return inProject;
}

/** Returns an ordinary user, or this one if it is no other. */
const someone = () => (isRoot() ? NOBODY : (process.getuid?.() ?? 0));

/** Gives the user the kernel that this machine's set-up fetched; programs are in the packages. */
function shareCache({ home, uid }: User): void {
  const cache = join(home, ".cache/guestd");
  mkdirSync(join(cache, "kernel"), { recursive: true });
  execFileSync("cp", ["-r", join(cacheDirectory(), "kernel"), cache]);
  execFileSync("chown", ["-R", `${uid}:${uid}`, join(home, ".cache")]);
}

test("a release built twice is the same, and its SHA256SUMS are right", () => {
  const again = join(directory, "again");
  execFileSync(process.execPath, [release, "--to", again]);
  const sums = readFileSync(join(again, "SHA256SUMS"), "utf8");
  expect(readFileSync(join(directory, "release/SHA256SUMS"), "utf8")).toBe(sums);
  for (const place of [again, join(directory, "release")]) {
    execFileSync("sha256sum", ["--check", "--quiet", "--strict", "SHA256SUMS"], { cwd: place });
    expect(sums.trim().split("\n")).toHaveLength(readdirSync(place).length - 1);
  }
  rmSync(again, { recursive: true });
});

test("the guest's package carries the host's programs, linked statically, and its SBOM names what is in them", () => {
  const carried = folder("carried");
  execFileSync("tar", ["--extract", "--directory", carried, "--file", tarballs[1] ?? ""]);
  const read = (name: string) => readFileSync(join(carried, "package", name));
  const { components, dependencies } = JSON.parse(read("sbom.cdx.json").toString());
  const refs = components.map((component: Record<string, string>) => component["bom-ref"]);
  expect(refs.length).toBe(new Set(refs).size);
  for (const name of ["virtiofsd", "vhost-device-vsock"]) {
    expect(elfSections(read(name), name).map((section) => section.name)).not.toContain(".interp");
    const { dependsOn } = dependencies.find(({ ref }: Record<string, string>) => ref === `file:${name}`);
    const own = [
      expect.stringMatching(new RegExp(`^cargo:${name}@`)),
      expect.stringMatching(/^cargo:libc@/),
      "static:glibc",
    ];
    expect(dependsOn).toEqual(expect.arrayContaining(own));
    expect(read("THIRD-PARTY-NOTICES.txt").toString()).toMatch(new RegExp(`^${name} \\d.*BSD-3-Clause`, "m"));
  }
  rmSync(carried, { recursive: true });
});

describe.each(["22", "24"])("with Node %s", (node) => {
  const skipped = isRoot() ? "" : " (skipped: needs root, to be another user)";

  test.skipIf(!isRoot())(`an ordinary user installs guestd, and doctor says what is missing${skipped}`, async () => {
    const user = install(NOBODY, node);
    expect(run(user, "npx", "guestctl", "--version").stdout).toBe(`guestctl ${version}\n`);
    expect(run(user, "npx", "guestctl", "ps").status).toBe(0);
    const before = run(user, "npx", "guestctl", "doctor");
    expect([before.status, before.stdout]).toEqual([
      1,
      expect.stringMatching(/^missing +kernel .*run npx guestctl setup/m),
    ]);
    const setup = run(user, "npx", "guestctl", "setup");
    expect(setup.status).toBe(1);
    expect(setup.stdout).toMatch(/^setup: missing:\n[\s\S]*^ {2}a guest kernel /m);
    expect(setup.stderr).toMatch(/^guestctl: setup: nothing was installed/m);
    shareCache(user);
    const after = run(user, "npx", "guestctl", "doctor");
    expect(after.stdout).toMatch(/^ok +guest /m);
    expect(after.stdout).toMatch(/^ok +kernel /m);
    expect(after.status).toBe(/^missing /m.test(after.stdout) ? 1 : 0);
  });

  test.skipIf(!isRoot())(`an ordinary user's uninstalled guestd leaves nothing behind${skipped}`, () => {
    const user = install(NOBODY, node);
    shareCache(user);
    expect(run(user, "npx", "guestctl", "setup", "--remove").status).toBe(0);
    expect(run(user, "npm", "uninstall", "guestd", `guestd-guest-linux-${process.arch}`).status).toBe(0);
    const left = readdirSync(user.home, { recursive: true }).map(String);
    const ofNpm =
      /^(\.npm(\/.*)?|\.cache|project|project\/(package(-lock)?\.json|node_modules(\/\.bin|\/\.package-lock\.json)?))$/;
    expect(left.filter((path) => !ofNpm.test(path))).toEqual([]);
  });

  test("an installed guestd boots its guest, and runs a container and the program of README.md in it", async () => {
    const user = install(someone(), node);
    shareCache(user);
    const image = join(user.cwd, `node_modules/guestd-guest-linux-${process.arch}/busybox.tar`);
    const setup = run(user, "npx", "guestctl", "setup");
    expect(setup).toMatchObject({ status: 0, stdout: expect.stringContaining(`guestctl run ${image} echo hello`) });
    const { status, stdout, stderr } = run(user, "npx", "guestctl", "run", image, "echo", "hello");
    expect([status, stdout, stderr]).toEqual([0, "hello\n", ""]);
    writeFileSync(join(user.cwd, "note"), "shared");
    const shared = run(user, "npx", "guestctl", "run", "-v", `${user.cwd}:/data`, image, "cat", "/data/note");
    expect(shared).toEqual({ status: 0, stdout: "shared", stderr: "" });
    const words = ["npx", "guestctl", "run", image, "echo", "by vsock"];
    expect(run(user, "env", "GUESTD_VSOCK=vhost-user", ...words).stdout).toBe("by vsock\n");
    for (const name of ["sample.js", "sample.ts"]) {
      writeFileSync(join(user.cwd, name), sample.replace("alpine:3.20", image));
      expect([name, run(user, "node", name).stdout]).toEqual([name, "3 hello world\nstdout one\nstderr two\n"]);
    }
  });

  test("an installed guestd serves MCP, once its packages are installed as docs/mcp.md says", async () => {
    const user = install(someone(), node);
    shareCache(user);
    const image = join(user.cwd, `node_modules/guestd-guest-linux-${process.arch}/busybox.tar`);
    const [line = "", ...words] =
      /npm install @modelcontextprotocol\S* \w+/.exec(page("docs/mcp.md"))?.[0].split(" ") ?? [];
    const before = run(user, "npx", "guestctl", "mcp", "--image", image);
    expect([before.status, before.stderr]).toEqual([1, expect.stringContaining([line, ...words].join(" "))]);
    expect(run(user, line, ...words, "--no-audit", "--no-fund")).toMatchObject({ status: 0 });
    const env = {
      HOME: user.home,
      PATH: pathOf(node),
      XDG_RUNTIME_DIR: folder(`run-${homes}`, user.uid),
      TMPDIR: "/tmp",
    };
    chmodSync(env.XDG_RUNTIME_DIR, 0o700);
    const guestctl = [...as(user.uid), join(user.cwd, "node_modules/.bin/guestctl")];
    await using mcp = await startMcp(["--image", image, "--memory", "256m"], env, {}, guestctl);
    expect(readlinkSync(`/proc/${mcp.pid}/exe`)).toBe(realpathSync(join(nodes.get(node) ?? "", "node")));
    await mcp.call("sandbox_create", { name: "web" });
    const command = "echo hello; echo world >&2; exit 3";
    expect(await mcp.call("exec", { sandbox: "web", command })).toMatchObject({
      ...{ exit_code: 3, stdout: "hello\n", stderr: "world\n" },
    });
    await mcp.call("file_write", { sandbox: "web", path: "/root/file", content: "content" });
    expect((await mcp.call("file_read", { sandbox: "web", path: "/root/file" }))["content"]).toBe("content");
    await mcp.call("sandbox_stop", { sandbox: "web" });
  });
});

test("the .deb's guestctl runs with its own Node, and calls the agent of its service mode", async () => {
  const tree = join(directory, "deb");
  const [deb = ""] = readdirSync(join(directory, "release")).filter((name) => name.endsWith(".deb"));
  execFileSync("dpkg-deb", ["--extract", join(directory, "release", deb), tree]);
  const home = join(tree, "usr/lib/guestd");
  const node = join(home, "bin/node");
  const guestctl = join(home, "node_modules/guestd/bin/guestctl.js");
  const env = { HOME: folder("deb-home"), PATH: "/usr/bin:/bin" };
  expect(readFileSync(join(tree, "usr/bin/guestctl"), "utf8")).toContain("\nexec /usr/lib/guestd/bin/node ");
  expect(execFileSync(node, [guestctl, "--version"], { env, encoding: "utf8" })).toBe(`guestctl ${version}\n`);
  const address = `unix://${join(directory, "agent.sock")}`;
  // The command of the unit, in this tree.
  const unit = readFileSync(join(tree, "usr/lib/systemd/system/guestd.service"), "utf8");
  const command = /^ExecStart=(.*)$/m.exec(unit)?.[1]?.replaceAll("/usr/lib/guestd", home).split(" ") ?? [];
  const state = folder("deb-state");
  const service = spawn(command[0] ?? "", command.slice(1), {
    env: { ...env, KATA_AGENT_SERVER_ADDR: address, GUESTD_STATE_DIR: state },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = new Promise((resolve) => service.once("exit", resolve));
  try {
    await expect
      .poll(() => spawnSync(node, [guestctl, "metrics", "--address", address], { env, encoding: "utf8" }).stdout)
      .toMatch(/^guestd_heap_bytes \d+$/m);
    // Its client begins with the environment of this process.
    await using mcp = await startMcp(["--image", "a:b", "--address", address], env, {}, [node, guestctl]);
    expect((await mcp.client.listTools()).tools.map(({ name }) => name)).toContain("sandbox_create");
    expect((await mcp.call("sandbox_list"))["sandboxes"]).toEqual([]);
  } finally {
    service.kill("SIGTERM");
    await ended;
  }
});
