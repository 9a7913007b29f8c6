import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readRecipe } from "./read-recipe.ts";
import { readBuildRecipe } from "./recipe-tasks.ts";

describe("a recipe file", () => {
  let directory = "";
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "guestd-recipe-"));
  });
  afterEach(() => rm(directory, { recursive: true }));

  async function read(text: string, name = "mine.yaml") {
    await writeFile(join(directory, name), text);
    return readBuildRecipe(join(directory, name));
  }

  /** Returns the error line without the folder. */
  async function refusal(text: string, name?: string): Promise<string> {
    const error: unknown = await read(text, name).catch((thrown: unknown) => thrown);
    if (!(error instanceof Error)) throw new Error("it was taken");
    return error.message.replace(`${directory}/`, "");
  }

  test("can be short, and defaults to the default image", async () => {
    expect(await read("name: mine\n")).toEqual({
      file: join(directory, "mine.yaml"),
      name: "mine",
      outputs: ["guest"],
      agent: true,
      artifact: false,
      debug: false,
      policy: false,
      verity: false,
      daxHeader: true,
      signedModules: false,
      dropPrivileges: false,
      runtimes: [],
      sources: [],
    });
  });

  test("has no output of its own for a profile, and accepts every profile", async () => {
    expect(await read("name: mine\nprofile: firecracker\n")).toMatchObject({ profile: "firecracker", outputs: [] });
    const own = "name: mine\nprofile: qemu\nkernel: {file: k, modules: /m}\noptions: {artifact: true}\n";
    expect(await read(own)).toMatchObject({ vmlinux: join(directory, "k"), modules: "/m", artifact: true });
    expect(await refusal("name: mine\nprofile: vmware\n")).toContain("mine.yaml:2: profile: ");
  });

  test("can be JSON, and can contain every key", async () => {
    const text = JSON.stringify({
      name: "all",
      profile: "qemu",
      outputs: ["guest", "kata-image", "kata-initrd", "kata-image"],
      agent: true,
      kernel: { release: "6.1.0-1-cloud-amd64" },
      options: {
        debug: true,
        policy: true,
        verity: true,
        "dax-header": false,
        "privileged-files": "drop",
        runtimes: ["runc", "crun"],
      },
      sources: [
        { image: "base.tar", "image-name": "base:1" },
        { tar: "/abs/files.tar.gz", to: "/opt/" },
        { packages: ["jq", "curl", "jq"] },
        { folder: "files", to: "/srv/www", owner: "33:33" },
        { file: "note", to: "/etc/note", mode: "0600", owner: "1:2" },
      ],
    });
    expect(await read(text, "all.json")).toMatchObject({
      outputs: ["guest", "kata-image", "kata-initrd"],
      agent: true,
      kernelRelease: "6.1.0-1-cloud-amd64",
      runtimes: ["crun", "runc"],
      daxHeader: false,
      dropPrivileges: true,
      sources: [
        { kind: "image", path: join(directory, "base.tar"), imageName: "base:1", to: "" },
        { kind: "tar", path: "/abs/files.tar.gz", to: "opt" },
        { kind: "packages", names: ["curl", "jq"], to: "" },
        { kind: "folder", path: join(directory, "files"), to: "srv/www", owner: { uid: 33, gid: 33 } },
        { kind: "file", path: join(directory, "note"), to: "etc/note", mode: 0o600, owner: { uid: 1, gid: 2 } },
      ],
    });
  });

  test.each([
    ["name: x\nsurces: []\n", /^mine.yaml:2: surces: unknown key; use one of name, profile, /],
    ["profile: qemu\n", "mine.yaml:1: name: missing"],
    ["name: 5\n", "mine.yaml:1: name: must be text, in quotes"],
    ["name: a/b\n", /^mine.yaml:1: name: "a\/b" does not match /],
    ["name: x\nagent: maybe\n", "mine.yaml:2: agent: must be true or false"],
    [
      "name: x\noptions:\n  runtimes: [crun, docker]\n",
      /^mine.yaml:3: options.runtimes\[1\]: not one of crun, runc, runsc$/,
    ],
    ["name: x\nsources:\n  - {file: a, to: /b, mode: 644}\n", /^mine.yaml:3: sources\[0\].mode: must be text/],
    ["name: x\nsources:\n  - file: a\n", "mine.yaml:3: sources[0].to: missing"],
    ["name: x\nsources:\n  - {file: a, to: b}\n", /^mine.yaml:3: sources\[0\].to: "b" does not match /],
    ["name: x\nsources:\n  - {file: a, to: /b/..}\n", /^mine.yaml:3: sources\[0\].to: "\/b\/\.\." does not match /],
    ["name: x\nsources:\n  - {tar: a, to: /../b/}\n", /^mine.yaml:3: sources\[0\].to: "\/\.\.\/b\/" does not match /],
    ['name: x\nsources:\n  - {file: a, to: "/b\\0"}\n', /^mine.yaml:3: sources\[0\].to: "\/b\\u0000" does not match /],
    ['name: x\nsources:\n  - {tar: "a\\0"}\n', /^mine.yaml:3: sources\[0\].tar: "a\\u0000" does not match /],
    ["name: x\nsources:\n  - {to: /b}\n", /^mine.yaml:3: sources\[0\]: needs one of the keys image, tar, /],
    ["name: x\nsources:\n  - packages: []\n", "mine.yaml:3: sources[0].packages: must not be empty"],
    ["name: x\nsources:\n  - packages: [-rf]\n", /^mine.yaml:3: sources\[0\].packages\[0\]: "-rf" does not match /],
    ["name: x\noutputs:\n  - guest\n  - floppy\n", /^mine.yaml:4: outputs\[1\]: floppy is unknown; use one of guest, /],
    ["name: x\nkernel:\n  file: k\n", "mine.yaml:3: kernel.file: requires a profile"],
    ["name: x\nprofile: qemu\nkernel:\n  modules: k\n", "mine.yaml:4: kernel.modules: requires kernel.file"],
    ["name: x\noptions: {artifact: true}\n", "mine.yaml:2: options.artifact: requires a profile"],
    ["name: x\nsources:\n  - {file: a, tar: b, to: /c}\n", "mine.yaml:3: sources[0]: both tar and file: use one"],
    ["name: x\nagent: false\noptions:\n  debug: true\n", /^mine.yaml:4: options.debug: requires agent: true/],
    ["name: x\nagent: false\noptions: {policy: true}\n", /^mine.yaml:3: options.policy: requires agent: true/],
    ["name: x\nagent: false\noptions: {verity: true}\n", /^mine.yaml:3: options.verity: requires agent: true/],
    ["name: x\nagent: false\noptions: {runtimes: [crun]}\n", /^mine.yaml:3: options.runtimes: requires agent: true/],
    ["name: x\nprofile: qemu\noptions: {verity: true}\n", "mine.yaml:3: options.verity: requires the output guest"],
    ["name: x\noptions: {dax-header: false}\n", "mine.yaml:2: options.dax-header: requires the output kata-image"],
    [
      "name: x\noutputs: [erofs]\noptions: {signed-modules: true}\n",
      "mine.yaml:3: options.signed-modules: requires an output with Debian's kernel",
    ],
    [
      "name: x\nprofile: kata\nkernel: {release: r}\n",
      "mine.yaml:3: kernel.release: requires an output with Debian's kernel",
    ],
    ["name: x\nprofile: kata\nkernel: {file: k}\n", "mine.yaml:3: kernel.file: profile kata uses the host's kernel"],
    [
      "name: x\nprofile: qemu\noutputs:\n  - erofs\n  - guest\n  - ext4\n",
      "mine.yaml:6: outputs[2]: profile qemu: starts one root, not erofs and ext4",
    ],
    [
      "name: x\nprofile: firecracker\noutputs:\n  - erofs-dax-disk\n",
      "mine.yaml:4: outputs[0]: output erofs-dax-disk: profile firecracker can't start it",
    ],
    ["name: x\nname: y\n", "mine.yaml:2:1: Map keys must be unique"],
    ["name: x\nsources: [\n", /^mine.yaml:3:1: Flow sequence/],
    ["name: &a x\nprofile: *a\n", "mine.yaml:2: profile: aliases are not supported: write it out"],
    ["- name\n", "mine.yaml:1: must be a mapping"],
    ["", "mine.yaml:1: must be a mapping"],
  ])("is refused with the line of the mistake: %j", async (text, message) => {
    const line = await refusal(text);
    expect(line).toMatch(message);
    expect(line).not.toContain("\n");
  });

  test("is refused if it does not exist", async () => {
    await expect(readRecipe(join(directory, "none.yaml"))).rejects.toThrow(/^recipe .*none.yaml: no such file$/);
  });
});

test("reads the recipes in the repository", async () => {
  const folder = join(import.meta.dirname, "../recipes");
  const names = (await readdir(folder)).filter((name) => name.endsWith(".yaml"));
  for (const name of names) await readBuildRecipe(join(folder, name));
  // Matches `npm run build`, and no more.
  const { profile, outputs, agent, sources } = await readBuildRecipe(join(folder, "default.yaml"));
  expect({ profile, outputs, agent, sources }).toEqual({ outputs: ["guest"], agent: true, sources: [] });
});
