import { execFileSync } from "node:child_process";
import {
  chownSync,
  createReadStream,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { copyIn, copyTarIn } from "../../host/client/streams/copy-in.ts";
import { copyOut, copyOutAsTar } from "../../host/client/streams/copy-out.ts";
import { DEFAULT_MOUNTS } from "../../lib/oci-defaults.ts";
import { randomFrom } from "../../lib/seeded-random.ts";
import { codec, type Init } from "../../proto/codec.ts";
import { guestd } from "../../proto/gen/messages.js";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { playAgent, sendArchive } from "../scenarios/archive-peers.ts";
import { hostileArchives } from "../scenarios/hostile-archives.ts";
import { ociSpec } from "../scenarios/oci.ts";
import { Pod } from "../scenarios/pod.ts";
import { RawStreams } from "../scenarios/raw-streams.ts";
import { makeSampleTree, snapshotTree } from "../scenarios/sample-tree.ts";
import { shiftedRootfs } from "../scenarios/shifted-rootfs.ts";
import { startHostAgent } from "./testing/host-agent.ts";

const copyMessage = codec("guestd.v1.Copy", guestd.v1.Copy);
const KEEP = { keepOwners: true, keepPrivileges: true };

describeInNamespaces("copying between the host and a container", () => {
  let machine: Awaited<ReturnType<typeof startHostAgent>>;
  let pod: Pod;
  let container: string;
  let address: string;
  /** The container's root, as this side sees it. */
  let inside: string;
  beforeAll(async () => {
    machine = await startHostAgent();
    pod = await Pod.open(machine);
    const data = { destination: "/full", source: "tmpfs", type: "tmpfs", options: ["size=1m"] };
    const Mounts = [...DEFAULT_MOUNTS, data];
    container = await pod.start(["sleep", "1000"], { Mounts });
    address = `${machine.address}_1028`;
    inside = join(machine.directory, container);
  });
  afterAll(async () => {
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });
  const fresh = () => mkdtempSync(join(machine.directory, "host-"));
  const into = (source: string, path: string, options = {}) => copyIn(address, source, { container, path }, options);
  const outOf = (path: string, to: string, options = {}) => copyOut(address, { container, path }, to, options);

  it("preserves a tree both ways: content, modes, owners, times, attributes, holes and links", async () => {
    const host = fresh();
    makeSampleTree(join(host, "tree"), randomFrom(1));
    const expected = snapshotTree(join(host, "tree"));
    expect(await into(join(host, "tree"), "/copied", KEEP)).toMatchObject({ notes: [] });
    expect(snapshotTree(join(inside, "copied"))).toEqual(expected);
    expect(await outOf("/copied", join(host, "back"), KEEP)).toMatchObject({ notes: [] });
    expect(snapshotTree(join(host, "back"))).toEqual(expected);
  });

  it("gives files to root and drops set-id bits unless asked to keep them", async () => {
    const host = fresh();
    makeSampleTree(join(host, "tree"), randomFrom(2), { big: 1000, small: 3 });
    await into(join(host, "tree"), "/dropped");
    const dropped = snapshotTree(join(inside, "dropped"));
    for (const entry of Object.values(dropped)) expect(entry).toMatchObject({ owner: "0:0" });
    expect(lstatSync(join(inside, "dropped/small/1")).mode & 0o7777).toBe(0o755);
    const without = { owners: false, setId: false };
    expect(snapshotTree(join(inside, "dropped"), without)).toEqual(snapshotTree(join(host, "tree"), without));
    await into(join(host, "tree"), "/kept", KEEP);
    await outOf("/kept", join(host, "back"));
    expect(lstatSync(join(host, "back/small/1"))).toMatchObject({ uid: process.getuid?.(), mode: 0o100755 });
  });

  it("leaves out devices, sockets and named pipes, and counts them", async () => {
    const host = fresh();
    mkdirSync(join(host, "d"));
    execFileSync("mkfifo", [join(host, "d/pipe")]);
    writeFileSync(join(host, "d/file"), "x");
    expect(await into(join(host, "d"), "/special")).toEqual({ members: 2, notes: ["named pipes: left out (1)"] });
    expect(readdirSync(join(inside, "special"))).toEqual(["file"]);
    const { notes } = await outOf("/dev", join(host, "dev"));
    expect(notes).toContainEqual(expect.stringMatching(/^devices: left out \(\d+\)$/));
    await expect(outOf("/dev/null", join(host, "null"))).rejects.toThrow(
      /"null": only files, directories and links are copied, not devices$/,
    );
  });

  it("enters no file system that generates its content", async () => {
    const host = fresh();
    const { notes } = await outOf("/", join(host, "all"));
    expect(notes).toContainEqual(expect.stringMatching(/^mounts of other file systems: left out \(\d+\)$/));
    expect(readdirSync(join(host, "all"))).toEqual(expect.arrayContaining(["bin", "etc"]));
    expect(existsSync(join(host, "all/proc/self"))).toBe(false);
    await expect(outOf("/proc/version", join(host, "version"))).rejects.toMatchObject({
      kind: expect.stringMatching(/internal|failed-precondition/),
      message: expect.stringMatching(/^copy out of container \S+: \/proc\/version: /),
    });
  });

  it("resolves names in the container, never on this side", async () => {
    const host = fresh();
    writeFileSync(join(host, "mine"), "mine");
    symlinkSync("/etc", join(inside, "way"));
    symlinkSync("../../../../../../../etc", join(inside, "up"));
    await into(join(host, "mine"), "/way/by-way");
    await into(join(host, "mine"), "/up/");
    expect(readFileSync(join(inside, "etc/by-way"), "utf8")).toBe("mine");
    expect(readFileSync(join(inside, "etc/mine"), "utf8")).toBe("mine");
    await outOf("/way/passwd", join(host, "passwd"));
    expect(readFileSync(join(host, "passwd"))).toEqual(readFileSync(join(inside, "etc/passwd")));
    await outOf("/way", join(host, "link"));
    expect(lstatSync(join(host, "link")).isSymbolicLink()).toBe(true);
    await outOf("/way", join(host, "followed"), { follow: true });
    expect(readdirSync(join(host, "followed"))).toEqual(readdirSync(join(inside, "etc")));
  });

  describe("goes where docker cp puts it", () => {
    it.each<[string, string, string, string | RegExp]>([
      ["a file to a new name", "f", "/rules/new", "/rules/new"],
      ["a file into a directory", "f", "/rules/dir", "/rules/dir/f"],
      ["a file over a file", "f", "/rules/file", "/rules/file"],
      ["a file to a missing directory", "f", "/rules/missing/", /the directory doesn't exist; create it first/],
      ["a file below a missing directory", "f", "/rules/missing/f", /no such file or directory/],
      ["a file to a name with a slash that is a file", "f", "/rules/file/", /ENOTDIR|not a directory/],
      ["a directory to a new name", "d", "/rules/newdir", "/rules/newdir/in"],
      ["a directory into a directory", "d", "/rules/dir", "/rules/dir/d/in"],
      ["what is in a directory into a directory", "d/.", "/rules/dir", "/rules/dir/in"],
      ["what is in a directory to a new name", "d/.", "/rules/newest", "/rules/newest/in"],
      ["a directory to a file", "d", "/rules/file", /a directory can't be copied to a file/],
    ])("%s", async (_, source, path, expected) => {
      const host = fresh();
      for (const each of [inside, host]) {
        mkdirSync(join(each, "rules/dir"), { recursive: true });
        writeFileSync(join(each, "rules/file"), "old");
      }
      mkdirSync(join(host, "d"));
      writeFileSync(join(host, "f"), "content");
      writeFileSync(join(host, "d/in"), "content");
      // The same in both directions.
      await into(join(host, "f"), "/f");
      mkdirSync(join(inside, "d"), { recursive: true });
      await into(join(host, "d/in"), "/d/in");
      const both = [
        [inside, () => into(`${host}/${source}`, path)],
        [host, () => outOf(`/${source}`, `${host}${path}`)],
      ] as const;
      for (const [root, copy] of both) {
        if (expected instanceof RegExp) await expect(copy()).rejects.toThrow(expected);
        else {
          await copy();
          expect(readFileSync(join(root, expected), "utf8")).toBe("content");
        }
      }
    });
  });

  it("counts owners as the container does", async () => {
    const host = fresh();
    writeFileSync(join(host, "file"), "x");
    chownSync(join(host, "file"), 7, 8);
    const map = [{ ContainerID: 0, HostID: 100_000, Size: 1000 }];
    const { Linux } = ociSpec("", []);
    const Namespaces = [...(Linux?.Namespaces ?? []), { Type: "user" }];
    const rootfs = await shiftedRootfs(machine);
    const parts = { Linux: { ...Linux, Namespaces, UIDMappings: map, GIDMappings: map } };
    const mapped = await pod.create(["sleep", "1000"], parts, rootfs);
    await pod.client.agent.startContainer({ container_id: mapped });
    await copyIn(address, join(host, "file"), { container: mapped, path: "/roots" });
    await copyIn(address, join(host, "file"), { container: mapped, path: "/kept" }, KEEP);
    const { stdout } = await pod.execute(mapped, ["stat", "-c", "%u:%g", "/roots", "/kept"]);
    expect(stdout.toString()).toBe("0:0\n7:8\n");
    await copyOut(address, { container: mapped, path: "/kept" }, join(host, "back"), KEEP);
    expect(lstatSync(join(host, "back"))).toMatchObject({ uid: 7, gid: 8 });
  });

  it("writes and reads the archives of GNU tar", async () => {
    const host = fresh();
    makeSampleTree(join(host, "tree"), randomFrom(4));
    const expected = snapshotTree(join(host, "tree"));
    const tar = join(host, "in.tar");
    const posix = ["--format=posix", "--sparse", "--xattrs", "--xattrs-include=user.*", "--pax-option=delete=atime"];
    execFileSync("tar", [...posix, "-C", join(host, "tree"), "-cf", tar, "."]);
    mkdirSync(join(inside, "tarred"));
    await copyTarIn(address, createReadStream(tar), { container, path: "/tarred" }, KEEP);
    expect(snapshotTree(join(inside, "tarred"))).toEqual(expected);
    const chunks: Uint8Array[] = [];
    const write = async (bytes: Uint8Array) => void chunks.push(bytes);
    await copyOutAsTar(address, { container, path: "/tarred" }, write);
    writeFileSync(join(host, "out.tar"), Buffer.concat(chunks));
    const options = ["--xattrs", "--xattrs-include=user.*", "--numeric-owner"];
    execFileSync("tar", [...options, "-p", "-C", host, "-xf", join(host, "out.tar")], { stdio: "pipe" });
    expect(snapshotTree(join(host, "tarred"))).toEqual(expected);
  });

  it("reports a full file system in one line and leaves no part of the file", async () => {
    const host = fresh();
    writeFileSync(join(host, "large"), Buffer.alloc(3 << 20, 1));
    await expect(into(join(host, "large"), "/full/")).rejects.toMatchObject({
      kind: "resource-exhausted",
      message: expect.stringMatching(
        /^copy into container \S+: "large": ENOSPC \(it has 3145728 bytes, only \d+ are free; free space and copy again\)$/,
      ),
    });
    mkdirSync(join(host, "many"));
    for (let at = 0; at < 200; at++) writeFileSync(join(host, `many/${at}`), Buffer.alloc(8192, 1));
    await expect(into(join(host, "many"), "/full/")).rejects.toThrow(
      /^copy into container \S+: "many\/\d+": ENOSPC \(the disk is full; free space and copy again\)$/,
    );
    const listed = await pod.execute(container, ["find", "/full", "-name", ".guestd*"]);
    expect(listed.stdout.toString()).toBe("");
  });

  it.each<[string, () => Promise<unknown>, RegExp]>([
    [
      "a container that doesn't exist",
      () => copyOut(address, { container: "none", path: "/" }, fresh()),
      /no container "none"/,
    ],
    ["a path that doesn't exist", () => outOf("/nothing/here", fresh()), /\/nothing\/here: .*ENOENT/],
    [
      "an agent that can't be reached, at once",
      () => copyOut(`${address}9`, { container, path: "/etc" }, fresh()),
      /^copy: dial unix:\S+: .*ENOENT/,
    ],
    ["a source that doesn't exist", () => into("/nothing/here", "/"), /^\/nothing\/here: ENOENT/],
    [
      "a place of the guest that belongs to the agent",
      () => copyIn(address, "/etc/hostname", { container: "", path: "/etc/" }),
      /^copy into the guest: .* is not writable for hosts; copy to a place below/,
    ],
  ])("refuses %s", async (_, copy, error) => {
    await expect(copy()).rejects.toThrow(error);
  });

  describe("answers a hostile client with one error", () => {
    const request = () => ({
      version: 1,
      container_id: container,
      copy_id: "12345678",
      path: "/in",
      name: Buffer.from("f"),
    });
    it.each<[string, Init<guestd.v1.Copy>, (raw: RawStreams) => void, RegExp]>([
      ["without a version", { version: 0 }, () => undefined, /^invalid-argument: copy: the request has no version/],
      ["with a relative path", { path: "in" }, () => undefined, /path "in" is no absolute path/],
      [
        "with a path that leads up",
        { path: "/in/../etc" },
        () => undefined,
        /path "\/in\/..\/etc" is no absolute path/,
      ],
      ["with empty parts in its path", { path: "//etc" }, () => undefined, /path "\/\/etc" is no absolute path/],
      ["with a name that has a slash", { name: Buffer.from("a/b") }, () => undefined, /name is no file name$/],
      ["with an id that is a path", { copy_id: "../../../x" }, () => undefined, /copy_id must have 8 to 64/],
      ["with the epoch of another boot", { epoch: Buffer.of(1) }, () => undefined, /the guest was started again since/],
      [
        "for a place that was replaced",
        { place: "as:1:2", in: true },
        () => undefined,
        /the directory was replaced while/,
      ],
      [
        "that acknowledges what was not sent",
        { path: "/bin" },
        (raw) => raw.send("copyAck", 3, 2 ** 40),
        /acknowledge byte 1099511627776: only \d+ bytes were sent$/,
      ],
      [
        "that sends what the agent sends",
        { path: "/bin" },
        (raw) => raw.send("copyData", 3, 0, Buffer.of(1)),
        /the agent sends the archive$/,
      ],
      [
        "that leaves out bytes",
        { in: true },
        (raw) => raw.send("copyData", 3, 5, Buffer.of(1)),
        /^invalid-argument: archive at 5: the next byte is 0$/,
      ],
      [
        "that ends before the archive does",
        { in: true },
        (raw) => {
          raw.send("copyData", 3, 0, Buffer.alloc(100, 1));
          raw.send("copyEnd", 3, 100, Buffer.of(8, 1));
        },
        /^invalid-argument: copy into container \S+: not a whole tar archive/,
      ],
      ["that attaches too", { in: true }, (raw) => raw.send("attach", 3, 0, Buffer.of(8, 1)), /the client is copying$/],
    ])("%s", async (_, parts, send, error) => {
      await using raw = await RawStreams.connect(address);
      raw.send("copy", 3, 0, copyMessage.encode({ ...request(), ...parts }));
      send(raw);
      expect(await raw.error()).toMatch(error);
    });

    it("that copies more often at once than there is room for", async () => {
      const all = await Promise.all(Array.from({ length: 17 }, () => RawStreams.connect(address)));
      for (const [at, raw] of all.entries()) {
        raw.send("copy", 3, 0, copyMessage.encode({ ...request(), copy_id: `parallel-${at}`, in: true }));
        if (at < 16) await raw.frame("copyReady");
      }
      expect(await all[16]?.error()).toMatch(/^resource-exhausted: copy: 16 copies are running already/);
      for (const raw of all) raw.socket.destroy();
      await expect
        .poll(() =>
          outOf("/etc", join(fresh(), "etc")).then(
            () => true,
            () => false,
          ),
        )
        .toBe(true);
    });
  });

  it("is refused once agents have ended while they made it, and others are served", async () => {
    const copy = (copy_id: string) =>
      copyMessage.encode({ version: 1, container_id: container, copy_id, path: "/in", in: true, name: Buffer.of(102) });
    const begin = async (copy_id: string) => {
      const raw = await RawStreams.connect(address);
      raw.send("copy", 3, 0, copy(copy_id));
      const ready = raw.frame("copyReady").then(() => "ready");
      return { raw, answer: await ready.catch(() => raw.error()) };
    };
    let [ended, answer] = [0, ""];
    for (; ended <= 4; ended++) {
      const begun = await begin("ends-each-agent");
      ({ answer } = begun);
      if (answer !== "ready") break;
      await machine.killAgent();
      begun.raw.socket.destroy();
    }
    expect(answer).toMatch(/^failed-precondition: .*copy: agents have ended while they made it, and it got no further/);
    expect(ended).toBeGreaterThanOrEqual(2);
    const other = await begin("another-copy");
    expect(other.answer).toBe("ready");
    other.raw.socket.destroy();
  });

  describe("into a container", () => {
    hostileArchives(() => {
      const name = (path: string) => path.slice(inside.length);
      const extract = (archive: Buffer, root: string) => sendArchive(address, { container, path: name(root) }, archive);
      return { above: inside, inside: name, extract };
    }, 30);
  });

  describe("out of a hostile guest", () => {
    let archive: Buffer = Buffer.alloc(0);
    let agent: Awaited<ReturnType<typeof playAgent>>;
    beforeAll(async () => {
      agent = await playAgent(join(machine.directory, "played"), () => archive);
    });
    afterAll(() => agent?.[Symbol.dispose]());
    hostileArchives(() => {
      const extract = async (bytes: Buffer, root: string) => {
        archive = bytes;
        return await copyOut(agent.address, { container: "any", path: "/top" }, root, { keepOwners: true });
      };
      return { above: machine.directory, extract };
    }, 30);
  });
});

describeInNamespaces("copies under a policy", () => {
  it.each<[string, boolean, boolean]>([
    ["Copy", false, false],
    ["CopyFile", false, true],
    ["ReadStdout", true, false],
  ])("that denies %s", async (denied, isInAllowed, isOutAllowed) => {
    await using machine = await startHostAgent({ config: `deny_calls = "${denied}"` });
    const pod = await Pod.open(machine);
    const container = await pod.start(["sleep", "1000"]);
    const address = `${machine.address}_1028`;
    const expected = (isAllowed: boolean) => (isAllowed ? "copied" : "permission-denied");
    const result = (copying: Promise<unknown>) =>
      copying.then(
        () => "copied",
        (error: { kind?: string }) => error.kind,
      );
    const into = await result(copyIn(address, "/etc/hostname", { container, path: "/in" }));
    const outOf = await result(copyOut(address, { container, path: "/etc" }, join(machine.directory, "out")));
    expect([into, outOf]).toEqual([expected(isInAllowed), expected(isOutAllowed)]);
    await pod.client.close();
  });
});
