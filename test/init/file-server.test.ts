import { execFileSync } from "node:child_process";
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { O_DIRECTORY, O_PATH, RESOLVE_BENEATH } from "../../agent/kernel/constants.ts";
import type { Served } from "../../agent/kernel/files/contained-files.ts";
import { ROOT } from "../../agent/kernel/files/served-files.ts";
import type { RestoredProcess } from "../../agent/kernel/kernel.ts";
import { childrenOf } from "./testing/children-of.ts";
import { describeFileServers } from "./testing/file-servers.ts";
import { sys } from "./testing/relayed-init.ts";

const name = (text: string) => Buffer.from(text);

describeFileServers("a file server", (on) => {
  const at = (path: string) => join(on.directory, path);
  const use = <T>(calls: (files: Served) => Promise<T>) => on.servers.use(on.root, calls);

  test("makes every call of a copy, and nothing stays open", async () => {
    mkdirSync(at("dir"));
    await use(async (files) => {
      const { handle } = await files.create(ROOT, name("file"));
      expect(await files.write(handle, name("content"), 3)).toBe(7);
      await files.truncate(handle, 12);
      await files.chown(handle, 7, 8);
      await files.chmod(handle, 0o640);
      await files.setXattr(handle, "user.key", name("value"));
      await files.setTimes(handle, -1n, 2_000_000_003n);
      expect(await files.stat(handle)).toMatchObject({
        size: 12n,
        uid: 7n,
        gid: 8n,
        atimeNs: -1n,
        mtimeNs: 2_000_000_003n,
      });
      expect((await files.read(handle, 100, 3)).toString()).toBe("content\0\0");
      expect([await files.listXattrs(handle), String(await files.getXattr(handle, "user.key"))]).toEqual([
        ["user.key"],
        "value",
      ]);
      expect(await files.seek(handle, 12, "data")).toBeUndefined();
      files.close(handle);
      await files.symlink(name("to/nowhere"), ROOT, name("symlink"));
      expect(String(await files.readLink(ROOT, name("symlink")))).toBe("to/nowhere");
      await files.link(ROOT, name("file"), ROOT, name("other"));
      const dir = await files.entry(ROOT, name("dir"));
      await files.rename(ROOT, name("other"), dir.handle, name("moved"));
      await expect(files.rename(ROOT, name("file"), dir.handle, name("moved"), false)).rejects.toThrow("EEXIST");
      await files.mkdir(dir.handle, name("sub"));
      await files.unlink(dir.handle, name("sub"), true);
      files.close(dir.handle);
      expect(files.size).toBe(0);
    });
    expect(readdirSync(on.directory, { recursive: true }).sort()).toEqual(["dir", "dir/moved", "file", "symlink"]);
    expect(readFileSync(at("file"), "latin1")).toBe("\0\0\0content\0\0");
  });

  test("places a whole file with its attributes in one step, over a file or link of its name", async () => {
    mkdirSync(at("dir"));
    symlinkSync("dir", at("name"));
    const file = {
      content: name("content"),
      owner: { uid: 7, gid: 8 },
      mode: 0o4640,
      times: { access: -1n, change: 5n },
    };
    await use(async (files) => {
      await files.place(ROOT, name("temporary"), name("name"), file);
      await files.place(ROOT, name("temporary"), name("empty"), { content: Buffer.alloc(0), mode: 0o600 });
      expect(files.size).toBe(0);
    });
    const { mode, uid, gid, atimeNs, mtimeNs } = lstatSync(at("name"), { bigint: true });
    expect([mode, uid, gid, atimeNs, mtimeNs]).toEqual([0o104640n, 7n, 8n, -1n, 5n]);
    expect([readFileSync(at("name"), "utf8"), readFileSync(at("empty"), "utf8")]).toEqual(["content", ""]);
    expect(readdirSync(on.directory).sort()).toEqual(["dir", "empty", "name"]);
  });

  test("makes no step of a placed file after one that failed, and leaves nothing of its own", async () => {
    writeFileSync(at("planted"), "theirs");
    writeFileSync(at("name"), "before");
    mkdirSync(at("directory"));
    const file = { content: name("content"), owner: { uid: 7, gid: 8 }, mode: 0o600 };
    await use(async (files) => {
      await expect(files.place(ROOT, name("planted"), name("name"), file)).rejects.toThrow("place planted: EEXIST");
      await expect(files.place(ROOT, name("new"), name("directory"), file)).rejects.toThrow("EISDIR");
      await expect(files.place(4000, name("new"), name("name"), file)).rejects.toThrow("place new: EBADF");
      expect(files.size).toBe(0);
    });
    expect(readdirSync(on.directory).sort()).toEqual(["directory", "name", "planted"]);
    expect([readFileSync(at("planted"), "utf8"), readFileSync(at("name"), "utf8")]).toEqual(["theirs", "before"]);
    expect(lstatSync(at("planted")).uid).not.toBe(7);
  });

  test("makes no placed file that is linked to one that failed, whatever else the message has", async () => {
    mkdirSync(at("directory"));
    writeFileSync(at("temporary"), "left by another");
    const place = (text: string, linked: boolean) =>
      use((files) =>
        files.place(ROOT, name("temporary"), name(text), { content: name(text), mode: 0o600, replaces: true, linked }),
      );
    const calls = [place("one", false), place("directory", true), place("two", true), place("three", true)];
    const results = await Promise.allSettled([...calls, place("four", false), place("five", true)]);
    expect(results.map((each) => (each.status === "rejected" ? String(each.reason.code) : "placed"))).toEqual([
      ...["placed", "EISDIR", "ECANCELED", "ECANCELED"],
      ...["placed", "placed"],
    ]);
    expect(readdirSync(on.directory).sort()).toEqual(["directory", "five", "four", "one"]);
  });

  test("answers more calls at once than a message has, of any size, in their order", async () => {
    const content = Buffer.alloc(65_536, "content");
    writeFileSync(at("file"), content);
    await use((files) =>
      files.using(files.open(ROOT, "file", 0), async (file) => {
        const sizes = Array.from({ length: 100 }, (_, index) => (index * 7919) % 65_537);
        const read = await Promise.all(sizes.map((size) => files.read(file, size, 0)));
        expect(read.map(({ length }) => length)).toEqual(sizes);
        expect(read.every((bytes) => bytes.equals(content.subarray(0, bytes.length)))).toBe(true);
      }),
    );
  });

  test("takes a small file with its attributes, and nothing else", async () => {
    writeFileSync(at("small"), "content");
    writeFileSync(at("empty"), "");
    writeFileSync(at("large"), Buffer.alloc(16_385));
    writeFileSync(at("attribute"), "content");
    mkdirSync(at("directory"));
    symlinkSync("small", at("link"));
    execFileSync("mkfifo", [at("fifo")]);
    await use(async (files) => {
      const { handle } = await files.open(ROOT, "attribute", 0);
      await files.setXattr(handle, "user.key", name("value"));
      files.close(handle);
      const take = (entry: string) => files.take(ROOT, name(entry), RESOLVE_BENEATH);
      const { content, stat } = await take("small");
      expect([String(content), stat.ino]).toEqual(["content", statSync(at("small"), { bigint: true }).ino]);
      expect((await take("empty")).content).toHaveLength(0);
      for (const other of ["large", "attribute"]) await expect(take(other)).rejects.toThrow("EFBIG");
      for (const other of ["directory", "link", "fifo", "..", "small/"]) {
        await expect(take(other)).rejects.toThrow("EINVAL");
      }
      await expect(take("none")).rejects.toThrow("ENOENT");
    });
  });

  test("takes and places no file outside, while a container swaps names for links", async () => {
    writeFileSync(at("mine"), "mine");
    mkdirSync(at("outside"));
    writeFileSync(at("outside/file"), "theirs");
    mkdirSync(at("root"));
    const swap = () => {
      linkSync(at("mine"), at("root/file"));
      renameSync(at("root/file"), at("root/name"));
      for (const swapped of ["temporary", "name"]) {
        symlinkSync("../outside/file", at("root/other"));
        renameSync(at("root/other"), at(`root/${swapped}`));
      }
    };
    const root = { ...on.root, path: at("root") };
    await on.servers.use(root, async (files) => {
      for (let round = 0; round < 100; round++) {
        const taking = Array.from({ length: 8 }, () => files.take(ROOT, name("name"), RESOLVE_BENEATH));
        const file = { content: name("placed"), mode: 0o644, replaces: true };
        const placing = files.place(ROOT, name("temporary"), name("placed"), file);
        await setImmediate(); // they are sent
        swap();
        for (const taken of await Promise.allSettled(taking)) {
          if (taken.status === "fulfilled") expect(String(taken.value.content)).toBe("mine");
        }
        await placing.catch(() => undefined);
      }
    });
    expect(readFileSync(at("outside/file"), "utf8")).toBe("theirs");
    expect(readFileSync(at("mine"), "utf8")).toBe("mine");
  });

  test("lists large directories in parts", async () => {
    const wanted = Array.from({ length: 600 }, (_, index) => `${index}`.padStart(240, "n"));
    for (const each of wanted) writeFileSync(at(each), "");
    const found = await use((files) =>
      files.using(files.open(ROOT, "", O_DIRECTORY), async (dir) => {
        const names: string[] = [];
        for await (const some of files.names(dir)) names.push(...some.map(String));
        return names;
      }),
    );
    expect(found.sort()).toEqual(wanted.sort());
  });

  test("empties a directory in steps, whatever names, modes, links and depths are below it", async () => {
    mkdirSync(at("outside"));
    writeFileSync(at("outside/file"), "");
    mkdirSync(at("top/a/b/c/d"), { recursive: true });
    for (const path of ["top", "top/a", "top/a/b/c", "top/a/b/c/d"]) {
      for (let index = 0; index < 5; index++) writeFileSync(at(`${path}/${index}`), "");
    }
    mkdirSync(at("top/.removing-0/full"), { recursive: true });
    mkdirSync(Buffer.concat([Buffer.from(at("top/a/")), Buffer.of(0xff, 0xfe)]));
    for (const link of ["top/link", "top/a/link"]) symlinkSync(at("outside"), at(link));
    execFileSync("sh", ["-c", `n=$(printf %0200d 0); for i in $(seq 15); do mkdir $n && cd $n || exit 1; done`], {
      cwd: at("top/a"),
    });
    chmodSync(at("top/a/b"), 0);
    await use((files) =>
      files.using(files.open(ROOT, "top", O_DIRECTORY), async (dir) => {
        expect(await files.empty(dir, 0)).toBe(0);
        expect(await files.empty(dir, 3)).toBe(3);
        while ((await files.empty(dir, 7)) > 0);
      }),
    );
    expect(readdirSync(on.directory, { recursive: true }).sort()).toEqual(["outside", "outside/file", "top"]);
  });

  test("binds and connects unix sockets by names", async () => {
    const namespace = openSync("/proc/self/ns/net", "r");
    const listener = sys.socketIn(namespace, "unix", "stream");
    await use((files) => files.bind(listener, ROOT, name("socket")));
    sys.listen(listener, 1);
    const socket = sys.socketIn(namespace, "unix", "stream");
    await use((files) => files.using(files.entry(ROOT, name("socket")), (file) => files.connect(socket, file)));
    for (const fd of [namespace, listener, socket]) sys.close(fd);
  });

  test("opens devices, fifos and sockets for nothing but O_PATH", async () => {
    for (const path of ["/dev/null", "/dev/tty"]) {
      const opening = on.servers.use({ container: "", path: "/" }, (files) => files.open(ROOT, path, 0));
      await expect(opening).rejects.toThrow("EINVAL");
    }
  });

  test("has the capabilities for files alone, no right to gain any, a filter, and no other directory", async () => {
    await use(async (files) => {
      await files.stat(ROOT);
      const [pid] = await servers();
      const status = readFileSync(`/proc/${pid}/status`, "utf8");
      const line = (key: string) => new RegExp(`^${key}:\\s*(.*)$`, "m").exec(status)?.[1];
      // CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID, SETFCAP
      const mask = (0b11111 + 2 ** 31).toString(16).padStart(16, "0");
      expect([line("CapEff"), line("CapPrm"), line("CapInh"), line("CapAmb")]).toEqual([
        mask,
        mask,
        ...["0000000000000000", "0000000000000000"],
      ]);
      expect([line("NoNewPrivs"), line("Seccomp")]).toEqual(["1", "2"]);
      expect(statSync(`/proc/${pid}/root`).ino).toBe(statSync(on.directory).ino);
    });
  });

  test("ends when nobody has used it for a while, and with its container", async () => {
    const brief = on.serversWith({ idleMs: 10 });
    await brief.use(on.root, (files) => files.stat(ROOT));
    await expect.poll(servers).toEqual([]);
    const lasting = on.serversWith({ idleMs: 1e6 });
    await lasting.use(on.root, (files) => files.stat(ROOT));
    expect(await servers()).toHaveLength(1);
    await lasting.end("c1");
    await expect.poll(servers).toEqual([]);
  });

  test("ends although a user of it threw before any call", async () => {
    const brief = on.serversWith({ idleMs: 1000 });
    await brief.use(on.root, (files) => files.stat(ROOT));
    const thrown = brief.use(on.root, () => {
      throw new Error("no path");
    });
    await expect(thrown).rejects.toThrow("no path");
    await expect.poll(servers).toEqual([]);
  });

  test("is refused to a container whose files hold others, and to no other container", async () => {
    const held = { id: 0, pid: 0, pidfd: -1, kept: {}, label: "", exit: new Promise<never>(() => undefined) };
    const lasting = on.serversWith({});
    for (let count = 0; count < 20; count++) lasting.abandon("c2", held as unknown as RestoredProcess);
    const refused = lasting.use({ ...on.root, container: "c2" }, (files) => files.stat(ROOT));
    await expect(refused).rejects.toThrow("files of container c2: file systems that don't answer hold 20 helpers");
    expect((await lasting.use(on.root, (files) => files.stat(ROOT))).nlink).toBe(2n);
    await lasting.end("c1");
  });

  test("is given up if a call takes too long; its calls fail in one line, and the next server answers", async () => {
    const hasty = on.serversWith({ shortMs: 400 });
    await hasty.use(on.root, async (files) => {
      await files.stat(ROOT);
      const [pid] = await servers();
      process.kill(pid ?? 0, "SIGSTOP");
      const results = await Promise.allSettled([files.open(ROOT, "a", O_PATH), files.stat(ROOT)]);
      const line = "files of container c1: the file system did not answer in 0.4 s (open a)";
      expect(results.map((each) => each.status === "rejected" && String(each.reason.message))).toEqual([line, line]);
    });
    expect((await hasty.use(on.root, (files) => files.stat(ROOT))).ino).toBe(BigInt(statSync(on.directory).ino));
    await hasty.end("c1");
    await expect.poll(servers).toEqual([]);
  });

  test("refuses a root whose process has ended", async () => {
    const root = { ...on.root, isAlive: () => false };
    await expect(on.servers.use(root, (files) => files.stat(ROOT))).rejects.toThrow("ESRCH");
  });

  /** Host pids of the file servers: children of init that are not its agent. */
  async function servers(): Promise<number[]> {
    const children = childrenOf(await on.init.running.pid());
    return children.filter((pid) => readFileSync(`/proc/${pid}/comm`, "utf8").startsWith("init"));
  }
});
